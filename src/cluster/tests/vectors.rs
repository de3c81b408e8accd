//! The life of a real cluster, recorded (`tests/vectors/node-life`): a core in the place of one node is fed the frames that
//! this node got, and must write the lines that Zeek wrote there.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::world::entry;
use crate::cluster::{Core, Effect, Hooks, Input, Now, Settings, Topics};
use crate::transport::{EventFrame, Inbound, LinkEvent};

const FRAMES: &str = include_str!("../../../tests/vectors/node-life/frames.jsonl");
const CLUSTER_LOG: &str = include_str!("../../../tests/vectors/node-life/cluster.log");

/// A recorded message.
#[derive(serde::Deserialize)]
struct Recorded {
    t: f64,
    kind: String,
    frames: Vec<String>,
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The messages that a node with that id got, in order: all subscriptions, and the events on its nodeid topic.
fn seen_by(id: &str) -> Vec<(Duration, Inbound)> {
    let own_topic = Topics::zeromq().nodeid_topic(id).into_bytes();
    let mut seen = Vec::new();
    for line in FRAMES.lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let parts: Vec<Vec<u8>> = recorded.frames.iter().map(|part| octets(part)).collect();
        let inbound = match recorded.kind.as_str() {
            "subscription" if parts[0][0] == 1 => Inbound::Subscription(parts[0][1..].to_vec()),
            "subscription" => Inbound::Unsubscription(parts[0][1..].to_vec()),
            "event" if parts[0] == own_topic => {
                let mut parts = parts.into_iter().map(Bytes::from);
                let mut next = || parts.next().unwrap();
                Inbound::Event(EventFrame { topic: next(), sender: next(), format: next(), payload: next() })
            }
            _ => continue,
        };
        seen.push((Duration::from_secs_f64(recorded.t), inbound));
    }
    seen
}

/// What Zeek wrote for that node, from the moment when the recording had begun.
fn lines_of(node: &str) -> Vec<String> {
    let rows = CLUSTER_LOG.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let mut columns = row.splitn(3, '\t').skip(1);
        (columns.next() == Some(node)).then(|| columns.next().unwrap().to_owned())
    })
    .collect()
}

/// The id that a node greets with, from the lines of another one.
fn id_of(name: &str, nth: usize) -> String {
    let mut ids: Vec<String> = Vec::new();
    let start = format!("got hello from {name} (");
    for row in CLUSTER_LOG.lines() {
        let Some(at) = row.find(&start) else { continue };
        let id = row[at + start.len()..].trim_end_matches(')').to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids[nth].clone()
}

#[test]
fn a_core_fed_with_recorded_frames_writes_zeek_s_lines() {
    // Only worker-2 began under the recorder; when the manager came back, the recorder itself had yet to reconnect.
    for (name, instance, lines) in [("worker-2", 0, 0..3), ("worker-2", 1, 3..8)] {
        let id = id_of(name, instance);
        let own = Topics::zeromq().nodeid_topic(&id).into_bytes();
        let seen = seen_by(&id);
        let layout = ["manager", "logger-1", "worker-1", "worker-2"].map(entry).to_vec();
        let mut core = Core::new(Settings::new(name, &id, layout, false), Hooks::default());
        let mut written = Vec::new();
        let mut step = |core: &mut Core, input: Input, elapsed: Duration| {
            for effect in core.step(input, Now { elapsed, wall: elapsed.as_secs_f64() }) {
                if let Effect::Log(record) = effect {
                    written.push(record.message);
                }
            }
        };
        step(&mut core, Input::Start, Duration::ZERO);
        step(&mut core, Input::Inbound(Inbound::Link(LinkEvent::Up)), Duration::ZERO);
        // Its life begins with the subscriptions that were known then, and ends with its own unsubscription.
        let first = seen.iter().position(|(_, m)| *m == Inbound::Subscription(own.clone())).unwrap();
        let last = seen.iter().position(|(_, m)| *m == Inbound::Unsubscription(own.clone())).unwrap_or(seen.len());
        let mut known: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (_, inbound) in &seen[..first] {
            match inbound {
                Inbound::Subscription(topic) => drop(known.insert(topic.clone())),
                Inbound::Unsubscription(topic) => drop(known.remove(topic)),
                _ => {}
            }
        }
        for topic in known {
            step(&mut core, Input::Inbound(Inbound::Subscription(topic)), seen[first].0);
        }
        for (at, inbound) in seen[first..last].iter().cloned() {
            while let Some(deadline) = core.next_deadline().filter(|deadline| *deadline <= at) {
                step(&mut core, Input::Timer, deadline);
            }
            step(&mut core, Input::Inbound(inbound), at);
        }
        let expected = lines_of(name)[lines].to_vec();
        let sort = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        assert_eq!(sort(written), sort(expected), "{name}, start {instance}");
    }
}
