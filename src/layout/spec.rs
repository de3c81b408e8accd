//! What was typed, with its places, before counts, defaults and references mean anything. YAML and other tools' files are ways
//! to it; `expand.rs` is the one way on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::limits::LimitsSpec;
use super::model::{Backend, Engine, Health, HostKeyChecking, Network, SshClient, WebSocket};
use super::problem::{Span, Spanned};
use crate::api::config::{Compress, LogFormat, OptionValue};
use crate::api::notify::{IncidentKind, NotifyFormat, NotifyText};
use crate::api::store::{BackendType, SqliteOptions};
use crate::data::NodeType;

/// A declared layout; what is not set here has its default.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayoutSpec {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) backend: Option<Spanned<Backend>>,
    pub(crate) encryption: Encryption,
    pub(crate) base_dir: Option<Spanned<String>>,
    pub(crate) stop_grace: Option<Duration>,
    /// Zero: never.
    pub(crate) restart_when_silent: Option<Duration>,
    pub(crate) port: Option<Spanned<u16>>,
    pub(crate) engine: Option<Engine>,
    pub(crate) ssh: SshSpec,
    /// Of every node that does not say otherwise.
    pub(crate) defaults: LimitsSpec,
    pub(crate) hosts: Vec<HostSpec>,
    /// `hosts` was no mapping, and that has been reported: no name of a host can be wrong.
    pub(crate) hosts_refused: bool,
    pub(crate) nodes: Vec<NodeSpec>,
    /// Where the nodes stand, for what is missing there.
    pub(crate) nodes_span: Span,
    pub(crate) options: Vec<(Spanned<String>, Spanned<OptionValue>)>,
    pub(crate) stores: Vec<StoreSpec>,
    pub(crate) notify: Vec<NotifySpec>,
    pub(crate) logging: LoggingSpec,
    pub(crate) networks: Vec<Network>,
    pub(crate) zeek_prefix: Option<PathBuf>,
    /// None: the default.
    pub(crate) zeek_scripts: Option<Vec<String>>,
    pub(crate) zeek_args: Vec<String>,
    pub(crate) zeek_redefs: BTreeMap<String, String>,
}

/// `encryption`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encryption {
    #[default]
    Auto,
    On,
    Off,
}

/// `ssh`, of the layout or of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct SshSpec {
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) identity_files: Option<Vec<PathBuf>>,
    pub(crate) known_hosts_files: Option<Vec<PathBuf>>,
    pub(crate) jump: Option<Vec<String>>,
    pub(crate) host_key_checking: Option<HostKeyChecking>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) client: Option<SshClient>,
}

/// An entry of `hosts`.
#[derive(Clone, Debug)]
pub(crate) struct HostSpec {
    pub(crate) name: Spanned<String>,
    pub(crate) address: Spanned<String>,
    pub(crate) ssh: Option<SshSpec>,
}

/// An entry of `nodes`.
#[derive(Clone, Debug)]
pub(crate) struct NodeSpec {
    pub(crate) name: Spanned<String>,
    /// Not given: by the name.
    pub(crate) node_type: Given<NodeType>,
    pub(crate) hosts: HostChoice,
    pub(crate) count: Given<u16>,
    pub(crate) ip: Option<Spanned<IpAddr>>,
    pub(crate) zone_id: String,
    pub(crate) port: Option<Spanned<u16>>,
    pub(crate) manager: Option<Spanned<String>>,
    pub(crate) metrics_port: Option<Spanned<u16>>,
    pub(crate) engine: Option<Engine>,
    pub(crate) websocket: Option<Spanned<WebSocket>>,
    pub(crate) interfaces: Interfaces,
    pub(crate) lb_method: Option<String>,
    pub(crate) pin_cpus: Vec<u32>,
    pub(crate) pin_cpus_span: Span,
    /// By their names without `af_packet_`.
    pub(crate) af_packet: BTreeMap<String, String>,
    pub(crate) limits: LimitsSpec,
    pub(crate) command: Option<Spanned<Vec<String>>>,
    pub(crate) health: Option<Spanned<Health>>,
    /// Zero: never.
    pub(crate) restart_when_silent: Option<Duration>,
    pub(crate) env_vars: BTreeMap<String, String>,
    pub(crate) aux_scripts: Vec<String>,
}

impl NodeSpec {
    /// On each host.
    pub(crate) fn processes(&self) -> usize {
        match &self.count {
            Given::As(count) => usize::from(count.value),
            Given::Not | Given::Refused => 1,
        }
    }

    /// An entry of which only the name is known.
    pub(crate) fn new(name: Spanned<String>) -> NodeSpec {
        NodeSpec {
            pin_cpus_span: name.span,
            name,
            node_type: Given::Not,
            hosts: HostChoice::Default,
            count: Given::Not,
            ip: None,
            zone_id: String::new(),
            port: None,
            manager: None,
            metrics_port: None,
            engine: None,
            websocket: None,
            interfaces: Interfaces::None,
            lb_method: None,
            pin_cpus: Vec::new(),
            af_packet: BTreeMap::new(),
            limits: LimitsSpec::default(),
            command: None,
            health: None,
            restart_when_silent: None,
            env_vars: BTreeMap::new(),
            aux_scripts: Vec::new(),
        }
    }
}

/// A value that others depend on: one that was refused must not be taken for its default, or problems follow that
/// are none.
#[derive(Clone, Debug)]
pub(crate) enum Given<T> {
    /// The key is not there.
    Not,
    /// It was no such value, and that has been reported.
    Refused,
    As(Spanned<T>),
}

/// `host` of a node.
#[derive(Clone, Debug)]
pub(crate) enum HostChoice {
    /// Not said: the only host.
    Default,
    /// `host: head`.
    One(Spanned<String>),
    /// `host: [a, b]`: names are numbered even when there is one host in the list.
    Each(Vec<Spanned<String>>),
}

/// `interface` of a node.
#[derive(Clone, Debug)]
pub(crate) enum Interfaces {
    None,
    /// The same for all processes, `{n}` filled in.
    Shared(String),
    /// One for each process of a host.
    Each(Spanned<Vec<String>>),
}

/// An entry of `stores`.
#[derive(Clone, Debug)]
pub(crate) struct StoreSpec {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) backend: Option<BackendType>,
    pub(crate) master_node: Option<Spanned<String>>,
    pub(crate) sqlite: SqliteOptions,
    pub(crate) clone_resync_interval: Option<Duration>,
    pub(crate) clone_stale_interval: Option<Duration>,
    pub(crate) clone_mutation_buffer_interval: Option<Duration>,
}

/// An entry of `notify`.
#[derive(Clone, Debug)]
pub(crate) struct NotifySpec {
    pub(crate) name: Spanned<String>,
    pub(crate) command: Option<Spanned<Vec<String>>>,
    pub(crate) http: Option<Spanned<NotifyHttpSpec>>,
    pub(crate) on: Option<Vec<IncidentKind>>,
}

/// `http` of it. A text is none when it is neither itself, nor says where it is kept.
#[derive(Clone, Debug)]
pub(crate) struct NotifyHttpSpec {
    pub(crate) url: Option<Spanned<Option<NotifyText>>>,
    pub(crate) headers: Vec<(String, Spanned<Option<NotifyText>>)>,
    pub(crate) format: Option<NotifyFormat>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// `logging`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoggingSpec {
    pub(crate) format: Option<LogFormat>,
    pub(crate) rotation_interval: Option<Duration>,
    pub(crate) compress: Option<Compress>,
    pub(crate) expire: Option<Duration>,
}
