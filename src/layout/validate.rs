//! What an expanded layout must not be, wherever it was read from. The shapes of single values are `schema.rs`'s affair.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::expand::{Expanded, Origin, Placed, by_lower_name};
use super::model::{Backend, Engine, Reach, Ssh};
use super::problem::{Problems, Report, Span, Spanned};
use super::spec::{Given, Interfaces, LayoutSpec, NodeSpec, NotifyHttpSpec, NotifySpec, StoreSpec};
use crate::api::limits::bytes_in_words;
use crate::api::notify::NotifyText;
use crate::api::paths::ClusterDir;
use crate::data::NodeType;

/// Longest path of a Unix socket: `sun_path` of unix(7) less its ending zero.
const MAX_SOCKET_PATH: usize = 107;
/// Names that node sets give another meaning, or that Zeek's tools use for a node that does not run.
const RESERVED: [(&str, &str); 2] = [
    ("all", "`all` stands for all nodes wherever nodes are named"),
    ("control", "`control` is the name that zeekctl gives to itself in a layout; nothing runs under it"),
];

/// Reports what is wrong with the layout as a whole.
pub(crate) fn validate(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    check_backend(spec, problems);
    check_managers(spec, expanded, problems);
    check_names(spec, expanded, problems);
    for group in &spec.nodes {
        check_processes(group, problems);
        check_limits(spec, group, problems);
        check_manager_reference(group, expanded, problems);
        check_interfaces(group, problems);
    }
    check_listeners(spec, expanded, problems);
    check_reachable(expanded, problems);
    check_hosts(expanded, problems);
    check_socket_paths(spec, expanded, problems);
    check_stores(spec, expanded, problems);
    spec.notify.iter().for_each(|target| check_notify(target, problems));
    check_commands(spec, expanded, problems);
    warn_of_websockets(expanded, problems);
    warn_of_shared_interfaces(expanded, problems);
    check_websocket_tls(spec, problems);
}

fn check_backend(spec: &LayoutSpec, problems: &mut Problems) {
    if let Some(Spanned { value: Backend::Broker, span }) = &spec.backend {
        problems.push(Report::new(*span, "the backend `broker` cannot be run by this version").expected("`zeromq`"));
    }
}

fn check_managers(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    if spec.nodes.is_empty() {
        let report = Report::new(spec.nodes_span, "this cluster has no nodes");
        problems.push(report.expected("`nodes:` with at least a manager, such as `manager: { type: manager }`"));
        return;
    }
    let managers: Vec<&Placed> = expanded.nodes.iter().filter(|n| n.node.node_type == NodeType::Manager).collect();
    let declared = spec.nodes.iter().any(|group| match &group.node_type {
        Given::As(written) => written.value == NodeType::Manager,
        Given::Refused => true,
        Given::Not => group.name.value.starts_with("manager"),
    });
    if !declared {
        let what = match expanded.nodes.iter().find(|n| n.node.node_type == NodeType::Worker) {
            Some(worker) => format!("this cluster has no manager, which `{}` and the others need", worker.node.name),
            None => "this cluster has no manager".to_owned(),
        };
        problems.push(Report::new(spec.nodes_span, what).expected("one node of type manager"));
    }
    for further in managers.iter().skip(1) {
        let message = format!("`{}` is a second manager beside `{}`", further.node.name, managers[0].node.name);
        problems.push(Report::new(further.span, message).expected("one manager"));
    }
}

fn check_names(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    for group in &spec.nodes {
        if let Some((name, why)) = RESERVED.iter().find(|(name, _)| group.name.value.eq_ignore_ascii_case(name)) {
            problems.push(Report::new(group.name.span, format!("no node can be named `{name}`")).hint(*why));
        }
    }
    for same in by_lower_name(&expanded.nodes).values().filter(|same| same.len() > 1) {
        let (first, second) = (same[0], same[1]);
        let message = match first.node.name == second.node.name {
            // The same name twice under `nodes:` has been reported as a duplicate key.
            true if first.node.group.0 == second.node.group.0 => continue,
            true => format!(
                "`{}` and `{}` both stand for a node `{}`",
                first.node.group.0, second.node.group.0, first.node.name
            ),
            false => format!("`{}` and `{}` differ only in case", first.node.name, second.node.name),
        };
        problems.push(Report::new(second.span, message).expected("names that differ in more than case"));
    }
}

fn check_processes(group: &NodeSpec, problems: &mut Problems) {
    if let Given::Refused = group.count {
        return;
    }
    let count = group.processes();
    let pinned = group.pin_cpus.len();
    if pinned > count {
        let message = format!("`{}` pins {pinned} CPUs and runs {count} on each host", group.name.value);
        let report =
            Report::new(group.pin_cpus_span, message).expected(format!("at most {count}, one for each process"));
        problems.push(report.hint(format!("or set `count: {pinned}`")));
    } else if pinned > 0 && pinned < count {
        let message = format!(
            "`{}` pins {pinned} CPUs for {count} processes: they are used again from the first",
            group.name.value
        );
        problems.warn(Report::new(group.pin_cpus_span, message));
    }
    if let Interfaces::Each(each) = &group.interfaces
        && each.value.len() != count
    {
        let message = format!(
            "`{}` lists {} interfaces and runs {count} processes on each host",
            group.name.value,
            each.value.len()
        );
        problems.push(Report::new(each.span, message).expected("one interface, or one for each process"));
    }
}

/// Interfaces that no machine has, and lists that are none.
fn check_interfaces(group: &NodeSpec, problems: &mut Problems) {
    let all = match &group.interfaces {
        Interfaces::None => return,
        Interfaces::Shared(one) => std::slice::from_ref(one),
        Interfaces::Each(each) => each.value.as_slice(),
    };
    let name = &group.name.value;
    for interface in all {
        let quote = |c: char| matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}');
        if interface.trim().is_empty() {
            let report = Report::new(group.name.span, format!("the interface of `{name}` has no name"));
            problems.push(report.expected("`interface: eth1`, or no such key"));
        } else if interface.contains(quote) {
            let report =
                Report::new(group.name.span, format!("the interface of `{name}` is `{interface}`, quotes included"));
            problems.push(report.expected("plain quotes, or none"));
        } else if interface.contains(',') && !interface.contains("::") && group.lb_method.as_deref() != Some("pf_ring")
        {
            let parts: Vec<&str> = interface.split(',').map(str::trim).collect();
            let report = Report::new(group.name.span, format!("`{interface}` is one interface for `{name}`"));
            problems.warn(report.hint(format!("a list has one for each process: `interface: [{}]`", parts.join(", "))));
        } else if interface.contains(char::is_whitespace) {
            let report =
                Report::new(group.name.span, format!("the interface of `{name}` has a blank in it: `{interface}`"));
            problems.warn(report);
        }
    }
}

/// Zeeks of one host that read one interface and do not share its packets out.
fn warn_of_shared_interfaces(expanded: &Expanded, problems: &mut Problems) {
    let mut readers: BTreeMap<(&str, &str), Vec<&Placed>> = BTreeMap::new();
    for placed in expanded.nodes.iter().filter(|placed| placed.node.engine == Engine::Zeek) {
        let node = &placed.node;
        // A prefix such as `af_packet::` names a packet source, which has means of its own.
        let Some(interface) = node.interface.as_deref().filter(|name| !name.contains("::")) else { continue };
        if node.lb_method.is_none() {
            readers.entry((&node.host, interface)).or_default().push(placed);
        }
    }
    for ((host, interface), nodes) in readers.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
        let names: Vec<&str> = nodes.iter().map(|placed| placed.node.name.as_str()).collect();
        let message = format!(
            "each of the {} processes on `{host}` that read `{interface}` sees all its packets, and logs them: {}",
            names.len(),
            names.join(", ")
        );
        problems.warn(Report::new(nodes[0].span, message).hint("`lb_method: af_packet` shares them out".to_owned()));
    }
}

/// Limits that contradict each other, of an entry with the layout's defaults.
fn check_limits(spec: &LayoutSpec, group: &NodeSpec, problems: &mut Problems) {
    let own = &group.limits;
    if let (Some(choice), false) = (&own.cpu_set, group.pin_cpus.is_empty()) {
        let message = format!("`{}` has both `pin_cpus` and `cpu_set`", group.name.value);
        problems.push(Report::new(choice.span, message).expected("one of the two"));
    }
    let limits = own.over(&spec.defaults);
    if let (Some(high), Some(max)) = (limits.memory_high, limits.memory_max)
        && high > max
    {
        let written = [&own.memory_high, &own.memory_max, &spec.defaults.memory_high].into_iter().flatten().next();
        let span = written.map_or(group.name.span, |limit| limit.span);
        let (high, max) = (bytes_in_words(high), bytes_in_words(max));
        let message = format!("`memory_high` {high} of `{}` is above its `memory_max` {max}", group.name.value);
        problems.push(Report::new(span, message).expected(format!("at most {max}")));
    }
}

fn check_manager_reference(group: &NodeSpec, expanded: &Expanded, problems: &mut Problems) {
    let Some(manager) = &group.manager else { return };
    let nodes = || expanded.nodes.iter().map(|placed| &placed.node);
    let report = match nodes().find(|node| node.name == manager.value) {
        Some(node) if node.node_type == NodeType::Manager => return,
        Some(node) => Report::new(manager.span, format!("`{}` is a {}", node.name, node.node_type)),
        None => Report::new(manager.span, format!("there is no node `{}`", manager.value)),
    };
    let names = nodes().filter(|node| node.node_type == NodeType::Manager).map(|node| node.name.as_str());
    problems.push(report.expected("the manager's name, or leave the key out").nearest(&manager.value, names));
}

/// Something that listens, for messages.
struct Listener {
    what: String,
    span: Span,
    automatic: bool,
}

/// Two listeners on one address and port. A loopback address is one of its host alone, where the host is another machine.
fn check_listeners(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    let mut taken: HashMap<(String, u16), Listener> = HashMap::new();
    let mut listen = |address: String, port: u16, new: Listener| {
        let Some(first) = taken.get(&(address.clone(), port)) else {
            taken.insert((address, port), new);
            return;
        };
        let message = format!("{} and {} both listen on {address} port {port}", first.what, new.what);
        let report = Report::new(new.span, message).expected("each address and port once");
        problems.push(match new.automatic && first.automatic {
            true => report.hint("set `port` for one of the two"),
            false => report.hint("change one of the two ports"),
        });
    };
    let layout = &expanded.layout;
    let hub_span = spec.port.as_ref().map_or(spec.nodes_span, |port| port.span);
    for placed in &expanded.nodes {
        let node = &placed.node;
        let address = address_of(placed, expanded, node.ip);
        // Further managers have been reported, so what they would listen on by themselves is no second problem.
        let is_the_manager = layout.manager().is_some_and(|manager| manager.name == node.name);
        if node.node_type == NodeType::Manager && !is_the_manager && matches!(placed.port, Origin::Automatic) {
            continue;
        }
        if is_the_manager {
            for (port, socket) in [(layout.hub.xpub, "XPUB"), (layout.hub.xsub, "XSUB")] {
                let what = format!("the hub's {socket} on `{}`", node.name);
                listen(address.clone(), port, Listener { what, span: hub_span, automatic: spec.port.is_none() });
            }
        }
        if let Some(port) = layout.log_port(node) {
            let (span, automatic) = match placed.port {
                Origin::Written(span) => (span, false),
                Origin::Automatic => (placed.span, true),
            };
            listen(address.clone(), port, Listener { what: format!("`{}`", node.name), span, automatic });
        }
        if let (Some(port), Some(span)) = (node.metrics_port, placed.metrics_span) {
            let what = format!("the metrics of `{}`", node.name);
            listen(address, port, Listener { what, span, automatic: false });
        }
        if let (Some(websocket), Some(span)) = (&node.websocket, placed.websocket_span) {
            let address = address_of(placed, expanded, Some(websocket.listen_addr));
            let what = format!("the WebSocket server of `{}`", node.name);
            listen(address, websocket.listen_port, Listener { what, span, automatic: false });
        }
    }
}

/// An address as the key of a listener.
fn address_of(placed: &Placed, expanded: &Expanded, ip: Option<IpAddr>) -> String {
    let host = expanded.layout.host(&placed.node.host);
    let elsewhere = host.is_some_and(|host| host.reach != Reach::Local && !host.ip.is_some_and(|ip| ip.is_loopback()));
    match ip {
        Some(ip) if ip.is_loopback() && elsewhere => format!("{ip} of {}", placed.node.host),
        Some(ip) => ip.to_string(),
        None => host.map(|host| host.address.clone()).unwrap_or_default(),
    }
}

/// What listens on a loopback address cannot be reached from another machine. Source: `zeekctl.md` 5, validation.
fn check_reachable(expanded: &Expanded, problems: &mut Problems) {
    let loopback = |placed: &&Placed| placed.node.ip.is_some_and(|ip| ip.is_loopback());
    let Some(remote) = expanded.nodes.iter().find(|placed| !loopback(placed)) else { return };
    let listens = |placed: &&Placed| {
        placed.node.node_type == NodeType::Manager || expanded.layout.log_port(&placed.node).is_some()
    };
    for local in expanded.nodes.iter().filter(listens).filter(loopback) {
        let ip = local.node.ip.map(|ip| ip.to_string()).unwrap_or_default();
        let message = format!(
            "`{}` would listen on {ip}, where `{}` on another address cannot reach it",
            local.node.name, remote.node.name
        );
        let report = Report::new(local.span, message).expected("an address of the network");
        problems.push(report.hint(format!("give host `{}` its own address instead of {ip}", local.node.host)));
    }
}

/// Hosts that are one machine, and hosts without nodes.
fn check_hosts(expanded: &Expanded, problems: &mut Problems) {
    let mut this_machine = None;
    let mut reached = HashMap::new();
    for (host, span) in expanded.layout.hosts.iter().zip(&expanded.host_spans) {
        if !expanded.nodes.iter().any(|placed| placed.node.host == host.name) {
            problems.warn(Report::new(*span, format!("host `{}` has no node", host.name)));
            continue;
        }
        match (&host.reach, this_machine) {
            (Reach::Local, None) => this_machine = Some(&host.name),
            (Reach::Local, Some(first)) => {
                let message = format!(
                    "host `{}` is this machine, as `{first}` is; their nodes would share one folder",
                    host.name
                );
                let report = Report::new(*span, message).expected("each machine once");
                problems.push(report.hint("put the nodes on one host and give them an `ip`"));
            }
            (Reach::Ssh(ssh), _) => {
                let key = (host.address.to_ascii_lowercase(), ssh.port, &ssh.jump, folder_owner(expanded, ssh));
                let Some(first) = reached.insert(key, &host.name) else { continue };
                let message = format!(
                    "host `{}` is the machine that `{first}` is (address {}); their nodes would share one folder",
                    host.name, host.address
                );
                let report = Report::new(*span, message).expected("each machine once");
                problems.push(report.hint("put the nodes on one host, or correct the address"));
            }
        }
    }
}

/// The user in whose folder the cluster lies, where that depends on the user.
fn folder_owner<'a>(expanded: &Expanded, ssh: &'a Ssh) -> Option<&'a String> {
    let is_absolute = expanded.layout.base_dir.as_ref().is_some_and(|base| base.is_absolute());
    ssh.user.as_ref().filter(|_| !is_absolute)
}

/// `BASE/CLUSTER/run/NODE/node.sock` has to fit; without a written `base_dir` the host's own agent says so.
fn check_socket_paths(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    let Some(base) = &spec.base_dir else { return };
    let cluster = ClusterDir::new(std::path::Path::new(&base.value).join(&expanded.layout.name));
    let longest = expanded
        .nodes
        .iter()
        .map(|placed| cluster.node_socket(&placed.node.name))
        .max_by_key(|path| path.as_os_str().len());
    let Some(path) = longest.filter(|path| path.as_os_str().len() > MAX_SOCKET_PATH) else { return };
    let length = path.as_os_str().len();
    let message = format!("`{}` has {length} bytes, too many for a Unix socket", path.display());
    let report = Report::new(base.span, message).expected(format!("at most {MAX_SOCKET_PATH} bytes"));
    problems.push(report.hint(format!("shorten `base_dir` or names by {} bytes", length - MAX_SOCKET_PATH)));
}

/// One way to reach it, and all that this way needs.
fn check_notify(target: &NotifySpec, problems: &mut Problems) {
    let name = &target.name;
    match (&target.command, &target.http) {
        (Some(_), Some(http)) => {
            let report = Report::new(http.span, format!("`{}` has both `command` and `http`", name.value));
            problems.push(report.expected("one of them; make two targets of it"));
        }
        (None, None) => {
            let report = Report::new(name.span, format!("`{}` does not say how to send messages", name.value));
            problems.push(report.expected("`command: [PROGRAM, ...]` or `http: { url: ... }`"));
        }
        (Some(command), None) if command.value.first().is_none_or(|program| !program.starts_with('/')) => {
            let report = Report::new(command.span, "`command` names no program by its absolute path");
            problems.push(report.expected("a list such as `[/usr/local/bin/page, --from, zeek]`"));
        }
        (Some(_), None) => {}
        (None, Some(http)) => check_notify_http(name, http, problems),
    }
    if target.on.as_ref().is_some_and(Vec::is_empty) {
        problems.push(
            Report::new(name.span, format!("`{}` would get no messages", name.value)).expected("`on` with a word"),
        );
    }
}

fn check_notify_http(name: &Spanned<String>, http: &Spanned<NotifyHttpSpec>, problems: &mut Problems) {
    const EXPECTED: &str = "`http://HOST/...`, `https://HOST/...`, or `{ file: PATH }` with it";
    match &http.value.url {
        None => {
            problems.push(Report::new(http.span, format!("`{}` has no `url`", name.value)).expected(EXPECTED));
        }
        Some(Spanned { value: Some(NotifyText::Value(url)), span }) if !is_url(url) => {
            problems.push(Report::new(*span, "`url` is no address of an HTTP server").expected(EXPECTED));
        }
        Some(_) => {}
    }
    let headers = http.value.headers.iter().map(|(_, text)| text);
    for text in http.value.url.iter().chain(headers).filter(|text| text.value.is_none()) {
        let report = Report::new(text.span, "this is neither a text nor says where one is kept");
        problems.push(report.expected("a text, `{ file: PATH }` or `{ env: NAME }`"));
    }
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && !rest.contains(' '))
}

fn check_stores(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    for master in spec.stores.iter().filter_map(|store| store.master_node.as_ref()) {
        if !expanded.nodes.iter().any(|placed| placed.node.name == master.value) {
            let names = expanded.nodes.iter().map(|placed| placed.node.name.as_str());
            let report = Report::new(master.span, format!("there is no node `{}`", master.value));
            problems.push(report.expected("a node's name, counts expanded").nearest(&master.value, names));
        }
    }
    for store in &spec.stores {
        check_master_engine(store, expanded, problems);
    }
}

/// Zeek's own stores work with its Broker backend alone, so only a node of ours can hold one (`cluster.md` 3.1).
fn check_master_engine(store: &StoreSpec, expanded: &Expanded, problems: &mut Problems) {
    let written = store.master_node.as_ref();
    let master = written.map(|node| node.value.as_str()).or_else(|| expanded.layout.default_master_node());
    let Some(node) = master.and_then(|name| expanded.layout.node(name)) else { return };
    if node.engine == Engine::Zeek {
        let span = written.map_or(store.span, |node| node.span);
        let message = format!("`{}` runs a real Zeek, which cannot hold the store `{}`", node.name, store.name);
        let report = Report::new(span, message).expected("`master_node` with engine core");
        problems.push(report.hint("add a proxy with `engine: core`, and name it in `master_node`"));
    }
}

/// Programs that run under nodes, and whether they find the cluster.
fn check_commands(spec: &LayoutSpec, expanded: &Expanded, problems: &mut Problems) {
    for Spanned { value, span } in spec.nodes.iter().filter_map(|group| group.command.as_ref()) {
        let program = value.first().map(String::as_str).unwrap_or_default();
        if program.is_empty() {
            let report = Report::new(*span, "`command` names no program");
            problems.push(report.expected("a list such as `[/usr/local/bin/sensor, --verbose]`"));
        } else if value.len() == 1 && program.contains(char::is_whitespace) {
            let words: Vec<&str> = program.split_whitespace().collect();
            let report = Report::new(*span, "no shell reads `command`, and no program is called so");
            problems.push(report.expected("a list").hint(format!("write `[{}]`", words.join(", "))));
        }
    }
    // Nodes that were declared together have one problem together.
    let mut told: HashSet<&str> = HashSet::new();
    for placed in &expanded.nodes {
        let (node, Some(span)) = (&placed.node, placed.command_span) else { continue };
        if told.contains(node.group.0.as_str()) {
            continue;
        }
        if node.engine == Engine::Zeek {
            let message = format!("`{}` is a real Zeek, under which no `command` runs", node.name);
            problems.push(Report::new(span, message).expected("`engine: core`, or `command` on another node"));
            told.insert(&node.group.0);
            continue;
        }
        match expanded.layout.websocket_of(node) {
            None => {
                let message = format!("the program of `{}` has no WebSocket server to speak to the cluster", node.name);
                problems.warn(Report::new(span, message).hint("give the node or the manager a `websocket:`"));
            }
            Some((server, websocket)) if server.host != node.host && websocket.listen_addr.is_loopback() => {
                let message = format!(
                    "the program of `{}` cannot reach the WebSocket server of `{}`, which listens on {}",
                    node.name, server.name, websocket.listen_addr
                );
                let hint = "give the node a `websocket:` of its own, or that server a `listen_addr` of the network";
                problems.warn(Report::new(span, message).hint(hint));
            }
            Some(_) => continue,
        }
        told.insert(&node.group.0);
    }
}

/// Zeek binds its PULL socket a second time for the first WebSocket client. Source: `protocol/zeromq.md` 8.6.
fn warn_of_websockets(expanded: &Expanded, problems: &mut Problems) {
    for placed in expanded
        .nodes
        .iter()
        .filter(|placed| placed.node.engine == Engine::Zeek && expanded.layout.log_port(&placed.node).is_some())
    {
        if let Some(span) = placed.websocket_span {
            let message =
                format!("Zeek fails on the first WebSocket client of `{}`, because it receives logs", placed.node.name);
            problems.warn(Report::new(span, message).hint("put `websocket` on a node that receives no logs"));
        }
    }
}

/// Certificate and key only together, and paths that mean the same wherever the node is started. Source: `websocket.md` 3.
fn check_websocket_tls(spec: &LayoutSpec, problems: &mut Problems) {
    for websocket in spec.nodes.iter().filter_map(|group| group.websocket.as_ref()) {
        let Some(tls) = &websocket.value.tls_options else { continue };
        let set = |file: &Option<String>| file.as_deref().map(|file| !file.is_empty());
        let missing = match (set(&tls.cert_file), set(&tls.key_file)) {
            (Some(true), None | Some(false)) => Some("key_file"),
            (None | Some(false), Some(true)) | (None, Some(false)) => Some("cert_file"),
            (Some(false), None) => Some("key_file"),
            _ => None,
        };
        if let Some(missing) = missing {
            let report = Report::new(websocket.span, format!("`tls_options` has no `{missing}`"));
            problems.push(report.expected("`cert_file` and `key_file` together, or neither for plain text"));
        }
        let files = [("cert_file", tls.cert_file.as_deref()), ("key_file", tls.key_file.as_deref())];
        let ca_file = Some(tls.ca_file.as_str()).filter(|ca| !["SYSTEM", "NONE"].contains(ca) && !ca.contains("-----"));
        for (key, path) in files.into_iter().chain([("ca_file", ca_file)]) {
            if path.is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
                let report = Report::new(websocket.span, format!("`{key}` of `tls_options` is no absolute path"));
                problems.push(report.expected("the path of a file on the node's host"));
            }
        }
    }
}
