//! What a node counts of the events that it sends and receives (`cluster.md` 5.2): plain figures, read by whoever shows them.
//!
//! An event is counted when it was serialised or read, before the transport took it, so that dropped ones count too.

use std::borrow::Cow;
use std::collections::HashMap;

use super::topics::Topics;

/// `Cluster::Telemetry::message_size_bounds`, in bytes.
pub const SIZE_BOUNDS: [f64; 8] = [10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10_000.0, 50_000.0];
/// Pairs of topic and event name that are kept apart in each direction; peers choose both. Further ones are [`OTHER`].
const MAX_PAIRS: usize = 1000;
/// Longest topic or event name that is kept, in bytes; longer ones are [`OTHER`].
const MAX_NAME: usize = 256;
/// Stands for topics and names beyond the limits.
pub const OTHER: &str = "__other__";
/// Stands for the id in a nodeid topic, as in `Cluster::Telemetry::topic_normalizations`.
const NORMALIZED: &str = "__normalized__";

/// `Cluster::Telemetry::core_metrics` or `Cluster::Telemetry::websocket_metrics`: what is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// `INFO`: how many events.
    pub info: bool,
    /// `VERBOSE`: how many by topic and name.
    pub verbose: bool,
    /// `DEBUG`: their sizes by topic and name.
    pub debug: bool,
    /// `Cluster::Telemetry::message_size_bounds`: upper bounds of size classes in bytes, ascending.
    pub bounds: Vec<f64>,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { info: true, verbose: false, debug: false, bounds: SIZE_BOUNDS.to_vec() }
    }
}

/// Figures of events since the node's start; all only rise.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// What is kept.
    pub kept: Kept,
    /// Events that this node published, those of other endpoints of its process left out.
    pub outgoing: Flow,
    /// Events that came in and could be read.
    pub incoming: Flow,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// All events.
    pub events: u64,
    /// By topic, then by name; empty unless `VERBOSE` or `DEBUG` are kept.
    pub pairs: HashMap<String, HashMap<String, Sizes>>,
    distinct: usize,
}

/// The events of one topic and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    /// How many.
    pub count: u64,
    /// Their octets, serialised.
    pub octets: u64,
    /// How many in each size class, the one beyond the last bound included; empty unless `DEBUG` is kept.
    pub classes: Vec<u64>,
}

impl Traffic {
    /// Nothing counted yet.
    pub fn new(kept: Kept) -> Traffic {
        Traffic { kept, ..Traffic::default() }
    }

    /// Keeps something else from now on: figures by topic and name begin anew then, totals go on.
    pub fn keep(&mut self, kept: Kept) {
        if kept == self.kept {
            return;
        }
        for flow in [&mut self.outgoing, &mut self.incoming] {
            flow.pairs.clear();
            flow.distinct = 0;
        }
        self.kept = kept;
    }

    /// Counts an event that goes out, serialised in so many octets.
    pub fn sent(&mut self, topics: &Topics, topic: &[u8], name: &[u8], octets: usize) {
        self.outgoing.count(&self.kept, topics, topic, name, octets as u64);
    }

    /// Counts an event that came in, serialised in so many octets.
    pub fn received(&mut self, topics: &Topics, topic: &[u8], name: &[u8], octets: usize) {
        self.incoming.count(&self.kept, topics, topic, name, octets as u64);
    }
}

impl Flow {
    fn count(&mut self, kept: &Kept, topics: &Topics, topic: &[u8], name: &[u8], octets: u64) {
        self.events += 1;
        if !(kept.verbose || kept.debug) {
            return;
        }
        let sizes = self.sizes(&normalized(topics, topic), &bounded(name));
        sizes.count += 1;
        sizes.octets += octets;
        if kept.debug {
            sizes.classes.resize(kept.bounds.len() + 1, 0);
            let class = kept.bounds.iter().position(|bound| octets as f64 <= *bound);
            sizes.classes[class.unwrap_or(kept.bounds.len())] += 1;
        }
    }

    fn sizes(&mut self, topic: &str, name: &str) -> &mut Sizes {
        let known = self.pairs.get(topic).is_some_and(|names| names.contains_key(name));
        let (topic, name) = if known || self.distinct < MAX_PAIRS { (topic, name) } else { (OTHER, OTHER) };
        if !self.pairs.contains_key(topic) {
            self.pairs.insert(topic.to_owned(), HashMap::new());
        }
        let names = self.pairs.entry(topic.to_owned()).or_default();
        if !names.contains_key(name) {
            self.distinct += 1;
        }
        names.entry(name.to_owned()).or_default()
    }
}

/// A topic as it is counted under: those of single node instances are one.
fn normalized<'t>(topics: &Topics, topic: &'t [u8]) -> Cow<'t, str> {
    match topic.starts_with(topics.nodeid_prefix.as_bytes()) {
        true => Cow::Owned(format!("{}{NORMALIZED}", topics.nodeid_prefix)),
        false => bounded(topic),
    }
}

fn bounded(octets: &[u8]) -> Cow<'_, str> {
    match octets.len() <= MAX_NAME {
        true => String::from_utf8_lossy(octets),
        false => Cow::Borrowed(OTHER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(verbose: bool, debug: bool) -> Traffic {
        Traffic::new(Kept { verbose, debug, ..Kept::default() })
    }

    #[test]
    fn without_more_being_asked_for_only_totals_are_kept() {
        let mut traffic = traffic(false, false);
        traffic.sent(&Topics::zeromq(), b"t", b"e", 7);
        traffic.received(&Topics::zeromq(), b"t", b"e", 7);
        assert_eq!((traffic.outgoing.events, traffic.incoming.events), (1, 1));
        assert!(traffic.outgoing.pairs.is_empty() && traffic.incoming.pairs.is_empty());
    }

    #[test]
    fn topics_of_node_instances_are_one() {
        let mut traffic = traffic(true, false);
        for id in ["zeek.cluster.nodeid.a.", "zeek.cluster.nodeid.b."] {
            traffic.received(&Topics::zeromq(), id.as_bytes(), b"Cluster::hello", 80);
        }
        let pairs = &traffic.incoming.pairs;
        assert_eq!(pairs.len(), 1);
        let sizes = &pairs["zeek.cluster.nodeid.__normalized__"]["Cluster::hello"];
        assert_eq!((sizes.count, sizes.octets, sizes.classes.len()), (2, 160, 0));
    }

    #[test]
    fn a_size_at_a_bound_belongs_below_it() {
        let mut traffic = traffic(false, true);
        for octets in [10, 11, 50_000, 50_001] {
            traffic.sent(&Topics::zeromq(), b"t", b"e", octets);
        }
        assert_eq!(traffic.outgoing.pairs["t"]["e"].classes, [1, 1, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn figures_by_topic_begin_anew_when_something_else_is_kept() {
        let mut traffic = traffic(true, false);
        traffic.sent(&Topics::zeromq(), b"t", b"e", 7);
        traffic.keep(Kept { verbose: true, ..Kept::default() });
        assert_eq!(traffic.outgoing.pairs["t"]["e"].count, 1, "the same as before");
        traffic.keep(Kept { debug: true, bounds: vec![5.0], ..Kept::default() });
        traffic.sent(&Topics::zeromq(), b"t", b"e", 7);
        assert_eq!((traffic.outgoing.events, traffic.outgoing.pairs["t"]["e"].classes.as_slice()), (2, &[0, 1][..]));
        traffic.keep(Kept::default());
        assert!(traffic.outgoing.pairs.is_empty());
    }

    #[test]
    fn a_peer_that_invents_topics_fills_one_pair_only() {
        let mut traffic = traffic(true, false);
        let topics = Topics::zeromq();
        for n in 0..3 * MAX_PAIRS {
            traffic.received(&topics, format!("topic/{n}").as_bytes(), b"e", 1);
        }
        traffic.received(&topics, &vec![b'x'; MAX_NAME + 1], b"e", 1);
        let pairs: usize = traffic.incoming.pairs.values().map(HashMap::len).sum();
        assert_eq!(pairs, MAX_PAIRS + 1);
        assert_eq!(traffic.incoming.pairs[OTHER][OTHER].count as usize, 2 * MAX_PAIRS + 1);
        assert_eq!(traffic.incoming.events as usize, 3 * MAX_PAIRS + 1);
    }
}
