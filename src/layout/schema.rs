//! The one table of the layout's keys: what each may hold, its default, and a sentence about it. Checks, reading, and
//! the JSON Schema all walk this table.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use serde_json::{Map, Value as Json, json};

use super::duration;
use super::habit;
use super::limits;
use super::problem::{Problems, Report, Span};
use super::suggest;
use super::tree::{Entry, Scalar, Tree, Value};

/// Most processes of one entry under `nodes:` on one host, and most nodes of a layout.
pub(crate) const MAX_NODES: i64 = 10_000;
/// Longest name of a cluster, host or node.
pub(crate) const MAX_NAME: usize = 64;

/// What a value may be.
pub(crate) enum Kind {
    /// Any scalar.
    Text,
    /// The name of a cluster or node.
    Name,
    /// The name of a host, which may be its address.
    HostName,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `type` of a node.
    NodeType,
    /// A whole number.
    Int { min: i64, max: i64 },
    /// See [`duration`].
    Duration,
    /// `true` or `false`.
    Switch,
    /// See [`limits::bytes`].
    Bytes,
    /// See [`limits::cpus`].
    Cpus,
    /// See [`limits::numa`].
    Numa,
    /// An IP address.
    Ip,
    /// An IP address, or the unspecified one, to listen on.
    ListenIp,
    /// An IP address or a host name.
    Address,
    /// An absolute path.
    AbsolutePath,
    /// `10.0.0.0/8 Some words`.
    Network,
    /// `[user@]host[:port]`.
    Jump,
    /// Zeek values of an option; checked by `options.rs`.
    Option,
    /// One value, or a list of them.
    OneOrMany(&'static Kind),
    /// A mapping with these keys.
    Keys(&'static [Key]),
    /// A mapping from names to values.
    Named { names: Names, value: &'static Kind },
    /// One value, or a mapping that says more.
    Short { value: &'static Kind, long: &'static Kind },
}

/// What the keys of a [`Kind::Named`] are.
#[derive(Clone, Copy)]
pub(crate) enum Names {
    /// `[A-Za-z0-9_.-]+`.
    Name,
    /// The same, or an address.
    Host,
    /// Names of options; checked by `options.rs`.
    Option,
    /// Names of stores: anything printable.
    Store,
    /// Names of environment variables.
    Variable,
    /// Names of Zeek's scripts, such as `Notice::mail_dest`.
    Zeek,
}

/// A key of the layout.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static Kind,
    /// As the manual says it; empty where there is none.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

const fn key(name: &'static str, kind: &'static Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

const PORT: Kind = Kind::Int { min: 1, max: 65_535 };
const COUNT: Kind = Kind::Int { min: 1, max: MAX_NODES };
const CPU: Kind = Kind::Int { min: 0, max: 65_535 };
const ENGINE: Kind = Kind::Word(&["core", "zeek"]);

/// The layout.
pub(crate) const LAYOUT: Kind = Kind::Keys(&[
    key("version", &Kind::Int { min: 1, max: 1 }, "1", "Version of the layout's format."),
    key(
        "name",
        &Kind::Name,
        "the file's name without its ending",
        "The cluster's name; it also names folders and keys.",
    ),
    key(
        "backend",
        &Kind::Word(&["zeromq", "broker"]),
        "zeromq",
        "How frames travel; broker is known but cannot be run by this version.",
    ),
    key(
        "encryption",
        &Kind::Word(&["auto", "on", "off"]),
        "auto",
        "CURVE encryption; auto turns it on as soon as nodes live on two addresses.",
    ),
    key(
        "base_dir",
        &Kind::AbsolutePath,
        "/opt/zeek-cluster for root, else ~/.local/share/zeek-cluster",
        "Folder on each host; the cluster's name is appended.",
    ),
    key("stop_grace", &Kind::Duration, "10s", "How long a node may take to end after SIGTERM before SIGKILL."),
    key(
        "restart_when_silent",
        &Kind::Duration,
        "60s",
        "How long a node may give no sign of life before it is restarted, unless the node says otherwise; 0 for never.",
    ),
    key(
        "port",
        &Kind::Int { min: 1, max: 65_532 },
        "27760",
        "First port of the cluster: the hub takes it and the next, a manager without loggers +3, logger-N +3+N.",
    ),
    key("engine", &ENGINE, "core", "What runs as a node, unless the node says otherwise: this program or a real Zeek."),
    key("ssh", &SSH, "", "SSH defaults for all hosts; ~/.ssh/config is honoured below them."),
    key("defaults", &DEFAULTS, "", "Limits of every node that does not say otherwise."),
    key(
        "hosts",
        &Kind::Named { names: Names::Host, value: &HOST },
        "one host `localhost`, this machine",
        "The machines, by name.",
    ),
    key(
        "nodes",
        &Kind::Named { names: Names::Name, value: &NODE },
        "",
        "The nodes, by name; an entry with a count or several hosts stands for NAME-1, NAME-2 and so on.",
    ),
    key(
        "options",
        &Kind::Named { names: Names::Option, value: &Kind::Option },
        "",
        "Zeek's redefinable options, by their full names.",
    ),
    key("stores", &Kind::Named { names: Names::Store, value: &STORE }, "", "Data stores (Cluster::stores), by name."),
    key("logging", &LOGGING, "", "How loggers write and keep their files."),
    key(
        "networks",
        &Kind::OneOrMany(&Kind::Network),
        "",
        "Local networks: a prefix, and after a blank what it is called.",
    ),
    key("zeek", &ZEEK, "", "For nodes with engine zeek."),
    key(
        "notify",
        &Kind::Named { names: Names::Name, value: &NOTIFY },
        "",
        "Targets of messages about incidents, by name; each host's agent reports its own host.",
    ),
]);

const SSH: Kind = Kind::Keys(&[
    key("user", &Kind::Text, "~/.ssh/config, else the operator", "Login name."),
    key("port", &PORT, "~/.ssh/config, else 22", "TCP port."),
    key(
        "identity_file",
        &Kind::OneOrMany(&Kind::Text),
        "~/.ssh/config, the agent, the usual names",
        "Private keys to try.",
    ),
    key("jump", &Kind::OneOrMany(&Kind::Jump), "none", "Jump hosts in order, [user@]host[:port]."),
    key(
        "host_key_checking",
        &Kind::Word(&["strict", "accept-new"]),
        "strict",
        "What to do with a host key never seen before; a changed one is always refused.",
    ),
    key(
        "connect_timeout",
        &Kind::Duration,
        "~/.ssh/config, else 5s",
        "For TCP and the key exchange together, at each hop.",
    ),
    key(
        "known_hosts_file",
        &Kind::OneOrMany(&Kind::Text),
        "~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts",
        "Where host keys are looked up.",
    ),
    key(
        "client",
        &Kind::Word(&["builtin", "system"]),
        "builtin",
        "Who speaks SSH: the library in this program, or the installed ssh (also --ssh).",
    ),
]);

const HOST: Kind = Kind::Short {
    value: &Kind::Address,
    long: &Kind::Keys(&[
        key("address", &Kind::Address, "the host's name", "IP address, or a name that the resolver knows."),
        key(
            "ssh",
            &SSH,
            "",
            "SSH settings of this host; a host that has this key is reached by SSH even when it is this machine.",
        ),
    ]),
};

/// Keys of a node that are options of `AF_Packet::`, as zeekctl's plugin has them. Source: zeekctl 2.6.0-67,
/// `zzz_af_packet.py`.
pub(crate) const AF_PACKET_KEYS: [&str; 10] = [
    "af_packet_block_size",
    "af_packet_block_timeout",
    "af_packet_buffer_size",
    "af_packet_checksum_validation_mode",
    "af_packet_enable_defrag",
    "af_packet_enable_fanout",
    "af_packet_enable_hw_timestamping",
    "af_packet_fanout_id",
    "af_packet_fanout_mode",
    "af_packet_link_type",
];

const NODE: Kind = Kind::Keys(&[
    key("type", &Kind::NodeType, "what the entry's name begins with", "manager, logger, proxy or worker."),
    key(
        "host",
        &Kind::OneOrMany(&Kind::HostName),
        "the only host",
        "Where it runs; a list runs `count` processes on each.",
    ),
    key("count", &COUNT, "1", "Processes on each host."),
    key("lb_procs", &COUNT, "1", "The same as count."),
    key("ip", &Kind::Ip, "the host's address", "Address that the other nodes connect to."),
    key("zone_id", &Kind::Text, "", "RFC 4007 zone of a link-local address."),
    key(
        "port",
        &PORT,
        "by the node's name, see the top-level `port`",
        "Where a log receiver listens; of several processes the first one, the others follow.",
    ),
    key("manager", &Kind::Name, "the manager", "Name of the manager."),
    key(
        "metrics_port",
        &PORT,
        "none",
        "Where metrics are served, on the node's own address unless `Telemetry::metrics_address` says otherwise; of several processes the first one, the others follow.",
    ),
    key("engine", &ENGINE, "the top-level `engine`", "What runs as this node: this program or a real Zeek."),
    key("websocket", &WEBSOCKET, "none", "A WebSocket API server in this node; an empty value takes all defaults."),
    key(
        "interface",
        &Kind::OneOrMany(&Kind::Text),
        "none",
        "Where packets come from; `{n}` is the number of the process on its host from 0. A list holds one for each process.",
    ),
    key(
        "lb_method",
        &Kind::Word(&["af_packet", "pf_ring", "myricom", "custom", "interfaces"]),
        "none",
        "How packets are spread over the processes of a host.",
    ),
    key("pin_cpus", &Kind::OneOrMany(&CPU), "all", "CPU of the first process, the second one and so on, on each host."),
    key("af_packet_block_size", &Kind::Text, "Zeek's", "Bytes of a block of the ring buffer."),
    key(
        "af_packet_block_timeout",
        &Kind::Text,
        "Zeek's",
        "How long the kernel may take to hand over a block that is not full, such as `10msec`.",
    ),
    key(
        "af_packet_buffer_size",
        &Kind::Text,
        "Zeek's",
        "Bytes of the ring buffer, also an expression such as `128*1024*1024`.",
    ),
    key("af_packet_checksum_validation_mode", &Kind::Text, "Zeek's", "Such as `AF_Packet::CHECKSUM_KERNEL`."),
    key(
        "af_packet_enable_defrag",
        &Kind::Text,
        "Zeek's",
        "`T` or `F`: whether the kernel puts fragments together before it spreads packets.",
    ),
    key(
        "af_packet_enable_fanout",
        &Kind::Text,
        "Zeek's",
        "`T` or `F`: whether the kernel spreads packets over the processes.",
    ),
    key(
        "af_packet_enable_hw_timestamping",
        &Kind::Text,
        "Zeek's",
        "`T` or `F`: whether the network card stamps packets.",
    ),
    key(
        "af_packet_fanout_id",
        &Kind::Text,
        "by the interface, from 23",
        "Number of the fanout group, which all processes of an interface share.",
    ),
    key("af_packet_fanout_mode", &Kind::Text, "Zeek's", "Such as `AF_Packet::FANOUT_HASH`."),
    key("af_packet_link_type", &Kind::Text, "Zeek's", "Link type of the interface, such as `1` for Ethernet."),
    MEMORY_MAX,
    MEMORY_HIGH,
    NICE,
    CPU_SET,
    NUMA,
    OPEN_FILES,
    CORE_DUMPS,
    key(
        "command",
        &Kind::OneOrMany(&Kind::Text),
        "none",
        "A program that runs under this node, and its arguments, as a list; it finds the cluster by its environment.",
    ),
    key(
        "health",
        &HEALTH,
        "none",
        "A command that says whether the program of `command` works: exit status 0. The node is degraded when it has not for \
         10 seconds, and the program is restarted after `restart_when_silent`.",
    ),
    key(
        "restart_when_silent",
        &Kind::Duration,
        "the top-level `restart_when_silent`",
        "How long the node may give no sign of life before it is restarted; 0 for never.",
    ),
    key("env_vars", &Kind::Named { names: Names::Variable, value: &Kind::Text }, "", "Environment of the process."),
    key("aux_scripts", &Kind::OneOrMany(&Kind::Text), "", "Further Zeek scripts of this node."),
]);

const HEALTH: Kind = Kind::Keys(&[
    key("command", &Kind::OneOrMany(&Kind::Text), "", "The command and its arguments, as a list."),
    key("interval", &Kind::Duration, "10s", "From the end of one run to the next."),
    key("timeout", &Kind::Duration, "5s", "How long a run may take; a longer one is ended and counts as a failure."),
]);
/// What the processes of a node may take of their host; of one node, or of all that do not say otherwise.
const DEFAULTS: Kind = Kind::Keys(&[MEMORY_MAX, MEMORY_HIGH, NICE, CPU_SET, NUMA, OPEN_FILES, CORE_DUMPS]);

const MEMORY_MAX: Key = key(
    "memory_max",
    &Kind::Bytes,
    "none",
    "Most memory of all its processes together, such as 4GiB; beyond it the kernel ends them, and the agent starts the node again.",
);
const MEMORY_HIGH: Key = key(
    "memory_high",
    &Kind::Bytes,
    "none",
    "Memory above which its processes are slowed down and made to give some back; needs a cgroup (`agent install`).",
);
const NICE: Key = key(
    "nice",
    &Kind::Int { min: -20, max: 19 },
    "that of the agent",
    "Nice value; below that of the agent it needs a privilege.",
);
const CPU_SET: Key = key(
    "cpu_set",
    &Kind::OneOrMany(&Kind::Cpus),
    "all",
    "CPUs that each process may run on, such as 2-5; auto gives each one of its own, whole cores first and CPU 0 last.",
);
const NUMA: Key = key(
    "numa",
    &Kind::OneOrMany(&Kind::Numa),
    "none",
    "Where its memory lies: only in these NUMA nodes, such as 0 or 0-1; local, or interleave over all.",
);
const OPEN_FILES: Key = key(
    "open_files",
    &Kind::Int { min: 64, max: 1 << 30 },
    "what the host allows, at most 1048576",
    "Most open files of each process.",
);
const CORE_DUMPS: Key = key("core_dumps", &Kind::Switch, "as the host has it", "Whether a crash leaves a core file.");

const WEBSOCKET: Kind = Kind::Keys(&[
    key(
        "listen_addr",
        &Kind::ListenIp,
        "127.0.0.1",
        "Address to listen on; `0.0.0.0` or `\"::\"` for all of the host.",
    ),
    key("listen_port", &PORT, "27759", "TCP port."),
    key(
        "max_event_queue_size",
        &Kind::Int { min: 0, max: 65_536 },
        "32",
        "Events of all clients that may wait for the node before the clients have to; 0 for the most.",
    ),
    key(
        "ping_interval",
        &Kind::Duration,
        "5s",
        "Clients that do not answer a ping within it are dropped; below one second nobody is pinged.",
    ),
    key(
        "max_backlog_mib",
        &Kind::Int { min: 1, max: 4096 },
        "64",
        "Mebibytes of events that may wait for one client; a client that falls further behind is closed.",
    ),
    key(
        "origins",
        &Kind::OneOrMany(&Kind::Text),
        "",
        "Web sites whose pages may connect from a browser, such as `https://console.example`; `*` for all of them.",
    ),
    key("tls_options", &WEBSOCKET_TLS, "plain text", "TLS; paths are those of the node's host."),
]);

const WEBSOCKET_TLS: Kind = Kind::Keys(&[
    key("cert_file", &Kind::Text, "", "Certificate in PEM, a chain if need be."),
    key("key_file", &Kind::Text, "", "Its private key in PEM."),
    key(
        "enable_peer_verification",
        &Kind::Switch,
        "false",
        "Whether clients must present a certificate that verifies.",
    ),
    key(
        "ca_file",
        &Kind::Text,
        "SYSTEM",
        "What clients' certificates are verified against: a PEM file, `SYSTEM` for the host's authorities, `NONE` for nothing.",
    ),
    key("ciphers", &Kind::Text, "ECDHE and DHE with AES", "OpenSSL's cipher list for TLS 1.2."),
]);

const STORE: Kind = Kind::Keys(&[
    key(
        "backend",
        &Kind::Word(&["memory", "sqlite"]),
        "Cluster::default_backend",
        "Where the master keeps the data; memory is empty after each start of its node.",
    ),
    key(
        "master_node",
        &Kind::Name,
        "Cluster::default_master_node, else the manager",
        "Name of the node that holds the master; all others hold a clone.",
    ),
    key(
        "path",
        &Kind::Text,
        "NAME.sqlite in Cluster::default_store_dir, else in stores/",
        "File of a SQLite store on the master's host; a relative one begins at the cluster's folder there.",
    ),
    key(
        "synchronous",
        &Kind::Word(&["off", "normal", "full", "extra"]),
        "full",
        "How hard SQLite tries to have each write on the disk.",
    ),
    key("journal_mode", &Kind::Word(&["delete", "wal"]), "delete", "How SQLite keeps its journal."),
    key(
        "failure_mode",
        &Kind::Word(&["fail", "delete"]),
        "fail",
        "When the file is damaged: the node does not start, or the file is removed.",
    ),
    key("integrity_check", &Kind::Word(&["on", "off"]), "off", "Whether the whole file is checked at each start."),
    key("clone_resync_interval", &Kind::Duration, "10s", "How often a clone without master looks for it."),
    key("clone_stale_interval", &Kind::Duration, "5min", "After so long without master a clone's reads fail; 0 never."),
    key(
        "clone_mutation_buffer_interval",
        &Kind::Duration,
        "2min",
        "How long a clone without master keeps writes; 0 not at all.",
    ),
]);

const LOGGING: Kind = Kind::Keys(&[
    key("format", &Kind::Word(&["tsv", "json"]), "tsv", "Zeek's tab-separated format, or one JSON object a line."),
    key("rotation_interval", &Kind::Duration, "1hr", "Rotate at multiples of this, counted from midnight; 0 never."),
    key("compress", &Kind::Word(&["gzip", "none"]), "gzip", "Compression of rotated files."),
    key("expire", &Kind::Duration, "0", "Remove day folders older than this; 0 never."),
]);

const ZEEK: Kind = Kind::Keys(&[
    key("prefix", &Kind::AbsolutePath, "`zeek` in PATH", "Where Zeek is installed on the hosts."),
    key("scripts", &Kind::OneOrMany(&Kind::Text), "local", "Site scripts of all nodes."),
    key("args", &Kind::OneOrMany(&Kind::Text), "none", "Further words of Zeek's command line, behind the scripts."),
    key(
        "redefs",
        &Kind::Named { names: Names::Zeek, value: &Kind::Text },
        "",
        "Redefinitions of Zeek's own options, values as Zeek expressions; skipped where a Zeek does not know the name.",
    ),
]);

const NOTIFY: Kind = Kind::Keys(&[
    key(
        "command",
        &Kind::OneOrMany(&Kind::Text),
        "",
        "A program on each host with its arguments; it reads the message as JSON from its standard input.",
    ),
    key("http", &NOTIFY_HTTP, "", "An HTTP POST with the message."),
    key(
        "on",
        &Kind::OneOrMany(&Kind::Word(&["node", "trouble", "disk", "clock", "agent"])),
        "all of them",
        "Kinds of incidents: a node down or not working, trouble of one that runs, a full disk, a clock that was set, \
         an agent or a host that came back.",
    ),
]);

const NOTIFY_HTTP: Kind = Kind::Keys(&[
    key("url", &MAYBE_SECRET, "", "Where to: http:// or https://."),
    key(
        "headers",
        &Kind::Named { names: Names::Name, value: &MAYBE_SECRET },
        "",
        "Headers by name, such as Authorization.",
    ),
    key(
        "format",
        &Kind::Word(&["json", "text"]),
        "json",
        "The body: the message as a JSON object, or {\"text\": ...} for chat hooks.",
    ),
    key("ca_file", &Kind::AbsolutePath, "the host's own", "Certificate authorities in PEM on each host, for https."),
]);

const MAYBE_SECRET: Kind = Kind::Short { value: &Kind::Text, long: &SECRET };

const SECRET: Kind = Kind::Keys(&[
    key("file", &Kind::AbsolutePath, "", "The first line of this file on each host; only its owner may read it."),
    key("env", &Kind::Text, "", "This variable of the agent's environment."),
]);

/// Reports everything in the tree that the table does not allow.
pub(crate) fn check(tree: &Rc<Tree>, problems: &mut Problems) {
    LAYOUT.check(habit::LAYOUT, tree, problems);
}

impl Kind {
    fn check(&self, label: &str, tree: &Rc<Tree>, problems: &mut Problems) {
        match self {
            Kind::Keys(keys) => check_keys(keys, label, tree, problems),
            Kind::Named { names, value } => check_named(*names, value, label, tree, problems),
            Kind::OneOrMany(kind) => tree.elements().iter().for_each(|element| kind.check(label, element, problems)),
            Kind::Short { value, long } => match &tree.value {
                Value::Scalar(_) if !tree.is_null() => value.check("address", tree, problems),
                _ => long.check(label, tree, problems),
            },
            Kind::Option => {}
            scalar => check_scalar(scalar, label, tree, problems),
        }
    }

    /// What is expected of a scalar of this kind.
    fn expected(&self) -> String {
        match self {
            Kind::Name => "letters, digits, `_`, `-` and `.`, not beginning with `-` or `.`, at most 64".to_owned(),
            Kind::HostName => "a name below `hosts:`".to_owned(),
            Kind::Word(words) => alternatives(words),
            Kind::NodeType => alternatives(&NODE_TYPES),
            Kind::Int { min, max } if min == max => format!("{min}"),
            Kind::Int { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Duration => duration::EXPECTED.to_owned(),
            Kind::Switch => alternatives(&SWITCH),
            Kind::Bytes => limits::EXPECTED_BYTES.to_owned(),
            Kind::Cpus => limits::EXPECTED_CPUS.to_owned(),
            Kind::Numa => limits::EXPECTED_NUMA.to_owned(),
            Kind::Ip | Kind::ListenIp => "an IP address such as `192.0.2.10` or `\"2001:db8::10\"`".to_owned(),
            Kind::Address => "an IP address or a host name".to_owned(),
            Kind::AbsolutePath => "an absolute path".to_owned(),
            Kind::Network => "a network such as `10.0.0.0/8`, then what it is called if you like".to_owned(),
            Kind::Jump => "[user@]host[:port]".to_owned(),
            Kind::Text | Kind::Option | Kind::OneOrMany(_) => "a word or text".to_owned(),
            Kind::Keys(_) | Kind::Named { .. } | Kind::Short { .. } => "a mapping".to_owned(),
        }
    }

    /// Whether a scalar is of this kind.
    fn fits(&self, scalar: &Scalar) -> bool {
        let text = scalar.text.as_str();
        match self {
            Kind::Name => is_name(text),
            Kind::HostName => is_host_name(text),
            Kind::Word(words) => words.contains(&text),
            Kind::NodeType => NODE_TYPES.contains(&text),
            Kind::Int { min, max } => int(text).is_some_and(|n| (*min..=*max).contains(&n)),
            Kind::Duration => duration::parse(text).is_some(),
            Kind::Switch => switch(text).is_some(),
            Kind::Bytes => limits::bytes(text).is_some(),
            Kind::Cpus => limits::cpus(text).is_some(),
            Kind::Numa => limits::numa(text).is_some(),
            Kind::Ip => ip(text).is_some(),
            Kind::ListenIp => listen_ip(text).is_some(),
            Kind::Address => is_address(text),
            Kind::AbsolutePath => text.starts_with('/') && !text.contains('\0'),
            Kind::Network => network(text).is_some(),
            Kind::Jump => is_jump(text),
            _ => !text.contains('\0'),
        }
    }
}

/// Words of `type`, in the order in which they are explained.
pub(crate) const NODE_TYPES: [&str; 4] = ["manager", "logger", "proxy", "worker"];

/// Whether a word is a key of nodes.
pub(crate) fn is_node_key(text: &str) -> bool {
    matches!(&NODE, Kind::Keys(keys) if keys.iter().any(|key| key.name == text))
}

/// The key of a node that was meant by one that a node cannot have; none when it can have it, or nothing is near.
pub(crate) fn meant_node_key(written: &str) -> Option<&'static str> {
    let Kind::Keys(keys) = &NODE else { return None };
    let names = || keys.iter().map(|key| key.name);
    if names().any(|name| name == written) { None } else { suggest::nearest(written, names()) }
}

fn check_keys(keys: &[Key], label: &str, tree: &Rc<Tree>, problems: &mut Problems) {
    let Value::Map(entries) = &tree.value else {
        if !tree.is_null() {
            let message = format!("`{label}` cannot be {}", tree.describe());
            let report = Report::new(tree.span, message).expected("a mapping of keys to values");
            problems.push(with_shape(report, label, tree));
        }
        return;
    };
    check_duplicates(entries, problems);
    for Entry { key: written, value } in entries {
        match keys.iter().find(|key| key.name == written.value) {
            // A place for what anchors and merges share.
            None if label == habit::LAYOUT && written.value.starts_with("x-") => {}
            Some(key) => key.kind.check(key.name, value, problems),
            None => {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                // Ten of one kind would hide the others.
                let shown: Vec<&str> = names.iter().copied().filter(|name| !name.starts_with("af_packet_")).collect();
                let message = format!("unknown key `{}`", super::tree::shorten(&written.value));
                let report = Report::new(written.span, message).expected(alternatives(&shown));
                problems.push(habit::unknown_key(report, &written.value, &names, label));
            }
        }
    }
}

fn check_named(names: Names, kind: &Kind, label: &str, tree: &Rc<Tree>, problems: &mut Problems) {
    let Value::Map(entries) = &tree.value else {
        if !tree.is_null() {
            let message = format!("`{label}` cannot be {}", tree.describe());
            let report = Report::new(tree.span, message).expected("a mapping of names to values");
            problems.push(with_shape(report, label, tree));
        }
        return;
    };
    check_duplicates(entries, problems);
    for Entry { key, value } in entries {
        if let Some(expected) = names.refuses(&key.value) {
            let message = format!("`{}` is no name", super::tree::shorten(&key.value));
            problems.push(Report::new(key.span, message).expected(expected));
        }
        kind.check(&key.value, value, problems);
    }
}

impl Names {
    /// What is expected, when a name is not as it must be.
    fn refuses(self, name: &str) -> Option<String> {
        match self {
            Names::Name => (!is_name(name)).then(|| Kind::Name.expected()),
            Names::Host => {
                (!is_host_name(name)).then(|| "a name of letters, digits, `_`, `-` and `.`, or an address".to_owned())
            }
            Names::Option => None,
            Names::Store => {
                let printable = !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control);
                let inside = !name.starts_with('/') && name.split('/').all(|part| part != "..");
                (!printable || !inside).then(|| "a store's name: printable, no `..`, not beginning with `/`".to_owned())
            }
            Names::Zeek => {
                let part = |part: &str| {
                    let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                    letters && !part.is_empty() && !part.as_bytes()[0].is_ascii_digit()
                };
                (!name.split("::").all(part)).then(|| "a name of Zeek's, such as `Notice::mail_dest`".to_owned())
            }
            Names::Variable => {
                let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let fine = letters && !name.is_empty() && !name.as_bytes()[0].is_ascii_digit();
                (!fine).then(|| "an environment variable: letters, digits and `_`".to_owned())
            }
        }
    }
}

fn check_duplicates(entries: &[Entry], problems: &mut Problems) {
    let mut seen: HashMap<&str, Span> = HashMap::with_capacity(entries.len());
    for Entry { key, .. } in entries {
        // An entry that a merge brought along twice has one place, and is no duplicate.
        if seen.insert(&key.value, key.span).is_some_and(|first| first != key.span) {
            let message = format!("`{}` stands here twice", super::tree::shorten(&key.value));
            problems.push(Report::new(key.span, message).expected("each key once"));
        }
    }
}

fn check_scalar(kind: &Kind, label: &str, tree: &Tree, problems: &mut Problems) {
    let fits = match &tree.value {
        Value::Scalar(scalar) => !scalar.is_null() && kind.fits(scalar),
        _ => false,
    };
    if fits {
        return;
    }
    let report = Report::new(tree.span, format!("`{label}` cannot be {}", tree.describe())).expected(kind.expected());
    problems.push(match (kind, &tree.value) {
        (Kind::Word(words), Value::Scalar(scalar)) => report.nearest(&scalar.text, words.iter().copied()),
        (Kind::NodeType, Value::Scalar(scalar)) => explain_type(report, &scalar.text),
        (Kind::Duration, Value::Scalar(scalar)) => match habit::duration(&scalar.text) {
            Some(hint) => report.hint(hint),
            None => report,
        },
        (Kind::Address | Kind::Ip, Value::Scalar(scalar)) if scalar.text.contains('%') => {
            report.hint("the zone of an address goes into the node's `zone_id`")
        }
        _ => with_shape(report, label, tree),
    });
}

fn with_shape(report: Report, label: &str, tree: &Tree) -> Report {
    match habit::shape(label, tree) {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

fn explain_type(report: Report, text: &str) -> Report {
    match text.to_lowercase().replace(['-', '_'], "").trim_start_matches("cluster::") {
        "timemachine" => report.hint("Zeek has no time machine nodes any more; leave this node out"),
        "control" => {
            report.hint("a control node is no process: zeek-cluster itself takes its place; leave this node out")
        }
        "standalone" => report.hint("a cluster has a manager, and workers beside it"),
        other => report.nearest(other, NODE_TYPES),
    }
}

/// `a`, `b` or `c`.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// `[A-Za-z0-9_.-]+`; not beginning with `-`, so that no command takes it for a flag, nor with `.`, since folders have
/// these names.
pub(crate) fn is_name(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    letters && !text.is_empty() && text.len() <= MAX_NAME && !text.starts_with(['-', '.'])
}

/// The name of a host: as that of a node, or its address.
pub(crate) fn is_host_name(text: &str) -> bool {
    is_name(text) || text.parse::<IpAddr>().is_ok()
}

pub(crate) fn int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// An address that a node can have.
pub(crate) fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast())
}

/// An address that a server can listen on.
pub(crate) fn listen_ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().filter(|ip: &IpAddr| !ip.is_multicast())
}

const SWITCH: [&str; 2] = ["true", "false"];

/// As in YAML, or as in Zeek.
pub(crate) fn switch(text: &str) -> Option<bool> {
    match text {
        "true" | "T" => Some(true),
        "false" | "F" => Some(false),
        _ => None,
    }
}

fn is_address(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return ip(text).is_some();
    }
    let label = |label: &str| {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        letters && (1..=63).contains(&label.len()) && !label.starts_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    // What ends in a number was meant as an IPv4 address (RFC 1123, 2.1).
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && !numeric && name.split('.').all(label)
}

fn is_jump(text: &str) -> bool {
    let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user), rest));
    let (host, port) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port_fits = port.is_none_or(|port| int(port).is_some_and(|n| (1..=65_535).contains(&n)));
    user != Some("") && is_address(host) && port_fits
}

/// Prefix and description of a `networks:` entry.
pub(crate) fn network(text: &str) -> Option<(String, Option<String>)> {
    let text = text.trim();
    let (prefix, words) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (address, length) = prefix.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = int(length)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let words = words.trim();
    (0..=max).contains(&bits).then(|| (format!("{address}/{bits}"), (!words.is_empty()).then(|| words.to_owned())))
}

/// A JSON Schema (draft 2020-12) of the layout, for editors.
pub fn schema() -> Json {
    let mut schema = LAYOUT.schema();
    if let Json::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("zeek-cluster layout"));
        object.insert("required".to_owned(), json!(["nodes"]));
        let options: Map<String, Json> =
            super::options::OPTIONS.iter().map(|o| (o.name.to_owned(), json!({ "description": o.doc }))).collect();
        object["properties"]["options"] = json!({
            "type": ["object", "null"],
            "description": "Zeek's redefinable options, by their full names.",
            "properties": options,
            "additionalProperties": false,
        });
    }
    schema
}

impl Kind {
    fn schema(&self) -> Json {
        match self {
            Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
            Kind::Name => json!({ "type": ["string", "integer"], "pattern": NAME_PATTERN }),
            Kind::HostName => json!({ "type": ["string", "integer"] }),
            Kind::Word(words) => json!({ "enum": words }),
            Kind::NodeType => json!({ "enum": NODE_TYPES }),
            Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Kind::Duration => {
                json!({ "type": ["string", "integer"], "pattern": "^[0-9.]+ *[a-z]+$|^0$", "maximum": 0 })
            }
            Kind::Switch => json!({ "enum": [true, false, "T", "F"] }),
            Kind::Ip | Kind::ListenIp | Kind::Address | Kind::Network | Kind::Jump => json!({ "type": "string" }),
            Kind::Bytes | Kind::Cpus | Kind::Numa => json!({ "type": ["string", "integer"] }),
            Kind::AbsolutePath => json!({ "type": "string", "pattern": "^/" }),
            Kind::Option => json!({}),
            Kind::OneOrMany(kind) => {
                json!({ "anyOf": [kind.schema(), { "type": "array", "items": kind.schema() }, { "type": "null" }] })
            }
            Kind::Keys(keys) => {
                let properties: Map<String, Json> =
                    keys.iter().map(|key| (key.name.to_owned(), key.schema())).collect();
                json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false })
            }
            Kind::Named { names, value } => {
                let mut schema = json!({ "type": ["object", "null"], "additionalProperties": value.schema() });
                if let Names::Name = names {
                    schema["propertyNames"] = json!({ "pattern": NAME_PATTERN });
                }
                schema
            }
            Kind::Short { value, long } => json!({ "anyOf": [value.schema(), long.schema()] }),
        }
    }
}

const NAME_PATTERN: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$";

impl Key {
    fn schema(&self) -> Json {
        let mut schema = self.kind.schema();
        let doc = match self.default {
            "" => self.doc.to_owned(),
            default => format!("{} Default: {default}.", self.doc),
        };
        schema["description"] = json!(doc);
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        for good in ["192.0.2.1", "::1", "fe80::1", "head", "head.example.net.", "a_b-c", "1host.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["300.1.2.3", "1.2.3", "", "a..b", "-a", "0.0.0.0", "::", "224.0.0.1", "fe80::1%eth0", "[::1]", "a b"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn jump_hosts() {
        for good in ["bastion", "me@bastion:2222", "[2001:db8::1]:22", "2001:db8::1", "a@b@host"] {
            assert!(is_jump(good), "{good}");
        }
        for bad in ["", "@host", "host:0", "host:99999", "me@"] {
            assert!(!is_jump(bad), "{bad}");
        }
    }

    #[test]
    fn networks_are_prefix_and_words() {
        assert_eq!(network("10.0.0.0/8  Corp LAN"), Some(("10.0.0.0/8".into(), Some("Corp LAN".into()))));
        assert_eq!(network("fd00::/8"), Some(("fd00::/8".into(), None)));
        assert_eq!(network("10.0.0.0/33"), None);
        assert_eq!(network("10.0.0.0"), None);
    }

    #[test]
    fn the_json_schema_names_every_key() {
        let schema = schema();
        assert_eq!(
            schema["properties"]["nodes"]["additionalProperties"]["properties"]["pin_cpus"]["anyOf"][0]["minimum"],
            0
        );
        assert!(schema["properties"]["options"]["properties"]["Cluster::retry_interval"].is_object());
    }
}
