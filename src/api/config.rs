//! The file a node is started with (`nodes/NAME.yaml` of a release), written by `render`, read by `node`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::store::StoreConfig;
use crate::data::NodeType;

/// Everything that one node has to know about itself and its cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The cluster's name.
    pub cluster: String,
    /// `Cluster::node`.
    pub name: String,
    /// `Cluster::Node$node_type`.
    pub node_type: NodeType,
    /// The host of the layout that this node runs on.
    pub host: String,
    /// `Cluster::manager_is_logger`: true only when the layout has no logger.
    pub manager_is_logger: bool,
    /// Where the sockets of the ZeroMQ backend bind and connect.
    pub zeromq: ZeromqEndpoints,
    /// Folder of the four CURVE key files, relative to the cluster's folder on the host; none for plain text.
    #[serde(default)]
    pub curve_dir: Option<PathBuf>,
    /// The redefinable options that the layout sets, by their full names; values as written in the layout.
    #[serde(default)]
    pub options: BTreeMap<String, OptionValue>,
    /// How logs are written; only nodes that receive logs look at it.
    pub logging: LoggingConfig,
    /// The WebSocket server of this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocketConfig>,
    /// `Cluster::stores`: those that the layout names.
    #[serde(default)]
    pub stores: BTreeMap<String, StoreConfig>,
    /// Set when a real Zeek runs as this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zeek: Option<ZeekConfig>,
    /// Set when a program runs under this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramConfig>,
    /// `Cluster::nodes`: the whole layout, this node included. Changes here do not need a restart, except of a real Zeek.
    pub nodes: Vec<NodeEntry>,
}

/// A program that runs under a node. `env_vars` and `pin_cpus` are not here: the node passes its own on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramConfig {
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Where it finds the cluster: the node's own WebSocket server, else the manager's; none when neither has one.
    #[serde(default)]
    pub websocket_url: Option<String>,
    /// `interface` of the layout.
    #[serde(default)]
    pub interface: Option<String>,
    /// The command that says whether it works; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthConfig>,
    /// How long it may take to end after SIGTERM before SIGKILL, milliseconds.
    pub stop_grace_ms: u64,
}

/// A command that ends with status 0 while a program works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthConfig {
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// From the end of one run to the next, milliseconds.
    pub interval_ms: u64,
    /// How long a run may take, milliseconds.
    pub timeout_ms: u64,
    /// How long it may fail before the program is restarted, milliseconds; none for ever.
    pub restart_after_ms: Option<u64>,
}

/// `Cluster::WebSocketServerOptions` of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketConfig {
    /// `listen_addr`: the address of the host to listen on.
    pub listen_addr: IpAddr,
    /// `listen_port`, TCP.
    pub listen_port: u16,
    /// `max_event_queue_size` in events; none: `Cluster::default_websocket_max_event_queue_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_event_queue_size: Option<u32>,
    /// `ping_interval` in milliseconds; none: `Cluster::default_websocket_ping_interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping_interval_ms: Option<u64>,
    /// `max_backlog_mib` of the layout; none: 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backlog_mib: Option<u32>,
    /// `origins` of the layout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// `tls_options`; none: plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_options: Option<WebSocketTlsConfig>,
}

/// `Cluster::WebSocketTLSOptions` of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketTlsConfig {
    /// `cert_file`: a path on the node's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<String>,
    /// `key_file`: a path on the node's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// `enable_peer_verification`: clients must present a certificate that verifies.
    #[serde(default)]
    pub enable_peer_verification: bool,
    /// `ca_file`: a path on the node's host, `SYSTEM`, `NONE` or PEM.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// `ciphers`: OpenSSL's cipher list for TLS 1.2; empty for the default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ciphers: String,
}

/// How a real Zeek is started as a node (`zeekctl.md` 6 and 10). `env_vars` and `pin_cpus` are not here: the agent sets both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeekConfig {
    /// Where Zeek is installed (`PREFIX/bin/zeek`); none: it is looked for on the host.
    #[serde(default)]
    pub prefix: Option<PathBuf>,
    /// What it captures from, with the packet source that `lb_method` asks for, such as `af_packet::eth0`.
    #[serde(default)]
    pub interface: Option<String>,
    /// Site scripts, in order.
    pub scripts: Vec<String>,
    /// Scripts of this node alone, loaded last.
    #[serde(default)]
    pub aux_scripts: Vec<String>,
    /// Further words of the command line, behind all scripts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What `lb_method` wants in the environment; `env_vars` wins over it.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Redefinitions of this node alone, values in Zeek's script syntax; skipped where Zeek does not know the name.
    #[serde(default)]
    pub redefs: BTreeMap<String, String>,
}

/// One entry of `Cluster::nodes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// The key of the table.
    pub name: String,
    /// `Cluster::Node$node_type`.
    pub node_type: NodeType,
    /// The host of the layout.
    pub host: String,
    /// `Cluster::Node$ip`: where the others reach it.
    pub ip: IpAddr,
    /// `Cluster::Node$zone_id`: the zone of a link-local IPv6 address; empty for none.
    #[serde(default)]
    pub zone_id: String,
    /// `Cluster::Node$p`: TCP; none for a node that does not listen.
    #[serde(default)]
    pub port: Option<u16>,
    /// `Cluster::Node$manager`: the manager's name; none for the manager itself.
    #[serde(default)]
    pub manager: Option<String>,
    /// `Cluster::Node$metrics_port`: TCP; none where no metrics are served.
    #[serde(default)]
    pub metrics_port: Option<u16>,
}

/// Endpoints of the ZeroMQ backend, named after the local socket as in `Cluster::Backend::ZeroMQ`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeromqEndpoints {
    /// What this node's XPUB connects to: the hub's XSUB.
    pub connect_xpub_endpoint: String,
    /// What this node's XSUB connects to: the hub's XPUB.
    pub connect_xsub_endpoint: String,
    /// PUSH targets; empty on a node that receives logs.
    #[serde(default)]
    pub connect_log_endpoints: Vec<String>,
    /// Whether this node runs the XPUB/XSUB forwarder.
    pub run_proxy_thread: bool,
    /// Bind address of the forwarder's XPUB; set when it runs here.
    #[serde(default)]
    pub listen_xpub_endpoint: Option<String>,
    /// Bind address of the forwarder's XSUB; set when it runs here.
    #[serde(default)]
    pub listen_xsub_endpoint: Option<String>,
    /// Bind address of PULL; set on nodes that receive logs.
    #[serde(default)]
    pub listen_log_endpoint: Option<String>,
    /// `ZMQ_IPV6` on both contexts.
    pub ipv6: bool,
}

/// How a logger writes and keeps its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingConfig {
    /// Zeek's TSV or one JSON object a line.
    pub format: LogFormat,
    /// Rotate at multiples of this many seconds of the local day; 0 never rotates.
    pub rotation_interval_s: u64,
    /// How rotated files are compressed.
    pub compress: Compress,
    /// Day folders older than this many seconds are removed; 0 keeps all.
    pub expire_s: u64,
    /// Appended to archived names as `-SUFFIX` when the layout has several loggers, so that none overwrites another.
    #[serde(default)]
    pub suffix: Option<String>,
}

/// The format of log files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Zeek's tab-separated ASCII format.
    Tsv,
    /// `LogAscii::use_json`.
    Json,
}

/// Compression of rotated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compress {
    /// `.gz`.
    Gzip,
    /// Left as written.
    None,
}

/// The value of an option as the layout has it; its meaning depends on the option's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// `T`/`F` options.
    Bool(bool),
    /// `count`, `int` and `port` options.
    Int(i64),
    /// `double` options, and intervals given as plain seconds.
    Real(f64),
    /// Everything else, intervals such as `1sec` included.
    Text(String),
    /// Sets and vectors.
    List(Vec<OptionValue>),
}
