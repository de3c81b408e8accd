//! The resolved layout: counts expanded, defaults filled in, ports assigned. Nothing here has to be checked again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::config::{Compress, LogFormat, OptionValue, WebSocketTlsConfig};
use crate::api::limits::Limits;
use crate::api::notify::NotifyConfig;
use crate::api::store::{BackendType, SqliteOptions};
use crate::data::NodeType;

/// A checked and expanded layout.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = "nodes:\n  manager: { type: manager }\n  worker: { type: worker, count: 2 }\n";
/// let layout = zeek_cluster::parse_layout(text, "campus.yaml")?;
/// assert_eq!(layout.name, "campus");
/// assert_eq!(layout.node("worker-2").map(|node| node.host.as_str()), Some(layout.hosts[0].name.as_str()));
/// assert!(layout.manager_is_logger);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The cluster's name; `[A-Za-z0-9_-]+`.
    pub name: String,
    /// How frames travel.
    pub backend: Backend,
    /// Whether CURVE is on, after `auto` was decided.
    pub encrypted: bool,
    /// `BASE` of every host; none: `/opt/zeek-cluster` for root, else `~/.local/share/zeek-cluster`, as that host has it.
    pub base_dir: Option<PathBuf>,
    /// How long a node may take to end after SIGTERM before SIGKILL.
    pub stop_grace: Duration,
    /// The hosts that have at least one node, in the order of the file.
    pub hosts: Vec<Host>,
    /// All nodes, in the order of the file, counts expanded.
    pub nodes: Vec<Node>,
    /// Ports of the manager's forwarder.
    pub hub: HubPorts,
    /// `Cluster::manager_is_logger`.
    pub manager_is_logger: bool,
    /// Options by full name.
    pub options: BTreeMap<String, OptionValue>,
    /// `Cluster::stores`.
    pub stores: BTreeMap<String, Store>,
    /// Targets of messages about incidents, by name.
    pub notify: NotifyConfig,
    /// How loggers write.
    pub logging: Logging,
    /// `networks:` as prefix and an optional description.
    pub networks: Vec<Network>,
    /// For nodes with `engine: zeek`.
    pub zeek: Zeek,
}

/// `Cluster::BackendTag`, as far as a layout can choose it: what carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `Cluster::CLUSTER_BACKEND_ZEROMQ`.
    Zeromq,
    /// `Cluster::CLUSTER_BACKEND_BROKER`.
    Broker,
}

/// A machine that runs nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its key under `hosts:`.
    pub name: String,
    /// As written: an IP address or a name that the resolver knows.
    pub address: String,
    /// The address, when it is written as one or did resolve.
    pub ip: Option<IpAddr>,
    /// How control reaches it.
    pub reach: Reach,
    /// Where this host was declared, for messages: line of the layout file, from 1; 0 when implied.
    pub line: u32,
}

/// How control reaches a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// This machine: the agent's socket is opened directly.
    Local,
    /// Through SSH.
    Ssh(Ssh),
}

/// SSH settings of one host, defaults of the top-level `ssh:` merged in.
#[derive(Clone, Debug, PartialEq)]
pub struct Ssh {
    /// Login name; none: what `~/.ssh/config` says, else the operator's own.
    pub user: Option<String>,
    /// TCP port; none: what `~/.ssh/config` says, else 22.
    pub port: Option<u16>,
    /// Private keys to try, `~` expanded by whoever opens them; empty: `~/.ssh/config`, the agent, the usual names.
    pub identity_files: Vec<PathBuf>,
    /// known_hosts files instead of `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`; empty for those. Keys that those
    /// revoke are revoked all the same.
    pub known_hosts_files: Vec<PathBuf>,
    /// Jump hosts in order, `[user@]host[:port]`.
    pub jump: Vec<String>,
    /// What to do with a host key that is not known.
    pub host_key_checking: HostKeyChecking,
    /// For TCP and the key exchange together, at each hop; none: what `~/.ssh/config` says, else 5 s.
    pub connect_timeout: Option<Duration>,
    /// Who speaks SSH; none: the library of this program.
    pub client: Option<SshClient>,
}

/// `client` of the layout's `ssh`, and `--ssh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SshClient {
    /// The library that is part of this program.
    Builtin,
    /// The installed OpenSSH `ssh`, with everything that its configuration can say.
    System,
}

impl SshClient {
    /// The word of the layout.
    pub fn as_str(self) -> &'static str {
        match self {
            SshClient::Builtin => "builtin",
            SshClient::System => "system",
        }
    }
}

/// `host_key_checking` of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostKeyChecking {
    /// Only known keys.
    Strict,
    /// A key of a host never seen before is taken and written down; a changed one is refused.
    AcceptNew,
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// `[A-Za-z0-9_-]+`, unique.
    pub name: String,
    /// `type` (`Cluster::Node$node_type`).
    pub node_type: NodeType,
    /// Name of its host.
    pub host: String,
    /// `ip` (`Cluster::Node$ip`), else the host's address; none when that did not resolve.
    pub ip: Option<IpAddr>,
    /// `zone_id` (`Cluster::Node$zone_id`).
    pub zone_id: String,
    /// `port` (`Cluster::Node$p`): assigned where the node listens for logs ([`Layout::log_port`]). A real Zeek keeps one
    /// that was written although it does not listen there: its scripts can see it.
    pub port: Option<u16>,
    /// `manager`: the manager's name for every node but the manager.
    pub manager: Option<String>,
    /// `metrics_port` (`Cluster::Node$metrics_port`), TCP; none: no metrics are served.
    pub metrics_port: Option<u16>,
    /// What runs in its place.
    pub engine: Engine,
    /// `websocket`: the server that runs in the node.
    pub websocket: Option<WebSocket>,
    /// `interface`, placeholders filled in; as zeekctl's (`zeekctl.md` 6).
    pub interface: Option<String>,
    /// `lb_method`, as zeekctl's: how several workers share an interface.
    pub lb_method: Option<String>,
    /// `pin_cpus`, as zeekctl's: the CPUs of this one process, from 0; empty for all.
    pub pin_cpus: Vec<u32>,
    /// `af_packet_*`, as zeekctl's: options of `AF_Packet::` by their names there, values as Zeek expressions.
    pub af_packet: BTreeMap<String, String>,
    /// What its processes may take of their host; the defaults of the layout filled in.
    pub limits: Limits,
    /// `command`: a program that runs under the node, and its arguments; empty for none.
    pub command: Vec<String>,
    /// `health`: the command that says whether that program works; none without one.
    pub health: Option<Health>,
    /// `restart_when_silent`: how long the node may give no sign of life before it gets another process; none for ever.
    pub restart_when_silent: Option<Duration>,
    /// `env_vars`, as zeekctl's: what the node's process has in its environment.
    pub env_vars: BTreeMap<String, String>,
    /// `aux_scripts`, as zeekctl's: scripts of this node alone, loaded last.
    pub aux_scripts: Vec<String>,
    /// The key under `nodes:` that it was expanded from, and its number there from 0.
    pub group: (String, usize),
}

/// `health` of a node: a command that ends with status 0 while the node's program works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Between the end of one run and the next.
    pub interval: Duration,
    /// A run that takes longer is ended and counts as a failure.
    pub timeout: Duration,
}

impl Default for Health {
    fn default() -> Health {
        Health { command: Vec::new(), interval: Duration::from_secs(10), timeout: Duration::from_secs(5) }
    }
}

/// What runs as a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// This program: `node run`.
    Core,
    /// A real Zeek.
    Zeek,
}

/// `websocket` of a node: `Cluster::WebSocketServerOptions`.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocket {
    /// `listen_addr`, default 127.0.0.1.
    pub listen_addr: IpAddr,
    /// `listen_port`, default 27759.
    pub listen_port: u16,
    /// `max_event_queue_size` in events; none: what `Cluster::default_websocket_max_event_queue_size` says.
    pub max_event_queue_size: Option<u32>,
    /// `ping_interval`; none: what `Cluster::default_websocket_ping_interval` says.
    pub ping_interval: Option<Duration>,
    /// `max_backlog_mib`: mebibytes of events that may wait for one client; none: 64. Not in the reference.
    pub max_backlog_mib: Option<u32>,
    /// `origins`: web pages of other sites that may connect, such as `https://console.example`; `*` for any. Not in the
    /// reference.
    pub origins: Vec<String>,
    /// `tls_options`; none: plain text.
    pub tls_options: Option<WebSocketTlsConfig>,
}

impl WebSocket {
    /// A server at that place, with all else by default.
    pub fn at(listen_addr: IpAddr, listen_port: u16) -> WebSocket {
        WebSocket {
            listen_addr,
            listen_port,
            max_event_queue_size: None,
            ping_interval: None,
            max_backlog_mib: None,
            origins: Vec::new(),
            tls_options: None,
        }
    }
}

/// Ports of the forwarder, on the manager's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubPorts {
    /// The forwarder's XPUB; the nodes' XSUB connect to it. Default 27760.
    pub xpub: u16,
    /// The forwarder's XSUB; the nodes' XPUB connect to it. Default 27761.
    pub xsub: u16,
}

/// One entry of `stores:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// `backend`; `Cluster::default_backend` unless written.
    pub backend: BackendType,
    /// `master_node`; none: `Cluster::default_master_node`, and if that is empty the manager.
    pub master_node: Option<String>,
    /// `options$sqlite`; an empty path for the default one.
    pub sqlite: SqliteOptions,
    /// `clone_resync_interval`; `Broker::default_clone_resync_interval` unless written, as the other two.
    pub clone_resync_interval: Duration,
    /// `clone_stale_interval`; zero for never.
    pub clone_stale_interval: Duration,
    /// `clone_mutation_buffer_interval`; zero for not at all.
    pub clone_mutation_buffer_interval: Duration,
}

/// `logging:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// `format`. Absent: tsv for loggers of this program; for a real Zeek what its own scripts set.
    pub format: Option<LogFormat>,
    /// `rotation_interval`; zero never rotates. Absent: one hour for loggers of this program; for a real Zeek what its own
    /// scripts set.
    pub rotation_interval: Option<Duration>,
    /// `compress`, default gzip.
    pub compress: Compress,
    /// `expire`, default zero: never.
    pub expire: Duration,
}

impl Logging {
    /// How loggers of this program write.
    pub fn format_or_default(&self) -> LogFormat {
        self.format.unwrap_or(LogFormat::Tsv)
    }

    /// How often loggers of this program rotate their files.
    pub fn rotation_or_default(&self) -> Duration {
        self.rotation_interval.unwrap_or(Duration::from_secs(3600))
    }
}

/// One entry of `networks:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Such as `10.0.0.0/8`.
    pub prefix: String,
    /// What it is called.
    pub description: Option<String>,
}

/// `zeek:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zeek {
    /// Where Zeek is installed; none: `zeek` is looked up in PATH on the host.
    pub prefix: Option<PathBuf>,
    /// Site scripts, default `local`.
    pub scripts: Vec<String>,
    /// Further words of the command line, as zeekctl's `ZeekArgs`.
    pub args: Vec<String>,
    /// Redefinitions of Zeek's own options, values as Zeek expressions.
    pub redefs: BTreeMap<String, String>,
}

impl Layout {
    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|h| h.name == name)
    }

    /// Where a node listens for logs; none for a node that receives none.
    pub fn log_port(&self, node: &Node) -> Option<u16> {
        let receives = match node.node_type {
            NodeType::Logger => true,
            NodeType::Manager => self.manager_is_logger,
            _ => false,
        };
        node.port.filter(|_| receives)
    }

    /// The names of all hosts, in order.
    pub fn host_names(&self) -> Vec<&str> {
        self.hosts.iter().map(|host| host.name.as_str()).collect()
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// The WebSocket server nearest to a node, and the node that it runs in: its own, else the manager's.
    pub fn websocket_of<'a>(&'a self, node: &'a Node) -> Option<(&'a Node, &'a WebSocket)> {
        let of = |node: &'a Node| node.websocket.as_ref().map(|websocket| (node, websocket));
        of(node).or_else(|| self.manager().and_then(of))
    }

    /// The node that holds the masters of stores which do not name one: `Cluster::default_master_node`, else the manager.
    pub fn default_master_node(&self) -> Option<&str> {
        match self.options.get("Cluster::default_master_node") {
            Some(OptionValue::Text(name)) if !name.is_empty() => Some(name),
            _ => self.manager().map(|manager| manager.name.as_str()),
        }
    }

    /// The one manager.
    pub fn manager(&self) -> Option<&Node> {
        self.nodes.iter().find(|n| n.node_type == NodeType::Manager)
    }
}
