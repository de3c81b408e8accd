//! Names of the topics that the framework itself uses, for both families of backends.
//!
//! Compatibility: `zeromq.md` 3.2 and `cluster.md` 1.4. Matching is by byte prefix, which is why the topics of one node end
//! in their separator: `worker-1` must not receive what is meant for `worker-10`.

use std::collections::BTreeSet;

use crate::data::NodeType;

/// Topic of Zeek's supervisor control events; every Zeek process subscribes to it, with slashes on every backend.
pub const SUPERVISOR: &str = "zeek/supervisor";
/// Prefix of replicated tables; every Zeek process subscribes to it, with slashes on every backend.
pub const TABLES: &str = "zeek/table/";
/// `Cluster::Backend::ZeroMQ::internal_topic_prefix`: probes that tell when a connection is ready.
pub const INTERNAL_PREFIX: &str = "zeek.zeromq.internal.";
/// Longest node id that is taken from a topic or a hello, in bytes; Zeek's own have about 50 to 120.
pub const MAX_ID: usize = 512;

/// The topics of one cluster. All nodes of a cluster must agree on them.
///
/// ```
/// use zeek_cluster::Topics;
///
/// let topics = Topics::zeromq();
/// assert_eq!(topics.node_topic("worker-1"), "zeek.cluster.node.worker-1.");
/// assert_eq!(topics.name_in(b"zeek.cluster.node.worker-1."), Some("worker-1"));
/// assert_eq!(Topics::broker().worker, "zeek/cluster/worker");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// `Cluster::logger_topic`.
    pub logger: String,
    /// `Cluster::manager_topic`.
    pub manager: String,
    /// `Cluster::proxy_topic`.
    pub proxy: String,
    /// `Cluster::worker_topic`.
    pub worker: String,
    /// `Cluster::logger_pool_spec$topic`.
    pub logger_pool: String,
    /// `Cluster::proxy_pool_spec$topic`.
    pub proxy_pool: String,
    /// `Cluster::worker_pool_spec$topic`.
    pub worker_pool: String,
    /// `node_topic_prefix` of `Cluster` or its backend, separator included: what stands before a node's name.
    pub node_prefix: String,
    /// `nodeid_topic_prefix` of `Cluster` or its backend, separator included: what stands before a node's id.
    pub nodeid_prefix: String,
    /// What ends the topic of one node.
    pub separator: char,
}

impl Topics {
    /// The topics under the ZeroMQ backend: dots.
    pub fn zeromq() -> Topics {
        Topics::with_separator('.')
    }

    /// The topics under the Broker backend, and the defaults of `Cluster`: slashes.
    pub fn broker() -> Topics {
        Topics::with_separator('/')
    }

    fn with_separator(separator: char) -> Topics {
        let name = |rest: &[&str]| {
            let mut parts = vec!["zeek", "cluster"];
            parts.extend_from_slice(rest);
            parts.join(separator.encode_utf8(&mut [0; 4]))
        };
        Topics {
            logger: name(&["logger"]),
            manager: name(&["manager"]),
            proxy: name(&["proxy"]),
            worker: name(&["worker"]),
            logger_pool: name(&["pool", "logger"]),
            proxy_pool: name(&["pool", "proxy"]),
            worker_pool: name(&["pool", "worker"]),
            node_prefix: name(&["node", ""]),
            nodeid_prefix: name(&["nodeid", ""]),
            separator,
        }
    }

    /// `Cluster::node_topic`: the topic of one node by name. The name need not be in the layout.
    pub fn node_topic(&self, name: &str) -> String {
        format!("{}{name}{}", self.node_prefix, self.separator)
    }

    /// `Cluster::nodeid_topic`: the topic of one node instance by id.
    pub fn nodeid_topic(&self, id: &str) -> String {
        format!("{}{id}{}", self.nodeid_prefix, self.separator)
    }

    /// The topic that all nodes of a type subscribe to; none for `CONTROL` and `NONE`.
    pub fn type_topic(&self, node_type: NodeType) -> Option<&str> {
        match node_type {
            NodeType::Logger => Some(&self.logger),
            NodeType::Manager => Some(&self.manager),
            NodeType::Proxy => Some(&self.proxy),
            NodeType::Worker => Some(&self.worker),
            NodeType::Control | NodeType::None => None,
        }
    }

    /// The id in a nodeid topic; none for other topics and for ids that are empty, not UTF-8 or longer than [`MAX_ID`].
    pub fn id_in<'t>(&self, topic: &'t [u8]) -> Option<&'t str> {
        self.between(&self.nodeid_prefix, topic)
    }

    /// The name in a node topic; none as for [`Topics::id_in`].
    pub fn name_in<'t>(&self, topic: &'t [u8]) -> Option<&'t str> {
        self.between(&self.node_prefix, topic)
    }

    fn between<'t>(&self, prefix: &str, topic: &'t [u8]) -> Option<&'t str> {
        let rest = topic.strip_prefix(prefix.as_bytes())?;
        let text = std::str::from_utf8(rest).ok()?.strip_suffix(self.separator)?;
        (!text.is_empty() && text.len() <= MAX_ID).then_some(text)
    }

    /// `Cluster::broadcast_topics`: the topics of the four types, sorted. Unlike Zeek's constant it follows the topics that
    /// are in effect, so that it reaches everybody under the ZeroMQ backend too.
    pub fn broadcast_topics(&self) -> BTreeSet<&str> {
        BTreeSet::from([&self.logger, &self.manager, &self.proxy, &self.worker].map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_both_families_are_the_reference_s() {
        let (dot, slash) = (Topics::zeromq(), Topics::broker());
        assert_eq!(dot.node_topic("worker-1"), "zeek.cluster.node.worker-1.");
        assert_eq!(slash.node_topic("worker-1"), "zeek/cluster/node/worker-1/");
        assert_eq!(dot.nodeid_topic("a.b_1"), "zeek.cluster.nodeid.a.b_1.");
        assert_eq!(slash.nodeid_topic("x"), "zeek/cluster/nodeid/x/");
        assert_eq!(dot.logger_pool, "zeek.cluster.pool.logger");
        assert_eq!(slash.worker, "zeek/cluster/worker");
    }

    #[test]
    fn an_id_may_contain_dots_but_not_be_empty_or_huge() {
        let topics = Topics::zeromq();
        assert_eq!(
            topics.id_in(b"zeek.cluster.nodeid.zeromq_w_host.example_1_Nx."),
            Some("zeromq_w_host.example_1_Nx")
        );
        assert_eq!(topics.id_in(b"zeek.cluster.nodeid.."), None);
        assert_eq!(topics.id_in(b"zeek.cluster.nodeid."), None);
        assert_eq!(topics.id_in(b"zeek.cluster.node.worker-1."), None);
        assert_eq!(topics.id_in(b"zeek.cluster.nodeid.\xff."), None);
        assert_eq!(topics.id_in(topics.nodeid_topic(&"x".repeat(MAX_ID + 1)).as_bytes()), None);
        assert_eq!(topics.name_in(b"zeek.cluster.node.worker-1."), Some("worker-1"));
    }

    #[test]
    fn the_broadcast_topics_are_those_of_the_types() {
        let topics = Topics { worker: "my.workers".to_owned(), ..Topics::zeromq() };
        let all: Vec<&str> = topics.broadcast_topics().into_iter().collect();
        assert_eq!(all, ["my.workers", "zeek.cluster.logger", "zeek.cluster.manager", "zeek.cluster.proxy"]);
        assert_eq!(topics.type_topic(NodeType::Worker), Some("my.workers"));
        assert_eq!(topics.type_topic(NodeType::Control), None);
    }
}
