//! A cluster as another tool's files declare it: every process with the name, address and ports that the tool gives it.
//!
//! Whatever the tool would refuse has been reported before a [`Site`] is made; whatever only *we* refuse is not known here,
//! so that a running cluster can be looked at under its own names.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::version::ToolVersion;
use crate::data::NodeType;
use crate::layout::model::{Backend, HubPorts};
use crate::layout::problem::Span;

/// Which tool's files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `node.cfg`, `zeekctl.cfg` and `networks.cfg`.
    Zeekctl,
    /// `zeek.conf`, or a folder of `HOST.zeek.conf`.
    ZeekConf,
    /// `cluster-layout.zeek`, by whatever it was written.
    ClusterLayout,
}

/// A cluster as its files declare it.
#[derive(Clone, Debug)]
pub struct Site {
    /// Whose files they are.
    pub tool: Tool,
    /// What runs, in the order of the files, counts expanded.
    pub nodes: Vec<SiteNode>,
    /// What carries the cluster's frames.
    pub backend: Backend,
    /// Where the forwarder listens; none where nothing says so, or with Broker.
    pub hub: Option<(IpAddr, HubPorts)>,
    /// Whether the cluster is encrypted with CURVE.
    pub encryption: SiteEncryption,
    /// Version of the tool, where it is known.
    pub version: Option<ToolVersion>,
    /// Where the WebSocket API listens, on the manager's host; none when it is off.
    pub websocket: Option<(IpAddr, u16)>,
    /// Folder of the CURVE key files.
    pub curve_dir: Option<PathBuf>,
}

/// Whether a cluster is encrypted, as far as its files tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteEncryption {
    /// It is, and there are keys.
    On,
    /// It is not.
    Off,
    /// It is if this version of the tool can encrypt: keys in [`Site::curve_dir`] tell.
    Unknown,
}

/// What a process of a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteType {
    /// One Zeek alone, in no cluster.
    Standalone,
    /// A node of a cluster.
    Node(NodeType),
}

/// A process of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteNode {
    /// As the tool calls it and as the process calls itself.
    pub name: String,
    /// What it is.
    pub site_type: SiteType,
    /// As written: a name or an address.
    pub host: String,
    /// The host's address; none when it does not resolve.
    pub addr: Option<IpAddr>,
    /// RFC 4007 zone.
    pub zone_id: String,
    /// With the prefix and suffix of the packet source.
    pub interface: Option<String>,
    /// How several processes share the interface.
    pub lb_method: Option<String>,
    /// How many processes the entry stands for that this one comes from; none when it stands for itself.
    pub lb_procs: Option<u16>,
    /// The CPU that it is bound to.
    pub pin_cpu: Option<u32>,
    /// What is set in its environment, by the files and by load balancing.
    pub env_vars: BTreeMap<String, String>,
    /// Its own scripts.
    pub aux_scripts: Vec<String>,
    /// `AF_Packet::` options by their names without prefix, values as Zeek expressions.
    pub af_packet: BTreeMap<&'static str, String>,
    /// The port that the tool counted for it, whether or not it listens there.
    pub port: Option<u16>,
    /// Where it serves metrics.
    pub metrics_port: Option<u16>,
    /// The entry that it comes from, and its number there from 0.
    pub(crate) entry: (String, usize),
    /// Where the entry's name stands.
    pub(crate) span: Span,
    /// Where the values of the layout's keys come from.
    pub(crate) origin: BTreeMap<&'static str, Origin>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) span: Span,
    /// The setting there, such as `interface` or `counted from ZeekPort`.
    pub(crate) what: String,
}

impl Origin {
    pub(crate) fn new(span: Span, what: impl Into<String>) -> Origin {
        Origin { span, what: what.into() }
    }
}

impl SiteNode {
    /// An entry's process of which no more is known.
    pub(super) fn new(name: String, site_type: SiteType, span: Span) -> SiteNode {
        SiteNode {
            entry: (name.clone(), 0),
            name,
            site_type,
            host: String::new(),
            addr: None,
            zone_id: String::new(),
            interface: None,
            lb_method: None,
            lb_procs: None,
            pin_cpu: None,
            env_vars: BTreeMap::new(),
            aux_scripts: Vec::new(),
            af_packet: BTreeMap::new(),
            port: None,
            metrics_port: None,
            span,
            origin: BTreeMap::new(),
        }
    }

    /// Whether it is of that type; a standalone Zeek is of none.
    pub fn is(&self, node_type: NodeType) -> bool {
        self.site_type == SiteType::Node(node_type)
    }
}

impl Site {
    /// The node that runs the forwarder: the manager, or the only Zeek.
    pub fn head(&self) -> Option<&SiteNode> {
        self.nodes.iter().find(|node| node.is(NodeType::Manager) || node.site_type == SiteType::Standalone)
    }

    /// Whether it is one Zeek alone.
    pub fn is_standalone(&self) -> bool {
        matches!(self.nodes.as_slice(), [only] if only.site_type == SiteType::Standalone)
    }

    /// Whether a node that receives logs has one of these ports.
    pub(super) fn receives_logs_at(&self, ports: [u16; 2]) -> bool {
        let has_logger = self.nodes.iter().any(|node| node.is(NodeType::Logger));
        let receives = |node: &&SiteNode| match node.site_type {
            SiteType::Node(NodeType::Logger) | SiteType::Standalone => true,
            SiteType::Node(node_type) => node_type == NodeType::Manager && !has_logger,
        };
        self.nodes.iter().filter(receives).any(|node| node.port.is_some_and(|port| ports.contains(&port)))
    }

    /// Whether the nodes have several addresses.
    pub(super) fn has_several_addresses(&self) -> bool {
        let addresses: std::collections::HashSet<IpAddr> = self.nodes.iter().filter_map(|node| node.addr).collect();
        addresses.len() > 1
    }
}
