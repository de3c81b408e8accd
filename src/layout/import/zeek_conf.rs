//! `zeek.conf` of Zeek 9, one for a host alone or `HOST.zeek.conf` for each of several: the nodes that its layout generator
//! makes. Source: Zeek 9.0.0-rc1, `tools/systemd-generator` (`zeek-cluster-config.cc`, `zeek-cluster-layout-generator.cc`).

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::SourceFile;
use super::conf_file::{self, ConfOption, ConfSection, of_section};
use super::draft::{Draft, Sourced};
use super::report::{Fate, Notes};
use super::site::{Origin, Site, SiteEncryption, SiteNode, SiteType, Tool};
use super::version::ToolVersion;
use crate::data::NodeType;
use crate::layout::load::Environment;
use crate::layout::model::{Backend, HubPorts};
use crate::layout::problem::{Problems, Report, Sources, Span, Spanned};
use crate::layout::schema::MAX_NODES;
use crate::layout::tree::shorten;

/// Where Zeek's ZeroMQ scripts put the forwarder. Source: `zeromq/options.zeek` of Zeek 9.0.
const HUB: HubPorts = HubPorts { xpub: 5555, xsub: 5556 };
/// What `cluster_backend_args` has to say for a forwarder on the manager's address.
const AUTO_SETUP: &str = "zeromq-multi-host-auto-setup";

/// Keys of `[zeek]`.
const KEYS: [&str; 41] = [
    "args",
    "manager_args",
    "logger_args",
    "proxy_args",
    "archiver_args",
    "env",
    "manager_env",
    "logger_env",
    "proxy_env",
    "archiver_env",
    "user",
    "group",
    "manager",
    "loggers",
    "proxies",
    "archiver",
    "base_dir",
    "path",
    "ext_path",
    "ext_zeek_path",
    "cluster_backend_args",
    "cluster_layout",
    "cluster_node_prefix",
    "port",
    "cluster_port",
    "address",
    "cluster_address",
    "metrics_port",
    "manager_nice",
    "logger_nice",
    "proxy_nice",
    "archiver_nice",
    "manager_memory_max",
    "logger_memory_max",
    "proxy_memory_max",
    "archiver_memory_max",
    "manager_cpu_set",
    "logger_cpu_set",
    "proxy_cpu_set",
    "archiver_cpu_set",
    "restart_interval_sec",
];
/// Keys of `[interface NAME]`; a file without sections has them too.
const INTERFACE_KEYS: [&str; 9] = [
    "interface",
    "workers",
    "worker_args",
    "worker_env",
    "workers_cpu_list",
    "worker_numa_policy",
    "workers_numa_policy",
    "worker_nice",
    "worker_memory_max",
];

/// The host that a file's name says: `c-mgr` of `c-mgr.zeek.conf`. None for any other name, such as `zeek.conf`.
///
/// ```
/// use std::path::Path;
/// use zeek_cluster::layout::zeek_conf_host;
///
/// assert_eq!(zeek_conf_host(Path::new("/etc/zeek/cluster/c-mgr.zeek.conf")), Some("c-mgr"));
/// assert_eq!(zeek_conf_host(Path::new("/etc/zeek/zeek.conf")), None);
/// ```
pub fn zeek_conf_host(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".zeek.conf").filter(|host| !host.is_empty())
}

/// Reads one file, or those of all hosts in the order of their names.
pub(super) fn read(files: &[SourceFile<'_>], prefix: Option<PathBuf>, env: &Environment<'_>) -> Draft {
    let (mut sources, mut problems, mut notes) = (Sources::default(), Problems::default(), Notes::default());
    let mut hosts = Vec::new();
    for file in files {
        let source = sources.add(file.path, file.text);
        if let Some(sections) = conf_file::read(file.text, source, &mut problems) {
            let mut reader = Reader { source, notes: &mut notes, problems: &mut problems };
            hosts.push(reader.host(file, &sections, env));
        }
    }
    let site = site_of(&hosts);
    if let Some(second) = site.nodes.iter().filter(|node| node.is(NodeType::Manager)).nth(1) {
        let message = "too many manager nodes: another file has `manager = 1` too".to_owned();
        problems.push(Report::new(second.span, message).expected("one manager in the cluster"));
    }
    let mut draft = Draft::new(site, sources);
    draft.port = Some(Sourced::new(HUB.xpub, Span::default(), "where Zeek's ZeroMQ scripts put the forwarder"));
    settings(&mut draft, &hosts, prefix, &mut problems);
    draft.notes = notes;
    draft.problems = problems;
    draft.tolerable = hosts.into_iter().filter_map(|host| host.unresolved).collect();
    draft
}

fn site_of(hosts: &[HostConf]) -> Site {
    let says = |word: &str| hosts.iter().any(|host| host.backend_args.contains(word));
    let broker = says("broker");
    let mut site = Site {
        tool: Tool::ZeekConf,
        nodes: hosts.iter().flat_map(|host| host.nodes.clone()).collect(),
        backend: if broker { Backend::Broker } else { Backend::Zeromq },
        hub: None,
        encryption: SiteEncryption::Off,
        version: Some(ToolVersion { major: 9, minor: 0 }),
        websocket: None,
        curve_dir: None,
    };
    let address = match says(AUTO_SETUP) {
        true => site.head().and_then(|head| head.addr),
        false => Some(Ipv4Addr::LOCALHOST.into()),
    };
    site.hub = address.filter(|_| !broker).map(|address| (address, HUB));
    site
}

/// What holds for all nodes: as the first host has it.
fn settings(draft: &mut Draft, hosts: &[HostConf], prefix: Option<PathBuf>, problems: &mut Problems) {
    let Some(first) = hosts.first() else { return };
    let (scripts, args) = split_args(shlex::split(&first.args.value).unwrap_or_default());
    draft.scripts = Some(Sourced::new(scripts, first.args.span, "args"));
    draft.args = Some(Sourced::new(args, first.args.span, "args")).filter(|args| !args.value.is_empty());
    let prefix = || prefix.map(|prefix| Sourced::new(prefix, Span::default(), "where zeek.conf lies"));
    draft.prefix = first.base_dir.clone().or_else(prefix);
    for host in hosts.iter().skip(1).filter(|host| first.args.value != host.args.value) {
        let message = format!("args of host `{}` are not those of the first host, which are taken for all", host.name);
        let report = Report::new(host.args.span, message);
        problems.warn(report.hint("put what differs into manager_args, logger_args or worker_args"));
    }
}

/// Scripts, and from the first option on the arguments.
fn split_args(words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let at = words.iter().position(|word| word.starts_with('-') || word.contains('=')).unwrap_or(words.len());
    let mut scripts = words;
    let args = scripts.split_off(at);
    (scripts, args)
}

/// What one file says.
struct HostConf {
    name: String,
    nodes: Vec<SiteNode>,
    args: Spanned<String>,
    backend_args: String,
    base_dir: Option<Sourced<PathBuf>>,
    unresolved: Option<Report>,
}

struct Reader<'a> {
    source: usize,
    notes: &'a mut Notes,
    problems: &'a mut Problems,
}

/// The options of `[zeek]`, or of the whole file.
struct Zeek<'a> {
    section: &'a str,
    options: &'a [ConfOption],
    start: Span,
}

impl<'a> Zeek<'a> {
    fn get(&self, key: &str) -> Option<&'a ConfOption> {
        self.options.iter().find(|option| option.key.value == key)
    }

    /// The later of two names for the same.
    fn either(&self, key: &str, other: &str) -> Option<&'a ConfOption> {
        self.options.iter().rfind(|option| option.key.value == key || option.key.value == other)
    }

    fn text(&self, key: &str) -> String {
        self.get(key).map(ConfOption::joined).unwrap_or_default()
    }
}

/// The workers of one interface.
struct Workers {
    /// Of `[interface NAME]`.
    name: Option<String>,
    interface: Option<Spanned<String>>,
    count: u16,
    cpus: Vec<u32>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    span: Span,
}

impl Reader<'_> {
    fn wrong(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Report::new(span, message));
    }

    fn host(&mut self, file: &SourceFile<'_>, sections: &[ConfSection], env: &Environment<'_>) -> HostConf {
        let start = Span { source: self.source, start: 0, end: 0 };
        let flat = matches!(sections, [only] if only.name.value.is_empty());
        let empty = Zeek { section: "zeek", options: &[], start };
        let zeek = sections.iter().find(|section| flat || section.name.value == "zeek");
        let zeek = zeek.map_or(empty, |section| Zeek {
            section: &section.name.value,
            options: &section.options,
            start: section.name.span,
        });
        let workers = self.workers(sections, flat);
        self.check_keys(&zeek, flat);
        let file_host = zeek_conf_host(file.path);
        let address = self.address(&zeek);
        let mut host = HostConf {
            name: file_host.unwrap_or("localhost").to_owned(),
            nodes: Vec::new(),
            args: Spanned::new(zeek.text("args"), zeek.get("args").map_or(start, ConfOption::span)),
            backend_args: zeek.text("cluster_backend_args"),
            base_dir: zeek
                .get("base_dir")
                .filter(|option| !option.joined().is_empty())
                .map(|option| Sourced::new(PathBuf::from(option.joined()), option.span(), "base_dir")),
            unresolved: None,
        };
        if host.args.value.is_empty() {
            host.args.value = "local".to_owned();
        }
        let addr = match (address, file_host) {
            (Some(address), _) => Some(address),
            (None, None) => Some(Ipv4Addr::LOCALHOST.into()),
            (None, Some(name)) => (env.resolve)(name),
        };
        if addr.is_none() {
            let report = Report::new(start, format!("the host `{}` of this file's name does not resolve", host.name));
            host.unresolved = Some(report.expected("a name that the resolver knows, or `address =` in the file"));
        }
        let written = zeek.either("address", "cluster_address").map(ConfOption::span);
        let place = Place { host: file_host.map(str::to_owned), addr, written, prefix: self.prefix(&zeek, file_host) };
        host.nodes = self.nodes(&zeek, &workers, &place);
        host
    }

    fn address(&mut self, zeek: &Zeek<'_>) -> Option<IpAddr> {
        let option = zeek.either("address", "cluster_address")?;
        let text = option.joined();
        let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let parsed = inside.unwrap_or(&text).parse::<IpAddr>().ok().filter(|ip| ip.is_ipv6() == inside.is_some());
        if parsed.is_none() {
            let report = Report::new(option.span(), format!("invalid address '{}'", shorten(&text)));
            self.problems.push(report.expected("an address, IPv6 in brackets"));
        }
        parsed
    }

    /// What stands before all names but the manager's.
    fn prefix(&mut self, zeek: &Zeek<'_>, file_host: Option<&str>) -> String {
        let Some(option) = zeek.get("cluster_node_prefix") else { return file_host.unwrap_or_default().to_owned() };
        let text = option.joined();
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if text.chars().all(fine) && !text.starts_with(['-', '_']) {
            return text;
        }
        let message = format!("invalid cluster_node_prefix '{}'", shorten(&text));
        self.problems.push(Report::new(option.span(), message).expected("lower-case letters, digits, `-` and `_`"));
        String::new()
    }

    /// A whole number of at least 0; the error is Zeek's.
    fn count(&mut self, option: Option<&ConfOption>) -> u16 {
        let Some(option) = option else { return 0 };
        let text = option.joined();
        match text.parse::<u16>().ok().filter(|count| i64::from(*count) <= MAX_NODES) {
            Some(count) => count,
            None => {
                let message = format!("invalid {} value: '{}'", option.key.value, shorten(&text));
                self.problems.push(Report::new(option.span(), message).expected("a whole number from 0 to 10000"));
                0
            }
        }
    }

    /// The first of several ports; as C's `atoi` a text without a number is 0.
    fn port(&mut self, option: Option<&ConfOption>, default: u32) -> u32 {
        let Some(option) = option else { return default };
        let text = option.joined();
        match text.parse::<u16>() {
            Ok(port) => u32::from(port),
            Err(_) => {
                let message = format!("`{}` cannot be `{}`", option.key.value, shorten(&text));
                self.problems.push(Report::new(option.span(), message).expected("a port from 0 to 65535"));
                default
            }
        }
    }

    fn nodes(&mut self, zeek: &Zeek<'_>, workers: &[Workers], place: &Place) -> Vec<SiteNode> {
        let mut ports = self.ports(zeek);
        let mut nodes = Vec::new();
        let manager = zeek.get("manager");
        if let Some(option) = manager
            && !["0", "1"].contains(&option.joined().as_str())
        {
            self.wrong(option.span(), format!("invalid manager value: '{}'", shorten(&option.joined())));
        }
        let of_kind = [
            ("manager", NodeType::Manager, u16::from(manager.is_some_and(|option| option.joined() == "1"))),
            ("logger", NodeType::Logger, self.count(zeek.get("loggers"))),
            ("proxy", NodeType::Proxy, self.count(zeek.get("proxies"))),
        ];
        for (kind, node_type, count) in of_kind {
            let args = zeek.text(&format!("{kind}_args"));
            let env = [self.env(zeek.get("env")), self.env(zeek.get(&format!("{kind}_env")))].concat();
            for number in 1..=count {
                let name = match node_type {
                    NodeType::Manager => "manager".to_owned(),
                    _ => place.name(&format!("{kind}-{number}")),
                };
                let mut node = place.node(name, node_type, zeek.start);
                node.aux_scripts = shlex::split(&args).unwrap_or_default();
                node.env_vars = env.iter().cloned().collect();
                ports.take(&mut node);
                nodes.push(node);
            }
        }
        let shared = self.env(zeek.get("env"));
        let mut on_host = 0;
        for workers in workers {
            for index in 1..=workers.count {
                on_host += 1;
                nodes.extend(self.worker(workers, Numbers { index, on_host }, &shared, place));
            }
        }
        nodes.iter_mut().filter(|node| node.is(NodeType::Worker)).for_each(|node| ports.take_metrics(node));
        self.limited(nodes, zeek.start)
    }

    fn ports(&mut self, zeek: &Zeek<'_>) -> Ports {
        let port = zeek.either("port", "cluster_port");
        Ports {
            next: self.port(port, 27760),
            metrics: self.port(zeek.get("metrics_port"), 9991),
            port: Origin::new(port.map(ConfOption::span).unwrap_or_default(), "counted from port"),
            metrics_port: Origin::new(
                zeek.get("metrics_port").map(ConfOption::span).unwrap_or_default(),
                "counted from metrics_port",
            ),
        }
    }

    fn limited(&mut self, mut nodes: Vec<SiteNode>, span: Span) -> Vec<SiteNode> {
        if nodes.len() > MAX_NODES as usize {
            self.wrong(span, format!("the file stands for more than {MAX_NODES} nodes"));
            nodes.truncate(MAX_NODES as usize);
        }
        nodes
    }

    fn worker(
        &mut self,
        workers: &Workers,
        numbers: Numbers,
        shared: &[(String, String)],
        place: &Place,
    ) -> Option<SiteNode> {
        let Numbers { index, on_host } = numbers;
        let base = workers.name.as_ref().map_or_else(|| "worker".to_owned(), |name| format!("worker-{name}"));
        let mut node = place.node(place.name(&format!("{base}-{index}")), NodeType::Worker, workers.span);
        node.entry = (place.name(&base), usize::from(index - 1));
        node.lb_procs = Some(workers.count);
        let cpus = workers.cpus.len();
        node.pin_cpu = (cpus > 0).then(|| workers.cpus[usize::from(index - 1) % cpus]);
        let cpu = node.pin_cpu.map(|cpu| cpu.to_string());
        let variables = |name: &str| match name {
            "worker_index" => Some(index.to_string()),
            "worker_index0" => Some((index - 1).to_string()),
            "host_worker_index" => Some(on_host.to_string()),
            "host_worker_index0" => Some((on_host - 1).to_string()),
            "worker_cpu" => cpu.clone(),
            "interface_section_name" => workers.name.clone(),
            _ => None,
        };
        if let Some(interface) = &workers.interface {
            match substitute(&interface.value, &variables) {
                Ok(text) => node.interface = Some(text).filter(|text| !text.is_empty()),
                Err(name) => self.unknown_variable(interface.span, &name),
            }
            node.origin.insert("interface", Origin::new(interface.span, "interface"));
        }
        node.env_vars = shared.iter().cloned().collect();
        for (name, value) in &workers.env {
            match substitute(value, &variables) {
                Ok(text) => {
                    node.env_vars.insert(name.clone(), text);
                }
                Err(unknown) => self.unknown_variable(workers.span, &unknown),
            }
        }
        node.aux_scripts.clone_from(&workers.args);
        Some(node)
    }

    fn unknown_variable(&mut self, span: Span, name: &str) {
        let report = Report::new(span, format!("invalid substitution var '{}'", shorten(name)));
        self.problems.push(report.expected(
            "worker_index, worker_index0, host_worker_index, host_worker_index0, worker_cpu or interface_section_name",
        ));
    }

    /// `A=1`, one a line.
    fn env(&mut self, option: Option<&ConfOption>) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for value in option.iter().flat_map(|option| &option.values).filter(|value| !value.value.is_empty()) {
            match value.value.split_once('=') {
                Some((name, text)) => variables.push((name.to_owned(), text.to_owned())),
                None => {
                    let key = option.map(|option| option.key.value.as_str()).unwrap_or_default();
                    let message = format!("error in {key}: invalid env value '{}'", shorten(&value.value));
                    self.problems.push(Report::new(value.span, message).expected("`NAME=value`, one a line"));
                }
            }
        }
        variables
    }

    fn workers(&mut self, sections: &[ConfSection], flat: bool) -> Vec<Workers> {
        let mut found = Vec::new();
        let has_unnamed = sections.iter().find(|section| section.name.value.is_empty());
        if let (false, Some(unnamed)) = (flat, has_unnamed) {
            let span = unnamed.options.first().map_or(unnamed.name.span, |option| option.key.span);
            let report = Report::new(span, "options in unnamed section mixed with options in sections");
            self.problems.push(report.expected("`[zeek]` above them"));
        }
        for section in sections {
            let name = section.name.value.as_str();
            if !flat && !name.starts_with("interface") {
                if name != "zeek" && !name.is_empty() {
                    let report =
                        Report::new(section.name.span, format!("Zeek ignores the section `{}`", shorten(name)));
                    self.problems.warn(report.expected("`[zeek]` or `[interface NAME]`"));
                }
                continue;
            }
            let tag = name.strip_prefix("interface ");
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            if !flat && !tag.is_some_and(|tag| !tag.is_empty() && tag.chars().all(fine)) {
                let message =
                    format!("invalid interface name in '{}' (must match /interface [-_a-z0-9]+/)", shorten(name));
                self.wrong(section.name.span, message);
                continue;
            }
            found.extend(self.interface(section, tag.map(str::to_owned)));
        }
        found
    }

    fn interface(&mut self, section: &ConfSection, tag: Option<String>) -> Option<Workers> {
        let of = of_section(&section.name.value);
        let get = |key: &str| section.options.iter().find(|option| option.key.value == key);
        if section.options.is_empty() {
            self.wrong(section.name.span, format!("empty section{of}"));
            return None;
        }
        for option in &section.options {
            self.check_interface_option(section, option, tag.is_some());
        }
        let interface = get("interface").map(|option| Spanned::new(option.joined(), option.span()));
        let filled = interface.as_ref().is_some_and(|interface| !interface.value.is_empty());
        match (get("workers"), &interface) {
            (Some(workers), None) => {
                self.wrong(workers.key.span, format!("found workers but no interface option{of}"));
            }
            (None, Some(interface)) if filled => {
                self.wrong(interface.span, format!("found interface but no worker option{of}"));
            }
            (_, Some(interface)) if tag.is_some() && !filled => {
                self.wrong(interface.span, format!("empty interface option not allowed{of}"));
            }
            _ => {}
        }
        let count = match get("workers") {
            None => 0,
            some => self.count(some),
        };
        let cpus = match get("workers_cpu_list") {
            None => Vec::new(),
            Some(option) => cpu_list(&option.joined()).unwrap_or_else(|| {
                self.wrong(option.span(), format!("invalid workers_cpu_list value '{}'", shorten(&option.joined())));
                Vec::new()
            }),
        };
        let args = get("worker_args").map(ConfOption::joined).unwrap_or_default();
        Some(Workers {
            env: self.env(get("worker_env")),
            args: shlex::split(&args).unwrap_or_default(),
            span: section.name.span,
            name: tag,
            interface,
            count,
            cpus,
        })
    }

    fn check_interface_option(&mut self, section: &ConfSection, option: &ConfOption, strict: bool) {
        let key = option.key.value.as_str();
        if !INTERFACE_KEYS.contains(&key) {
            if strict {
                let message = format!("invalid option '{key}'{}", of_section(&section.name.value));
                self.problems.push(Report::new(option.key.span, message).nearest(key, INTERFACE_KEYS));
            }
            return;
        }
        if option.values.len() > 1 && !key.ends_with("env") && !key.ends_with("args") {
            self.wrong(option.values[1].span, format!("multiple values for '{key}' given"));
        }
        let value = option.joined();
        if key.ends_with("numa_policy") && !["local", "default"].contains(&value.as_str()) {
            self.wrong(option.span(), format!("invalid '{key}' value"));
        }
        if strict {
            self.note(&section.name.value, option);
        }
    }

    fn check_keys(&mut self, zeek: &Zeek<'_>, flat: bool) {
        for option in zeek.options {
            let key = option.key.value.as_str();
            if KEYS.contains(&key) || (flat && INTERFACE_KEYS.contains(&key)) {
                self.note(zeek.section, option);
                continue;
            }
            let names = KEYS.iter().chain(INTERFACE_KEYS.iter().filter(|_| flat)).copied();
            match flat {
                true => {
                    let report =
                        Report::new(option.key.span, format!("Zeek ignores the unknown option `{}`", shorten(key)));
                    self.problems.warn(report.nearest(key, names));
                }
                false => {
                    let message = format!("invalid key '{}'{}", shorten(key), of_section(zeek.section));
                    self.problems.push(Report::new(option.key.span, message).nearest(key, names));
                }
            }
        }
    }

    /// What becomes of an option.
    fn note(&mut self, section: &str, option: &ConfOption) {
        let key = option.key.value.as_str();
        let (fate, reason) = fate(key, &option.joined());
        let setting = if section.is_empty() { key.to_owned() } else { format!("[{section}] {key}") };
        self.notes.add(option.key.span, setting, &option.joined(), fate, reason);
    }
}

fn fate(key: &str, value: &str) -> (Fate, &'static str) {
    use Fate::{Kept, NotNeeded, NotTakenOver, Translated};
    match key {
        "archiver" if !["", "0", "1"].contains(&value) => {
            (NotTakenOver, "loggers archive their logs themselves; no other archiver is run")
        }
        "archiver"
        | "archiver_args"
        | "archiver_env"
        | "archiver_cpu_set"
        | "archiver_nice"
        | "archiver_memory_max" => (NotNeeded, "loggers archive their logs themselves"),
        _ if value.is_empty() => (NotNeeded, "it is empty"),
        "manager" | "loggers" | "proxies" | "workers" => (Kept, "nodes"),
        "interface" => (Kept, "interface of the workers"),
        "workers_cpu_list" => (Translated, "pin_cpus of the workers"),
        "args" => (Translated, "zeek.scripts and zeek.args"),
        "manager_args" | "logger_args" | "proxy_args" | "worker_args" => (Translated, "aux_scripts of those nodes"),
        "env" | "manager_env" | "logger_env" | "proxy_env" | "worker_env" => (Kept, "env_vars of those nodes"),
        "port" | "cluster_port" => (Translated, "port of the nodes"),
        "address" | "cluster_address" => (Translated, "the address below hosts"),
        "metrics_port" => (Translated, "metrics_port of the nodes"),
        "base_dir" => (Translated, "zeek.prefix"),
        "cluster_node_prefix" => (Translated, "names of the nodes"),
        "cluster_backend_args" => (NotNeeded, "the layout says where the cluster's forwarder listens"),
        "cluster_layout" => {
            (NotTakenOver, "the nodes are those of this file; import that file instead, if it has others")
        }
        "path" | "ext_path" => (NotTakenOver, "PATH is that of the agent, with zeek.prefix/bin before it"),
        "ext_zeek_path" => (NotTakenOver, "ZEEKPATH is Zeek's own; set it in env_vars of the nodes"),
        "user" | "group" => (NotTakenOver, "nodes run as the account that deploys"),
        "restart_interval_sec" => (NotNeeded, "nodes that end are started again at once, then with growing pauses"),
        "worker_numa_policy" | "workers_numa_policy" => (NotTakenOver, "no NUMA policy is set"),
        key if key.ends_with("_cpu_set") => (NotTakenOver, "pin_cpus binds a process to one CPU, not to a set"),
        key if key.ends_with("_nice") => (NotTakenOver, "all nodes run with the agent's priority"),
        _ => (NotTakenOver, "no limit of memory is set; a limit of the agent's service holds for its nodes too"),
    }
}

#[derive(Clone, Copy)]
struct Numbers {
    index: u16,
    on_host: u32,
}

/// Where the nodes of a file are.
struct Place {
    host: Option<String>,
    addr: Option<IpAddr>,
    /// Where the file says the address, if it does.
    written: Option<Span>,
    prefix: String,
}

impl Place {
    fn name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}-{name}", self.prefix) }
    }

    fn node(&self, name: String, node_type: NodeType, span: Span) -> SiteNode {
        let mut node = SiteNode::new(name, SiteType::Node(node_type), span);
        node.host = match (&self.host, self.addr) {
            // The address that a file gives its host is the one to connect to.
            (Some(host), _) => host.clone(),
            (None, Some(ip)) if ip != IpAddr::from(Ipv4Addr::LOCALHOST) => ip.to_string(),
            (None, _) => "localhost".to_owned(),
        };
        node.addr = self.addr;
        if let Some(span) = self.written {
            node.origin.insert("address", Origin::new(span, "address"));
        }
        node
    }
}

/// Ports of a file, one after the other; workers have none but for their metrics.
struct Ports {
    next: u32,
    metrics: u32,
    port: Origin,
    metrics_port: Origin,
}

impl Ports {
    fn take(&mut self, node: &mut SiteNode) {
        node.port = u16::try_from(self.next).ok().filter(|port| *port > 0);
        self.next += 1;
        node.origin.insert("port", self.port.clone());
        self.take_metrics(node);
    }

    fn take_metrics(&mut self, node: &mut SiteNode) {
        if self.metrics == 0 {
            return;
        }
        node.metrics_port = u16::try_from(self.metrics).ok();
        self.metrics += 1;
        node.origin.insert("metrics_port", self.metrics_port.clone());
    }
}

/// A text with what `${NAME}` stands for; `\${` is a `${`. The error is a name that means nothing.
fn substitute(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, tail) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('\\') {
            filled.push_str(before);
            filled.push_str("${");
            rest = tail;
            continue;
        }
        filled.push_str(before);
        let (name, after) = tail.split_once('}').ok_or_else(|| tail.to_owned())?;
        filled.push_str(&variables(name).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// `0,4-8:2`. None for what is none.
fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    if text.is_empty() {
        return Some(cpus);
    }
    for part in text.split(',') {
        match part.split_once('-') {
            None => cpus.push(part.parse().ok()?),
            Some((first, rest)) => {
                let (last, step) = rest.split_once(':').unwrap_or((rest, "1"));
                let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
                let step = step.parse::<usize>().ok().filter(|step| *step > 0)?;
                if last < first || last > 65_535 {
                    return None;
                }
                cpus.extend((first..=last).step_by(step));
            }
        }
    }
    Some(cpus)
}
