//! `node.cfg`: the nodes that zeekctl makes of its sections, or its refusal in its own words. Source: `zeekctl.md` 5,
//! zeekctl 2.6.0-67 (`config.py`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::ini::{self, Section, Setting, trim};
use super::report::{Fate, Notes};
use super::site::{Origin, SiteNode, SiteType};
use super::zeekctl_cfg::python_int;
use crate::data::NodeType;
use crate::layout::load::Environment;
use crate::layout::problem::{Problems, Report, Span, Spanned};
use crate::layout::schema::{self, MAX_NODES};
use crate::layout::tree::shorten;

/// Keys that zeekctl takes, as it writes them after a dot was replaced.
const KEYS: [&str; 13] = [
    "type",
    "host",
    "interface",
    "aux_scripts",
    "zeekbase",
    "ether",
    "zone_id",
    "lb_procs",
    "lb_method",
    "lb_interfaces",
    "pin_cpus",
    "env_vars",
    "count",
];

/// `lb_method`.
const METHODS: [&str; 5] = ["af_packet", "pf_ring", "myricom", "custom", "interfaces"];

/// What the reader of `node.cfg` found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) nodes: Vec<SiteNode>,
    /// What zeekctl refuses and a look at the cluster can do without: hosts that do not resolve, no proxy.
    pub(super) tolerable: Vec<Report>,
}

/// Reads the file's text, number `source` of the sources.
pub(super) fn read(
    text: &str,
    source: usize,
    env: &Environment<'_>,
    notes: &mut Notes,
    problems: &mut Problems,
) -> Found {
    let mut found = Found::default();
    let Some(ini) = ini::read(text, source, problems) else { return found };
    let mut addresses = HashMap::new();
    for section in &ini.sections {
        match section.settings() {
            Err(report) => problems.push(report),
            Ok(settings) => {
                let mut reader = Reader { env, addresses: &mut addresses, notes, problems, found: &mut found };
                reader.section(section, &settings);
            }
        }
    }
    let start = Span { source, start: 0, end: 0 };
    let tolerable = check_cluster(&found.nodes, start, !ini.sections.is_empty(), problems);
    found.tolerable.extend(tolerable);
    found
}

struct Reader<'a, 'e> {
    env: &'a Environment<'e>,
    /// Of hosts that were looked up before.
    addresses: &'a mut HashMap<String, Option<IpAddr>>,
    notes: &'a mut Notes,
    problems: &'a mut Problems,
    found: &'a mut Found,
}

/// The keys of a section: of two that differ in `.` and `_` the later one counts.
struct Keys<'a> {
    name: &'a Spanned<String>,
    values: BTreeMap<String, &'a Setting>,
}

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Option<&'a Spanned<String>> {
        self.values.get(key).map(|setting| &setting.value).filter(|value| !value.value.is_empty())
    }

    fn text(&self, key: &str) -> String {
        self.get(key).map(|value| value.value.clone()).unwrap_or_default()
    }

    fn span(&self, key: &str) -> Span {
        self.values.get(key).map_or(self.name.span, |setting| setting.value.span)
    }

    fn wrong(&self, key: &str, message: String) -> Report {
        Report::new(self.span(key), message)
    }
}

/// What several processes of a section do not share.
struct Processes {
    /// None for a node that stands for itself.
    count: Option<u16>,
    cpus: Vec<u32>,
    /// With lb_method interfaces: of each process.
    interfaces: Vec<String>,
}

impl Reader<'_, '_> {
    fn section(&mut self, section: &Section, settings: &[Setting]) {
        let values = settings.iter().map(|setting| (setting.key.value.replace('.', "_"), setting)).collect();
        let keys = Keys { name: &section.name, values };
        for (key, setting) in &keys.values {
            self.note(&keys, key, setting);
        }
        match self.node(&keys) {
            Ok(nodes) => nodes.into_iter().for_each(|node| self.add(node)),
            Err(report) => self.problems.push(report),
        }
    }

    /// One of two names that differ only in case is refused; zeekctl takes names for the same on its disk.
    fn add(&mut self, node: SiteNode) {
        let same = self.found.nodes.iter().find(|known| known.name.eq_ignore_ascii_case(&node.name));
        match same {
            Some(first) => {
                let message = format!("node name \"{}\" is a duplicate of \"{}\"", node.name, first.name);
                self.problems.push(Report::new(node.span, message).expected("names that differ in more than case"));
            }
            None => self.found.nodes.push(node),
        }
    }

    fn node(&mut self, keys: &Keys<'_>) -> Result<Vec<SiteNode>, Report> {
        let name = &keys.name.value;
        let site_type = node_type(keys)?;
        let Some(host) = keys.get("host") else {
            let report = Report::new(keys.name.span, format!("no host given for node '{name}'"));
            return Err(report.expected("`host=` with a name or an address"));
        };
        let mut node = SiteNode::new(name.clone(), site_type, keys.name.span);
        node.addr = self.resolve(host);
        node.host.clone_from(&host.value);
        node.env_vars = env_vars(&keys.text("env_vars"))
            .map_err(|what| keys.wrong("env_vars", format!("node '{name}' config: {what}")))?;
        let processes = processes(keys, site_type)?;
        if self.found.nodes.len() + usize::from(processes.count.unwrap_or(1)) > MAX_NODES as usize {
            let message = format!("with '{name}' the cluster has more than {MAX_NODES} nodes");
            return Err(Report::new(keys.name.span, message));
        }
        node.zone_id = keys.text("zone_id");
        node.interface = keys.get("interface").map(|value| value.value.clone());
        node.lb_method = keys.get("lb_method").map(|value| value.value.clone());
        node.aux_scripts = keys.text("aux_scripts").split_whitespace().map(str::to_owned).collect();
        if processes.count.is_some() {
            node.af_packet = af_packet(keys);
        }
        node.origin = origins(keys, &processes);
        Ok(expand(node, &processes))
    }

    /// As zeekctl has it: the first IPv4 address, else the first one, without its zone.
    fn resolve(&mut self, host: &Spanned<String>) -> Option<IpAddr> {
        let text = host.value.as_str();
        let bare = text.split_once('%').map_or(text, |(address, _)| address);
        let look = || match bare.parse() {
            Ok(ip) => Some(ip),
            Err(_) if text == "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            Err(_) => (self.env.resolve)(text),
        };
        let found = *self.addresses.entry(text.to_owned()).or_insert_with(look);
        if found.is_none() {
            let message = format!("hostname lookup failed for '{}' in node config", shorten(text));
            let report = Report::new(host.span, message).expected("a name that the resolver knows, or an address");
            self.found.tolerable.push(match text.contains([' ', '\t', '#', ';']) {
                true => report.hint("a comment has a line of its own: what stands behind a value belongs to it"),
                false => report,
            });
        }
        found
    }

    /// What becomes of a key.
    fn note(&mut self, keys: &Keys<'_>, key: &str, setting: &Setting) {
        let (name, value) = (&keys.name.value, setting.value.value.as_str());
        let known = KEYS.contains(&key) || af_packet_option(key).is_some();
        if !known {
            let message = format!("ignoring unrecognized node config option '{key}' given for node '{name}'");
            self.problems.warn(Report::new(setting.key.span, message).nearest(key, KEYS));
        }
        let without_processes = || keys.get("lb_procs").is_none();
        let (fate, reason) = match key {
            _ if !known => (Fate::NotNeeded, "zeekctl does not know it and ignores it".to_owned()),
            _ if value.is_empty() => (Fate::NotNeeded, "it is empty".to_owned()),
            "type" if value == "standalone" => {
                (Fate::Translated, "a manager, which writes the logs, and a worker, which captures".to_owned())
            }
            "type" | "zone_id" | "interface" | "lb_procs" | "lb_method" | "env_vars" | "aux_scripts" => {
                (Fate::Kept, format!("nodes.{name}.{key}"))
            }
            "pin_cpus" => (Fate::Kept, format!("nodes.{name}.pin_cpus, one CPU for each process")),
            "host" => (Fate::Translated, format!("nodes.{name}.host, and its address below hosts")),
            "lb_interfaces" if keys.text("lb_method") == "interfaces" => (
                Fate::Translated,
                format!("nodes.{name}.interface, from the end of the list as zeekctl hands them out"),
            ),
            "lb_interfaces" => (Fate::NotNeeded, "zeekctl reads it with lb_method=interfaces only".to_owned()),
            "count" => (Fate::NotNeeded, "zeekctl counts the nodes itself".to_owned()),
            "zeekbase" | "ether" => (Fate::NotNeeded, "zeekctl has no use for it either".to_owned()),
            _ if without_processes() => (Fate::NotNeeded, "zeekctl reads it for workers with lb_procs only".to_owned()),
            key => (Fate::Kept, format!("nodes.{name}.{key}")),
        };
        self.notes.add(setting.key.span, format!("{name}.{key}"), value, fate, reason);
    }
}

fn node_type(keys: &Keys<'_>) -> Result<SiteType, Report> {
    let name = &keys.name.value;
    let Some(written) = keys.get("type") else {
        let report = Report::new(keys.name.span, format!("no type given for node {name}"));
        return Err(report.expected("`type=manager`, `logger`, `proxy`, `worker` or `standalone`"));
    };
    match written.value.as_str() {
        "standalone" => Ok(SiteType::Standalone),
        word => crate::layout::yaml::node_type(word).map(SiteType::Node).ok_or_else(|| {
            let message = format!("unknown node type '{}' given for node '{name}'", shorten(word));
            let words = schema::NODE_TYPES.into_iter().chain(["standalone"]);
            let report = Report::new(written.span, message);
            report
                .expected("`manager`, `logger`, `proxy`, `worker` or `standalone`")
                .nearest(&word.to_lowercase(), words)
        }),
    }
}

/// Source: zeekctl's `_check_node`, whose checks come in this order.
fn processes(keys: &Keys<'_>, site_type: SiteType) -> Result<Processes, Report> {
    let name = &keys.name.value;
    let count = match keys.get("lb_procs") {
        Some(written) => Some(process_count(keys, written, site_type)?),
        None if keys.get("lb_method").is_some() => {
            let message = format!("number of load-balanced processes not specified for node '{name}'");
            return Err(keys.wrong("lb_method", message).expected("`lb_procs=` with a number"));
        }
        None => None,
    };
    let cpus = pin_cpus(&keys.text("pin_cpus"), usize::from(count.unwrap_or(0))).ok_or_else(|| {
        let message = format!("pin cpus list must contain only non-negative integers for node '{name}'");
        keys.wrong("pin_cpus", message).expected("such as `2,3,4`")
    })?;
    let interfaces = match count {
        Some(count) => balance(keys, count)?,
        None => Vec::new(),
    };
    Ok(Processes { count, cpus, interfaces })
}

fn process_count(keys: &Keys<'_>, written: &Spanned<String>, site_type: SiteType) -> Result<u16, Report> {
    let name = &keys.name.value;
    if site_type != SiteType::Node(NodeType::Worker) {
        let message = format!("node '{name}' config: load balancing node config options are only for worker nodes");
        return Err(Report::new(written.span, message));
    }
    let Some(count) = python_int(&written.value) else {
        let message = format!("number of load-balanced processes must be an integer for node '{name}'");
        return Err(Report::new(written.span, message)
            .hint("a comment has a line of its own: what stands behind a value belongs to it"));
    };
    if count < 1 {
        let message = format!("number of load-balanced processes must be greater than zero for node '{name}'");
        return Err(Report::new(written.span, message));
    }
    u16::try_from(count).ok().filter(|count| i64::from(*count) <= MAX_NODES).ok_or_else(|| {
        let message = format!("{count} processes for node '{name}' are more than a layout may have");
        Report::new(written.span, message).expected(format!("at most {MAX_NODES}"))
    })
}

/// The method has to be known; with `interfaces` the interface of each process.
fn balance(keys: &Keys<'_>, count: u16) -> Result<Vec<String>, Report> {
    let name = &keys.name.value;
    let Some(method) = keys.get("lb_method") else {
        let message = format!("no load balancing method given for node '{name}'");
        return Err(keys.wrong("lb_procs", message).expected("`lb_method=` with one of the methods"));
    };
    if !METHODS.contains(&method.value.as_str()) {
        let message = format!("unknown load balancing method '{}' given for node '{name}'", shorten(&method.value));
        let report =
            Report::new(method.span, message).expected("`af_packet`, `pf_ring`, `myricom`, `custom` or `interfaces`");
        return Err(report.nearest(&method.value, METHODS));
    }
    if method.value != "interfaces" {
        return Ok(Vec::new());
    }
    let Some(list) = keys.get("lb_interfaces") else {
        let message = format!("list of load-balanced interfaces not specified for node '{name}'");
        return Err(keys.wrong("lb_method", message).expected("`lb_interfaces=`"));
    };
    let interfaces: Vec<String> = list.value.split(',').map(|one| trim(one).to_owned()).collect();
    if interfaces.len() != usize::from(count) {
        let message = format!(
            "number of load-balanced interfaces is not same as number of load-balanced processes for node '{name}'"
        );
        return Err(Report::new(list.span, message).expected(format!("{count} interfaces")));
    }
    // zeekctl hands them out from the end of the list.
    Ok(interfaces.into_iter().rev().collect())
}

/// At least as many as there are processes, used again from the first. None for what is no list of CPUs.
fn pin_cpus(text: &str, processes: usize) -> Option<Vec<u32>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let cpu = |part: &str| python_int(part).and_then(|cpu| u32::try_from(cpu).ok());
    let cpus: Vec<u32> = text.split(',').map(cpu).collect::<Option<_>>()?;
    match processes > cpus.len() {
        true => Some(cpus.iter().copied().cycle().take(processes).collect()),
        false => Some(cpus),
    }
}

/// `A=1, B=2`. The error is zeekctl's.
pub(super) fn env_vars(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    if text.is_empty() {
        return Ok(variables);
    }
    for part in text.split(',') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("missing '=' in env_vars option value: {part}"));
        };
        if trim(name).is_empty() {
            return Err(format!("env_vars option value must contain at least one environment variable name: {part}"));
        }
        variables.insert(trim(name).to_owned(), trim(value).to_owned());
    }
    Ok(variables)
}

/// The option's name without `af_packet_`, where zeekctl's plugin knows it.
fn af_packet_option(key: &str) -> Option<&'static str> {
    schema::AF_PACKET_KEYS.iter().find(|known| **known == key).and_then(|known| known.strip_prefix("af_packet_"))
}

fn af_packet(keys: &Keys<'_>) -> BTreeMap<&'static str, String> {
    let option = |(key, setting): (&String, &&Setting)| {
        let value = trim(&setting.value.value);
        Some((af_packet_option(key)?, value.to_owned())).filter(|_| !value.is_empty())
    };
    keys.values.iter().filter_map(option).collect()
}

/// Where the values of the layout's keys stand.
fn origins(keys: &Keys<'_>, processes: &Processes) -> BTreeMap<&'static str, Origin> {
    let of = |key: &'static str| Some((key, Origin::new(keys.get(key).map(|value| value.span)?, key)));
    let plain =
        ["type", "host", "zone_id", "interface", "lb_procs", "lb_method", "pin_cpus", "env_vars", "aux_scripts"];
    let packet = schema::AF_PACKET_KEYS.into_iter();
    let mut origins: BTreeMap<&'static str, Origin> = plain.into_iter().chain(packet).filter_map(of).collect();
    if !processes.interfaces.is_empty() {
        origins.insert("interface", Origin::new(keys.span("lb_interfaces"), "lb_interfaces, from its end"));
    }
    origins
}

/// One node, or the processes that it stands for.
fn expand(node: SiteNode, processes: &Processes) -> Vec<SiteNode> {
    let process = |at: usize| {
        let mut process = node.clone();
        process.pin_cpu = processes.cpus.get(at).copied();
        if let Some(interface) = processes.interfaces.get(at) {
            process.interface = Some(interface.clone());
        }
        if let Some(count) = processes.count {
            process.name = format!("{}-{}", node.name, at + 1);
            process.entry = (node.name.clone(), at);
            process.lb_procs = Some(count);
        }
        process
    };
    (0..usize::from(processes.count.unwrap_or(1))).map(process).collect()
}

/// Source: zeekctl's `_check_nodestore`. That it has to run on the manager's machine does not matter here.
fn check_cluster(nodes: &[SiteNode], start: Span, has_sections: bool, problems: &mut Problems) -> Option<Report> {
    if !has_sections {
        problems.push(Report::new(start, "no nodes found in node config").expected("`[manager]` and its keys"));
    }
    // Sections that were refused may be what is missing.
    if nodes.is_empty() || problems.any() {
        return None;
    }
    let mut no_proxy = None;
    let mut managers = nodes.iter().filter(|node| node.is(NodeType::Manager));
    let first = managers.next();
    if let Some(second) = managers.next() {
        problems.push(Report::new(second.span, "only one manager can be defined in node config"));
    }
    let standalone = nodes.iter().find(|node| node.site_type == SiteType::Standalone);
    match (standalone, first) {
        (Some(alone), _) if nodes.len() > 1 => {
            let report = Report::new(alone.span, "more than one node defined in standalone node config");
            problems.push(report.expected("`type=standalone` for the only node"));
        }
        (Some(_), _) => {}
        (None, None) => {
            problems.push(
                Report::new(start, "no manager defined in node config").expected("a section with `type=manager`"),
            );
        }
        (None, Some(_)) if !nodes.iter().any(|node| node.is(NodeType::Proxy)) => {
            let report = Report::new(start, "no proxy defined in node config");
            no_proxy =
                Some(report.expected("a section with `type=proxy`").hint("zeekctl refuses a cluster without one"));
        }
        (None, Some(_)) => {}
    }
    let local = |node: &SiteNode| {
        node.addr
            .is_none_or(|ip| ip == IpAddr::from([127, 0, 0, 1]) || ip == IpAddr::from(std::net::Ipv6Addr::LOCALHOST))
    };
    if first.is_some_and(|manager| manager.addr.is_some() && local(manager))
        && let Some(other) = nodes.iter().find(|node| !local(node))
    {
        let place = other.origin.get("host").map_or(other.span, |origin| origin.span);
        let report = Report::new(place, "all nodes must use localhost/127.0.0.1/::1 when manager uses it");
        problems.push(report.expected("an address of the network for the manager"));
    }
    no_proxy
}
