//! What our hub does beyond Zeek's proxy, and what holds for connections in general.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::relay::Relay;
use super::{Real, hub, hub_options, member, node_options, until};
use crate::transport::conformance::event;
use crate::transport::zeromq::socket::{Context, ContextOptions, Kind};
use crate::transport::zeromq::{Hub, HubOptions, Options, StartError, Tuning, start};
use crate::transport::{Inbound, LinkEvent, LogFrame, SendError, Transport};

/// `zeromq.md` 8.4: with Zeek's proxy the healthy subscriber gets nothing any more, and nobody new is seen.
#[test]
fn a_subscriber_that_does_not_read_delays_the_others_by_the_bound_and_is_named() {
    const EVENTS: usize = 5000;
    const PATIENCE: Duration = Duration::from_millis(500);
    let (sender, notices) = mpsc::channel();
    let notify = move |event| {
        // The test has ended.
        let _gone = sender.send(event);
    };
    let hub = Hub::start(HubOptions { patience: PATIENCE, ..hub_options(None) }, notify).expect("a hub");
    let mut reader = member(Options { onloop_queue_hwm: 0, ..node_options("reader", &hub) });
    reader.subscribe("topic");
    let mut publisher = member(Options { xpub_sndhwm: 0, ..node_options("publisher", &hub) });
    let foreign = Context::new(ContextOptions { io_threads: 1, ipv6: false }).expect("a context");
    let silent = foreign.socket(Kind::Xsub).expect("a socket");
    silent.connect(hub.xpub_endpoint()).expect("connecting");
    for topic in ["\u{1}topic", "\u{1}zeek.cluster.nodeid.silent-one."] {
        until("room", || silent.send([Bytes::from_static(topic.as_bytes())]).is_ok());
    }
    let mut topics = std::collections::BTreeSet::new();
    publisher.wait(&mut Real, "both topics", |inbound| {
        if let Inbound::Subscription(topic) = inbound {
            topics.insert(topic.clone());
        }
        (topics.len() == 2).then_some(())
    });
    until("all three subscriptions", || hub.counters().frontend_messages_sent == 3);

    let payload = "x".repeat(20_000);
    let mut longest = Duration::ZERO;
    let mut last = Instant::now();
    let mut received = 0;
    let mut published = 0;
    while received < EVENTS {
        while published < EVENTS && published - received < 1000 {
            match publisher.transport.publish(event("publisher", "topic", &payload)) {
                Ok(()) => published += 1,
                Err(SendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        match reader.inbox.try_recv() {
            Ok(Inbound::Event(_)) => {
                received += 1;
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            Ok(_) => {}
            Err(_) => {
                assert!(last.elapsed() < PATIENCE * 20, "the reader got {received} and nothing more");
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
    let counters = hub.counters();
    println!("longest pause {longest:?}, {counters:?}");
    assert!(counters.withheld >= 1, "{counters:?}");
    assert!(longest < PATIENCE * 3, "the reader waited {longest:?}");
    let notice = notices.recv_timeout(Duration::from_secs(5)).expect("a notice");
    assert_eq!(notice, LinkEvent::SlowSubscriber { subscriber: "silent-one".to_owned(), topic: "topic".to_owned() });
    let mut late = member(node_options("late", &hub));
    late.wait_subscription(&mut Real, "topic");
}

/// `zeromq.md` 4.8: without heartbeats nobody would ever notice.
#[test]
fn a_host_that_vanishes_is_noticed_on_both_sides_by_heartbeats() {
    let heartbeat = Duration::from_millis(200);
    let options = HubOptions { heartbeat_interval: heartbeat, heartbeat_timeout: heartbeat * 2, ..hub_options(None) };
    let hub = Hub::start(options, |_| {}).expect("a hub");
    let mut watcher = member(node_options("watcher", &hub));
    let relays = [Relay::to(hub.xsub_endpoint()), Relay::to(hub.xpub_endpoint())];
    let mut vanishing = member(Options {
        connect_xpub_endpoint: relays[0].endpoint(),
        connect_xsub_endpoint: relays[1].endpoint(),
        heartbeat_interval: heartbeat,
        heartbeat_timeout: heartbeat * 2,
        ..Options::new("vanishing")
    });
    vanishing.subscribe("topic.vanishing");
    watcher.wait_subscription(&mut Real, "topic.vanishing");
    vanishing.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    relays.iter().for_each(Relay::swallow);
    watcher.wait_for(&mut Real, &Inbound::Unsubscription(b"topic.vanishing".to_vec()));
    vanishing.wait_for(&mut Real, &Inbound::Link(LinkEvent::Down));
}

/// `zeromq.md` 2.4, rule 3: libzmq alone would forward them to every node.
#[test]
fn only_subscriptions_pass_in_their_direction() {
    let hub = hub();
    let mut node = member(node_options("node", &hub));
    node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    let foreign = Context::new(ContextOptions { io_threads: 1, ipv6: false }).expect("a context");
    let xsub = foreign.socket(Kind::Xsub).expect("a socket");
    xsub.connect(hub.xpub_endpoint()).expect("connecting");
    for part in [&b"\x01first"[..], b"\x02junk", b"", b"plain"] {
        xsub.send([Bytes::copy_from_slice(part)]).expect("room");
    }
    xsub.send([Bytes::from_static(b"several"), Bytes::from_static(b"parts")]).expect("room");
    xsub.send([Bytes::from_static(b"\x01last")]).expect("room");
    let mut others = 0;
    node.wait(&mut Real, "the last topic", |inbound| {
        others += usize::from(!matches!(inbound, Inbound::Subscription(_) | Inbound::Link(_)));
        (*inbound == Inbound::Subscription(b"last".to_vec())).then_some(())
    });
    assert_eq!(others, 0);
    assert_eq!(node.transport.counters().msg_errors, 0);
    let counters = hub.counters();
    assert_eq!(counters.frontend_messages_sent, 2);
    assert_eq!(counters.strays, counters.backend_messages_received - 2);
}

/// Proof of life: asking wakes it, and nothing else moves it here.
#[test]
fn a_hub_moves_each_time_it_is_asked() {
    let hub = hub();
    for _ in 0..3 {
        let before = hub.rounds();
        let asked = Instant::now();
        while hub.rounds() == before {
            assert!(asked.elapsed() < Duration::from_secs(10), "the hub stands still at {before}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// `zeromq.md` 7: whole messages, octets of all parts.
#[test]
fn the_counters_count_messages_and_octets() {
    let hub = hub();
    let mut a = member(node_options("a", &hub));
    let mut b = member(node_options("b", &hub));
    b.subscribe("topic");
    a.wait_subscription(&mut Real, "topic");
    a.publish("topic", "payload");
    b.wait(&mut Real, "the event", |inbound| matches!(inbound, Inbound::Event(_)).then_some(()));
    until("the counters", || hub.counters().backend_messages_sent == 1);
    let counters = hub.counters();
    let octets = ("topic".len() + "a".len() + "broker-bin-v1".len() + "payload".len()) as u64;
    assert_eq!(counters.frontend_messages_received, 1);
    assert_eq!(counters.frontend_bytes_received, octets);
    assert_eq!(counters.backend_bytes_sent, octets);
    assert_eq!((counters.backend_messages_received, counters.backend_bytes_received), (1, 6));
    assert_eq!((counters.frontend_messages_sent, counters.frontend_bytes_sent), (1, 6));
}

/// `zeromq.md` 4.9: the node that runs the hub says goodbye too when it stops.
#[test]
fn the_departure_of_the_hubs_own_node_is_told() {
    let free = hub();
    let (xpub, xsub) = (free.xpub_endpoint().to_owned(), free.xsub_endpoint().to_owned());
    drop(free);
    let options = Options {
        connect_xpub_endpoint: xsub.clone(),
        connect_xsub_endpoint: xpub.clone(),
        hub: Some(HubOptions { listen_xpub_endpoint: xpub, listen_xsub_endpoint: xsub, ..HubOptions::default() }),
        ..Options::new("manager")
    };
    let manager = member(options.clone());
    let mut node = member(Options { hub: None, ..Options { node_id: "node".to_owned(), ..options } });
    manager.subscribe("nodeid.manager.");
    node.wait_subscription(&mut Real, "nodeid.manager.");
    manager.transport.close();
    node.wait_for(&mut Real, &Inbound::Unsubscription(b"nodeid.manager.".to_vec()));
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let hub = hub();
    let options = HubOptions { listen_xpub_endpoint: hub.xpub_endpoint().to_owned(), ..hub_options(None) };
    let error = Hub::start(options, |_| {}).err().expect("the port is taken").to_string();
    assert_eq!(error, format!("binding the XPUB socket to {}: Address already in use", hub.xpub_endpoint()));
    let malformed = Options { connect_xpub_endpoint: "nonsense".to_owned(), ..Options::new("node") };
    assert!(matches!(start(malformed), Err(StartError::Connect { socket: "XPUB", .. })));
}

/// A node starts other programs, which must not inherit its sockets.
#[test]
fn every_descriptor_is_closed_on_exec() {
    let hub = hub();
    let mut node = member(node_options("node", &hub));
    node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    for entry in std::fs::read_dir("/proc/self/fd").expect("procfs") {
        let path = entry.expect("an entry").path();
        let Ok(target) = std::fs::read_link(&path) else { continue };
        let kind = target.to_string_lossy().into_owned();
        let fd = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Ok(info) = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim();
        let flags = i32::from_str_radix(flags, 8).expect("octal");
        if fd.parse::<i32>().expect("a number") > 2 && (kind.starts_with("socket:") || kind.starts_with("anon_inode:"))
        {
            assert_ne!(flags & libc::O_CLOEXEC, 0, "{fd} -> {kind} is inherited");
        }
    }
}

/// A hub that is not there is no error, and what is published meanwhile is refused or discarded, never blocks.
#[test]
fn a_node_without_a_hub_neither_blocks_nor_fails() {
    let free = hub();
    let options = node_options("node", &free);
    drop(free);
    let node = member(options);
    for _ in 0..10_000 {
        if node.transport.publish(event("node", "topic", "x")).is_err() {
            break;
        }
    }
    let begin = Instant::now();
    node.transport.close();
    assert!(begin.elapsed() < Duration::from_secs(3), "closing took {:?}", begin.elapsed());
}

/// `zeromq.md` 3.6, 3.7 and 4.9 together: Zeek's proxy would tell 1000 topics at most, and might keep ghosts.
#[test]
fn a_restarted_hub_with_1500_topics_is_whole_again_within_5_s_and_keeps_no_ghost() {
    let hub = hub();
    let mut nodes: Vec<_> = (0..4).map(|number| member(node_options(&format!("node-{number}"), &hub))).collect();
    for number in 0..1500 {
        nodes[0].subscribe(&format!("topic.{number}."));
    }
    for node in &nodes {
        node.subscribe(&format!("nodeid.{}.", node.id));
    }
    let all = |node: &mut crate::transport::conformance::Member| {
        let mut topics = std::collections::BTreeSet::new();
        node.wait(&mut Real, "all topics", |inbound| {
            match inbound {
                Inbound::Subscription(topic) => topics.extend([topic.clone()]),
                Inbound::Unsubscription(topic) => panic!("{topic:?} was taken back"),
                _ => {}
            }
            (topics.len() == 1504).then_some(())
        });
    };
    nodes.iter_mut().for_each(&all);
    let options = HubOptions {
        listen_xpub_endpoint: hub.xpub_endpoint().to_owned(),
        listen_xsub_endpoint: hub.xsub_endpoint().to_owned(),
        ..HubOptions::default()
    };
    drop(hub);
    for node in &mut nodes {
        node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Down));
    }
    let begin = Instant::now();
    let hub = Hub::start(options, |_| {}).expect("the ports are still free");
    nodes.iter_mut().for_each(&all);
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    let gone = nodes.remove(0);
    gone.transport.close();
    let mut unsubscribed = 0;
    nodes[0].wait(&mut Real, "the departure", |inbound| {
        unsubscribed += usize::from(matches!(inbound, Inbound::Unsubscription(_)));
        (unsubscribed == 1501).then_some(())
    });
    let mut late = member(node_options("late", &hub));
    late.wait_subscription(&mut Real, "nodeid.node-1.");
    // The dump goes out as one, so what follows this echo cannot be part of it.
    late.subscribe("last");
    late.wait(&mut Real, "its own topic", |inbound| match inbound {
        Inbound::Subscription(topic) if topic.starts_with(b"topic.") || topic == b"nodeid.node-0." => {
            panic!("the ghost {topic:?}")
        }
        inbound => (*inbound == Inbound::Subscription(b"last".to_vec())).then_some(()),
    });
}

/// `zeromq.md` 2.2: at the high-water mark events are dropped and counted.
#[test]
fn events_beyond_the_high_water_mark_are_counted_drops() {
    let hub = hub();
    let mut node = member(node_options("node", &hub));
    let other = member(node_options("other", &hub));
    other.subscribe("topic");
    node.wait_subscription(&mut Real, "topic");
    drop(hub);
    node.wait_for(&mut Real, &Inbound::Link(LinkEvent::Down));
    for _ in 0..1500 {
        node.publish("topic", "event");
    }
    until("all events", || {
        let counters = node.transport.counters();
        counters.events_sent + counters.xpub_drops == 1500
    });
    let counters = node.transport.counters();
    assert!((400..=600).contains(&counters.xpub_drops), "{counters:?}");
}

/// Logs are never dropped on receipt: a full inbox pushes back to the senders (`zeromq.md` 8.3).
#[test]
fn a_full_inbox_pushes_back_to_the_senders_of_logs() {
    let hub = hub();
    let mut logger = member(Options {
        listen_log_endpoint: Some(super::ANY_PORT.to_owned()),
        onloop_queue_hwm: 10,
        log_rcvhwm: 10,
        ..node_options("logger", &hub)
    });
    logger.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    let sender = member(Options {
        connect_log_endpoints: logger.log_endpoint.clone().into_iter().collect(),
        ..node_options("sender", &hub)
    });
    for number in 0..800 {
        let batch = crate::transport::conformance::batch("sender", &number.to_string());
        sender.transport.push_log(batch).expect("room");
    }
    until("the batches to be sent", || sender.transport.counters().logs_sent == 800);
    until("a full inbox", || logger.transport.counters().logs_received == 10);
    let mut received = Vec::new();
    logger.wait(&mut Real, "all batches", |inbound| {
        if let Inbound::Log(batch) = inbound {
            received.push(String::from_utf8_lossy(&batch.payload).into_owned());
        }
        (received.len() == 800).then_some(())
    });
    assert_eq!(received, (0..800).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(sender.transport.counters().log_drops, 0);
}

/// Large batches push back although the inbox has room for many more things.
#[test]
fn octets_of_batches_that_are_held_push_back_to_the_senders_of_logs() {
    let hub = hub();
    let mut logger = member(Options {
        listen_log_endpoint: Some(super::ANY_PORT.to_owned()),
        log_queue_bytes: 100_000,
        ..node_options("logger", &hub)
    });
    logger.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    let sender = member(Options {
        connect_log_endpoints: logger.log_endpoint.clone().into_iter().collect(),
        ..node_options("sender", &hub)
    });
    let records = "r".repeat(50_000);
    for _ in 0..20 {
        sender.transport.push_log(crate::transport::conformance::batch("sender", &records)).expect("room");
    }
    until("two batches", || logger.transport.counters().logs_received == 2);
    let mut held = Vec::new();
    logger.wait(&mut Real, "both", |inbound| {
        held.extend(matches!(inbound, Inbound::Log(_)).then(|| inbound.clone()));
        (held.len() == 2).then_some(())
    });
    assert_eq!(logger.transport.counters().logs_received, 2, "they are out of the inbox and still held");
    drop(held);
    let mut rest = 0;
    logger.wait(&mut Real, "the rest", |inbound| {
        rest += usize::from(matches!(inbound, Inbound::Log(batch) if batch.payload.len() == 50_000));
        (rest == 18).then_some(())
    });
    assert_eq!(sender.transport.counters().log_drops, 0);
}

/// `zeromq.md` 8.3: no logger, no room, no blocking.
#[test]
fn a_linger_time_that_is_changed_counts_when_the_node_closes() {
    let hub = hub();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let options = Options {
        connect_log_endpoints: vec![format!("tcp://{nobody}")],
        linger: Duration::from_secs(600),
        ..node_options("w", &hub)
    };
    let (transport, _inbox) = start(options).expect("sockets");
    let batch = LogFrame { sender: "w".into(), format: "f".into(), payload: "p".into() };
    transport.push_log(batch).expect("room");
    until("the batch is handed over", || transport.counters().logs_sent == 1);
    transport.tune(Tuning { linger: Duration::ZERO, poll_max_messages: 7 });
    let began = std::time::Instant::now();
    transport.close();
    assert!(began.elapsed() < crate::transport::conformance::DEADLINE, "{:?}", began.elapsed());
}

#[test]
fn batches_without_a_logger_are_counted_drops() {
    let hub = hub();
    let node = member(node_options("node", &hub));
    node.transport.push_log(crate::transport::conformance::batch("node", "records")).expect("room");
    until("the drop", || node.transport.counters().log_drops == 1);
}
