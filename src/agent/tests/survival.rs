//! The agent ends in every way; nodes run on.

use std::fs;
use std::io::Read;

use rustix::process::Signal;

use super::harness::*;
use super::lifecycle::wait_for_end;
use crate::agent::{Detached, Hung, start_detached};
use crate::api::agent::NodeState;
use crate::api::outcome::Kind;
use crate::data::NodeType;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_outlive_a_killed_agent_and_the_next_one_adopts_them() {
    let host = Host::new();
    let agent = host.start_agent();
    let nodes = ["worker-1", "worker-2", "worker-3", "worker-4"].map(|name| our_node(name, NodeType::Worker)).to_vec();
    host.run_nodes("r1", nodes).await;
    host.client().stop(&names(&["worker-4"]), DEADLINE).await.unwrap();
    let before = host.client().status().await.unwrap();
    kill(agent, Signal::KILL);
    wait_for_end(agent);
    let pid = |name: &str| of(&before, name).pid.unwrap();
    assert!(is_alive(pid("worker-1")) && is_alive(pid("worker-2")));
    kill(pid("worker-3"), Signal::KILL);

    host.start_agent();
    let is_settled =
        |node: &crate::api::agent::NodeStatus| matches!(node.state, NodeState::Running | NodeState::Stopped);
    let after = host.until(|status| status.nodes.iter().all(is_settled)).await;
    for name in ["worker-1", "worker-2"] {
        assert_eq!((of(&after, name).pid, of(&after, name).restarts), (of(&before, name).pid, 0));
        assert_eq!(of(&after, name).running_hash, of(&before, name).running_hash);
    }
    assert_ne!(of(&after, "worker-3").pid, of(&before, "worker-3").pid, "who was gone is started again");
    assert_eq!(of(&after, "worker-3").restarts, 1);
    assert_eq!(of(&after, "worker-4").state, NodeState::Stopped, "who was stopped stays stopped");

    // Adopted nodes are watched and stopped like any other.
    kill(pid("worker-1"), Signal::KILL);
    let back = host.until(|status| of(status, "worker-1").restarts == 1 && is_settled(of(status, "worker-1"))).await;
    assert_ne!(of(&back, "worker-1").pid, of(&before, "worker-1").pid);
    let crash = fs::read_dir(host.dir.node_crashes("worker-1")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(crash.join("report.json")).unwrap().contains("exit status unknown (adopted)"));
    let outcomes = host.client().stop(&names(&["worker-2"]), DEADLINE).await.unwrap();
    assert_eq!(kinds(&outcomes), [("worker-2", Kind::Ok)]);
    assert!(!is_alive(pid("worker-2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_told_agent_ends_and_leaves_its_nodes() {
    let host = Host::new();
    for tell in ["exit", "SIGTERM"] {
        let agent = host.start_agent();
        let before = host.run_nodes("r1", vec![our_node("worker-1", NodeType::Worker)]).await;
        assert!(before[0].kind.is_success(), "{before:?}");
        let pid = host.until_state("worker-1", NodeState::Running).await.pid.unwrap();
        let mut watching = host.client().watch().await.unwrap();
        match tell {
            "exit" => host.client().exit().await.unwrap(),
            _ => kill(agent, Signal::TERM),
        }
        while watching.next().await.is_some() {}
        wait_for_end(agent);
        assert!(is_alive(pid));
        assert!(!host.dir.agent_socket().exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_pid_is_neither_adopted_nor_touched() {
    let host = Host::new();
    let agent = host.start_agent();
    host.run_nodes("r1", vec![our_node("worker-1", NodeType::Worker)]).await;
    let old = host.until_state("worker-1", NodeState::Running).await.pid.unwrap();
    let record = host.dir.node("worker-1").join("pid");
    let text = fs::read_to_string(&record).unwrap();
    kill(agent, Signal::KILL);
    wait_for_end(agent);
    kill(old, Signal::KILL);
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let (header, stat) = text.split_once('\n').unwrap();
    let stat = stat.split_once(' ').unwrap().1;
    fs::write(&record, format!("{header}\n{} {stat}", bystander.id())).unwrap();
    host.start_agent();
    let node = host.until_state("worker-1", NodeState::Running).await;
    assert_ne!(node.pid, Some(bystander.id()));
    host.client().stop(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert!(is_alive(bystander.id()));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_ends_at_once_and_says_why() {
    let host = Host::new();
    let first = host.start_agent();
    let mut second = host.spawn_agent();
    assert!(!second.wait().unwrap().success());
    let mut said = String::new();
    second.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains(&format!("another agent (pid {first}) serves {}", host.dir.path().display())), "{said}");
    assert_eq!(host.client().status().await.unwrap().pid, first);
    assert_eq!(start_detached(&host.dir, "/bin/false".as_ref(), Hung::Leave).unwrap(), Detached::AlreadyRunning);
}

#[test]
fn a_start_in_vain_says_the_last_line_of_the_log() {
    let host = Host::new();
    fs::create_dir_all(host.dir.path().join("run")).unwrap();
    let broken = host.dir.path().join("broken");
    fs::write(&broken, "#!/bin/sh\necho 'error: no room' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = start_detached(&host.dir, &broken, Hung::Leave).unwrap_err();
    assert_eq!(error.to_string(), "the agent ended before it listened: error: no room");
}

#[test]
fn a_folder_that_is_too_deep_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = crate::api::paths::ClusterDir::new(folder.path().join("d".repeat(100)));
    let error =
        crate::agent::run(crate::agent::AgentOptions { dir, at_end: crate::agent::AtEnd::LeaveNodes }).unwrap_err();
    assert!(error.to_string().contains("choose a shorter base_dir"), "{error}");
}
