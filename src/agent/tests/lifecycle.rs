//! Start, stop, restart, apply; crashes; removal.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::harness::*;
use crate::agent::client::{ClientError, Follow, Keep, LogQuery, OutputStream};
use crate::api::agent::NodeState;
use crate::api::outcome::Kind;
use crate::data::NodeType;

#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_node_runs_answers_and_stops() {
    let host = Host::new();
    host.start_agent();
    let nodes = || vec![our_node("worker-1", NodeType::Worker), our_node("logger-1", NodeType::Logger)];
    assert_eq!(kinds(&host.run_nodes("r1", nodes()).await), [("worker-1", Kind::Ok), ("logger-1", Kind::Ok)]);
    let status = host.until(|status| status.nodes.iter().all(|node| node.state == NodeState::Running)).await;
    assert_eq!((status.release.as_deref(), status.cluster.as_deref()), (Some("r1"), Some("campus")));
    let (worker, logger) = (of(&status, "worker-1"), of(&status, "logger-1"));
    assert!(logger.started_at < worker.started_at, "loggers start first");
    assert!(worker.id.as_deref().is_some_and(|id| id.starts_with("worker-1_")));

    let client = host.client();
    assert_eq!(client.peers().await.unwrap().len(), 2);
    assert_eq!(client.node_view("worker-1").await.unwrap().pid, worker.pid.unwrap());
    assert_eq!(kinds(&client.start(&names(&["worker-1"]), DEADLINE).await.unwrap()), [("worker-1", Kind::Unchanged)]);

    let stopped = client.stop(&names(&["worker-1", "nobody"]), DEADLINE).await.unwrap();
    assert_eq!(kinds(&stopped), [("worker-1", Kind::Ok), ("nobody", Kind::Failed)]);
    assert!(!is_alive(worker.pid.unwrap()));
    assert_eq!(host.until_state("worker-1", NodeState::Stopped).await.pid, None);
    assert_eq!(kinds(&client.stop(&names(&["worker-1"]), DEADLINE).await.unwrap()), [("worker-1", Kind::Unchanged)]);

    let history = fs::read_to_string(host.dir.history()).unwrap();
    assert!(history.lines().any(|line| line.contains("POST /v1/nodes/stop") && line.contains("op@desk")), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_touches_only_what_changed() {
    let host = Host::new();
    host.start_agent();
    let nodes = || ["worker-1", "worker-2", "worker-3"].map(|name| our_node(name, NodeType::Worker)).to_vec();
    host.run_nodes("r1", nodes()).await;
    let before = host.client().status().await.unwrap();

    let mut second = nodes();
    second[0].live = "e".repeat(64);
    second[1].hash = "f".repeat(64);
    second.pop();
    let (manifest, configs) = release("r2", second);
    host.deploy(&manifest, &configs).await;
    let outcomes = host.client().apply(&names(&["worker-1", "worker-2", "worker-3"]), DEADLINE).await.unwrap();
    let expected = [("worker-1", Kind::Ok), ("worker-2", Kind::Ok), ("worker-3", Kind::Ok)];
    assert_eq!(kinds(&outcomes), expected, "{outcomes:?}");
    let steps: Vec<&str> = outcomes.iter().map(|outcome| outcome.step.as_str()).collect();
    assert_eq!(steps, ["update", "start", "stop"]);

    let after = host.client().status().await.unwrap();
    assert_eq!(of(&after, "worker-1").pid, of(&before, "worker-1").pid);
    assert_ne!(of(&after, "worker-2").pid, of(&before, "worker-2").pid);
    assert_eq!(of(&after, "worker-2").running_hash, Some("f".repeat(64)));
    assert_eq!(after.nodes.len(), 2, "worker-3 is gone");
    let table = host.dir.node("worker-1").join("table.json");
    assert_eq!(fs::read_to_string(table).unwrap(), "[]", "it was given the new node table");
    assert_eq!(of(&after, "worker-1").live_hash, Some("e".repeat(64)));
    let again = host.client().apply(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert_eq!(kinds(&again), [("worker-1", Kind::Unchanged)], "it has it already");

    let stopped = host.client().stop(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert_eq!(kinds(&stopped), [("worker-1", Kind::Ok)]);
    let applied = host.client().apply(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert_eq!(kinds(&applied), [("worker-1", Kind::Unchanged)], "who was stopped stays stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_back_within_three_seconds() {
    let host = Host::new();
    host.start_agent();
    host.run_nodes("r1", vec![our_node("worker-1", NodeType::Worker)]).await;
    let pid = host.until_state("worker-1", NodeState::Running).await.pid.unwrap();
    let killed = Instant::now();
    kill(pid, Signal::KILL);
    let status = host
        .until(|status| of(status, "worker-1").state == NodeState::Running && of(status, "worker-1").pid != Some(pid))
        .await;
    assert!(killed.elapsed() < Duration::from_secs(3), "{:?}", killed.elapsed());
    assert_eq!(of(&status, "worker-1").restarts, 1);
    let error = of(&status, "worker-1").error.clone().unwrap_or_default();
    assert!(error.starts_with("crashed once in 10 min, last: killed by signal 9 (SIGKILL)"), "{error}");
    let crash = fs::read_dir(host.dir.node_crashes("worker-1")).unwrap().next().unwrap().unwrap().path();
    let report = fs::read_to_string(crash.join("report.json")).unwrap();
    assert!(report.contains("killed by signal 9 (SIGKILL)"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_says_the_fatal_line() {
    let host = Host::new();
    host.start_agent();
    let broken = "echo going; echo 'fatal error: problem with interface eth9' >&2; echo bye >&2; exit 3";
    let outcomes = host.run_nodes("r1", vec![script("worker-1", broken)]).await;
    assert_eq!(outcomes[0].kind, Kind::Failed);
    let what = &outcomes[0].error.as_ref().unwrap().what;
    assert!(what.starts_with("exited with status 3 "), "{what}");
    assert!(what.ends_with(": fatal error: problem with interface eth9"), "{what}");
    host.until_state("worker-1", NodeState::Backoff).await;

    let missing = script("worker-2", "");
    let outcomes = host
        .run_nodes("r2", vec![crate::api::agent::ManifestNode { command: Some(names(&["/no/zeek"])), ..missing }])
        .await;
    let what = &outcomes[0].error.as_ref().unwrap().what;
    assert_eq!(what, "cannot start /no/zeek: No such file or directory (os error 2)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_crashes_five_times_is_failing_and_is_tried_again_until_it_is_stopped() {
    let host = Host::fast();
    let agent = host.start_agent();
    host.run_nodes("r1", vec![script("worker-1", "echo $ZEEK_CLUSTER_NODE_RESTARTS; echo 'ERROR no hub' >&2; exit 1")])
        .await;
    let node = host.until_state("worker-1", NodeState::Failing).await;
    assert!(node.restarts >= 4 && node.pid.is_none() && node.next_try_at.is_some(), "{node:?}");
    assert!(node.last_restart_at.is_some_and(|at| at > 1.7e9), "{node:?}");
    assert!(node.error.unwrap().ends_with("ERROR no hub"));
    let more = host.until(|status| of(status, "worker-1").restarts > node.restarts + 3).await;
    let told = fs::read_to_string(host.dir.node_stdout("worker-1")).unwrap();
    assert!(told.starts_with("0\n1\n2\n3\n4\n5\n"), "each process is told how often it was started again: {told}");
    assert!(fs::read_dir(host.dir.node_crashes("worker-1")).unwrap().count() <= 10, "the last ten are kept");

    let outcomes = host.client().stop(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert_eq!(outcomes[0].kind, Kind::Ok);
    let stopped = host.until_state("worker-1", NodeState::Stopped).await;
    assert_eq!((stopped.pid, stopped.next_try_at), (None, None));
    // Neither a start nor another agent forgets how often it was restarted.
    assert!(stopped.restarts >= of(&more, "worker-1").restarts);
    host.client().exit().await.unwrap();
    wait_for_end(agent);
    host.start_agent();
    let recalled = host.until_state("worker-1", NodeState::Stopped).await;
    assert_eq!((recalled.restarts, recalled.last_restart_at), (stopped.restarts, stopped.last_restart_at));
    let outcomes = host.client().start(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert_eq!(outcomes[0].kind, Kind::Failed);
    host.until(|status| of(status, "worker-1").restarts > stopped.restarts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_deaf_to_sigterm_is_killed_after_the_grace_period_with_its_children() {
    let host = Host::new();
    host.start_agent();
    let deaf = "trap '' TERM; sleep 1000 & echo $! > child; while :; do sleep 0.1; done";
    host.run_nodes("r1", vec![script("worker-1", deaf)]).await;
    let child = host.dir.node("worker-1").join("child");
    let child: u32 = fs::read_to_string(child).unwrap().trim().parse().unwrap();
    let begun = Instant::now();
    let outcomes = host.client().stop(&names(&["worker-1"]), DEADLINE).await.unwrap();
    assert_eq!((outcomes[0].kind, outcomes[0].step.as_str()), (Kind::Ok, "kill"), "{outcomes:?}");
    assert!(begun.elapsed() >= Duration::from_secs(1), "the grace period is one second");
    until_ended(child);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_kept_and_followed() {
    let host = Host::new();
    host.start_agent();
    let talker = "echo one; echo two; until [ -e more ]; do sleep 0.05; done; echo three; sleep 1000";
    host.run_nodes("r1", vec![script("worker-1", talker)]).await;
    let mut lines = host.client().output("worker-1", OutputStream::Stdout, 1, Follow::Yes).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "two");
    fs::write(host.dir.node("worker-1").join("more"), "").unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "three");
    let mut lines = host.client().output("worker-1", OutputStream::Stdout, 2, Follow::No).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "two");
    assert_eq!(lines.next().await.unwrap().unwrap(), "three");
    assert!(lines.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_log_is_read_and_followed() {
    let host = Host::new();
    host.start_agent();
    let query = LogQuery { nodes: names(&["manager", "worker-1"]), grep: Some("^up".into()), ..LogQuery::default() };
    assert!(host.client().log(&query).await.unwrap().next().await.is_none(), "no log yet");
    let folder = host.dir.logs_current("logger-1");
    fs::create_dir_all(&folder).unwrap();
    let header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tcluster\n\
                  #open\t2026-01-01-00-00-00\n#fields\tts\tnode\tmessage\n#types\ttime\tstring\tstring\n";
    let path = folder.join("cluster.log");
    fs::write(&path, format!("{header}1.5\tmanager\tup now\n2.5\tmanager\tdown\n3.5\tworker-2\tup\n")).unwrap();
    let mut lines = host.client().log(&LogQuery { follow: Follow::Yes, ..query.clone() }).await.unwrap();
    let first = lines.next().await.unwrap().unwrap();
    assert_eq!((first.ts, first.node.as_str(), first.message.as_str()), (1.5, "manager", "up now"));
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"4.5\tworker-1\tup too\n").unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().message, "up too");
    let error = match host.client().log(&LogQuery { grep: Some("(".into()), ..query }).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the pattern is broken"),
    };
    assert!(error.starts_with("the pattern cannot be read"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_leaves_the_logs_and_nothing_else() {
    let host = Host::new();
    let agent = host.start_agent();
    host.run_nodes("r1", vec![our_node("worker-1", NodeType::Worker)]).await;
    let pid = host.client().status().await.unwrap().nodes[0].pid.unwrap();
    fs::create_dir_all(host.dir.logs_current("logger-1")).unwrap();
    let outcomes = host.client().remove(Keep::LogsAndStores, DEADLINE).await.unwrap();
    assert_eq!(kinds(&outcomes), [("worker-1", Kind::Ok)]);
    assert!(!is_alive(pid));
    let left: Vec<_> = fs::read_dir(host.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["logs"]);
    wait_for_end(agent);
    let error = host.client().status().await.unwrap_err();
    assert!(error.is_not_running(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_knows_is_refused_in_words() {
    let host = Host::new();
    host.start_agent();
    let error = host.client().node_view("worker-9").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no node worker-9 on this host");
    assert!(matches!(error, ClientError::Refused { status: 404, .. }));
    let error = host.client().activate("r9", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no release r9 on this host");
    let twice = names(&["worker-1", "worker-1"]);
    assert!(matches!(host.client().start(&twice, DEADLINE).await, Err(ClientError::Refused { status: 400, .. })));
}

/// A child of this process: it has to be waited for.
pub fn wait_for_end(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
}
