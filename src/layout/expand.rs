//! From what was typed to what is: hosts resolved, counts expanded, defaults filled in, ports assigned.
//!
//! Ports depend on a node's own name only, never on its neighbours, so that adding a node moves nobody. They are, from
//! the base 27760 (the layout's `port`): the hub +0 and +1 on the manager's address, a manager without loggers +3, a
//! logger +3+N, where N is the number at the end of its name (1 when there is none). Source of base and order:
//! `zeekctl.md` 7, so that a one-manager, one-logger cluster has zeekctl's ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use super::effective::effective;
use super::load::Environment;
use super::model::*;
use super::options;
use super::problem::{Problems, Report, Span, Spanned};
use super::schema;
use super::spec::*;
use super::tree::shorten;
use crate::api::config::{Compress, OptionValue};
use crate::api::limits::{CpuSet, Limits};
use crate::api::notify::{IncidentKind, NotifyHttp, NotifyTarget, NotifyText, NotifyWay};
use crate::api::store::BackendType;
use crate::data::NodeType;

/// Default of `restart_when_silent`.
const RESTART_WHEN_SILENT: Duration = Duration::from_secs(60);

/// First port of a cluster. Source: `zeekctl.md` 7, `ZeekPort`.
pub(crate) const BASE_PORT: u16 = 27760;
/// What lies between the base and the port of a manager that is the logger.
const LOG_OFFSET: u64 = 3;

/// A node with the place of the entry that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) node: Node,
    /// Where the entry's name stands.
    pub(crate) span: Span,
    pub(crate) port: Origin,
    pub(crate) metrics_span: Option<Span>,
    pub(crate) websocket_span: Option<Span>,
    pub(crate) command_span: Option<Span>,
}

/// Where a port comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Written(Span),
    Automatic,
}

/// An expanded layout, with the places that checks need.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) layout: Layout,
    pub(crate) nodes: Vec<Placed>,
    /// Place of each of `layout.hosts`.
    pub(crate) host_spans: Vec<Span>,
}

/// Expands a declared layout. What cannot be expanded is reported and left out.
pub(crate) fn expand(spec: &LayoutSpec, origin: &Path, env: &Environment<'_>, problems: &mut Problems) -> Expanded {
    let (hosts, host_spans) = hosts(spec, env, problems);
    let mut nodes = nodes(spec, &hosts, problems);
    let manager_is_logger = !nodes.iter().any(|n| n.node.node_type == NodeType::Logger);
    let base = spec.port.as_ref().map_or(BASE_PORT, |port| port.value);
    for placed in &mut nodes {
        assign_port(placed, base, manager_is_logger, problems);
    }
    name_manager(&mut nodes);
    choose_cpus(&mut nodes);
    let layout = Layout {
        name: spec.name.as_ref().map_or_else(|| default_name(origin), |name| name.value.clone()),
        backend: spec.backend.as_ref().map_or(Backend::Zeromq, |backend| backend.value),
        encrypted: encrypted(spec.encryption, &nodes, &hosts),
        base_dir: spec.base_dir.as_ref().map(|dir| dir.value.clone().into()),
        stop_grace: spec.stop_grace.unwrap_or_else(|| default_grace(&nodes)),
        nodes: nodes.iter().map(|placed| placed.node.clone()).collect(),
        hub: HubPorts { xpub: base, xsub: base.saturating_add(1) },
        manager_is_logger,
        options: spec.options.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect(),
        stores: stores(spec),
        notify: spec.notify.iter().filter_map(notify).collect(),
        logging: logging(&spec.logging),
        networks: spec.networks.clone(),
        zeek: Zeek {
            prefix: spec.zeek_prefix.clone(),
            scripts: spec.zeek_scripts.clone().unwrap_or_else(|| vec!["local".to_owned()]),
            args: spec.zeek_args.clone(),
            redefs: spec.zeek_redefs.clone(),
        },
        hosts,
    };
    Expanded { layout, nodes, host_spans }
}

/// How long nodes may take to stop where the layout does not say. A real Zeek flushes its logs and runs `zeek_done`: zeekctl
/// waits 60 s for it (`StopTimeout`).
fn default_grace(nodes: &[Placed]) -> Duration {
    let any_zeek = nodes.iter().any(|placed| placed.node.engine == Engine::Zeek);
    Duration::from_secs(if any_zeek { 60 } else { 10 })
}

/// The file's stem, with `-` for what cannot stand in a name.
fn default_name(origin: &Path) -> String {
    let stem = origin.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(64).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "cluster".to_owned() } else { name.to_owned() }
}

/// All hosts of the file, or this machine.
fn hosts(spec: &LayoutSpec, env: &Environment<'_>, problems: &mut Problems) -> (Vec<Host>, Vec<Span>) {
    if spec.hosts.is_empty() {
        let ip = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let host = Host { name: "localhost".into(), address: "127.0.0.1".into(), ip, reach: Reach::Local, line: 0 };
        return (vec![host], vec![spec.nodes_span]);
    }
    spec.hosts.iter().map(|host| (resolve(host, spec, env, problems), host.name.span)).unzip()
}

fn resolve(host: &HostSpec, spec: &LayoutSpec, env: &Environment<'_>, problems: &mut Problems) -> Host {
    let address = host.address.value.as_str();
    let ip = match address.parse() {
        Ok(ip) => Some(ip),
        Err(_) if address == "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Err(_) => (env.resolve)(address),
    };
    if ip.is_none() && schema::is_host_name(&host.name.value) {
        let message = format!("the address `{}` of host `{}` does not resolve", shorten(address), host.name.value);
        problems
            .warn(Report::new(host.address.span, message).hint("until it does, this host's nodes cannot be deployed"));
    }
    let local = address == "localhost" || ip.is_some_and(|ip| ip.is_loopback() || (env.is_local)(ip));
    let reach = match &host.ssh {
        None if local => Reach::Local,
        own => Reach::Ssh(ssh(own.as_ref(), &spec.ssh)),
    };
    Host { name: host.name.value.clone(), address: address.to_owned(), ip, reach, line: 0 }
}

/// A host's own settings over the layout's.
fn ssh(own: Option<&SshSpec>, defaults: &SshSpec) -> Ssh {
    let empty = SshSpec::default();
    let own = own.unwrap_or(&empty);
    let checking = own.host_key_checking.or(defaults.host_key_checking);
    let pick =
        |own: &Option<Vec<_>>, default: &Option<Vec<_>>| own.clone().or_else(|| default.clone()).unwrap_or_default();
    Ssh {
        user: own.user.clone().or_else(|| defaults.user.clone()),
        port: own.port.or(defaults.port),
        identity_files: pick(&own.identity_files, &defaults.identity_files),
        known_hosts_files: pick(&own.known_hosts_files, &defaults.known_hosts_files),
        jump: own.jump.clone().or_else(|| defaults.jump.clone()).unwrap_or_default(),
        host_key_checking: checking.unwrap_or(HostKeyChecking::Strict),
        connect_timeout: own.connect_timeout.or(defaults.connect_timeout),
        client: own.client.or(defaults.client),
    }
}

fn nodes(spec: &LayoutSpec, hosts: &[Host], problems: &mut Problems) -> Vec<Placed> {
    let mut placed = Vec::new();
    for group in &spec.nodes {
        let Some(node_type) = node_type(group, problems) else { continue };
        let chosen = group_hosts(spec, group, hosts, problems);
        let per_host = group.processes();
        if placed.len() + chosen.len() * per_host > schema::MAX_NODES as usize {
            let message = format!("with `{}` the layout has more than {} nodes", group.name.value, schema::MAX_NODES);
            problems.push(Report::new(group.name.span, message));
            return placed;
        }
        let numbered = matches!(group.count, Given::As(_)) || matches!(group.hosts, HostChoice::Each(_));
        for (at, host) in chosen.iter().enumerate() {
            for process in 0..per_host {
                let number = at * per_host + process;
                let name = match numbered {
                    true => format!("{}-{}", group.name.value, number + 1),
                    false => group.name.value.clone(),
                };
                placed.push(place(spec, group, host, Process { name, node_type, number, on_host: process }, problems));
            }
        }
    }
    placed
}

/// One of the processes that an entry stands for.
struct Process {
    name: String,
    node_type: NodeType,
    /// From 0 over all hosts.
    number: usize,
    /// From 0 on its host.
    on_host: usize,
}

fn place(spec: &LayoutSpec, group: &NodeSpec, host: &Host, process: Process, problems: &mut Problems) -> Placed {
    let nth_port = |first: &Option<Spanned<u16>>, problems: &mut Problems| {
        let first = first.as_ref()?;
        let port = usize::from(first.value) + process.on_host;
        let port = u16::try_from(port).map_err(|_| {
            let message = format!("the port of `{}` would be {port}", process.name);
            problems.push(Report::new(first.span, message).expected("at most 65535"));
        });
        port.ok()
    };
    let cpu = match group.pin_cpus.len() {
        0 => None,
        n => group.pin_cpus.get(process.on_host % n).copied(),
    };
    if let (Some(health), None) = (&group.health, &group.command) {
        problems.push(Report::new(health.span, "`health` asks about the program of `command`, and there is none"));
    }
    let node = Node {
        node_type: process.node_type,
        host: host.name.clone(),
        ip: group.ip.as_ref().map(|ip| ip.value).or(host.ip),
        zone_id: group.zone_id.clone(),
        port: nth_port(&group.port, problems),
        manager: group.manager.as_ref().map(|manager| manager.value.clone()),
        metrics_port: nth_port(&group.metrics_port, problems),
        engine: group.engine.or(spec.engine).unwrap_or(Engine::Core),
        websocket: group.websocket.as_ref().map(|websocket| websocket.value.clone()),
        interface: match &group.interfaces {
            Interfaces::None => None,
            Interfaces::Shared(text) => Some(text.replace("{n}", &process.on_host.to_string())),
            Interfaces::Each(each) => each.value.get(process.on_host).cloned(),
        },
        lb_method: group.lb_method.clone(),
        limits: limits(spec, group),
        pin_cpus: cpu.into_iter().collect(),
        af_packet: group.af_packet.clone(),
        command: group.command.as_ref().map(|command| command.value.clone()).unwrap_or_default(),
        health: group.health.as_ref().map(|health| health.value.clone()),
        restart_when_silent: Some(
            group.restart_when_silent.or(spec.restart_when_silent).unwrap_or(RESTART_WHEN_SILENT),
        )
        .filter(|limit| !limit.is_zero()),
        env_vars: group.env_vars.clone(),
        aux_scripts: group.aux_scripts.clone(),
        group: (group.name.value.clone(), process.number),
        name: process.name,
    };
    Placed {
        node,
        span: group.name.span,
        port: group.port.as_ref().map_or(Origin::Automatic, |port| Origin::Written(port.span)),
        metrics_span: group.metrics_port.as_ref().map(|port| port.span),
        websocket_span: group.websocket.as_ref().map(|websocket| websocket.span),
        command_span: group.command.as_ref().map(|command| command.span),
    }
}

/// The node's own over the layout's. A CPU that is pinned to leaves no choice.
fn limits(spec: &LayoutSpec, group: &NodeSpec) -> Limits {
    let limits = group.limits.over(&spec.defaults);
    match group.pin_cpus.is_empty() {
        true => limits,
        false => Limits { cpu_set: None, ..limits },
    }
}

/// Gives each node with `cpu_set: auto` its place among those of its host, in the order of the layout.
fn choose_cpus(nodes: &mut [Placed]) {
    let mut pinned: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for Placed { node, .. } in nodes.iter() {
        let cpus = pinned.entry(node.host.clone()).or_default();
        cpus.extend(&node.pin_cpus);
        if let Some(CpuSet::List(list)) = &node.limits.cpu_set {
            cpus.extend(list);
        }
    }
    let mut next: BTreeMap<String, u32> = BTreeMap::new();
    for Placed { node, .. } in nodes {
        if let Some(CpuSet::Auto { nth, avoid }) = &mut node.limits.cpu_set {
            let place = next.entry(node.host.clone()).or_default();
            *nth = *place;
            *place += 1;
            *avoid = pinned.get(&node.host).into_iter().flatten().copied().collect();
        }
    }
}

/// As written, else what the entry's name begins with: `logger`, `worker-1`.
fn node_type(group: &NodeSpec, problems: &mut Problems) -> Option<NodeType> {
    match &group.node_type {
        Given::As(written) => return Some(written.value),
        Given::Refused => return None,
        Given::Not => {}
    }
    let word = group.name.value.split(['-', '_']).next().unwrap_or("").trim_end_matches(|c: char| c.is_ascii_digit());
    let found = super::yaml::node_type(word);
    if found.is_none() {
        let name = shorten(&group.name.value);
        let report = Report::new(group.name.span, format!("`{name}` has no type"));
        let report = report.expected("`type: manager`, `logger`, `proxy` or `worker`");
        problems.push(match schema::is_node_key(&group.name.value) {
            true => report
                .hint(format!("`{name}` is a key of nodes: if it belongs to the node above it, indent it further")),
            false => report,
        });
    }
    found
}

fn group_hosts<'a>(spec: &LayoutSpec, group: &NodeSpec, hosts: &'a [Host], problems: &mut Problems) -> Vec<&'a Host> {
    let written = match &group.hosts {
        HostChoice::Default => match hosts {
            [only] => return vec![only],
            _ => {
                let message = format!("`{}` names no host, and there are {}", group.name.value, hosts.len());
                problems.push(
                    Report::new(group.name.span, message).expected("`host:` with one of the names under `hosts:`"),
                );
                return Vec::new();
            }
        },
        HostChoice::One(one) => std::slice::from_ref(one),
        HostChoice::Each(each) => each.as_slice(),
    };
    let mut found: Vec<&Host> = Vec::new();
    for name in written {
        match hosts.iter().find(|host| host.name == name.value) {
            Some(host) if found.iter().any(|known| known.name == host.name) => {
                problems.push(
                    Report::new(name.span, format!("host `{}` stands here twice", name.value))
                        .hint("use `count` for several processes on one host"),
                );
            }
            Some(host) => found.push(host),
            None if spec.hosts_refused => {}
            None => problems.push(unknown_host(name, hosts, spec)),
        }
    }
    found
}

/// Says where hosts are declared: zeekctl has names and addresses at each node.
fn unknown_host(name: &Spanned<String>, hosts: &[Host], spec: &LayoutSpec) -> Report {
    let names = || hosts.iter().map(|host| host.name.as_str());
    let known: Vec<&str> = names().take(20).collect();
    let report = Report::new(name.span, format!("unknown host `{}`", shorten(&name.value)));
    let report = report.expected(format!("one of {}", known.join(", ")));
    let ip = name.value.parse().ok();
    if let Some(host) = hosts.iter().find(|host| host.address == name.value || (ip.is_some() && host.ip == ip)) {
        return report.hint(format!("`{}` has that address: write `host: {}`", host.name, host.name));
    }
    if ip.is_none() && !name.value.contains('.') && !spec.hosts.is_empty() {
        return report.nearest(&name.value, names());
    }
    let label = name.value.split(['.', ':']).next().unwrap_or_default();
    let short = if ip.is_some() || label.is_empty() { "head" } else { label };
    let entry = if name.value.contains(':') { format!("\"{}\"", name.value) } else { name.value.clone() };
    report.hint(format!(
        "machines are declared below `hosts:`, such as `hosts: {{ {short}: {entry} }}`; then write `host: {short}`"
    ))
}

/// Where a log receiver listens, if it was not written.
fn assign_port(placed: &mut Placed, base: u16, manager_is_logger: bool, problems: &mut Problems) {
    let offset = match placed.node.node_type {
        NodeType::Logger => LOG_OFFSET + name_number(&placed.node.name),
        NodeType::Manager if manager_is_logger => LOG_OFFSET,
        _ if placed.node.engine == Engine::Zeek => return,
        _ => {
            if let (Some(_), Origin::Written(span)) = (placed.node.port.take(), placed.port) {
                let message =
                    format!("`port` has no effect here: `{}` receives no logs and does not listen", placed.node.name);
                problems.warn(Report::new(span, message));
            }
            return;
        }
    };
    if placed.node.port.is_some() || placed.port != Origin::Automatic {
        return;
    }
    let port = u64::from(base).saturating_add(offset);
    placed.node.port = u16::try_from(port).ok();
    if placed.node.port.is_none() {
        let message = format!("`{}` would listen on port {port}", placed.node.name);
        problems.push(Report::new(placed.span, message).expected("at most 65535").hint("set `port` for this node"));
    }
}

/// The number at the end of a name; 1 when there is none.
fn name_number(name: &str) -> u64 {
    let digits = &name[name.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
    if digits.is_empty() { 1 } else { digits.parse().unwrap_or(u64::MAX) }
}

/// `manager` of all others, where it was not written.
fn name_manager(nodes: &mut [Placed]) {
    let manager = nodes.iter().find(|n| n.node.node_type == NodeType::Manager).map(|n| n.node.name.clone());
    for Placed { node, .. } in nodes {
        match node.node_type {
            NodeType::Manager => node.manager = None,
            _ => node.manager = node.manager.take().or_else(|| manager.clone()),
        }
    }
}

/// `auto`: as soon as two addresses take part. An address that did not resolve counts by its text.
fn encrypted(encryption: Encryption, nodes: &[Placed], hosts: &[Host]) -> bool {
    let address = |placed: &Placed| match placed.node.ip {
        Some(ip) => ip.to_string(),
        None => {
            hosts.iter().find(|host| host.name == placed.node.host).map(|host| host.address.clone()).unwrap_or_default()
        }
    };
    match encryption {
        Encryption::On => true,
        Encryption::Off => false,
        Encryption::Auto => nodes.iter().map(address).collect::<BTreeSet<_>>().len() > 1,
    }
}

/// A target that says how it is reached; one that does not is reported by the checks.
fn notify(spec: &NotifySpec) -> Option<(String, NotifyTarget)> {
    let way = match (&spec.command, &spec.http) {
        (Some(command), None) => NotifyWay::Command(command.value.clone()),
        (None, Some(http)) => {
            let header =
                |(name, text): &(String, Spanned<Option<NotifyText>>)| Some((name.clone(), text.value.clone()?));
            NotifyWay::Http(NotifyHttp {
                url: http.value.url.as_ref()?.value.clone()?,
                headers: http.value.headers.iter().filter_map(header).collect(),
                format: http.value.format.unwrap_or_default(),
                ca_file: http.value.ca_file.clone(),
            })
        }
        _ => return None,
    };
    let on = spec.on.clone().unwrap_or_else(|| IncidentKind::ALL.to_vec());
    Some((spec.name.value.clone(), NotifyTarget { way, on }))
}

fn stores(spec: &LayoutSpec) -> BTreeMap<String, Store> {
    let written = spec.options.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect();
    let options = effective(&written, Backend::Zeromq, &|_| None);
    let option = |name: &str| options.iter().find(|option| option.name == name).map(|option| &option.value);
    spec.stores.iter().map(|spec| (spec.name.clone(), store(spec, &option))).collect()
}

/// What a store does not say the options say; those that cannot be read are reported elsewhere.
fn store<'a>(spec: &StoreSpec, option: &impl Fn(&str) -> Option<&'a OptionValue>) -> Store {
    let backend = match option("Cluster::default_backend") {
        Some(OptionValue::Text(name)) => BackendType::parse(name),
        _ => None,
    };
    let interval = |written: Option<Duration>, name: &str| {
        let seconds = || option(name).and_then(options::seconds);
        written.or_else(|| Duration::try_from_secs_f64(seconds()?).ok()).unwrap_or_default()
    };
    Store {
        backend: spec.backend.or(backend).unwrap_or_default(),
        master_node: spec.master_node.as_ref().map(|node| node.value.clone()),
        sqlite: spec.sqlite.clone(),
        clone_resync_interval: interval(spec.clone_resync_interval, "Broker::default_clone_resync_interval"),
        clone_stale_interval: interval(spec.clone_stale_interval, "Broker::default_clone_stale_interval"),
        clone_mutation_buffer_interval: interval(
            spec.clone_mutation_buffer_interval,
            "Broker::default_clone_mutation_buffer_interval",
        ),
    }
}

fn logging(spec: &LoggingSpec) -> Logging {
    Logging {
        format: spec.format,
        rotation_interval: spec.rotation_interval,
        compress: spec.compress.unwrap_or(Compress::Gzip),
        expire: spec.expire.unwrap_or(Duration::ZERO),
    }
}

/// Nodes by name, ignoring case.
pub(crate) fn by_lower_name(nodes: &[Placed]) -> BTreeMap<String, Vec<&Placed>> {
    let mut names: BTreeMap<String, Vec<&Placed>> = BTreeMap::new();
    for placed in nodes {
        names.entry(placed.node.name.to_lowercase()).or_default().push(placed);
    }
    names
}
