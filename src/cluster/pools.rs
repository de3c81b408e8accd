//! Pools of nodes: who is in one, who of them is up, and who receives the next message.
//!
//! Every node of a cluster fills its pools from the same layout and so to the same result. Nothing here opens, waits or
//! asks the time. Source: `protocol/cluster.md` 1.12 (`base/frameworks/cluster/pools.zeek`).

use std::collections::{BTreeMap, HashMap};

use super::hrw::{self, Key};
use super::topics::Topics;
use crate::data::NodeType;

/// `Cluster::PoolSpec`: which nodes are to be in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// `topic`: reaches all members.
    pub topic: String,
    /// `node_type`: what its members are: workers, proxies or loggers.
    pub node_type: NodeType,
    /// `max_nodes`: the most members; none for all.
    pub max_nodes: Option<usize>,
    /// `exclusive`: whether its members are in no other pool. Needs `max_nodes`.
    pub exclusive: bool,
}

impl PoolSpec {
    /// All nodes of a type, as the predefined `proxy_pool_spec`, `worker_pool_spec` and `logger_pool_spec` say.
    pub fn all(topic: impl Into<String>, node_type: NodeType) -> PoolSpec {
        PoolSpec { topic: topic.into(), node_type, max_nodes: None, exclusive: false }
    }
}

/// `Cluster::PoolNode`: a member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNode {
    /// `name`.
    pub name: String,
    /// `alias`: `NAME.C`, C the first number from 0 whose site id was free in the pool.
    pub alias: String,
    /// `site_id`: the FNV-1a hash of the alias; unique in the pool.
    pub site_id: u32,
    /// `alive`: whether it is up; true for the local node from the start.
    pub alive: bool,
    /// `topic`: `Cluster::node_topic(name)`.
    pub topic: String,
}

/// `Cluster::Pool`: nodes that share work, and who of them receives the next message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What was registered.
    pub spec: PoolSpec,
    /// `node_list`, in the order of joining the pool; empty until the pools are filled.
    node_list: Vec<PoolNode>,
    /// `hrw_pool`: site id to index in `node_list`, of the nodes that came up. Never the local one.
    sites: BTreeMap<u32, usize>,
    /// `rr_key_seq`: where each key's round goes on. As many entries as the program uses keys.
    rr_key_seq: HashMap<String, usize>,
    /// Index in `node_list` by name.
    places: HashMap<String, usize>,
}

impl Pool {
    fn new(spec: PoolSpec) -> Pool {
        Pool { spec, node_list: Vec::new(), sites: BTreeMap::new(), rr_key_seq: HashMap::new(), places: HashMap::new() }
    }

    /// `node_list`: the members.
    pub fn nodes(&self) -> &[PoolNode] {
        &self.node_list
    }

    /// The member of that name.
    pub fn node(&self, name: &str) -> Option<&PoolNode> {
        self.places.get(name).map(|&at| &self.node_list[at])
    }

    /// `alive_count`: how many members are up, the local node included.
    pub fn alive_count(&self) -> usize {
        self.node_list.iter().filter(|node| node.alive).count()
    }

    /// `Cluster::rr_topic`: the topic of the next member that is up, in turn; each key goes round for itself. None, the
    /// reference's `""`, when no member is up. May be the local node's own topic, which reaches nobody.
    pub fn rr_topic(&mut self, key: &str) -> Option<&str> {
        let count = self.node_list.len();
        let start = self.rr_key_seq.get(key).copied().unwrap_or(0);
        let chosen = (start..start + count).map(|at| at % count).find(|&at| self.node_list[at].alive)?;
        let next = (chosen + 1) % count;
        match self.rr_key_seq.get_mut(key) {
            Some(at) => *at = next,
            None => drop(self.rr_key_seq.insert(key.to_owned(), next)),
        }
        Some(&self.node_list[chosen].topic)
    }

    /// `Cluster::hrw_topic`: the topic of the member that the key chooses among those that came up, the local node left
    /// out. None, the reference's `""`, before the first came up.
    pub fn hrw_topic(&self, key: impl Into<Key>) -> Option<&str> {
        self.hrw_node(key).map(|node| node.topic.as_str())
    }

    /// The member that the key chooses, as for [`Pool::hrw_topic`].
    pub fn hrw_node(&self, key: impl Into<Key>) -> Option<&PoolNode> {
        let site = hrw::choose(key.into(), self.sites.keys().copied())?;
        self.sites.get(&site).map(|&at| &self.node_list[at])
    }

    /// `Cluster::init_pool_node`; false when it is in the pool already.
    fn init_pool_node(&mut self, name: &str, members: &Members) -> bool {
        if self.node(name).is_some() {
            return false;
        }
        let (alias, site_id) = (0u64..)
            .map(|c| format!("{name}.{c}"))
            .map(|alias| (hrw::site_id(&alias), alias))
            .find(|(id, _)| !self.site_id_in_pool(*id))
            .map(|(id, alias)| (alias, id))
            .expect("a pool has fewer nodes than there are site ids");
        let alive = name == members.local;
        let topic = (members.node_topic)(name);
        self.places.insert(name.to_owned(), self.node_list.len());
        self.node_list.push(PoolNode { name: name.to_owned(), alias, site_id, alive, topic });
        true
    }

    /// `Cluster::site_id_in_pool`: whether a member has that FNV-1a hash.
    pub fn site_id_in_pool(&self, site_id: u32) -> bool {
        self.node_list.iter().any(|node| node.site_id == site_id)
    }

    /// `Cluster::mark_pool_node_alive`; false when no member has the name.
    pub fn mark_pool_node_alive(&mut self, name: &str) -> bool {
        let Some(&at) = self.places.get(name) else { return false };
        let node = &mut self.node_list[at];
        node.alive = true;
        self.sites.insert(node.site_id, at);
        true
    }

    /// `Cluster::mark_pool_node_dead`; false when no member has the name.
    pub fn mark_pool_node_dead(&mut self, name: &str) -> bool {
        let Some(&at) = self.places.get(name) else { return false };
        let node = &mut self.node_list[at];
        node.alive = false;
        self.sites.remove(&node.site_id);
        true
    }
}

/// What a pool is filled from: the layout, as the local node sees it.
pub struct Members<'a> {
    /// All nodes of the layout with their types, in any order.
    pub nodes: Vec<(&'a str, NodeType)>,
    /// The local node's name.
    pub local: &'a str,
    /// `Cluster::manager_is_logger`.
    pub manager_is_logger: bool,
    /// `Cluster::node_topic`.
    pub node_topic: &'a dyn Fn(&str) -> String,
}

impl<'a> Members<'a> {
    /// The nodes of a type that a pool may take, in the order in which it takes them.
    fn eligible(&self, node_type: NodeType) -> Vec<&'a str> {
        let mut names = self.of_type(node_type);
        if node_type == NodeType::Logger && self.manager_is_logger {
            names.extend(self.of_type(NodeType::Manager).first());
        }
        names
    }

    fn of_type(&self, node_type: NodeType) -> Vec<&'a str> {
        let of_type = self.nodes.iter().filter(|(_, each)| *each == node_type);
        let mut names: Vec<&str> = of_type.map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

/// Why pools cannot be filled. The texts are Zeek's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// A pool of something else than workers, proxies or loggers.
    #[error("invalid pool node type: {}", .0.zeek_name())]
    InvalidNodeType(NodeType),
    /// `exclusive` without `max_nodes`.
    #[error("Cluster::PoolSpec 'max_nodes' field must be set when using the 'exclusive' flag (pool {topic})")]
    ExclusiveWithoutMaxNodes {
        /// The topic of the pool's spec.
        topic: String,
    },
    /// The exclusive pools of a type want more nodes than the layout has.
    #[error("not enough {} nodes to satisfy pool exclusivity requirements: need {need} nodes", .node_type.zeek_name())]
    NotEnoughNodes {
        /// The type.
        node_type: NodeType,
        /// How many they want together.
        need: usize,
    },
}

/// A pool of a [`Pools`], in the order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(usize);

impl PoolId {
    /// `Cluster::worker_pool`.
    pub const WORKER: PoolId = PoolId(0);
    /// `Cluster::proxy_pool`.
    pub const PROXY: PoolId = PoolId(1);
    /// `Cluster::logger_pool`.
    pub const LOGGER: PoolId = PoolId(2);

    /// The pool that was registered after so many others, the predefined ones left out.
    pub(crate) fn registered(number: usize) -> PoolId {
        PoolId(3 + number)
    }
}

/// All pools of a node; the first three are the predefined ones.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use zeek_cluster::cluster::pools::{Members, Pools};
/// use zeek_cluster::{NodeType, PoolId, Topics};
///
/// let topics = Topics::zeromq();
/// let mut pools = Pools::new(&topics);
/// pools.fill(&Members {
///     nodes: vec![("proxy-1", NodeType::Proxy), ("proxy-2", NodeType::Proxy)],
///     local: "worker-1",
///     manager_is_logger: false,
///     node_topic: &|name| topics.node_topic(name),
/// })?;
/// ["proxy-1", "proxy-2"].map(|name| pools.node_up(name));
///
/// // A key stays with its node until that goes down.
/// let chosen = |pools: &Pools| Some(pools.pool(PoolId::PROXY)?.hrw_node("192.0.2.7")?.name.clone());
/// let first = chosen(&pools).ok_or("nobody is up")?;
/// assert_eq!(chosen(&pools).as_ref(), Some(&first));
/// pools.node_down(&first);
/// assert_ne!(chosen(&pools), Some(first));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pools {
    pools: Vec<Pool>,
}

impl Pools {
    /// `Cluster::worker_pool`, `Cluster::proxy_pool` and `Cluster::logger_pool`, each of all nodes of its type.
    pub fn new(topics: &Topics) -> Pools {
        let spec = |topic: &String, node_type| Pool::new(PoolSpec::all(topic.clone(), node_type));
        let worker = spec(&topics.worker_pool, NodeType::Worker);
        let proxy = spec(&topics.proxy_pool, NodeType::Proxy);
        Pools { pools: vec![worker, proxy, spec(&topics.logger_pool, NodeType::Logger)] }
    }

    /// `Cluster::register_pool`. The pool is empty until [`Pools::fill`].
    pub fn register_pool(&mut self, spec: PoolSpec) -> PoolId {
        self.pools.push(Pool::new(spec));
        PoolId(self.pools.len() - 1)
    }

    /// A registered pool; none for an id of other `Pools`.
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(id.0)
    }

    /// A registered pool, to take turns in it, or to change its spec before [`Pools::fill`].
    pub fn pool_mut(&mut self, id: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(id.0)
    }

    /// The same specs without members.
    pub(crate) fn unfilled(&self) -> Pools {
        Pools { pools: self.pools.iter().map(|pool| Pool::new(pool.spec.clone())).collect() }
    }

    /// Takes `max_nodes` and `exclusive` of the predefined pools from others; says whether that is a change.
    pub(crate) fn take_limits(&mut self, others: &Pools) -> bool {
        let before: Vec<PoolSpec> = self.pools.iter().map(|pool| pool.spec.clone()).collect();
        for id in [PoolId::WORKER, PoolId::PROXY, PoolId::LOGGER] {
            if let (Some(pool), Some(other)) = (self.pools.get_mut(id.0), others.pool(id)) {
                pool.spec.max_nodes = other.spec.max_nodes;
                pool.spec.exclusive = other.spec.exclusive;
            }
        }
        self.pools.iter().map(|pool| &pool.spec).ne(before.iter())
    }

    /// Topics of the pools that have the node, in the order in which Zeek subscribes to them: sorted.
    pub fn topics_of(&self, name: &str) -> Vec<String> {
        let with_it = self.pools.iter().filter(|pool| pool.node(name).is_some());
        let mut topics: Vec<String> = with_it.map(|pool| pool.spec.topic.clone()).collect();
        topics.sort();
        topics
    }

    /// All pools in the order of registration.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter()
    }

    /// Fills all pools, as Zeek does once at the start: by topic, the exclusive ones first; the others share a cursor for
    /// each type, so that pools of few nodes take different ones. Starts anew when called again.
    ///
    /// # Errors
    /// Specs that cannot be had, in Zeek's words; the pools are empty then.
    pub fn fill(&mut self, members: &Members) -> Result<(), PoolError> {
        *self = self.unfilled();
        let mut by_topic: Vec<&mut Pool> = self.pools.iter_mut().collect();
        by_topic.sort_by(|a, b| a.spec.topic.cmp(&b.spec.topic));
        check(&by_topic, members)?;
        for node_type in POOL_NODE_TYPES {
            let of_type = by_topic.iter_mut().filter(|pool| pool.spec.node_type == node_type);
            fill_type(of_type.map(|pool| &mut **pool).collect(), members.eligible(node_type), members);
        }
        Ok(())
    }

    /// `Cluster::node_up`: from now on the node takes part in all its pools.
    pub fn node_up(&mut self, name: &str) {
        for pool in &mut self.pools {
            pool.mark_pool_node_alive(name);
        }
    }

    /// `Cluster::node_down`: from now on the node takes part in none.
    pub fn node_down(&mut self, name: &str) {
        for pool in &mut self.pools {
            pool.mark_pool_node_dead(name);
        }
    }
}

const POOL_NODE_TYPES: [NodeType; 3] = [NodeType::Worker, NodeType::Proxy, NodeType::Logger];

fn check(pools: &[&mut Pool], members: &Members) -> Result<(), PoolError> {
    let mut needed: BTreeMap<NodeType, usize> = BTreeMap::new();
    for PoolSpec { topic, node_type, max_nodes, exclusive } in pools.iter().map(|pool| &pool.spec) {
        if !POOL_NODE_TYPES.contains(node_type) {
            return Err(PoolError::InvalidNodeType(*node_type));
        }
        if *exclusive {
            let max_nodes = max_nodes.ok_or_else(|| PoolError::ExclusiveWithoutMaxNodes { topic: topic.clone() })?;
            let sum = needed.entry(*node_type).or_default();
            *sum = sum.saturating_add(max_nodes);
        }
    }
    match needed.into_iter().find(|(node_type, need)| *need > members.eligible(*node_type).len()) {
        Some((node_type, need)) => Err(PoolError::NotEnoughNodes { node_type, need }),
        None => Ok(()),
    }
}

fn fill_type(pools: Vec<&mut Pool>, mut eligible: Vec<&str>, members: &Members) {
    let (exclusive, shared): (Vec<_>, Vec<_>) = pools.into_iter().partition(|pool| pool.spec.exclusive);
    for pool in exclusive {
        let count = pool.spec.max_nodes.unwrap_or(0).min(eligible.len());
        for name in eligible.drain(..count) {
            pool.init_pool_node(name, members);
        }
    }
    let mut cursor = 0;
    for pool in shared {
        let count = pool.spec.max_nodes.unwrap_or(usize::MAX).min(eligible.len());
        for _ in 0..count {
            pool.init_pool_node(eligible[cursor], members);
            cursor = (cursor + 1) % eligible.len();
        }
    }
}

#[cfg(test)]
mod tests;
