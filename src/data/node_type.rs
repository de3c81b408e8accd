//! What a node is in its cluster.

/// `Cluster::NodeType`, in the reference's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeType {
    /// `Cluster::NONE`: not in a cluster.
    None,
    /// `Cluster::CONTROL`: zeekctl's own connection; no layout of ours has one.
    Control,
    /// `Cluster::LOGGER`: receives the others' logs and writes them.
    Logger,
    /// `Cluster::MANAGER`: the one that runs the hub, and receives the logs where there is no logger.
    Manager,
    /// `Cluster::PROXY`: takes work off the others, by key or in turn.
    Proxy,
    /// `Cluster::WORKER`: sees traffic.
    Worker,
}

impl NodeType {
    /// The lower-case word of layouts and outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeType::None => "none",
            NodeType::Control => "control",
            NodeType::Logger => "logger",
            NodeType::Manager => "manager",
            NodeType::Proxy => "proxy",
            NodeType::Worker => "worker",
        }
    }

    /// The enumerator's full name, such as `Cluster::LOGGER`.
    pub fn zeek_name(self) -> &'static str {
        match self {
            NodeType::None => "Cluster::NONE",
            NodeType::Control => "Cluster::CONTROL",
            NodeType::Logger => "Cluster::LOGGER",
            NodeType::Manager => "Cluster::MANAGER",
            NodeType::Proxy => "Cluster::PROXY",
            NodeType::Worker => "Cluster::WORKER",
        }
    }

    /// The order in which node types start; stopping goes the other way round. Source: `zeekctl.md` 12.
    pub fn start_rank(self) -> u8 {
        match self {
            NodeType::Logger => 0,
            NodeType::Manager => 1,
            NodeType::Proxy => 2,
            NodeType::Worker => 3,
            NodeType::Control | NodeType::None => 4,
        }
    }
}

impl std::fmt::Display for NodeType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::NodeType::{self, *};

    #[test]
    fn names_and_order_are_the_reference_s() {
        let all: [NodeType; 6] = [None, Control, Logger, Manager, Proxy, Worker];
        assert!(all.is_sorted());
        let names = ["NONE", "CONTROL", "LOGGER", "MANAGER", "PROXY", "WORKER"];
        assert_eq!(all.map(NodeType::zeek_name), names.map(|name| format!("Cluster::{name}")));
        assert_eq!(all.map(NodeType::as_str), names.map(str::to_lowercase));
    }
}
