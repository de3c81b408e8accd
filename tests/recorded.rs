//! A member that speaks with the very octets of a recorded Zeek node: the subscriptions, hellos and log batches of
//! `tests/vectors`, over real libzmq. It decodes nothing; all it adds is to whom a recorded hello goes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use zeek_cluster::transport::zeromq::{self, Options, ZeromqTransport};
use zeek_cluster::transport::{EventFrame, Inbound, Inbox, LogFrame, Transport};

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";
const STEP: Duration = Duration::from_secs(10);
/// When worker-2 of the recording first lived, seconds (`node-life/steps.jsonl`).
const LIFE: std::ops::Range<f64> = 1.5..4.5;
const NODEID: &str = "zeek.cluster.nodeid.";

/// What worker-2 said, as recorded.
struct Recording {
    id: String,
    topics: Vec<Vec<u8>>,
    format: Bytes,
    greeting: Bytes,
    hello: Bytes,
}

/// Seconds, kind and parts of each recorded message.
pub fn frames(folder: &str) -> Vec<(f64, String, Vec<Vec<u8>>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(folder).join("frames.jsonl");
    let text = fs::read_to_string(path).expect("the recorded frames");
    let parse = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("one JSON object a line");
        let parts = value["frames"].as_array().expect("frames").iter();
        let parts = parts.map(|part| octets(part.as_str().expect("hex"))).collect();
        (value["t"].as_f64().expect("t"), value["kind"].as_str().expect("kind").to_owned(), parts)
    };
    text.lines().map(parse).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|window| window == text.as_bytes())
}

fn worker_2() -> Recording {
    let life: Vec<_> = frames("node-life").into_iter().filter(|(t, _, _)| LIFE.contains(t)).collect();
    let said = |needle: &str| {
        let mut events = life.iter().filter(|(_, kind, _)| kind == "event");
        let found = events.find(|(_, _, parts)| contains(&parts[1], "zeromq_worker-2_") && contains(&parts[3], needle));
        found.expect("worker-2 says both hellos").2.clone()
    };
    let (greeting, hello) = (said("Cluster::Backend::ZeroMQ::hello"), said("Cluster::hello"));
    let subscriptions = life.iter().filter(|(_, kind, parts)| kind == "subscription" && parts[0][0] == 1);
    Recording {
        id: String::from_utf8(greeting[1].clone()).expect("an id in ASCII"),
        topics: subscriptions.map(|(_, _, parts)| parts[0][1..].to_vec()).collect(),
        format: greeting[2].clone().into(),
        greeting: greeting[3].clone().into(),
        hello: hello[3].clone().into(),
    }
}

/// Takes part until so many peers have greeted: answers each nodeid subscription with the greeting, and each greeting with the hello.
fn take_part(recording: &Recording, transport: &ZeromqTransport, inbox: &mut Inbox, peers: usize) {
    let say = |topic: String, payload: &Bytes| {
        let (sender, format) = (Bytes::from(recording.id.clone()), recording.format.clone());
        let frame = EventFrame { topic: topic.into(), sender, format, payload: payload.clone() };
        transport.publish(frame).expect("there is room in the queue");
    };
    let mut answered = BTreeSet::new();
    while answered.len() < peers {
        match inbox.blocking_recv().expect("the transport lives") {
            Inbound::Subscription(topic) if topic.starts_with(NODEID.as_bytes()) => {
                let topic = String::from_utf8(topic).expect("a topic in ASCII");
                if !topic.contains(&recording.id) {
                    say(topic, &recording.greeting);
                }
            }
            Inbound::Event(frame) if contains(&frame.payload, "ZeroMQ::hello") => {
                let sender = String::from_utf8(frame.sender.to_vec()).expect("an id in ASCII");
                say(format!("{NODEID}{sender}."), &recording.hello);
                answered.insert(sender);
            }
            _ => {}
        }
    }
}

fn records(log: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn a_recorded_worker_joins_and_its_recorded_batches_become_zeeks_file() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["stop", "worker-2"]);
    let port = sandbox.json(0, &["nodes", "logger"])[0]["port"].as_u64().expect("the logger's port");

    let recording = worker_2();
    let names: Vec<String> = recording.topics.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect();
    assert!(names.contains(&format!("{NODEID}{}.", recording.id)), "{names:?}");
    let (transport, mut inbox) = zeromq::start(Options {
        connect_xsub_endpoint: format!("tcp://127.0.0.1:{}", sandbox.port),
        connect_xpub_endpoint: format!("tcp://127.0.0.1:{}", sandbox.port + 1),
        connect_log_endpoints: vec![format!("tcp://127.0.0.1:{port}")],
        ..Options::new(recording.id.clone())
    })
    .expect("the sockets");
    recording.topics.iter().for_each(|topic| transport.subscribe(topic).expect("there is room in the queue"));
    take_part(&recording, &transport, &mut inbox, 3);

    sandbox.until(STEP, "worker-2 is active under its recorded id", |s| {
        let row = &s.json(0, &["nodes", "worker-2"])[0];
        if row["active"] == true && row["id"] == recording.id.as_str() { Ok(()) } else { Err(row.to_string()) }
    });
    sandbox.until(STEP, "all three say so in cluster.log", |s| {
        let log = s.json(0, &["log", "--grep", &format!("got hello from worker-2 \\({}\\)", recording.id)]);
        if log.as_array().map(Vec::len) == Some(3) { Ok(()) } else { Err(log.to_string()) }
    });

    for (_, _, parts) in frames("logs-tsv").into_iter().filter(|(_, kind, _)| kind == "log") {
        let [_, sender, format, payload] = parts.try_into().expect("four parts");
        let frame = LogFrame { sender: sender.into(), format: format.into(), payload: payload.into() };
        transport.push_log(frame).expect("there is room in the queue");
    }
    let written = sandbox.base().join("campus/logs/current/logger/conn.log");
    let expected = records(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/logs-tsv/conn.log"));
    sandbox.until(STEP, "conn.log as Zeek wrote it", |_| {
        let found = records(&written);
        if found == expected { Ok(()) } else { Err(format!("{} of {}", found.len(), expected.len())) }
    });

    transport.close();
    sandbox.until(STEP, "worker-2 is gone", |s| {
        let row = &s.json(0, &["nodes", "worker-2"])[0];
        if row["active"] == false { Ok(()) } else { Err(row.to_string()) }
    });
}
