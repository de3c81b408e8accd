//! The reference's record types, as this crate's callers see them.

use std::net::{IpAddr, Ipv4Addr};

use crate::api::config::NodeEntry;
use crate::data::{NodeType, Port, Protocol};

/// `Cluster::Node`: one entry of the layout and, while it is up, its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `node_type`.
    pub node_type: NodeType,
    /// `ip`.
    pub ip: IpAddr,
    /// `zone_id`.
    pub zone_id: String,
    /// `p`: where it listens; `0/unknown` when it does not.
    pub p: Port,
    /// `manager`: the manager's name.
    pub manager: Option<String>,
    /// `id`: set while the node is up; never set for the local node.
    pub id: Option<String>,
    /// `metrics_port`, TCP; none where no metrics are served.
    pub metrics_port: Option<u16>,
}

/// `Cluster::NamedNode`: a node with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedNode {
    /// The key in `Cluster::nodes`; empty for "no such node".
    pub name: String,
    /// The entry.
    pub node: Node,
}

/// `Cluster::EndpointInfo`: a client of a WebSocket server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointInfo {
    /// `id`: what its events travel under in the cluster.
    pub id: String,
    /// `network`.
    pub network: NetworkInfo,
    /// `application_name`: what it called itself.
    pub application_name: Option<String>,
}

/// `Cluster::NetworkInfo`: where a client connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// `address`: as text.
    pub address: String,
    /// `bound_port`.
    pub bound_port: Port,
}

/// `0/unknown`, the port of a node that does not listen.
pub const NO_PORT: Port = Port { number: 0, protocol: Protocol::Unknown };

impl NamedNode {
    /// What `Cluster::nodeid_to_node` answers for an id that it does not know.
    pub fn none() -> NamedNode {
        NamedNode {
            name: String::new(),
            node: Node {
                node_type: NodeType::None,
                ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                zone_id: String::new(),
                p: NO_PORT,
                manager: None,
                id: None,
                metrics_port: None,
            },
        }
    }

    /// The record for a layout entry with the id it is up under.
    pub fn of(entry: &NodeEntry, id: Option<&str>) -> NamedNode {
        NamedNode {
            name: entry.name.clone(),
            node: Node {
                node_type: entry.node_type,
                ip: entry.ip,
                zone_id: entry.zone_id.clone(),
                p: entry.port.map_or(NO_PORT, |number| Port { number, protocol: Protocol::Tcp }),
                manager: entry.manager.clone(),
                id: id.map(str::to_owned),
                metrics_port: entry.metrics_port,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_reference_s_fields_and_defaults() {
        let none = NamedNode::none();
        assert_eq!((none.name.as_str(), none.node.node_type, none.node.zone_id.as_str()), ("", NodeType::None, ""));
        assert_eq!((none.node.p, none.node.manager, none.node.id, none.node.metrics_port), (NO_PORT, None, None, None));
        let entry = NodeEntry {
            name: "worker-1".to_owned(),
            node_type: NodeType::Worker,
            host: "here".to_owned(),
            ip: "fe80::1".parse().expect("an address"),
            zone_id: "eth0".to_owned(),
            port: Some(47761),
            manager: Some("manager".to_owned()),
            metrics_port: Some(9911),
        };
        let NamedNode { name, node } = NamedNode::of(&entry, Some("id"));
        assert_eq!((name.as_str(), node.node_type, node.ip), ("worker-1", NodeType::Worker, entry.ip));
        assert_eq!((node.zone_id.as_str(), node.p), ("eth0", Port { number: 47761, protocol: Protocol::Tcp }));
        assert_eq!(
            (node.manager.as_deref(), node.id.as_deref(), node.metrics_port),
            (Some("manager"), Some("id"), Some(9911))
        );
    }
}
