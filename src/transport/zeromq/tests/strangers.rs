//! Connections of strangers against the hub and the log socket, over real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;

use super::{ANY_PORT, Real, hub, hub_options, member, node_options, until};
use crate::transport::conformance::{Member, event};
use crate::transport::zeromq::socket::{Context, ContextOptions, Kind, Socket};
use crate::transport::zeromq::{Hub, Options};
use crate::transport::{Inbound, LinkEvent, MAX_PART, MAX_TOPIC, SendError};

/// A ZMTP 3.0 connection by hand, without keys.
struct Stranger(TcpStream);

impl Stranger {
    fn greets(endpoint: &str, kind: &str) -> Stranger {
        let mut stranger = Stranger::connects(endpoint);
        let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
        greeting.extend(b"NULL");
        greeting.resize(64, 0);
        stranger.says(&greeting);
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend((kind.len() as u32).to_be_bytes());
        ready.extend(kind.as_bytes());
        stranger.says(&[&[4, ready.len() as u8][..], &ready].concat());
        stranger.is_greeted();
        stranger
    }

    /// Nothing may be sent before the other side's READY, a short frame behind its greeting.
    fn is_greeted(&mut self) {
        let mut answer = [0; 66];
        self.0.read_exact(&mut answer).expect("a greeting and the head of READY");
        self.0.read_exact(&mut vec![0; answer[65].into()]).expect("READY");
    }

    fn connects(endpoint: &str) -> Stranger {
        let address = endpoint.strip_prefix("tcp://").expect("a TCP endpoint");
        let stream = TcpStream::connect(address).expect("the hub listens");
        stream.set_read_timeout(Some(crate::transport::conformance::DEADLINE)).expect("a timeout");
        Stranger(stream)
    }

    /// False when the connection is gone.
    fn says(&mut self, octets: &[u8]) -> bool {
        self.0.write_all(octets).is_ok()
    }

    fn subscribes(&mut self, topic: &[u8]) -> bool {
        let length = (topic.len() as u64 + 1).to_be_bytes();
        self.says(&[&[2][..], &length, &[1], topic].concat())
    }

    fn is_hung_up_on(&mut self) -> bool {
        let mut rest = [0; 4096];
        loop {
            match self.0.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

fn logger(hub: &Hub) -> Member {
    member(Options { listen_log_endpoint: Some(ANY_PORT.to_owned()), ..node_options("logger", hub) })
}

fn xsub(endpoint: &str) -> (Context, Socket) {
    let context = Context::new(ContextOptions { io_threads: 1, ipv6: false }).expect("a context");
    let socket = context.socket(Kind::Xsub).expect("a socket");
    socket.connect(endpoint).expect("connecting");
    (context, socket)
}

/// libzmq would take gigabytes for it, from anyone and before any key is asked for.
#[test]
fn a_part_that_is_announced_too_large_ends_its_connection() {
    let hub = hub();
    let logger = logger(&hub);
    let log_endpoint = logger.log_endpoint.clone().expect("a logger listens");
    for (endpoint, kind, most) in
        [(hub.xsub_endpoint(), "PUB", MAX_PART), (hub.xpub_endpoint(), "SUB", 4096), (&log_endpoint, "PUSH", MAX_PART)]
    {
        let mut stranger = Stranger::greets(endpoint, kind);
        assert!(stranger.says(&[2]) && stranger.says(&(2 * most as u64).to_be_bytes()), "{kind}");
        assert!(stranger.is_hung_up_on(), "{kind}");
    }
}

#[test]
fn an_unfinished_handshake_is_hung_up_on() {
    let hub = hub();
    let began = std::time::Instant::now();
    assert!(Stranger::connects(hub.xpub_endpoint()).is_hung_up_on());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// libzmq walks its trie of topics by recursion: 30,000 octets ended the process.
#[test]
fn a_long_topic_reaches_no_node_and_ends_nothing() {
    let hub = hub();
    let mut node = member(node_options("node", &hub));
    node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    let mut long = Stranger::greets(hub.xpub_endpoint(), "SUB");
    long.subscribes(&vec![b't'; 100_000]);
    assert!(long.is_hung_up_on());
    let mut still_fits = Stranger::greets(hub.xpub_endpoint(), "SUB");
    assert!(still_fits.subscribes(&vec![b't'; MAX_TOPIC + 1]) && still_fits.subscribes(b"marker"));
    node.wait(&mut Real, "the marker", |inbound| {
        assert!(!matches!(inbound, Inbound::Subscription(topic) if topic.starts_with(b"ttt")));
        (*inbound == Inbound::Subscription(b"marker".to_vec())).then_some(())
    });
    assert_eq!(hub.counters().strays, 1);
    drop(still_fits);
    node.wait_for(&mut Real, &Inbound::Unsubscription(b"marker".to_vec()));
    assert_eq!(node.transport.subscribe(&[b't'; MAX_TOPIC + 1]), Err(SendError::TooLarge));
}

#[test]
fn a_connection_that_subscribes_to_too_much_is_cut_off_and_what_it_had_is_taken_back() {
    let hub = hub();
    let mut node = member(Options { onloop_queue_hwm: 0, ..node_options("node", &hub) });
    node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    node.subscribe("shared");
    node.wait_subscription(&mut Real, "shared");
    let mut stranger = Stranger::greets(hub.xpub_endpoint(), "SUB");
    assert!(stranger.subscribes(b"shared"));
    let mut number = 0;
    while number < 20_000 && stranger.subscribes(format!("stranger {number}").as_bytes()) {
        number += 1;
    }
    assert!(stranger.is_hung_up_on());
    until("the count", || hub.counters().cut_off == 1);
    let (mut subscribed, mut left) = (0, 0);
    node.wait(&mut Real, "the end of all it had", |inbound| {
        match inbound {
            Inbound::Subscription(_) => subscribed += 1,
            Inbound::Unsubscription(topic) => {
                assert_ne!(topic, b"shared", "the node itself has it still");
                left += 1;
            }
            _ => {}
        }
        (left > 0 && left + 1 == subscribed).then_some(())
    });
    assert!(subscribed <= 10_001, "{subscribed}");
    let publisher = member(node_options("publisher", &hub));
    until("the event of a publisher that came later", || {
        publisher.publish("shared", "still there");
        node.inbox.try_recv().is_ok_and(|inbound| matches!(inbound, Inbound::Event(_)))
    });
}

/// Zeek's proxy passes both on, and libzmq counts subscriptions without knowing whose they are.
#[test]
fn a_connection_can_neither_end_another_ones_subscription_nor_leave_one_behind() {
    let hub = hub();
    let mut node = member(node_options("node", &hub));
    node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    node.subscribe("mine");
    node.wait_subscription(&mut Real, "mine");
    let (context, stranger) = xsub(hub.xpub_endpoint());
    for part in [&b"\x00mine"[..], b"\x01twice", b"\x01twice", b"\x01mine", b"\x01mine"] {
        until("room", || stranger.send([Bytes::copy_from_slice(part)]).is_ok());
    }
    node.wait_subscription(&mut Real, "twice");
    node.wait_subscription(&mut Real, "mine");
    drop((stranger, context));
    node.wait(&mut Real, "the end of what the stranger had", |inbound| {
        assert_ne!(*inbound, Inbound::Unsubscription(b"mine".to_vec()));
        (*inbound == Inbound::Unsubscription(b"twice".to_vec())).then_some(())
    });
}

/// A burst that is larger than the socket's mark.
#[test]
fn events_that_must_not_be_lost_wait_for_room() {
    const EVENTS: usize = 20_000;
    let hub = Hub::start(hub_options(None), |_| {}).expect("a hub");
    let mut reader = member(Options { onloop_queue_hwm: 0, ..node_options("reader", &hub) });
    reader.subscribe("topic");
    let (publisher, mut inbox) =
        crate::transport::zeromq::start(Options { xpub_sndhwm: 10, ..node_options("publisher", &hub) })
            .expect("sockets");
    until("the subscription at the publisher", || {
        inbox.try_recv().is_ok_and(|inbound| inbound == Inbound::Subscription(b"topic".to_vec()))
    });
    let credit = std::sync::Arc::new(tokio::sync::Semaphore::new(64));
    let mut published = 0;
    let mut received = 0;
    while received < EVENTS {
        while published < EVENTS
            && let Ok(permit) = std::sync::Arc::clone(&credit).try_acquire_owned()
        {
            publisher.publish_when_room(event("publisher", "topic", &published.to_string()), permit).expect("open");
            published += 1;
        }
        match reader.inbox.try_recv() {
            Ok(Inbound::Event(event)) => {
                assert_eq!(event.payload, received.to_string());
                received += 1;
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_micros(100)),
        }
    }
    assert_eq!(crate::transport::Transport::counters(&publisher).xpub_drops, 0);
    assert_eq!(credit.available_permits(), 64);
}
