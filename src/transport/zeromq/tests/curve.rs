//! Who gets in with which keys, and what is said to whom does not. Source of the cases: `zeromq.md` 5.3.

use std::sync::mpsc;
use std::time::Duration;

use super::{ANY_PORT, Real, hub_options, member, node_options};
use crate::transport::conformance::{Member, batch};
use crate::transport::zeromq::socket::keypair;
use crate::transport::zeromq::{Hub, Keys, Options};
use crate::transport::{Inbound, LinkEvent};

pub(super) fn keys() -> Keys {
    let (server_public, server_secret) = keypair();
    let (client_public, client_secret) = keypair();
    Keys { server_public, server_secret: Some(server_secret), client_public, client_secret }
}

struct Cluster {
    hub: Hub,
    keys: Keys,
    notices: mpsc::Receiver<LinkEvent>,
}

impl Cluster {
    fn new() -> Cluster {
        let keys = keys();
        let (sender, notices) = mpsc::channel();
        let notify = move |event| {
            // The test has ended.
            let _gone = sender.send(event);
        };
        Cluster { hub: Hub::start(hub_options(Some(&keys)), notify).expect("a hub"), keys, notices }
    }

    fn node(&self, id: &str, keys: Option<Keys>) -> Member {
        member(Options { keys, ..node_options(id, &self.hub) })
    }

    /// What the hub says of a peer that it turned away.
    fn complaint(&self) -> String {
        match self.notices.recv_timeout(Duration::from_secs(20)) {
            Ok(LinkEvent::Refused { reason, .. }) => reason,
            other => panic!("the hub says {other:?}"),
        }
    }
}

fn refusal(member: &mut Member) -> (String, String) {
    member.wait(&mut Real, "a refusal", |inbound| match inbound {
        Inbound::Link(LinkEvent::Refused { endpoint, reason }) => Some((endpoint.clone(), reason.clone())),
        Inbound::Link(LinkEvent::Up) => panic!("it was let in"),
        _ => None,
    })
}

#[test]
fn the_right_keys_get_in_and_logs_travel() {
    let cluster = Cluster::new();
    let mut logger = member(Options {
        keys: Some(cluster.keys.clone()),
        listen_log_endpoint: Some(ANY_PORT.to_owned()),
        ..node_options("logger", &cluster.hub)
    });
    // Nodes that do not listen have no server secret key.
    let keys = Keys { server_secret: None, ..cluster.keys.clone() };
    let mut node = member(Options {
        keys: Some(keys),
        connect_log_endpoints: logger.log_endpoint.clone().into_iter().collect(),
        ..node_options("node", &cluster.hub)
    });
    logger.subscribe("topic");
    node.wait_subscription(&mut Real, "topic");
    node.publish("topic", "secret");
    node.transport.push_log(batch("node", "records")).expect("room");
    let (mut event, mut log) = (false, false);
    logger.wait(&mut Real, "an event and a batch", |inbound| {
        event |= matches!(inbound, Inbound::Event(event) if event.payload == "secret");
        log |= *inbound == Inbound::Log(batch("node", "records"));
        (event && log).then_some(())
    });
}

#[test]
fn another_client_key_is_refused_on_both_sides_in_words() {
    let cluster = Cluster::new();
    let other = keys();
    let wrong = Keys { client_public: other.client_public, client_secret: other.client_secret, ..cluster.keys.clone() };
    let mut node = cluster.node("node", Some(wrong));
    let (endpoint, reason) = refusal(&mut node);
    assert!([cluster.hub.xpub_endpoint(), cluster.hub.xsub_endpoint()].contains(&&*endpoint), "{endpoint}");
    assert!(reason.starts_with("it refuses this node's CURVE client key"), "{reason}");
    assert_eq!(cluster.complaint(), "a peer at 127.0.0.1 was turned away: its CURVE client key is not this cluster's");
}

#[test]
fn no_keys_are_refused_on_both_sides_in_words() {
    let cluster = Cluster::new();
    let mut node = cluster.node("node", None);
    // When the hub hangs up before this side has read its greeting, libzmq cannot tell why.
    let reason = refusal(&mut node).1;
    assert!(reason.contains("requires CURVE"), "{reason}");
    // Likewise the hub, when this side is the quicker one.
    let complaint = cluster.complaint();
    assert!(complaint.contains("CURVE keys"), "{complaint}");
}

#[test]
fn keys_towards_a_plain_hub_are_refused_in_words() {
    let hub = super::hub();
    let mut node = member(Options { keys: Some(keys()), ..node_options("node", &hub) });
    let reason = refusal(&mut node).1;
    assert!(reason.contains("it speaks plain text"), "{reason}");
}

/// libzmq says nothing but "failed", nine times a second.
#[test]
fn another_server_key_is_told_once_in_words() {
    let cluster = Cluster::new();
    let wrong = Keys { server_public: keys().server_public, ..cluster.keys.clone() };
    let mut node = cluster.node("node", Some(wrong));
    let (first, reason) = refusal(&mut node);
    assert!(reason.contains("the server public key is not this endpoint's"), "{reason}");
    let (second, _) = refusal(&mut node);
    assert_ne!(first, second, "once for each of the two sockets");
    let complaint = cluster.complaint();
    assert!(complaint.contains("another server key"), "{complaint}");
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(node.inbox.try_recv().ok(), None, "nothing more for a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// libzmq gives such an endpoint up for good; Zeek ends there.
#[test]
fn a_refused_node_gets_in_once_the_hub_is_mended() {
    let hub = super::hub();
    let keys = keys();
    let mut node = member(Options { keys: Some(keys.clone()), ..node_options("node", &hub) });
    node.subscribe("topic");
    refusal(&mut node);
    let mut options = hub_options(Some(&keys));
    options.listen_xpub_endpoint = hub.xpub_endpoint().to_owned();
    options.listen_xsub_endpoint = hub.xsub_endpoint().to_owned();
    drop(hub);
    let _hub = Hub::start(options, |_| {}).expect("the ports are still free");
    node.subscribe("other");
    let mut seen = std::collections::BTreeSet::new();
    let mut up = false;
    node.wait(&mut Real, "the link and both echoes", |inbound| {
        match inbound {
            Inbound::Subscription(topic) => seen.extend([topic.clone()]),
            Inbound::Link(LinkEvent::Up) => up = true,
            _ => {}
        }
        (seen.len() == 2 && up).then_some(())
    });
}

#[test]
fn swapped_endpoints_are_told_in_words() {
    let hub = super::hub();
    let right = node_options("node", &hub);
    let mut node = member(Options {
        connect_xpub_endpoint: right.connect_xsub_endpoint.clone(),
        connect_xsub_endpoint: right.connect_xpub_endpoint.clone(),
        ..right
    });
    // On a busy machine the other side's end may be seen before its words.
    let mut reasons = (0..2).map(|_| refusal(&mut node).1);
    assert!(reasons.any(|reason| reason.contains("mixed up")));
}

#[test]
fn a_listener_without_the_server_secret_key_does_not_start() {
    let options = hub_options(Some(&Keys { server_secret: None, ..keys() }));
    let error = Hub::start(options, |_| {}).err().expect("no key").to_string();
    assert!(error.contains("the CURVE server secret key is needed to listen at tcp://"), "{error}");
}
