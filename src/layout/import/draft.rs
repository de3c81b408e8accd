//! A site's cluster in the terms of a layout: names that a layout can have, one host for each machine, and as few entries as
//! say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::report::{Fate, Notes};
use super::site::{Origin, Site, SiteNode, SiteType};
use crate::api::config::{Compress, OptionValue};
use crate::data::NodeType;
use crate::layout::load::Environment;
use crate::layout::model::{Engine, Network, WebSocket};
use crate::layout::problem::{Problems, Report, Sources, Span, Spanned};
use crate::layout::schema;
use crate::layout::spec::*;

/// The name of an imported cluster, which zeekctl and Zeek give no name.
pub(super) const CLUSTER_NAME: &str = "zeek";

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

impl<T> Sourced<T> {
    pub(super) fn new(value: T, span: Span, what: impl Into<String>) -> Sourced<T> {
        Sourced { value, origin: Origin::new(span, what) }
    }
}

/// What the files say, before it is a layout.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) site: Site,
    pub(super) sources: Sources,
    /// The beginning of the main file.
    pub(super) start: Span,
    pub(super) notes: Notes,
    pub(super) problems: Problems,
    /// What the tool refuses and a look at the cluster can do without.
    pub(super) tolerable: Vec<Report>,
    pub(super) port: Option<Sourced<u16>>,
    pub(super) encryption: Option<Sourced<Encryption>>,
    pub(super) stop_grace: Option<Sourced<Duration>>,
    pub(super) networks: Vec<Spanned<Network>>,
    pub(super) options: BTreeMap<String, Sourced<OptionValue>>,
    pub(super) rotation: Option<Sourced<Duration>>,
    pub(super) compress: Option<Sourced<Compress>>,
    pub(super) expire: Option<Sourced<Duration>>,
    pub(super) prefix: Option<Sourced<PathBuf>>,
    pub(super) scripts: Option<Sourced<Vec<String>>>,
    pub(super) args: Option<Sourced<Vec<String>>>,
    pub(super) redefs: BTreeMap<String, Sourced<String>>,
    /// Of the manager.
    pub(super) websocket: Option<WebSocket>,
}

impl Draft {
    pub(super) fn new(site: Site, sources: Sources) -> Draft {
        Draft {
            site,
            sources,
            start: Span::default(),
            notes: Notes::default(),
            problems: Problems::default(),
            tolerable: Vec::new(),
            port: None,
            encryption: None,
            stop_grace: None,
            networks: Vec::new(),
            options: BTreeMap::new(),
            rotation: None,
            compress: None,
            expire: None,
            prefix: None,
            scripts: None,
            args: None,
            redefs: BTreeMap::new(),
            websocket: None,
        }
    }

    /// The layout that says the same, with a note for each name that had to be changed.
    pub(super) fn plan(&self, env: &Environment<'_>) -> Plan {
        let mut plan = Plan { spec: self.settings(), origins: Vec::new(), notes: Notes::default() };
        let hosts = Hosts::of(&self.site, env, &mut plan);
        let mut names = Names::default();
        let mut rest = self.site.nodes.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|node| node.entry.0 == first.entry.0).count();
            let (group, tail) = rest.split_at(same);
            rest = tail;
            match is_one_entry(group) {
                true => plan.add(self, &hosts, &mut names, group),
                false => group.iter().for_each(|node| plan.add(self, &hosts, &mut names, std::slice::from_ref(node))),
            }
        }
        plan
    }

    fn settings(&self) -> LayoutSpec {
        let port = self.port.as_ref().map(|port| Spanned::new(port.value, port.origin.span));
        LayoutSpec {
            name: Some(Spanned::new(CLUSTER_NAME.to_owned(), self.start)),
            nodes_span: self.start,
            engine: Some(Engine::Zeek),
            port,
            encryption: self.encryption.as_ref().map(|encryption| encryption.value).unwrap_or_default(),
            stop_grace: self.stop_grace.as_ref().map(|grace| grace.value),
            options: self
                .options
                .iter()
                .map(|(name, value)| {
                    let span = value.origin.span;
                    (Spanned::new(name.clone(), span), Spanned::new(value.value.clone(), span))
                })
                .collect(),
            logging: LoggingSpec {
                format: None,
                rotation_interval: self.rotation.as_ref().map(|rotation| rotation.value),
                compress: self.compress.as_ref().map(|compress| compress.value),
                expire: self.expire.as_ref().map(|expire| expire.value),
            },
            networks: self.networks.iter().map(|network| network.value.clone()).collect(),
            zeek_prefix: self.prefix.as_ref().map(|prefix| prefix.value.clone()),
            zeek_scripts: self.scripts.as_ref().map(|scripts| scripts.value.clone()),
            zeek_args: self.args.as_ref().map(|args| args.value.clone()).unwrap_or_default(),
            zeek_redefs: self.redefs.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect(),
            ..LayoutSpec::default()
        }
    }
}

/// Whether processes differ only in what one entry of a layout can tell apart.
fn is_one_entry(group: &[SiteNode]) -> bool {
    let first = &group[0];
    let whole = first.lb_procs.is_some_and(|count| usize::from(count) == group.len()) && first.entry.1 == 0;
    let follows = |first: Option<u16>, port: Option<u16>, at: usize| match (first, port) {
        (Some(first), Some(port)) => usize::from(first) + at == usize::from(port),
        (None, None) => true,
        _ => false,
    };
    let same = |(at, node): (usize, &SiteNode)| {
        let shared = SiteNode {
            name: first.name.clone(),
            entry: first.entry.clone(),
            port: first.port,
            metrics_port: first.metrics_port,
            pin_cpu: first.pin_cpu,
            interface: first.interface.clone(),
            ..node.clone()
        };
        shared == *first
            && node.pin_cpu.is_some() == first.pin_cpu.is_some()
            && node.interface.is_some() == first.interface.is_some()
            && follows(first.port, node.port, at)
            && follows(first.metrics_port, node.metrics_port, at)
    };
    whole && group.iter().enumerate().all(same)
}

/// A layout to be, with where each entry's values come from.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) spec: LayoutSpec,
    /// Of each of `spec.nodes`.
    pub(super) origins: Vec<BTreeMap<&'static str, Origin>>,
    pub(super) notes: Notes,
}

impl Plan {
    /// Adds an entry, or the two that stand for one Zeek alone.
    fn add(&mut self, draft: &Draft, hosts: &Hosts, names: &mut Names, group: &[SiteNode]) {
        let first = &group[0];
        let whole = first.lb_procs.is_some() && is_one_entry(group);
        let written = if whole { &first.entry.0 } else { &first.name };
        let name = names.of(written, first.span, &mut self.notes);
        let mut node = entry(first, name, hosts);
        if let (true, Some(count)) = (whole, first.lb_procs) {
            node.count = Given::As(Spanned::new(count, first.span));
        }
        node.pin_cpus = group.iter().filter_map(|node| node.pin_cpu).collect();
        let interfaces: Vec<String> = group.iter().filter_map(|node| node.interface.clone()).collect();
        node.interfaces = match interfaces.first() {
            None => Interfaces::None,
            Some(one) if interfaces.iter().all(|other| other == one) => Interfaces::Shared(one.clone()),
            Some(_) => Interfaces::Each(Spanned::new(interfaces, first.span)),
        };
        if first.is(NodeType::Manager) || first.site_type == SiteType::Standalone {
            let span = first.span;
            node.websocket = draft.websocket.clone().map(|websocket| Spanned::new(websocket, span));
        }
        match first.site_type {
            SiteType::Standalone => self.add_standalone(node, first, names),
            SiteType::Node(node_type) => {
                node.node_type = Given::As(Spanned::new(node_type, first.span));
                self.push(node, first.origin.clone());
            }
        }
    }

    /// A manager that writes the logs, under the Zeek's own name, and a worker that captures.
    fn add_standalone(&mut self, node: NodeSpec, alone: &SiteNode, names: &mut Names) {
        let worker_name = names.of(&format!("{}-worker", node.name.value), alone.span, &mut self.notes);
        let as_type = |node_type| Given::As(Spanned::new(node_type, alone.span));
        let next = node.metrics_port.as_ref().and_then(|port| port.value.checked_add(1));
        let worker = NodeSpec {
            name: worker_name,
            node_type: as_type(NodeType::Worker),
            port: None,
            metrics_port: next.map(|port| Spanned::new(port, alone.span)),
            websocket: None,
            ..node.clone()
        };
        let manager = NodeSpec {
            node_type: as_type(NodeType::Manager),
            interfaces: Interfaces::None,
            lb_method: None,
            pin_cpus: Vec::new(),
            af_packet: BTreeMap::new(),
            ..node
        };
        let of_worker = ["interface", "lb_method", "pin_cpus"];
        let mut origin = alone.origin.clone();
        origin.retain(|key, _| !of_worker.contains(key));
        self.push(manager, origin);
        self.push(worker, alone.origin.clone());
    }

    fn push(&mut self, node: NodeSpec, origin: BTreeMap<&'static str, Origin>) {
        self.spec.nodes.push(node);
        self.origins.push(origin);
    }
}

fn entry(node: &SiteNode, name: Spanned<String>, hosts: &Hosts) -> NodeSpec {
    let (host, ip) = hosts.of_node(node);
    NodeSpec {
        hosts: HostChoice::One(Spanned::new(host, node.span)),
        ip: ip.map(|ip| Spanned::new(ip, node.span)),
        zone_id: node.zone_id.clone(),
        port: node.port.map(|port| Spanned::new(port, node.span)),
        metrics_port: node.metrics_port.map(|port| Spanned::new(port, node.span)),
        lb_method: node.lb_method.clone(),
        env_vars: node.env_vars.clone(),
        aux_scripts: node.aux_scripts.clone(),
        af_packet: node.af_packet.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ..NodeSpec::new(name)
    }
}

/// Names that a layout can have.
#[derive(Debug, Default)]
struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// The name itself where it can be one, else the nearest that can, with a note.
    fn of(&mut self, written: &str, span: Span, notes: &mut Notes) -> Spanned<String> {
        let mut name = as_name(written);
        if ["all", "control"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            name = format!("node-{name}");
        }
        let base = name.clone();
        for number in 2.. {
            if self.taken.insert(name.to_lowercase()) {
                break;
            }
            name = format!("{base}-{number}");
        }
        if name != written {
            let why = format!("the node is named `{name}` here: names hold letters, digits, `_`, `-` and `.`");
            notes.add(span, format!("[{written}]"), written, Fate::Translated, why);
        }
        Spanned::new(name, span)
    }
}

/// A text as a name of a layout: `-` for what cannot stand in one.
fn as_name(text: &str) -> String {
    if schema::is_name(text) {
        return text.to_owned();
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name: String = text.chars().map(|c| if fine(c) { c } else { '-' }).take(schema::MAX_NAME).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}

/// One host for each machine, whatever names the files have for it.
struct Hosts {
    /// What the files call it, its name in the layout, and its address.
    known: Vec<(String, String, Option<IpAddr>)>,
}

impl Hosts {
    fn of(site: &Site, env: &Environment<'_>, plan: &mut Plan) -> Hosts {
        let mut hosts = Hosts { known: Vec::new() };
        for node in &site.nodes {
            if !hosts.known.iter().any(|(written, ..)| *written == node.host) {
                hosts.add(node, env, plan);
            }
        }
        hosts
    }

    fn add(&mut self, node: &SiteNode, env: &Environment<'_>, plan: &mut Plan) {
        let is_here = |ip: Option<IpAddr>| ip.is_some_and(|ip| ip.is_loopback() || (env.is_local)(ip));
        let same = |ip: Option<IpAddr>| ip.is_some() && (ip == node.addr || (is_here(ip) && is_here(node.addr)));
        let first = self.known.iter().find(|(_, _, ip)| same(*ip)).map(|(_, name, ip)| (name.clone(), *ip));
        if let Some((name, ip)) = first {
            let why = format!("it is the machine that stands below hosts as `{name}`");
            let span = node.origin.get("host").map_or(node.span, |origin| origin.span);
            plan.notes.add(span, format!("host {}", node.host), &node.host, Fate::Translated, why);
            self.known.push((node.host.clone(), name, ip));
            return;
        }
        let bare = node.host.split_once('%').map_or(node.host.as_str(), |(address, _)| address);
        let mut name = if schema::is_host_name(bare) { bare.to_owned() } else { as_name(bare) };
        while self.known.iter().any(|(_, known, _)| *known == name) {
            name.push_str("-2");
        }
        let span = node.origin.get("host").map_or(node.span, |origin| origin.span);
        let written = node.addr.filter(|_| node.origin.contains_key("address"));
        let address = Spanned::new(written.map_or_else(|| bare.to_owned(), |ip| ip.to_string()), span);
        plan.spec.hosts.push(HostSpec { name: Spanned::new(name.clone(), span), address, ssh: None });
        self.known.push((node.host.clone(), name, node.addr));
    }

    /// The name of a node's host, and the node's address where it is another one than the host's.
    fn of_node(&self, node: &SiteNode) -> (String, Option<IpAddr>) {
        match self.known.iter().find(|(written, ..)| *written == node.host) {
            Some((_, name, ip)) => (name.clone(), node.addr.filter(|addr| Some(*addr) != *ip)),
            None => (node.host.clone(), node.addr),
        }
    }
}
