//! One suite for all transports: what every member of a cluster may rely on, whatever carries its frames.
//!
//! A transport takes part by implementing [`Harness`] and calling [`suite!`].

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{EventFrame, Inbound, Inbox, LinkEvent, LogFrame, MAX_PART, MAX_TOPIC, SendError, Transport};

/// Patience with real sockets on a loaded machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A network under test with its hub.
pub(super) trait Harness {
    /// A network with a running hub and nobody in it.
    fn new() -> Self;
    /// Adds a member that sends its logs to the loggers that joined before.
    fn join(&mut self, id: &str) -> Member;
    /// Adds a member that receives logs.
    fn join_logger(&mut self, id: &str) -> Member;
    /// Breaks a member's connections to the hub.
    fn cut(&mut self, id: &str);
    /// Lets it reconnect.
    fn heal(&mut self, id: &str);
    /// Ends the hub without a word and starts another at the same place.
    fn restart_hub(&mut self);
    /// Publishes a message of any number of parts, as a foreign member could.
    fn publish_raw(&mut self, parts: &[Bytes]);
    /// Sends a message of any number of parts to the logger.
    fn push_raw(&mut self, logger: &Member, parts: &[Bytes]);
    /// Lets things move. False when nothing will move any more by itself.
    fn pump(&mut self) -> bool;
}

/// One end under test.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) transport: Box<dyn Transport>,
    pub(super) inbox: Inbox,
    /// Where it receives logs.
    pub(super) log_endpoint: Option<String>,
}

impl Member {
    pub(super) fn publish(&self, topic: &str, payload: &str) {
        self.transport.publish(event(&self.id, topic, payload)).expect("room in the queue");
    }

    pub(super) fn subscribe(&self, topic: &str) {
        self.transport.subscribe(topic.as_bytes()).expect("room in the queue");
    }

    /// The first inbound for which `wanted` has an answer; what comes before it is thrown away.
    pub(super) fn wait<T>(
        &mut self,
        harness: &mut impl Harness,
        what: &str,
        mut wanted: impl FnMut(&Inbound) -> Option<T>,
    ) -> T {
        let start = Instant::now();
        loop {
            let more = harness.pump();
            while let Ok(inbound) = self.inbox.try_recv() {
                if let Some(found) = wanted(&inbound) {
                    return found;
                }
            }
            assert!(more && start.elapsed() < DEADLINE, "{} waited in vain for {what}", self.id);
        }
    }

    pub(super) fn wait_for(&mut self, harness: &mut impl Harness, wanted: &Inbound) {
        self.wait(harness, &format!("{wanted:?}"), |inbound| (inbound == wanted).then_some(()));
    }

    pub(super) fn wait_subscription(&mut self, harness: &mut impl Harness, topic: &str) {
        self.wait_for(harness, &Inbound::Subscription(topic.into()));
    }

    /// Everything up to the event with the payload `END`, which a test publishes when it has said all it has to say.
    fn payloads_until_end(&mut self, harness: &mut impl Harness) -> Vec<String> {
        let mut payloads = Vec::new();
        self.wait(harness, "the end", |inbound| {
            if let Inbound::Event(event) = inbound {
                payloads.push(String::from_utf8_lossy(&event.payload).into_owned());
            }
            payloads.last().is_some_and(|payload| payload == END).then_some(())
        });
        payloads.pop();
        payloads
    }
}

const END: &str = "the end";

pub(super) fn event(sender: &str, topic: &str, payload: &str) -> EventFrame {
    EventFrame {
        topic: Bytes::copy_from_slice(topic.as_bytes()),
        sender: Bytes::copy_from_slice(sender.as_bytes()),
        format: Bytes::from_static(b"broker-bin-v1"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

pub(super) fn batch(sender: &str, payload: &str) -> LogFrame {
    LogFrame {
        sender: Bytes::copy_from_slice(sender.as_bytes()),
        format: Bytes::from_static(b"zeek-bin-serializer"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

/// Two members; the second is subscribed to `topic`, and the first knows.
fn pair<H: Harness>(topic: &str) -> (H, Member, Member) {
    let mut harness = H::new();
    let mut a = harness.join("a");
    let b = harness.join("b");
    b.subscribe(topic);
    a.wait_subscription(&mut harness, topic);
    (harness, a, b)
}

pub(super) fn own_subscriptions_are_echoed_in_their_order<H: Harness>() {
    let mut harness = H::new();
    let mut a = harness.join("a");
    a.wait_for(&mut harness, &Inbound::Link(LinkEvent::Up));
    let topics: Vec<String> = (0..50).map(|number| format!("topic.{}", (number * 37) % 50)).collect();
    for topic in &topics {
        a.subscribe(topic);
    }
    let mut echoed = Vec::new();
    a.wait(&mut harness, "the echo", |inbound| {
        if let Inbound::Subscription(topic) = inbound {
            echoed.push(String::from_utf8_lossy(topic).into_owned());
        }
        (echoed.len() == 50).then_some(())
    });
    assert_eq!(echoed, topics);
}

/// `zeromq.md` 3.7: Zeek's proxy tells a late joiner 1000 of them.
pub(super) fn a_late_joiner_is_told_1500_topics<H: Harness>() {
    let mut harness = H::new();
    let mut a = harness.join("a");
    let topics = |inbox: &mut Member, harness: &mut H| {
        let mut seen = std::collections::BTreeSet::new();
        inbox.wait(harness, "1500 topics", |inbound| {
            if let Inbound::Subscription(topic) = inbound {
                seen.insert(topic.clone());
            }
            (seen.len() == 1500).then_some(())
        });
    };
    for number in 0..1500 {
        a.subscribe(&format!("topic.{number}."));
    }
    topics(&mut a, &mut harness);
    let mut late = harness.join("late");
    topics(&mut late, &mut harness);
}

/// `zeromq.md` 3.1.
pub(super) fn prefixes_decide_and_one_copy_comes<H: Harness>() {
    let (mut harness, mut a, mut b) = pair::<H>("node.worker-1.");
    b.subscribe("node.");
    a.wait_subscription(&mut harness, "node.");
    a.publish("node.worker-1.", "twice wanted");
    a.publish("nod", "too short");
    a.publish("node.worker-10.", END);
    assert_eq!(b.payloads_until_end(&mut harness), ["twice wanted"]);
    b.transport.unsubscribe(b"node.").expect("room");
    a.wait_for(&mut harness, &Inbound::Unsubscription(b"node.".to_vec()));
    a.publish("node.worker-10.", "not wanted");
    a.publish("node.worker-1.", END);
    assert!(b.payloads_until_end(&mut harness).is_empty());
}

/// `zeromq.md` 3.1: topics to publish on may hold any octets, and be empty.
pub(super) fn topics_may_hold_any_octets_or_none<H: Harness>() {
    let (mut harness, a, mut b) = pair::<H>("");
    for topic in ["", "\0", "\u{1}x", "a\0b"] {
        a.publish(topic, topic);
    }
    a.publish("any", END);
    assert_eq!(b.payloads_until_end(&mut harness), ["", "\0", "\u{1}x", "a\0b"]);
}

/// `zeromq.md` 2.1, rule 2.
pub(super) fn own_events_are_dropped_without_a_trace<H: Harness>() {
    let (mut harness, mut a, mut b) = pair::<H>("topic");
    a.subscribe("topic");
    a.wait_subscription(&mut harness, "topic");
    a.publish("topic", "mine");
    a.publish("topic", END);
    assert_eq!(b.payloads_until_end(&mut harness), ["mine"]);
    b.publish("topic", END);
    assert!(a.payloads_until_end(&mut harness).is_empty());
    assert_eq!(a.transport.counters().msg_errors, 0);
}

pub(super) fn events_of_one_sender_keep_their_order<H: Harness>() {
    let (mut harness, a, mut b) = pair::<H>("topic");
    for number in 0..900 {
        a.publish("topic", &number.to_string());
    }
    a.publish("topic", END);
    let expected: Vec<String> = (0..900).map(|number| number.to_string()).collect();
    assert_eq!(b.payloads_until_end(&mut harness), expected);
    assert_eq!(b.transport.counters().events_received, 901);
    assert_eq!(a.transport.counters().events_sent, 901);
}

/// `zeromq.md` 3.5: VERBOSE and VERBOSER.
pub(super) fn each_subscription_and_only_the_last_unsubscription_is_told<H: Harness>() {
    let (mut harness, mut a, b) = pair::<H>("shared");
    let c = harness.join("c");
    c.subscribe("shared");
    a.wait_subscription(&mut harness, "shared");
    b.transport.unsubscribe(b"shared").expect("room");
    b.subscribe("marker.1");
    let told = |inbound: &Inbound, marker: &str| match inbound {
        Inbound::Unsubscription(_) => Some(true),
        Inbound::Subscription(topic) if topic == marker.as_bytes() => Some(false),
        _ => None,
    };
    assert!(!a.wait(&mut harness, "the first marker", |inbound| told(inbound, "marker.1")), "c still wants it");
    c.transport.unsubscribe(b"shared").expect("room");
    c.subscribe("marker.2");
    assert!(a.wait(&mut harness, "the second marker", |inbound| told(inbound, "marker.2")), "nobody wants it");
}

/// `zeromq.md` 3.6: the hub would count such a topic twice and never tell the departure.
pub(super) fn a_topic_subscribed_twice_leaves_no_ghost<H: Harness>() {
    let (mut harness, mut a, b) = pair::<H>("nodeid.b.");
    b.subscribe("nodeid.b.");
    b.subscribe("marker");
    let repeated = a.wait(&mut harness, "the marker", |inbound| match inbound {
        Inbound::Subscription(topic) if topic == b"marker" => Some(false),
        Inbound::Subscription(_) => Some(true),
        _ => None,
    });
    assert!(!repeated, "the duplicate must not reach the hub");
    b.transport.close();
    a.wait_for(&mut harness, &Inbound::Unsubscription(b"nodeid.b.".to_vec()));
}

/// `zeromq.md` 4.10: everything published before the end still goes out, and the departure is told.
pub(super) fn closing_sends_what_is_queued_and_tells_the_departure<H: Harness>() {
    let (mut harness, mut a, b) = pair::<H>("topic.b");
    a.subscribe("topic.a");
    let mut b = b;
    b.wait_subscription(&mut harness, "topic.a");
    for number in 0..500 {
        b.publish("topic.a", &number.to_string());
    }
    b.publish("topic.a", END);
    b.transport.close();
    assert_eq!(b.transport.publish(event("b", "topic.a", "late")), Err(SendError::Closed));
    assert_eq!(b.transport.subscribe(b"late"), Err(SendError::Closed));
    let mut payloads = 0;
    let mut gone = false;
    a.wait(&mut harness, "all events and the departure", |inbound| {
        match inbound {
            Inbound::Event(_) => payloads += 1,
            Inbound::Unsubscription(topic) => gone |= topic == b"topic.b",
            _ => {}
        }
        (payloads == 501 && gone).then_some(())
    });
}

/// `zeromq.md` 4.8, the transport's part: others are told at once, everything comes back by itself.
pub(super) fn a_broken_connection_is_told_and_comes_back_with_all_subscriptions<H: Harness>() {
    let (mut harness, mut a, mut b) = pair::<H>("topic.b");
    b.wait_for(&mut harness, &Inbound::Link(LinkEvent::Up));
    harness.cut("b");
    a.wait_for(&mut harness, &Inbound::Unsubscription(b"topic.b".to_vec()));
    b.wait_for(&mut harness, &Inbound::Link(LinkEvent::Down));
    b.subscribe("topic.new");
    harness.heal("b");
    let mut seen = std::collections::BTreeMap::new();
    a.wait(&mut harness, "both topics", |inbound| {
        if let Inbound::Subscription(topic) = inbound {
            *seen.entry(topic.clone()).or_insert(0) += 1;
        }
        (seen.contains_key(&b"topic.b"[..]) && seen.contains_key(&b"topic.new"[..])).then_some(())
    });
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    b.wait_for(&mut harness, &Inbound::Link(LinkEvent::Up));
    assert_eq!(b.transport.counters().reconnects, 1);
    a.publish("topic.new", END);
    assert!(b.payloads_until_end(&mut harness).is_empty());
    b.transport.close();
    a.wait_for(&mut harness, &Inbound::Unsubscription(b"topic.b".to_vec()));
}

/// `zeromq.md` 4.9, the transport's part: no unsubscription when the hub ends, and a replay when it is back.
pub(super) fn a_restarted_hub_is_told_everything_again<H: Harness>() {
    let (mut harness, mut a, mut b) = pair::<H>("topic.b");
    for member in [&mut a, &mut b] {
        while member.inbox.try_recv().is_ok() {}
    }
    harness.restart_hub();
    for member in [&mut a, &mut b] {
        let mut downs = 0;
        member.wait(&mut harness, "the return of the hub", |inbound| match inbound {
            Inbound::Link(LinkEvent::Down) => {
                downs += 1;
                None
            }
            Inbound::Link(LinkEvent::Up) if downs > 0 => Some(()),
            Inbound::Unsubscription(topic) => panic!("{topic:?} was taken back"),
            _ => None,
        });
    }
    let mut late = harness.join("late");
    late.wait_subscription(&mut harness, "topic.b");
    late.publish("topic.b", END);
    assert!(b.payloads_until_end(&mut harness).is_empty());
}

/// `zeromq.md` 1.3.
pub(super) fn batches_go_to_the_loggers_in_turn<H: Harness>() {
    let mut harness = H::new();
    let mut loggers = [harness.join_logger("logger-1"), harness.join_logger("logger-2")];
    let sender = harness.join("sender");
    let mut got = [0, 0];
    for round in 1..=5 {
        for _ in 0..2 {
            sender.transport.push_log(batch("sender", "records")).expect("room");
        }
        while got != [round, round] {
            for (logger, got) in loggers.iter_mut().zip(&mut got) {
                if *got < round {
                    logger.wait(&mut harness, "a batch", |inbound| {
                        (*inbound == Inbound::Log(batch("sender", "records"))).then_some(())
                    });
                    *got += 1;
                }
            }
        }
    }
    assert_eq!(sender.transport.counters().logs_sent, 10);
    assert_eq!(loggers[0].transport.counters().logs_received, 5);
}

/// `zeromq.md` 8.5: no limit of size.
pub(super) fn large_events_and_batches_arrive_whole<H: Harness>() {
    let large: String = (0..600_000).map(|number| format!("{number:08}|")).collect();
    let mut harness = H::new();
    let mut logger = harness.join_logger("logger");
    let mut a = harness.join("a");
    logger.subscribe("topic");
    a.wait_subscription(&mut harness, "topic");
    a.publish("topic", &large);
    a.transport.push_log(batch("a", &large)).expect("room");
    let (mut events, mut logs) = (0, 0);
    logger.wait(&mut harness, "both", |inbound| {
        match inbound {
            Inbound::Event(event) => {
                assert_eq!(event.payload, large);
                events += 1;
            }
            Inbound::Log(batch) => {
                assert_eq!(batch.payload, large);
                logs += 1;
            }
            _ => {}
        }
        (events == 1 && logs == 1).then_some(())
    });
}

pub(super) fn what_peers_would_not_take_is_refused_and_counted<H: Harness>() {
    let mut harness = H::new();
    let a = harness.join("a");
    let large = "x".repeat(MAX_PART + 1);
    assert_eq!(a.transport.publish(event("a", "topic", &large)), Err(SendError::TooLarge));
    assert_eq!(a.transport.push_log(batch("a", &large)), Err(SendError::TooLarge));
    assert_eq!(a.transport.subscribe(&large.as_bytes()[..MAX_TOPIC + 1]), Err(SendError::TooLarge));
    assert_eq!(a.transport.counters().too_large, 3);
    a.publish("topic", &large[1..]);
    a.subscribe(&large[..MAX_TOPIC]);
}

/// `zeromq.md` 2.1 and 2.3, rule 1.
pub(super) fn other_part_counts_are_counted_and_dropped<H: Harness>() {
    let mut harness = H::new();
    let mut logger = harness.join_logger("logger");
    let mut a = harness.join("a");
    logger.subscribe("topic");
    a.wait_subscription(&mut harness, "topic");
    let parts = |count: usize| -> Vec<Bytes> { vec![Bytes::from_static(b"topic"); count] };
    for count in [1, 3, 5, 9] {
        harness.publish_raw(&parts(count));
        harness.push_raw(&logger, &parts(count));
    }
    harness.publish_raw(&parts(4));
    harness.push_raw(&logger, &parts(4));
    let mut good = 0;
    logger.wait(&mut harness, "the good event and the good batch", |inbound| {
        good += usize::from(matches!(inbound, Inbound::Event(_) | Inbound::Log(_)));
        (good == 2).then_some(())
    });
    assert_eq!(logger.transport.counters().msg_errors, 8);
}

/// `zeromq.md` 8.2: events are dropped and counted, subscriptions are not, and the sockets are read on.
pub(super) fn a_core_that_does_not_read_loses_counted_events_and_no_subscription<H: Harness>() {
    const EVENTS: u64 = 11_000;
    let (mut harness, mut a, mut b) = pair::<H>("topic");
    let start = Instant::now();
    for number in 0..EVENTS {
        a.publish("topic", "event");
        while number + 1 - settled(&b) > 400 {
            harness.pump();
            assert!(start.elapsed() < DEADLINE, "the socket is not read: {:?}", b.transport.counters());
        }
    }
    while settled(&b) < EVENTS {
        harness.pump();
        assert!(start.elapsed() < DEADLINE, "the socket is not read: {:?}", b.transport.counters());
    }
    let counters = b.transport.counters();
    assert!(counters.onloop_drops > 0, "{counters:?}");
    a.subscribe("last");
    a.wait_subscription(&mut harness, "last");
    let mut events = 0;
    b.wait(&mut harness, "the subscription", |inbound| match inbound {
        Inbound::Event(_) => {
            events += 1;
            None
        }
        inbound => (*inbound == Inbound::Subscription(b"last".to_vec())).then_some(()),
    });
    assert_eq!(events, counters.events_received);
    assert_eq!(events + counters.onloop_drops, EVENTS);
}

fn settled(member: &Member) -> u64 {
    let counters = member.transport.counters();
    counters.events_received + counters.onloop_drops
}

/// Makes one test of each claim of the suite, for one harness.
macro_rules! suite {
    ($harness:ty) => {
        suite!($harness:
            own_subscriptions_are_echoed_in_their_order,
            a_late_joiner_is_told_1500_topics,
            prefixes_decide_and_one_copy_comes,
            topics_may_hold_any_octets_or_none,
            own_events_are_dropped_without_a_trace,
            events_of_one_sender_keep_their_order,
            each_subscription_and_only_the_last_unsubscription_is_told,
            a_topic_subscribed_twice_leaves_no_ghost,
            closing_sends_what_is_queued_and_tells_the_departure,
            a_broken_connection_is_told_and_comes_back_with_all_subscriptions,
            a_restarted_hub_is_told_everything_again,
            batches_go_to_the_loggers_in_turn,
            large_events_and_batches_arrive_whole,
            what_peers_would_not_take_is_refused_and_counted,
            other_part_counts_are_counted_and_dropped,
            a_core_that_does_not_read_loses_counted_events_and_no_subscription,
        );
    };
    ($harness:ty: $($claim:ident),* $(,)?) => {
        $(
            #[test]
            fn $claim() {
                $crate::transport::conformance::$claim::<$harness>();
            }
        )*
    };
}
pub(super) use suite;
