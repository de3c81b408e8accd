//! Owners of the hub's subscriptions, and the limits of each connection.
//!
//! libzmq's XPUB remembers every subscription of every connection, in a trie that takes some thirty octets of memory for each
//! octet of a topic, and its XSUB counts subscriptions per topic without knowing whose they are. So the hub keeps the books:
//! - a subscription is passed on once per connection and topic, and taken back once, so that no connection can end a
//!   subscription of another one or leave one behind;
//! - a topic of more than [`MAX_TOPIC`] octets is not passed on;
//! - a connection with more than [`Limits`] allow is cut off, which frees what libzmq keeps of it.
//!
//! When a connection ends libzmq makes up an unsubscription for each of its topics, without a source. One such for each
//! subscription that was not passed on is swallowed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::socket::{Source, peer_address};
use crate::transport::MAX_TOPIC;

/// `Cluster::Backend::ZeroMQ::nodeid_topic_prefix`; here only to name a subscriber.
const NODEID_PREFIX: &[u8] = b"zeek.cluster.nodeid.";

/// Time for which a connection that has ended is remembered: subscriptions that were read before its end may still be on their way.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Limits of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Topics of one connection.
    pub(super) topics: usize,
    /// Octets of these topics.
    pub(super) octets: usize,
    /// Octets of all topics of all connections; beyond that the connection with the most is cut off.
    pub(super) all_octets: usize,
}

/// Twelve topics and some hundred octets are what a Zeek node has; a node with WebSocket clients has theirs too.
pub(super) const LIMITS: Limits = Limits { topics: 10_000, octets: 1 << 20, all_octets: 8 << 20 };

/// The hub's reaction to a message of a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tell the nodes.
    Pass,
    /// They know already, or must not know.
    Swallow,
    /// It is more than may be: not passed on, and the connection of that number is to be cut off.
    CutOff(u64),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) fd: RawFd,
    pub(super) address: String,
    passed: BTreeSet<Vec<u8>>,
    /// Subscribed as far as libzmq knows, and not passed on.
    withheld: BTreeSet<Vec<u8>>,
    octets: usize,
    cut_off: bool,
    gone: Option<Instant>,
}

impl Subscriber {
    fn new(fd: RawFd) -> Subscriber {
        Subscriber {
            fd,
            address: peer_address(fd).unwrap_or_else(|| "an unknown address".to_owned()),
            passed: BTreeSet::new(),
            withheld: BTreeSet::new(),
            octets: 0,
            cut_off: false,
            gone: None,
        }
    }

    fn topics(&self) -> usize {
        self.passed.len() + self.withheld.len()
    }

    fn wants(&self, topic: &[u8]) -> bool {
        // Every subscription that matches is a prefix of the topic.
        (0..=topic.len().min(MAX_TOPIC)).any(|length| self.passed.contains(&topic[..length]))
    }

    /// The id of its node where its subscriptions tell it, else its address.
    pub(super) fn name(&self) -> String {
        let nodeid = self.passed.range(NODEID_PREFIX.to_vec()..).next().and_then(|topic| {
            let id = topic.strip_prefix(NODEID_PREFIX)?;
            Some(String::from_utf8_lossy(id.strip_suffix(b".").unwrap_or(id)).into_owned())
        });
        nodeid.unwrap_or_else(|| self.address.clone())
    }
}

/// All connections to the hub's XPUB that subscribed to something.
#[derive(Debug)]
pub(super) struct Subscribers {
    limits: Limits,
    by_connection: BTreeMap<u64, Subscriber>,
    /// Connections that have the topic withheld.
    withheld: BTreeMap<Vec<u8>, usize>,
    octets: usize,
}

impl Subscribers {
    pub(super) fn new(limits: Limits) -> Subscribers {
        Subscribers { limits, by_connection: BTreeMap::new(), withheld: BTreeMap::new(), octets: 0 }
    }

    pub(super) fn get(&self, connection: u64) -> Option<&Subscriber> {
        self.by_connection.get(&connection)
    }

    /// Descriptors of those who want a topic.
    pub(super) fn wanting(&self, topic: &[u8]) -> impl Iterator<Item = RawFd> {
        let wanting = self.by_connection.values().filter(|subscriber| subscriber.wants(topic));
        wanting.filter(|subscriber| subscriber.gone.is_none()).map(|subscriber| subscriber.fd)
    }

    /// The one with that descriptor.
    pub(super) fn by_fd(&self, fd: RawFd) -> Option<&Subscriber> {
        self.by_connection.values().rev().find(|subscriber| subscriber.fd == fd)
    }

    /// A connection subscribes.
    pub(super) fn subscribe(&mut self, source: Source, topic: &[u8]) -> Verdict {
        let limits = self.limits;
        let subscriber = self.by_connection.entry(source.connection).or_insert_with(|| Subscriber::new(source.fd));
        if subscriber.passed.contains(topic) || subscriber.withheld.contains(topic) {
            return Verdict::Swallow;
        }
        subscriber.octets += topic.len();
        self.octets += topic.len();
        let too_many = subscriber.topics() >= limits.topics || subscriber.octets > limits.octets;
        if subscriber.cut_off || too_many || topic.len() > MAX_TOPIC {
            subscriber.withheld.insert(topic.to_vec());
            *self.withheld.entry(topic.to_vec()).or_insert(0) += 1;
            return self.judge(source.connection, too_many);
        }
        subscriber.passed.insert(topic.to_vec());
        if self.octets <= limits.all_octets {
            return Verdict::Pass;
        }
        // This one is told; if it is the one with the most, its end takes it back again.
        self.cut_largest();
        Verdict::Pass
    }

    fn judge(&mut self, connection: u64, too_many: bool) -> Verdict {
        match self.by_connection.get_mut(&connection) {
            Some(subscriber) if too_many && !subscriber.cut_off => {
                subscriber.cut_off = true;
                Verdict::CutOff(connection)
            }
            _ => Verdict::Swallow,
        }
    }

    /// Marks the connection with the most octets; [`Subscribers::next_to_cut`] names it.
    fn cut_largest(&mut self) {
        let living = self.by_connection.values_mut().filter(|each| each.gone.is_none() && !each.cut_off);
        if let Some(largest) = living.max_by_key(|each| each.octets) {
            largest.cut_off = true;
        }
    }

    /// The next connection that is to be cut off for the sake of all, each once.
    pub(super) fn next_to_cut(&mut self) -> Option<u64> {
        let over = self.octets > self.limits.all_octets;
        let marked = self.by_connection.iter_mut().find(|(_, each)| over && each.cut_off && each.gone.is_none());
        marked.map(|(connection, each)| {
            // What it had counts no longer: it is as good as gone.
            self.octets -= std::mem::take(&mut each.octets);
            *connection
        })
    }

    /// A connection unsubscribes.
    pub(super) fn unsubscribe(&mut self, source: Source, topic: &[u8]) -> Verdict {
        let Some(subscriber) = self.by_connection.get_mut(&source.connection) else { return Verdict::Swallow };
        let passed = subscriber.passed.remove(topic);
        if !passed && !subscriber.withheld.remove(topic) {
            return Verdict::Swallow;
        }
        let octets = topic.len().min(subscriber.octets);
        subscriber.octets -= octets;
        self.octets -= octets;
        if passed {
            return Verdict::Pass;
        }
        self.forget_withheld(topic);
        Verdict::Swallow
    }

    /// libzmq takes back a topic of a connection that has ended.
    pub(super) fn ended(&mut self, topic: &[u8]) -> Verdict {
        if self.forget_withheld(topic) { Verdict::Swallow } else { Verdict::Pass }
    }

    fn forget_withheld(&mut self, topic: &[u8]) -> bool {
        let Some(count) = self.withheld.get_mut(topic) else { return false };
        *count -= 1;
        if *count == 0 {
            self.withheld.remove(topic);
        }
        true
    }

    /// The connection of that descriptor has ended: the oldest one that is not known to have.
    pub(super) fn disconnected(&mut self, fd: RawFd, now: Instant) {
        let living = self.by_connection.values_mut().find(|each| each.fd == fd && each.gone.is_none());
        if let Some(subscriber) = living {
            subscriber.gone = Some(now);
            self.octets -= std::mem::take(&mut subscriber.octets);
        }
        let remembered = |gone: Instant| now.duration_since(gone) < REMEMBERED;
        self.by_connection.retain(|_, subscriber| subscriber.gone.is_none_or(remembered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { topics: 4, octets: 40, all_octets: 60 };

    fn source(connection: u64) -> Source {
        // No descriptor has this number.
        Source { connection, fd: 1_000_000 + connection as i32 }
    }

    #[test]
    fn a_subscriber_is_named_by_its_nodeid_topic() {
        let mut subscriber = Subscriber::new(source(1).fd);
        assert_eq!(subscriber.name(), "an unknown address");
        subscriber.passed.extend([b"zeek.cluster.worker".to_vec(), b"zeek.cluster.nodeid.zeromq_w_h.x_1_N2.".to_vec()]);
        assert_eq!(subscriber.name(), "zeromq_w_h.x_1_N2");
        assert!(subscriber.wants(b"zeek.cluster.worker-7"));
        assert!(!subscriber.wants(b"zeek.cluster.work"));
    }

    #[test]
    fn a_topic_is_passed_on_and_taken_back_once_per_connection() {
        let mut all = Subscribers::new(SMALL);
        assert_eq!(all.subscribe(source(1), b"t"), Verdict::Pass);
        assert_eq!(all.subscribe(source(1), b"t"), Verdict::Swallow);
        assert_eq!(all.subscribe(source(2), b"t"), Verdict::Pass);
        assert_eq!(all.unsubscribe(source(3), b"t"), Verdict::Swallow, "it never subscribed");
        assert_eq!(all.unsubscribe(source(1), b"t"), Verdict::Pass);
        assert_eq!(all.unsubscribe(source(1), b"t"), Verdict::Swallow);
        assert_eq!(all.ended(b"t"), Verdict::Pass, "the other one ends");
    }

    #[test]
    fn what_was_not_passed_on_is_not_taken_back() {
        let mut all = Subscribers::new(SMALL);
        for topic in [b"a", b"b", b"c", b"d"] {
            assert_eq!(all.subscribe(source(1), topic), Verdict::Pass);
        }
        assert_eq!(all.subscribe(source(2), b"e"), Verdict::Pass);
        assert_eq!(all.subscribe(source(1), b"e"), Verdict::CutOff(1));
        assert_eq!(all.subscribe(source(1), b"f"), Verdict::Swallow, "cut off once");
        all.disconnected(source(1).fd, Instant::now());
        let verdicts: Vec<Verdict> = [b"a", b"b", b"c", b"d", b"e", b"f"].map(|topic| all.ended(topic)).into();
        assert_eq!(verdicts[..4], [Verdict::Pass, Verdict::Pass, Verdict::Pass, Verdict::Pass]);
        assert_eq!(verdicts[4..], [Verdict::Swallow, Verdict::Swallow]);
        assert_eq!(all.ended(b"e"), Verdict::Pass, "the other one ends");
    }

    #[test]
    fn octets_count_for_each_and_for_all() {
        let mut all = Subscribers::new(SMALL);
        assert_eq!(all.subscribe(source(1), &[b'x'; 30]), Verdict::Pass);
        assert_eq!(all.subscribe(source(1), &[b'y'; 11]), Verdict::CutOff(1));
        let mut all = Subscribers::new(SMALL);
        assert_eq!(all.subscribe(source(1), &[b'x'; 30]), Verdict::Pass);
        assert_eq!(all.next_to_cut(), None);
        assert_eq!(all.subscribe(source(2), &[b'x'; 20]), Verdict::Pass);
        assert_eq!(all.subscribe(source(3), &[b'x'; 20]), Verdict::Pass);
        assert_eq!(all.next_to_cut(), Some(1), "it has the most");
        assert_eq!(all.next_to_cut(), None);
    }

    #[test]
    fn a_long_topic_is_kept_from_the_nodes() {
        let mut all = Subscribers::new(LIMITS);
        let long = vec![b't'; MAX_TOPIC + 1];
        assert_eq!(all.subscribe(source(1), &long), Verdict::Swallow);
        assert_eq!(all.ended(&long), Verdict::Swallow);
        assert_eq!(all.subscribe(source(1), &long[1..]), Verdict::Pass);
    }

    /// A worker comes back at once, and the system gives its new connection the old one's descriptor.
    #[test]
    fn a_descriptor_that_is_used_again_mixes_no_connections_up() {
        let mut all = Subscribers::new(SMALL);
        let (old, new) = (Source { connection: 1, fd: 9 }, Source { connection: 2, fd: 9 });
        assert_eq!(all.subscribe(old, b"t"), Verdict::Pass);
        assert_eq!(all.subscribe(new, b"t"), Verdict::Pass);
        all.disconnected(9, Instant::now());
        assert_eq!(all.ended(b"t"), Verdict::Pass);
        assert_eq!(all.unsubscribe(new, b"t"), Verdict::Pass, "the new one still had it");
    }
}
