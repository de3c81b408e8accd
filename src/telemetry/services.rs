//! `/services.json`: where Prometheus finds every node's metrics.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::api::config::NodeEntry;

/// One group of Prometheus' HTTP service discovery.
#[derive(Debug, Serialize)]
struct Group {
    targets: Vec<String>,
    labels: serde_json::Map<String, serde_json::Value>,
}

/// The document: one group of all nodes of the layout that serve metrics, in its order, without labels of its own, as Zeek's
/// (`cluster.md` 5.1). Addresses are those at which the nodes listen: `Telemetry::metrics_address` where it is one address,
/// else the layout's. An IPv6 address stands in brackets.
pub fn services<'a>(nodes: impl Iterator<Item = &'a NodeEntry>, metrics_address: &str) -> String {
    let bare = metrics_address.trim_start_matches('[').trim_end_matches(']');
    let bound = bare.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified());
    let target = |node: &NodeEntry| {
        let port = node.metrics_port.filter(|port| *port != 0)?;
        // A link-local address says nothing without its zone.
        let zone = if node.zone_id.is_empty() { String::new() } else { format!("%{}", node.zone_id) };
        match bound {
            Some(address) => Some(SocketAddr::new(address, port).to_string()),
            None if node.ip.is_ipv6() => Some(format!("[{}{zone}]:{port}", node.ip)),
            None => Some(format!("{}:{port}", node.ip)),
        }
    };
    let groups = [Group { targets: nodes.filter_map(target).collect(), labels: serde_json::Map::new() }];
    serde_json::to_string(&groups).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::NodeType;

    fn node(ip: &str, metrics_port: Option<u16>) -> NodeEntry {
        NodeEntry {
            name: "n".to_owned(),
            node_type: NodeType::Worker,
            host: "h".to_owned(),
            ip: ip.parse().unwrap(),
            zone_id: String::new(),
            port: None,
            manager: None,
            metrics_port,
        }
    }

    #[test]
    fn nodes_without_metrics_are_left_out_and_ipv6_stands_in_brackets() {
        let nodes = [
            node("127.0.0.1", Some(9991)),
            node("127.0.0.1", None),
            node("192.0.2.9", Some(0)),
            node("2001:db8::7", Some(9993)),
            NodeEntry { zone_id: "eth0".to_owned(), ..node("fe80::1", Some(9994)) },
        ];
        assert_eq!(
            services(nodes.iter(), ""),
            r#"[{"targets":["127.0.0.1:9991","[2001:db8::7]:9993","[fe80::1%eth0]:9994"],"labels":{}}]"#
        );
        assert_eq!(services(nodes.iter(), "0.0.0.0"), services(nodes.iter(), ""), "all includes each node's own");
        assert_eq!(
            services(nodes[..1].iter(), "192.0.2.2"),
            r#"[{"targets":["192.0.2.2:9991"],"labels":{}}]"#,
            "nothing listens at the layout's address"
        );
        assert_eq!(services(nodes[..1].iter(), "[::1]"), r#"[{"targets":["[::1]:9991"],"labels":{}}]"#);
    }

    #[test]
    fn the_document_is_the_recorded_one_but_for_its_order() {
        let recorded = include_str!("../../tests/vectors/telemetry/services.json");
        let mut nodes = Vec::new();
        for port in 41920..41924 {
            nodes.push(node("127.0.0.1", Some(port)));
        }
        let sorted = |text: &str| {
            let mut groups: serde_json::Value = serde_json::from_str(text).unwrap();
            let targets = groups[0]["targets"].as_array_mut().unwrap();
            targets.sort_by_key(ToString::to_string);
            groups
        };
        assert_eq!(sorted(&services(nodes.iter(), "")), sorted(recorded));
    }
}
