//! Members that are none of ours: a node written against libzmq's Python binding that behaves as Zeek does
//! (`tests/peer/zeek_peer.py`), and an observer of ours that nobody notices.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::{DEADLINE, TestCluster};
use crate::cluster::EventSerializer;
use crate::data::{Data, Event};
use crate::node::{ObserveOptions, Observer, SeenNode};
use crate::python::python;

/// A Python process that says what it sees, one JSON object a line.
struct Foreigner {
    child: Child,
    input: ChildStdin,
    seen: Receiver<Value>,
}

impl Foreigner {
    /// None where Python or its binding of libzmq is missing: the test has to be skipped.
    fn start(cluster: &TestCluster, arguments: &[&str]) -> Option<Foreigner> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/zeek_peer.py");
        let endpoints = &cluster.endpoints;
        let mut child = Command::new(python()?)
            .arg(script)
            .args(arguments)
            .args(["--xpub", &endpoints.connect_xsub_endpoint, "--xsub", &endpoints.connect_xpub_endpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python ran a moment ago");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Some(Foreigner { child, input, seen })
    }

    /// Waits until it has seen something.
    fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let began = Instant::now();
        let mut before = Vec::new();
        loop {
            match self.seen.recv_timeout(DEADLINE.saturating_sub(began.elapsed())) {
                Ok(value) if wanted(&value) => return value,
                Ok(value) => before.push(value),
                Err(_) => panic!("the foreign node never saw {what}, but {before:#?}"),
            }
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn quit(mut self) {
        self.tell("quit");
        self.child.wait().unwrap();
    }
}

#[test]
fn our_manager_and_worker_take_a_foreign_worker_in() {
    let mut cluster = TestCluster::new(&["manager", "worker-1", "worker-2"]);
    cluster.start("manager");
    cluster.start("worker-1");
    let Some(foreigner) = Foreigner::start(&cluster, &["node", "--name", "worker-2", "--type", "worker"]) else {
        return;
    };
    for name in ["manager", "worker-1"] {
        cluster.wait_for(name, "worker-2 up", |view| view.peers.iter().any(|peer| peer.peer == "worker-2" && peer.up));
    }
    // In which order they greet it is a matter of chance.
    let mut unseen = ["manager", "worker-1"].map(|ours| (ours, cluster.view(ours).id)).to_vec();
    foreigner.wait_for("both of ours", |seen| {
        unseen.retain(|(ours, id)| seen["node_up"] != *ours || seen["id"] != id.as_str());
        unseen.is_empty()
    });
    let began = Instant::now();
    foreigner.quit();
    cluster.wait_for("worker-1", "worker-2 down", |view| {
        view.peers.iter().all(|peer| peer.peer != "worker-2" || !peer.up)
    });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let lines = cluster
        .cluster_log("manager", |lines| lines.iter().filter(|line| line.ends_with("node down: worker-2")).count() == 2);
    assert_eq!(lines.iter().filter(|line| line.contains("got hello from worker-2 ")).count(), 2, "{lines:?}");
    cluster.stop_all();
}

#[test]
fn our_worker_joins_a_foreign_manager() {
    let mut cluster = TestCluster::new(&["manager", "worker-1"]);
    let Some(hub) = Foreigner::start(&cluster, &["proxy"]) else { return };
    hub.wait_for("its own sockets", |seen| seen.get("bound").is_some());
    let log = cluster.endpoints.listen_log_endpoint.clone().unwrap();
    let Some(manager) =
        Foreigner::start(&cluster, &["node", "--name", "manager", "--type", "manager", "--listen-log", &log])
    else {
        return;
    };
    cluster.start("worker-1");
    cluster.wait_for("worker-1", "joined", |view| view.joined);
    let id = cluster.view("worker-1").id;
    manager.wait_for("worker-1", |seen| seen["node_up"] == "worker-1" && seen["id"] == id.as_str());
    let batch = manager.wait_for("a line of cluster.log", |seen| seen["log"] == id.as_str());
    assert_eq!(batch["format"], "zeek-bin-serializer");
    cluster.stop("worker-1").unwrap();
    manager.wait_for("worker-1 going", |seen| seen["node_down"] == "worker-1");
    manager.quit();
    hub.quit();
}

#[test]
fn a_hub_that_crashes_and_comes_back_leaves_neither_isolated_nodes_nor_ghosts() {
    let mut cluster = TestCluster::new(&["manager", "worker-1", "worker-2", "worker-3"]);
    cluster.hub_elsewhere = true;
    let Some(mut hub) = Foreigner::start(&cluster, &["proxy"]) else { return };
    hub.wait_for("its own sockets", |seen| seen.get("bound").is_some());
    for name in ["manager", "worker-1", "worker-2", "worker-3"] {
        cluster.start(name);
    }
    cluster.wait_until_all_see_all();
    let ids: Vec<String> = ["manager", "worker-1", "worker-2"].iter().map(|name| cluster.view(name).id).collect();

    hub.child.kill().unwrap();
    hub.child.wait().unwrap();
    for name in ["manager", "worker-1", "worker-2"] {
        cluster.wait_for(name, "isolated", |view| !view.joined);
        assert!(cluster.view(name).peers.iter().all(|peer| peer.up), "a crash of the hub takes nobody down");
    }
    cluster.stop("worker-3").unwrap();
    let Some(hub) = Foreigner::start(&cluster, &["proxy"]) else { return };
    hub.wait_for("its own sockets", |seen| seen.get("bound").is_some());
    let healed = cluster.wait_until_all_see_all();
    assert!(healed < Duration::from_secs(6), "{healed:?}");
    for (name, id) in ["manager", "worker-1", "worker-2"].iter().zip(ids) {
        let view = cluster.view(name);
        assert_eq!(view.id, id, "an id lives as long as its process");
        assert_eq!(view.counters["node_downs"], 1, "{name}: only worker-3 went down");
    }
    cluster.stop_all();
    hub.quit();
}

#[tokio::test]
async fn an_observer_sees_everybody_and_is_seen_by_nobody() {
    let mut cluster = TestCluster::new(&["manager", "worker-1"]);
    cluster.start("manager");
    cluster.start("worker-1");
    cluster.wait_until_all_see_all();
    let Some(foreigner) = Foreigner::start(&cluster, &["node", "--name", "stranger", "--subscribe", "test."]) else {
        return;
    };
    foreigner.wait_for("the manager", |seen| seen["event"] == "Cluster::Backend::ZeroMQ::hello");
    let before = cluster.view("manager").counters;

    let options = ObserveOptions {
        connect_xpub_endpoint: cluster.endpoints.connect_xpub_endpoint.clone(),
        connect_xsub_endpoint: cluster.endpoints.connect_xsub_endpoint.clone(),
        keys: None,
        event_serializer: EventSerializer::BrokerBinV1,
    };
    let observer = Observer::join(options, DEADLINE).await.unwrap();
    let seen = observer.nodes();
    for name in ["manager", "worker-1"] {
        let id = cluster.view(name).id;
        assert!(seen.contains(&SeenNode { name: Some(name.to_owned()), id: Some(id) }), "{seen:?}");
    }
    observer.publish(b"test.topic", &Event::new("ping", vec![Data::string("hi")])).unwrap();
    let ping = foreigner.wait_for("our event", |seen| seen["event"] == "ping");
    assert_eq!((ping["topic"].as_str(), ping["args"][0].as_str()), (Some("test.topic"), Some("hi")));

    let after = cluster.view("manager");
    assert_eq!(after.counters["node_ups"], before["node_ups"]);
    assert_eq!(after.counters["bad_events"], 0);
    assert!(after.joined);
    foreigner.quit();
    tokio::task::spawn_blocking(|| observer.close()).await.unwrap();
    tokio::task::spawn_blocking(move || cluster.stop_all()).await.unwrap();
}
