//! The life of a small cluster.

use std::time::{Duration, Instant};

use super::cluster::{TestCluster, free_port};
use crate::api::node::{NodeView, OptionView};
use crate::data::NodeType;
use crate::node::NodeError;

fn sees(view: &NodeView, peer: &str) -> bool {
    view.peers.iter().any(|other| other.peer == peer && other.up)
}

#[test]
fn a_manager_and_a_worker_join() {
    let mut cluster = TestCluster::new(&["manager", "worker-1"]);
    cluster.start("manager");
    cluster.start("worker-1");
    cluster.wait_until_all_see_all();
    let view = cluster.view("manager");
    assert_eq!(view.counts[&NodeType::Worker].active, 1);
    assert_eq!(view.counts[&NodeType::Manager].active, 0);
    assert_eq!(view.not_joined_because, None);
    assert!(view.id.starts_with("zeromq_manager_"), "{}", view.id);
    let lines = cluster.cluster_log("manager", |lines| lines.len() >= 2);
    assert_eq!(lines.len(), 2, "{lines:?}");
    cluster.stop_all();
}

#[test]
fn four_nodes_live_through_stops_starts_and_the_hub_s_end() {
    let names = ["manager", "logger-1", "worker-1", "worker-2"];
    let mut cluster = TestCluster::new(&names);
    names.iter().for_each(|name| cluster.start(name));
    cluster.wait_until_all_see_all();

    let hellos = |lines: &[String]| lines.iter().filter(|line| line.contains("\tgot hello from ")).count();
    let lines = cluster.cluster_log("logger-1", |lines| hellos(lines) >= 12);
    assert_eq!((hellos(&lines), lines.len()), (12, 12), "{lines:#?}");

    // One stops: everybody knows within a second.
    let began = Instant::now();
    cluster.stop("worker-1").unwrap();
    for name in ["manager", "logger-1", "worker-2"] {
        cluster.wait_for(name, "worker-1 down", |view| !sees(view, "worker-1"));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let downs = |lines: &[String]| lines.iter().filter(|line| line.ends_with("\tnode down: worker-1")).count();
    cluster.cluster_log("logger-1", |lines| downs(lines) == 3);

    // It comes back, as a new instance.
    cluster.start("worker-1");
    cluster.wait_until_all_see_all();

    // The manager stops, and the hub with it; the others see it go, since the hub lives a little longer.
    cluster.stop("manager").unwrap();
    for name in ["logger-1", "worker-1", "worker-2"] {
        cluster.wait_for(name, "isolated", |view| !view.joined);
    }
    let reason = cluster.view("worker-1").not_joined_because.unwrap();
    assert!(reason.contains("hub"), "{reason}");
    cluster.start("manager");
    let healed = cluster.wait_until_all_see_all();
    assert!(healed < Duration::from_secs(5), "{healed:?}");
    cluster.stop_all();
}

#[test]
fn a_node_that_ended_while_the_hub_was_away_is_no_ghost_within_five_seconds() {
    let names = ["manager", "worker-1", "worker-2"];
    let mut cluster = TestCluster::new(&names);
    names.iter().for_each(|name| cluster.start(name));
    cluster.wait_until_all_see_all();
    cluster.stop("manager").unwrap();
    cluster.stop("worker-2").unwrap();
    cluster.start("manager");
    let healed = cluster.wait_until_all_see_all();
    assert!(healed < Duration::from_secs(6), "{healed:?}");
    cluster.stop_all();
}

#[test]
fn the_socket_tells_options_and_takes_a_layout() {
    let mut cluster = TestCluster::new(&["manager", "worker-1"]);
    cluster.start("manager");
    let (status, body) = cluster.request("manager", "GET /v1/options", "");
    assert_eq!(status, 200);
    let options: std::collections::BTreeMap<String, OptionView> = serde_json::from_str(&body).unwrap();
    let linger = &options["Cluster::Backend::ZeroMQ::linger_ms"];
    assert_eq!((linger.value.as_str(), linger.origin.as_str()), ("500", "default"));

    let mut nodes = cluster.nodes.clone();
    nodes.push(crate::api::config::NodeEntry { name: "worker-2".to_owned(), ..nodes[1].clone() });
    let (status, body) = cluster.request("manager", "POST /v1/layout", &serde_json::to_string(&nodes).unwrap());
    assert_eq!(status, 204, "{body}");
    assert_eq!(cluster.view("manager").counts[&NodeType::Worker].defined, 2);
    nodes.push(nodes[1].clone());
    let (status, body) = cluster.request("manager", "POST /v1/layout", &serde_json::to_string(&nodes).unwrap());
    assert_eq!(status, 422);
    assert!(body.contains("names 'worker-1' twice"), "{body}");
    cluster.stop_all();
}

#[test]
fn a_port_that_is_taken_ends_the_node_with_the_port_and_what_to_do() {
    let mut cluster = TestCluster::new(&["manager"]);
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    cluster.endpoints.listen_xpub_endpoint = Some(format!("tcp://127.0.0.1:{port}"));
    let config = cluster.config("manager");
    cluster.write_config(&config);
    let options = crate::node::NodeOptions { dir: cluster.dir.clone(), name: "manager".to_owned() };
    let error = crate::node::run::run_until(options, Ok).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, NodeError::Transport { .. }), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("ss -tanp"), "{text}");
}

#[test]
fn a_second_process_of_a_node_refuses_to_start() {
    let mut cluster = TestCluster::new(&["manager"]);
    cluster.start("manager");
    let options = crate::node::NodeOptions { dir: cluster.dir.clone(), name: "manager".to_owned() };
    let error = crate::node::run::run_until(options, Ok).unwrap_err();
    assert!(matches!(error, NodeError::AlreadyRuns { .. }), "{error}");
    assert!(cluster.view("manager").joined_since > 0.0, "the first one is untouched");
    cluster.stop_all();
}

#[test]
fn a_name_that_the_release_does_not_have_is_refused() {
    let cluster = TestCluster::new(&["manager"]);
    let options = crate::node::NodeOptions { dir: cluster.dir.clone(), name: "worker-7".to_owned() };
    let error = crate::node::run::run_until(options, Ok).unwrap_err().to_string();
    assert!(error.contains("worker-7.yaml"), "{error}");
}
