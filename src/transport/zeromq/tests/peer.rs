//! Against libzmq's own Python binding: `tests/peer/zeek_peer.py` as a foreign node and as a foreign proxy.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use super::curve::keys;
use super::{ANY_PORT, Real, hub, hub_options, member, node_options, until};
use crate::python::python;
use crate::transport::conformance::{DEADLINE, Member, batch, event};
use crate::transport::zeromq::{Hub, HubOptions, Keys, Options};
use crate::transport::{Inbound, LinkEvent};

/// A running peer; asked to quit when dropped.
struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<Value>,
}

impl Peer {
    /// Nothing where Python or its binding of libzmq is missing: the test has to be skipped.
    fn start(arguments: &[&str]) -> Option<Peer> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/zeek_peer.py");
        let mut child = Command::new(python()?)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python ran a moment ago");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).expect("the peer prints JSON");
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Some(Peer { child, input, lines })
    }

    /// The next line that has that key.
    fn wait(&self, key: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("the peer never says {key}"));
            if line.get(key).is_some() {
                return line;
            }
        }
    }

    fn wait_for(&self, wanted: &Value) {
        let mut last = Vec::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if line == *wanted => return,
                Ok(line) => last.push(line),
                Err(_) => panic!("the peer never says {wanted}, but {last:?}"),
            }
        }
    }

    fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("running");
        writeln!(input, "{line}").expect("the peer reads");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        // Ends by itself at the end of its input; killed if not, so that no test leaves a process behind.
        for _ in 0..200 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // Ended in this very moment.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn arguments<'a>(hub: &'a Hub, more: &[&'a str]) -> Vec<&'a str> {
    [&["node", "--xpub", hub.xpub_endpoint(), "--xsub", hub.xsub_endpoint()], more].concat()
}

fn key_arguments(keys: &Keys) -> [&str; 6] {
    [
        "--server-public",
        &keys.server_public,
        "--client-public",
        &keys.client_public,
        "--client-secret",
        &keys.client_secret,
    ]
}

#[test]
fn foreign_nodes_find_each_other_through_our_hub() {
    let hub = hub();
    let Some(manager) = Peer::start(&arguments(&hub, &["--name", "manager", "--type", "manager", "--id", "id-m"]))
    else {
        return;
    };
    let Some(worker) = Peer::start(&arguments(&hub, &["--name", "worker-1", "--id", "id-w"])) else { return };
    manager.wait_for(&json!({"node_up": "worker-1", "id": "id-w"}));
    worker.wait_for(&json!({"node_up": "manager", "id": "id-m"}));
    drop(worker);
    manager.wait_for(&json!({"node_down": "worker-1", "id": "id-w"}));
}

#[test]
fn a_foreign_node_shows_its_subscriptions_in_zeeks_order_and_talks_with_ours() {
    let hub = hub();
    let mut ours = member(node_options("ours", &hub));
    ours.subscribe("zeek.cluster.nodeid.ours.");
    let Some(mut foreign) = Peer::start(&arguments(&hub, &["--name", "worker-1", "--id", "id-w"])) else { return };
    let mut topics = Vec::new();
    ours.wait(&mut Real, "the foreign subscriptions", |inbound| {
        if let Inbound::Subscription(topic) = inbound {
            topics.push(String::from_utf8_lossy(topic).into_owned());
        }
        (topics.last()? == "zeek.cluster.node.worker-1.").then_some(())
    });
    topics.retain(|topic| topic != "zeek.cluster.nodeid.ours.");
    assert_eq!(
        topics,
        [
            "zeek/supervisor",
            "zeek/table/",
            "zeek.cluster.pool.worker",
            "zeek.cluster.worker",
            "zeek.cluster.nodeid.id-w.",
            "zeek.cluster.node.worker-1."
        ]
    );
    let hello = next_event(&mut ours);
    assert_eq!(hello.0, "zeek.cluster.nodeid.ours.");
    assert_eq!(hello.1, payload("Cluster::Backend::ZeroMQ::hello", &["worker-1", "id-w"]));
    let mut reply = event("ours", "zeek.cluster.nodeid.id-w.", "");
    reply.payload = payload("some_event", &["hi"]).into();
    ours.transport.publish(reply).expect("room");
    foreign.wait_for(&json!({
        "event": "some_event", "args": ["hi"], "topic": "zeek.cluster.nodeid.id-w.", "sender": "ours"
    }));
    foreign.tell("publish zeek.cluster.nodeid.ours. another x y");
    assert_eq!(next_event(&mut ours).1, payload("another", &["x", "y"]));
}

#[test]
fn our_nodes_talk_through_a_foreign_proxy() {
    let Some(proxy) = Peer::start(&["proxy"]) else { return };
    let bound = proxy.wait("bound");
    let options = |id: &str| Options {
        connect_xsub_endpoint: bound["bound"][0].as_str().expect("an endpoint").to_owned(),
        connect_xpub_endpoint: bound["bound"][1].as_str().expect("an endpoint").to_owned(),
        ..Options::new(id)
    };
    let (mut a, mut b) = (member(options("a")), member(options("b")));
    a.wait_for(&mut Real, &Inbound::Link(LinkEvent::Up));
    b.subscribe("topic");
    a.wait_subscription(&mut Real, "topic");
    a.publish("topic", "through");
    assert_eq!(next_event(&mut b).1, b"through");
    b.transport.close();
    a.wait_for(&mut Real, &Inbound::Unsubscription(b"topic".to_vec()));
}

#[test]
fn logs_travel_to_and_from_a_foreign_logger() {
    let hub = hub();
    let mut ours = member(Options { listen_log_endpoint: Some(ANY_PORT.to_owned()), ..node_options("logger-1", &hub) });
    let endpoint = ours.log_endpoint.clone().expect("listening");
    let Some(mut sender) = Peer::start(&arguments(&hub, &["--id", "id-w", "--log", &endpoint])) else { return };
    sender.tell("log 100");
    let log = ours.wait(&mut Real, "a batch", |inbound| match inbound {
        Inbound::Log(batch) => Some(batch.clone()),
        _ => None,
    });
    assert_eq!((&log.sender[..], &log.format[..], log.payload.len()), (&b"id-w"[..], &b"zeek-bin-serializer"[..], 100));

    let Some(logger) =
        Peer::start(&arguments(&hub, &["--name", "logger-2", "--type", "logger", "--listen-log", ANY_PORT]))
    else {
        return;
    };
    let endpoint = logger.wait("bound_log")["bound_log"].as_str().expect("an endpoint").to_owned();
    let node = member(Options { connect_log_endpoints: vec![endpoint], ..node_options("node", &hub) });
    node.transport.push_log(batch("node", "records")).expect("room");
    logger.wait_for(&json!({"log": "node", "format": "zeek-bin-serializer", "octets": 7}));
}

#[test]
fn three_parts_from_a_foreign_node_are_counted() {
    let hub = hub();
    let mut ours = member(node_options("ours", &hub));
    ours.subscribe("zeek.cluster.nodeid.ours.");
    let Some(_foreign) = Peer::start(&arguments(&hub, &["--misbehave", "three-parts"])) else { return };
    until("the malformed hello", || ours.transport.counters().msg_errors == 1);
    assert!(std::iter::from_fn(|| ours.inbox.try_recv().ok()).all(|inbound| !matches!(inbound, Inbound::Event(_))));
}

#[test]
fn a_foreign_node_gets_in_with_the_right_keys_only() {
    let keys = keys();
    let hub = Hub::start(hub_options(Some(&keys)), |_| {}).expect("a hub");
    let mut ours = member(Options { keys: Some(keys.clone()), ..node_options("ours", &hub) });
    let Some(_good) = Peer::start(&arguments(&hub, &[&["--id", "good"], &key_arguments(&keys)[..]].concat())) else {
        return;
    };
    ours.wait_subscription(&mut Real, "zeek.cluster.nodeid.good.");
    let other = super::curve::keys();
    let wrong = Keys { client_public: other.client_public, client_secret: other.client_secret, ..keys };
    let Some(bad) = Peer::start(&arguments(&hub, &[&["--id", "bad"], &key_arguments(&wrong)[..]].concat())) else {
        return;
    };
    let refused = loop {
        let line = bad.wait("monitor");
        if line["monitor"] == 0x4000 {
            break line;
        }
    };
    assert_eq!(refused["value"], 400);
}

/// As our hub names a subscriber that does not read; here one of libzmq's own binding.
#[test]
fn a_foreign_node_that_does_not_read_is_named() {
    let (sender, notices) = mpsc::channel();
    let notify = move |event| {
        // The test has ended.
        let _gone = sender.send(event);
    };
    let options = HubOptions { patience: std::time::Duration::from_millis(200), ..hub_options(None) };
    let hub = Hub::start(options, notify).expect("a hub");
    let mut ours = member(Options { xpub_sndhwm: 0, ..node_options("ours", &hub) });
    let more = ["--id", "deaf", "--misbehave", "not-reading", "--subscribe", "topic"];
    let Some(_deaf) = Peer::start(&arguments(&hub, &more)) else { return };
    ours.wait_subscription(&mut Real, "topic");
    let payload = "x".repeat(20_000);
    let notice = loop {
        if let Ok(notice) = notices.try_recv() {
            break notice;
        }
        if ours.transport.publish(event("ours", "topic", &payload)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    };
    assert_eq!(notice, LinkEvent::SlowSubscriber { subscriber: "deaf".to_owned(), topic: "topic".to_owned() });
}

fn next_event(member: &mut Member) -> (String, Vec<u8>) {
    member.wait(&mut Real, "an event", |inbound| match inbound {
        Inbound::Event(event) => Some((String::from_utf8_lossy(&event.topic).into_owned(), event.payload.to_vec())),
        _ => None,
    })
}

/// `broker-bin-v1` with string arguments shorter than 128 octets, as in the golden bytes of `zeromq.md` 2.7.
fn payload(name: &str, arguments: &[&str]) -> Vec<u8> {
    let string = |text: &str| [&[5, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let count = [2, 0, 0, 0, 0, 0, 0, 0, 1];
    let mut octets = [&[0x0e, 3][..], &count, &count, &[0x0e, 2], &string(name)].concat();
    octets.extend([0x0e, u8::try_from(arguments.len()).expect("few")]);
    octets.extend(arguments.iter().flat_map(|argument| string(argument)));
    octets
}
