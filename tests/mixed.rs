//! Clusters of our nodes and foreign ones: `tests/peer/zeek_peer.py`, over libzmq's own Python binding, behaves as Zeek does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Keys, Peer, Sandbox};

const LAYOUT: &str = "\
name: campus
encryption: ENCRYPTION
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";
const STEP: Duration = Duration::from_secs(10);

/// A deployed cluster, and its keys when it is encrypted.
fn deployed(encryption: &str) -> (Sandbox, Option<Keys>) {
    let sandbox = Sandbox::with_layout(&LAYOUT.replace("ENCRYPTION", encryption));
    sandbox.expect(0, &["deploy"]);
    let keys = (encryption == "on").then(|| Keys::read(&sandbox.home().join(".local/share/zeek-cluster/keys/campus")));
    (sandbox, keys)
}

/// Where a node of the layout listens for logs.
fn log_endpoint(sandbox: &Sandbox, node: &str) -> String {
    let port = sandbox.json(0, &["nodes", node])[0]["port"].as_u64().expect("a log receiver has a port");
    format!("tcp://127.0.0.1:{port}")
}

/// Waits until the nodes see each other, and nobody else.
fn all_see(sandbox: &Sandbox, nodes: &[&str], limit: Duration) -> Vec<Value> {
    sandbox.until(limit, "all see each other", |s| {
        let output = s.run(&["peers", "-o", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&output.stdout).map_err(|e| format!("{e}: {output:?}"))?;
        let wanted = |row: &Value| nodes.iter().any(|name| row["peer"] == *name);
        match rows.iter().all(|row| row["up"] == wanted(row)) {
            true => Ok(rows),
            false => Err(output.stdout),
        }
    })
}

/// The recorded log batches of a stream.
fn batches(stream: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/logs-tsv/frames.jsonl");
    let needle: String = stream.bytes().map(|octet| format!("{octet:02x}")).collect();
    let text = fs::read_to_string(path).expect("the recorded frames");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("one JSON object a line"));
    let logs =
        lines.filter(|line| line["kind"] == "log").filter_map(|line| line["frames"][3].as_str().map(str::to_owned));
    logs.filter(|batch| batch.contains(&needle)).collect()
}

/// The lines of a log file; those that tell when it was opened and closed, and the order, do not count.
fn records(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| !line.starts_with("#open") && !line.starts_with("#close")).map(str::to_owned).collect()
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.map(|entry| entry.expect("an entry").path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => find(&path, name),
        false => path.ends_with(name).then_some(path),
    })
}

fn a_foreign_worker_in_our_cluster(encryption: &str) {
    let (sandbox, keys) = deployed(encryption);
    sandbox.expect(0, &["stop", "worker-2"]);
    let log = log_endpoint(&sandbox, "logger");
    let arguments = ["node", "--name", "worker-2", "--type", "worker", "--subscribe", "test.", "--log", &log];
    let Some(mut foreigner) = Peer::start(sandbox.port, keys.as_ref(), &arguments) else { return };
    let mut up = BTreeSet::new();
    while up.len() < 3 {
        let seen = foreigner.sees("our three nodes", |seen| seen.get("node_up").is_some());
        up.insert(seen["node_up"].as_str().expect("a name").to_owned());
    }
    assert_eq!(up, BTreeSet::from(["manager", "logger", "worker-1"].map(str::to_owned)));
    let peers = all_see(&sandbox, &["manager", "logger", "worker-1", "worker-2"], STEP);
    assert_eq!(peers.len(), 9, "three of ours see three others each");

    // Events in both directions.
    sandbox.expect(0, &["publish", "zeek.cluster.node.worker-2.", "Test::ping", "string:hi"]);
    let ping = foreigner.sees("our event", |seen| seen["event"] == "Test::ping");
    assert_eq!(ping["args"], serde_json::json!(["hi"]));
    let subscriber =
        crate::support::Background::start(sandbox.command(&["subscribe", "test.", "-n", "1", "-o", "json"]));
    subscriber.says("subscribed to");
    foreigner.tell("publish test.topic Test::pong there");
    let pong: Value = serde_json::from_str(&subscriber.prints()).expect("JSON");
    assert_eq!(pong["data"][2]["data"][0]["data"], "Test::pong");
    assert!(pong["sender"].as_str().is_some_and(|id| id.contains("worker-2")), "{pong}");

    // Its logs, as Zeek sent them and as Zeek wrote them.
    let batches = batches("Conn::LOG");
    assert!(!batches.is_empty());
    batches.iter().for_each(|batch| foreigner.tell(&format!("batch {batch}")));
    let expected = records(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/logs-tsv/conn.log")));
    sandbox.until(STEP, "conn.log as Zeek wrote it", |s| {
        let written = find(&s.base(), "conn.log").map(|path| records(&path)).unwrap_or_default();
        let missing: Vec<&String> = expected.difference(&written).collect();
        match written == expected {
            true => Ok(()),
            false => Err(format!("{} lines, {} missing: {:?}", written.len(), missing.len(), missing.first())),
        }
    });

    foreigner.tell("quit");
    all_see(&sandbox, &["manager", "logger", "worker-1"], Duration::from_secs(3));
}

#[test]
fn a_foreign_worker_takes_part_in_our_cluster() {
    a_foreign_worker_in_our_cluster("off");
}

#[test]
fn a_foreign_worker_takes_part_in_our_encrypted_cluster() {
    a_foreign_worker_in_our_cluster("on");
}

/// A foreign forwarder and a foreign manager in the place of ours.
fn our_nodes_under_a_foreign_manager(encryption: &str) {
    let (sandbox, keys) = deployed(encryption);
    let log = log_endpoint(&sandbox, "logger");
    sandbox.expect(0, &["stop", "manager"]);
    let Some(mut hub) = Peer::start(sandbox.port, keys.as_ref(), &["proxy"]) else { return };
    hub.sees("its own sockets", |seen| seen.get("bound").is_some());
    let arguments = ["node", "--name", "manager", "--type", "manager", "--log", &log];
    let manager = Peer::start(sandbox.port, keys.as_ref(), &arguments).expect("the first one started");
    let ids: Vec<String> =
        ["worker-1", "worker-2", "logger"].map(|name| sandbox.node(name)["pid"].to_string()).to_vec();
    let mut up = BTreeSet::new();
    while up.len() < 3 {
        let seen = manager.sees("our three nodes", |seen| seen.get("node_up").is_some());
        up.insert(seen["node_up"].as_str().expect("a name").to_owned());
    }
    assert_eq!(up, BTreeSet::from(["logger", "worker-1", "worker-2"].map(str::to_owned)));
    all_see(&sandbox, &["manager", "logger", "worker-1", "worker-2"], STEP);
    sandbox.expect(0, &["wait", "logger", "worker-1", "worker-2", "--timeout", "10s"]);
    sandbox.expect(0, &["log", "--grep", "got hello from manager \\(zeromq_manager_peer"]);

    // The forwarder goes and comes back: nobody restarts, and nobody is missed.
    hub.kill();
    let hub = Peer::start(sandbox.port, keys.as_ref(), &["proxy"]).expect("the first one started");
    hub.sees("its own sockets", |seen| seen.get("bound").is_some());
    let back = Instant::now();
    for name in ["worker-1", "worker-2", "logger"] {
        let topic = format!("zeek.cluster.node.{name}.");
        sandbox.until(Duration::from_secs(5), "events reach all again", |s| {
            let output = s.run(&["publish", &topic, "Test::ping"]);
            if output.status == 0 { Ok(()) } else { Err(output.stderr) }
        });
    }
    all_see(&sandbox, &["manager", "logger", "worker-1", "worker-2"], Duration::from_secs(5));
    sandbox.expect(0, &["wait", "logger", "worker-1", "worker-2", "--timeout", "5s"]);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    let after: Vec<String> =
        ["worker-1", "worker-2", "logger"].map(|name| sandbox.node(name)["pid"].to_string()).to_vec();
    assert_eq!(ids, after);
}

#[test]
fn our_nodes_live_under_a_foreign_manager() {
    our_nodes_under_a_foreign_manager("off");
}

#[test]
fn our_nodes_live_under_a_foreign_manager_with_encryption() {
    our_nodes_under_a_foreign_manager("on");
}

#[test]
fn a_foreign_node_with_a_wrong_key_is_refused_and_both_sides_say_why() {
    let (sandbox, keys) = deployed("on");
    let keys = keys.expect("encrypted");
    let path = sandbox.path().join("other.yaml");
    fs::write(&path, "name: other\nencryption: on\nnodes:\n  manager: { type: manager }\n").expect("a layout");
    sandbox.expect(0, &["keys", "generate", "-l", &path.display().to_string()]);
    let other = Keys::read(&sandbox.home().join(".local/share/zeek-cluster/keys/other"));
    sandbox.expect(0, &["stop", "worker-2"]);
    let manager_says = |what: &str| {
        sandbox.until(STEP, what, |s| {
            let said = s.expect(0, &["output", "manager", "--stream", "stderr"]).stdout;
            if said.contains(what) { Ok(()) } else { Err(said) }
        });
    };
    let node = ["node", "--name", "worker-2"];
    let wrong_client =
        Keys { client_public: other.client_public.clone(), client_secret: other.client_secret.clone(), ..keys.clone() };
    let Some(foreigner) = Peer::start(sandbox.port, Some(&wrong_client), &node) else { return };
    // ZMQ_EVENT_HANDSHAKE_FAILED_AUTH with the status of ZAP.
    foreigner.sees("a refusal", |seen| seen["monitor"] == 0x4000 && seen["value"] == 400);
    manager_says("its CURVE client key is not this cluster's");

    let plain = Peer::start(sandbox.port, None, &node).expect("the first one started");
    // One of the two events of a failed handshake: by protocol, or without a word.
    plain.sees("a refusal", |seen| seen["monitor"] == 0x2000 || seen["monitor"] == 0x0800);
    // Whichever side is the quicker one to hang up, the manager says what is missing.
    manager_says("CURVE keys");

    let wrong_server = Keys { server_public: other.server_public.clone(), ..keys.clone() };
    let foreigner = Peer::start(sandbox.port, Some(&wrong_server), &node).expect("the first one started");
    foreigner.sees("a refusal", |seen| seen["monitor"] == 0x0800);
    manager_says("a peer was turned away that encrypts for another server key");

    // The other way round: our worker at a foreign hub that has other keys.
    sandbox.expect(0, &["stop", "manager"]);
    let hub = Peer::start(sandbox.port, Some(&other), &["proxy"]).expect("the first one started");
    hub.sees("its own sockets", |seen| seen.get("bound").is_some());
    sandbox.until(Duration::from_secs(20), "worker-1 says why it is alone", |s| {
        let row = s.node("worker-1");
        let why = row["error"].as_str().unwrap_or_default();
        match why.contains("the server public key is not this endpoint's") {
            true => Ok(()),
            false => Err(row.to_string()),
        }
    });
}

#[test]
fn a_killed_manager_is_back_for_all_within_five_seconds_also_with_1500_topics() {
    let (sandbox, _) = deployed("off");
    sandbox.expect(0, &["stop", "worker-2"]);
    // One of ours, as libzmq's own limit of 1,000 messages makes a foreign node lose what it subscribed to beyond.
    let topics: Vec<String> = (0..1500).map(|number| format!("test.topic.{number}.")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let subscribe = sandbox.command(&[&["subscribe", "-o", "name"], &topics[..]].concat());
    let subscriber = crate::support::Background::start(subscribe);
    subscriber.says("subscribed to");
    let Some(foreigner) = Peer::start(sandbox.port, None, &["node", "--name", "worker-2"]) else { return };
    let old = foreigner.sees_up("manager");
    all_see(&sandbox, &["manager", "logger", "worker-1", "worker-2"], STEP);
    let pid = sandbox.node("manager")["pid"].as_u64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is ours");
    let killed = Instant::now();
    let mut new = foreigner.sees_up("manager");
    while new == old {
        new = foreigner.sees_up("manager");
    }
    all_see(&sandbox, &["manager", "logger", "worker-1", "worker-2"], Duration::from_secs(5));
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    // All 1,500 topics came through again, and no node is there twice.
    for topic in ["test.topic.0.x", "test.topic.1499.x"] {
        sandbox.expect(0, &["publish", topic, "Test::ping"]);
        assert_eq!(subscriber.prints(), "Test::ping");
    }
    let connect = format!("127.0.0.1:{}", sandbox.port);
    let rows = sandbox.json(0, &["nodes", "--connect", &connect]);
    let names: Vec<&str> = rows.as_array().expect("rows").iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["logger", "manager", "worker-1", "worker-2"]);
}

#[test]
fn a_foreign_worker_that_stops_reading_is_named_and_the_others_go_on() {
    let (sandbox, _) = deployed("off");
    sandbox.expect(0, &["stop", "worker-2"]);
    let deaf = ["node", "--name", "worker-2", "--misbehave", "not-reading", "--subscribe", "test."];
    let Some(deaf) = Peer::start(sandbox.port, None, &deaf) else { return };
    deaf.sees("the cluster", |seen| seen["subscription"] == "zeek.cluster.node.manager.");
    let listener = Peer::start(sandbox.port, None, &["node", "--name", "listener", "--subscribe", "test."]);
    let listener = listener.expect("the first one started");
    let mut talker = Peer::start(sandbox.port, None, &["node", "--name", "talker"]).expect("the first one started");
    talker.sees("the listener's subscription", |seen| seen["subscription"] == "test.");
    // As many octets as fill the queues of a subscriber that does not read.
    let text = "x".repeat(20_000);
    let flooding = Instant::now();
    let named = (0..200).any(|round| {
        for number in 0..100 {
            talker.tell(&format!("publish test.topic Test::flood {round}.{number} {text}"));
        }
        let last = format!("{round}.99");
        listener.sees("the last event of a round", |seen| seen["args"][0] == last.as_str());
        let said = sandbox.expect(0, &["output", "manager", "--stream", "stderr"]).stdout;
        said.contains("does not read; events for it are withheld") && said.contains("worker-2")
    });
    assert!(named, "the manager never says who does not read");
    // One event waits at most a second for it; what it costs beside is the flood itself.
    assert!(flooding.elapsed() < Duration::from_secs(30), "{:?}", flooding.elapsed());
    let after = Instant::now();
    talker.tell("publish test.topic Test::flood last");
    listener.sees("the last event", |seen| seen["args"][0] == "last");
    assert!(after.elapsed() < Duration::from_millis(1500), "{:?}", after.elapsed());
}
