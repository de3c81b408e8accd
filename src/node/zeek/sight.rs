//! What is told of a Zeek on its socket: drawn from what an observer sees. Time is an argument.

use std::collections::BTreeMap;

use super::follow::Seen;
use crate::api::config::{NodeConfig, NodeEntry};
use crate::api::node::{Count, NodeView, PeerView, Trouble};
use crate::data::NodeType;

/// Beats of Zeek's loop, one every two seconds, before it counts as joined. It subscribes early in `zeek_init`, of which later
/// handlers may still fail, and a script may fail in the first events: a rolling deploy must not go on to the next node
/// meanwhile.
const SETTLED: u64 = 3;

/// A node and since when it is up or down.
#[derive(Clone, Debug)]
struct Up {
    id: Option<String>,
    up: bool,
    since: f64,
}

/// Follows who is there.
#[derive(Debug)]
pub(super) struct Sight {
    name: String,
    node_type: NodeType,
    table: Vec<NodeEntry>,
    version: String,
    hub: String,
    child: u32,
    /// Beats of Zeek's loop.
    turns: u64,
    started_at: f64,
    joined: bool,
    joined_since: f64,
    not_joined_because: Option<String>,
    known: BTreeMap<String, Up>,
}

impl Sight {
    pub(super) fn new(config: &NodeConfig, version: String, child: u32, now: f64) -> Sight {
        Sight {
            name: config.name.clone(),
            node_type: config.node_type,
            table: config.nodes.clone(),
            version,
            hub: config.zeromq.connect_xsub_endpoint.clone(),
            child,
            turns: 0,
            started_at: now,
            joined: false,
            joined_since: now,
            not_joined_because: Some("Zeek is starting".to_owned()),
            known: BTreeMap::new(),
        }
    }

    /// Takes a new table of nodes.
    pub(super) fn set_table(&mut self, table: Vec<NodeEntry>) {
        self.table = table;
    }

    /// Zeek's loop has turned. Returns whether that may be what it lacked to have joined.
    pub(super) fn turned(&mut self) -> bool {
        self.turns += 1;
        self.turns <= SETTLED
    }

    /// Takes what the observer sees now.
    pub(super) fn look(&mut self, seen: &Seen, now: f64) {
        let names: Vec<String> = self.table.iter().map(|entry| entry.name.clone()).collect();
        for name in names {
            let found = self.find(seen, &name);
            let before = self.known.get(&name);
            let changed = before.map_or(found.is_some(), |before| before.up != found.is_some());
            let since = before.filter(|_| !changed).map_or(now, |before| before.since);
            if changed || before.is_some() {
                self.known.insert(name, Up { up: found.is_some(), id: found.flatten(), since });
            }
        }
        self.not_joined_because = self.missing(seen);
        if self.joined != self.not_joined_because.is_none() {
            self.joined = !self.joined;
            self.joined_since = now;
        }
    }

    /// Whether a name is there, and under which id. Zeek's ids hold its process id, which tells this Zeek from the one
    /// before it while that one is still known to the hub.
    fn find(&self, seen: &Seen, name: &str) -> Option<Option<String>> {
        let mut found = seen.nodes.iter().filter(|node| node.name.as_deref() == Some(name));
        if name != self.name {
            return found.next().map(|node| node.id.clone());
        }
        let own = format!("_{}_", self.child);
        let all: Vec<_> = found.collect();
        all.iter().find(|node| node.id.as_ref().is_some_and(|id| id.contains(&own))).map(|node| node.id.clone())
    }

    fn missing(&self, seen: &Seen) -> Option<String> {
        let up = |name: &str| self.known.get(name).is_some_and(|node| node.up);
        if self.turns == 0 {
            return Some("Zeek is still initializing".to_owned());
        }
        if let Some(trouble) = &seen.trouble {
            return Some(trouble.clone());
        }
        if !up(&self.name) {
            return Some(format!("Zeek has not subscribed at the hub {} yet", self.hub));
        }
        if self.turns < SETTLED {
            return Some("Zeek has just finished initializing".to_owned());
        }
        let manager = self.table.iter().find(|entry| entry.node_type == NodeType::Manager)?;
        (!up(&manager.name)).then(|| format!("{} is not there", manager.name))
    }

    /// As `node.sock` answers.
    pub(super) fn view(&self, troubles: Vec<Trouble>) -> NodeView {
        let own = self.known.get(&self.name).and_then(|up| up.id.clone());
        let peers: Vec<PeerView> =
            self.table.iter().filter(|entry| entry.name != self.name).map(|entry| self.peer(entry)).collect();
        NodeView {
            name: self.name.clone(),
            node_type: self.node_type,
            id: own.unwrap_or_default(),
            pid: std::process::id(),
            version: self.version.clone(),
            started_at: self.started_at,
            joined: self.joined,
            joined_since: self.joined_since,
            not_joined_because: self.not_joined_because.clone(),
            troubles,
            counts: self.counts(&peers),
            peers,
            program: None,
            counters: BTreeMap::new(),
        }
    }

    fn peer(&self, entry: &NodeEntry) -> PeerView {
        let known = self.known.get(&entry.name);
        PeerView {
            peer: entry.name.clone(),
            node_type: entry.node_type,
            id: known.and_then(|node| node.id.clone()),
            up: known.is_some_and(|node| node.up),
            since: known.map(|node| node.since),
        }
    }

    fn counts(&self, peers: &[PeerView]) -> BTreeMap<NodeType, Count> {
        let mut counts: BTreeMap<NodeType, Count> = BTreeMap::new();
        for entry in &self.table {
            counts.entry(entry.node_type).or_default().defined += 1;
        }
        for peer in peers.iter().filter(|peer| peer.up) {
            counts.entry(peer.node_type).or_default().active += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::SeenNode;
    use crate::node::tests::zeek_config;

    fn seen(nodes: &[(&str, &str)]) -> Seen {
        let node = |(name, id): &(&str, &str)| SeenNode { name: Some((*name).into()), id: Some((*id).into()) };
        Seen { nodes: nodes.iter().map(node).collect(), trouble: None }
    }

    #[test]
    fn a_zeek_has_joined_when_the_hub_shows_it_and_the_manager() {
        let mut sight = Sight::new(&zeek_config("worker-1"), "Zeek 8.2.2".into(), 42, 1.0);
        assert_eq!(sight.view(Vec::new()).not_joined_because.as_deref(), Some("Zeek is starting"));
        sight.look(&seen(&[("manager", "m")]), 2.0);
        assert_eq!(sight.view(Vec::new()).not_joined_because.as_deref(), Some("Zeek is still initializing"));
        assert!(sight.turned());
        sight.look(&seen(&[("manager", "m"), ("worker-1", "zeromq_worker-1_h_41_x")]), 2.0);
        assert!(
            sight.view(Vec::new()).not_joined_because.unwrap().starts_with("Zeek has not subscribed at the hub tcp://")
        );
        let both =
            seen(&[("manager", "m"), ("worker-1", "zeromq_worker-1_h_41_x"), ("worker-1", "zeromq_worker-1_h_42_y")]);
        sight.look(&both, 3.0);
        assert_eq!(sight.view(Vec::new()).not_joined_because.as_deref(), Some("Zeek has just finished initializing"));
        assert!(sight.turned() && sight.turned() && !sight.turned());
        sight.look(&both, 3.0);
        let view = sight.view(Vec::new());
        assert!(view.joined);
        assert_eq!((view.joined_since, view.id.as_str()), (3.0, "zeromq_worker-1_h_42_y"));
        assert_eq!(view.counts[&NodeType::Manager], Count { defined: 1, active: 1 });
        assert_eq!(view.counts[&NodeType::Worker].active, 0, "itself is not counted");
        assert_eq!(view.peers.iter().map(|peer| peer.since).collect::<Vec<_>>(), [Some(2.0)]);

        let away = Seen { nodes: Vec::new(), trouble: Some("the hub is away".into()) };
        sight.look(&away, 4.0);
        let view = sight.view(Vec::new());
        assert_eq!((view.joined, view.joined_since), (false, 4.0));
        assert_eq!(view.not_joined_because.as_deref(), Some("the hub is away"));
        assert_eq!(view.peers[0].since, Some(4.0));
        sight.look(&seen(&[("worker-1", "zeromq_worker-1_h_42_y")]), 5.0);
        assert_eq!(sight.view(Vec::new()).not_joined_because.as_deref(), Some("manager is not there"));
    }
}
