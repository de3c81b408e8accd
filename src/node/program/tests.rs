//! Real programs: shell scripts that end, crash, are deaf, or leave others behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::policy::Timing;
use super::*;
use crate::api::config::{HealthConfig, ProgramConfig};
use crate::api::node::ProgramView;
use crate::api::paths::ClusterDir;
use crate::node::error::NodeError;
use crate::node::tests::zeek_config;

const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    folder: TempDir,
    view: watch::Receiver<ProgramView>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), NodeError>>,
}

fn sh(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

/// Runs a command with pauses of milliseconds and a second to end.
fn run(command: Vec<String>) -> Running {
    run_with(command, None)
}

fn run_with(command: Vec<String>, health: Option<HealthConfig>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let wanted = ProgramConfig {
        command,
        websocket_url: Some("ws://127.0.0.1:27759/v1/messages/json".to_owned()),
        interface: None,
        health,
        stop_grace_ms: 1000,
    };
    let dir = ClusterDir::new(Path::new("/base/campus"));
    let surroundings = Surroundings::new(&zeek_config("worker-1"), &wanted, &dir, "id-7");
    let (program, view) = Program::new(&wanted, surroundings, folder.path().to_owned());
    let millis = Duration::from_millis;
    let timing =
        Timing { backoff_first: millis(5), backoff_max: millis(20), settled_after: millis(20), ..Timing::default() };
    let stop = CancellationToken::new();
    let task = tokio::spawn(program.with_timing(timing).run(stop.clone()));
    Running { folder, view, stop, task }
}

impl Running {
    async fn until(&mut self, wanted: impl FnMut(&ProgramView) -> bool) -> ProgramView {
        timeout(DEADLINE, self.view.wait_for(wanted)).await.expect("in time").unwrap().clone()
    }

    /// What the program wrote into a file of its folder; it is there as soon as it has its name.
    async fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let begun = Instant::now();
        loop {
            match fs::read_to_string(&path) {
                Ok(text) => return text,
                Err(error) => assert!(begun.elapsed() < DEADLINE, "{name}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) -> Duration {
        let begun = Instant::now();
        self.stop.cancel();
        timeout(DEADLINE, self.task).await.expect("in time").unwrap().unwrap();
        begun.elapsed()
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn a_program_is_told_where_it_is_and_ends_when_asked() {
    let script =
        "trap 'echo bye > bye; exit 0' TERM; env | grep CLUSTER | sort > t; mv t env; while :; do sleep 0.05; done";
    let mut running = run(sh(script));
    let view = running.until(|view| view.pid.is_some()).await;
    assert_eq!((view.restarts, view.exits, view.trouble), (0, 0, None));
    let told = running.file("env").await;
    let expected = [
        "CLUSTER_NODE=worker-1",
        "ZEEK_CLUSTER_LAYOUT_FILE=/base/campus/current/cluster-layout.zeek",
        "ZEEK_CLUSTER_NAME=test",
        "ZEEK_CLUSTER_NODE=worker-1",
        "ZEEK_CLUSTER_NODE_ID=id-7",
        "ZEEK_CLUSTER_NODE_TYPE=worker",
        "ZEEK_CLUSTER_WEBSOCKET_URL=ws://127.0.0.1:27759/v1/messages/json",
    ];
    for line in expected {
        assert!(told.lines().any(|known| known == line), "{line}: {told}");
    }
    let folder = running.folder.path().join("bye");
    let kept = fs::read_to_string(running.folder.path().join("program")).unwrap();
    assert!(kept.starts_with(&view.pid.unwrap().to_string()), "{kept}");
    let seen = running.view.clone();
    // The folder must outlive the end.
    let Running { folder: _kept, stop, task, .. } = running;
    stop.cancel();
    timeout(DEADLINE, task).await.expect("in time").unwrap().unwrap();
    assert_eq!(fs::read_to_string(folder).unwrap(), "bye\n");
    assert!(!is_alive(&seen.borrow().pid.unwrap().to_string()));
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_for_ever_and_after_five_times_it_is_failing() {
    let mut running =
        run(sh("echo round >> rounds; echo 'Traceback' >&2; echo 'ValueError: no interface' >&2; exit 3"));
    let once = running.until(|view| view.trouble.is_some()).await;
    let view = running.until(|view| view.exits >= 8).await;
    assert!(view.failing && view.restarts >= 7, "{view:?}");
    let trouble = view.trouble.unwrap();
    let (begins, ends) = ("its program ended ", "; the last time it exited with status 3: ValueError: no interface");
    assert!(trouble.starts_with(begins) && trouble.ends_with(ends), "{trouble}");
    assert!(trouble.contains(" times, and is started again after 0 s;"), "{trouble}");
    if once.exits == 1 {
        assert_eq!(once.trouble.as_deref(), Some("its program exited with status 3: ValueError: no interface"));
        assert!(!once.failing);
    }
    assert!(running.file("rounds").await.lines().count() >= 8);
    assert!(running.end().await < Duration::from_secs(1));
}

#[tokio::test]
async fn a_program_that_works_no_longer_is_told_of_and_restarted() {
    let health = HealthConfig {
        command: sh("[ -e well ] || { echo 'no answer' >&2; exit 1; }"),
        interval_ms: 10,
        timeout_ms: 10_000,
        restart_after_ms: Some(100),
    };
    let mut running = run_with(sh("touch well; while :; do sleep 0.05; done"), Some(health));
    let first = running.until(|view| view.settled && view.pid.is_some()).await;
    assert_eq!((first.unhealthy, first.exits), (false, 0));
    fs::remove_file(running.folder.path().join("well")).unwrap();
    let view = running.until(|view| view.exits == 1).await;
    let why = "its program was ended: its health command exited with status 1: no answer";
    assert_eq!(view.trouble.as_deref(), Some(why));
    let again = running.until(|view| view.settled && view.restarts == 1).await;
    assert_ne!(again.pid, first.pid);
    running.end().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let mut running = run(vec!["/no/sensor".to_owned()]);
    let view = running.until(|view| view.exits >= 5).await;
    let trouble = view.trouble.unwrap();
    assert!(
        trouble.ends_with("the last time it could not be started: /no/sensor: No such file or directory (os error 2)"),
        "{trouble}"
    );
    running.end().await;
}

#[tokio::test]
async fn who_is_deaf_to_sigterm_is_killed_with_all_that_it_started() {
    let mut running = run(sh("trap '' TERM; sleep 1000 & echo $! > t; mv t child; while :; do sleep 0.05; done"));
    let pid = running.until(|view| view.pid.is_some()).await.pid.unwrap().to_string();
    let child = running.file("child").await;
    assert!(is_alive(&child));
    let took = running.end().await;
    assert!(took >= Duration::from_secs(1), "it had its second: {took:?}");
    assert!(!is_alive(&pid) && !is_alive(&child));
}

#[tokio::test]
async fn what_a_program_leaves_behind_when_it_ends_is_ended_too() {
    let mut running = run(sh("[ -e child ] && sleep 1000; sleep 1000 & echo $! > t; mv t child; exit 1"));
    running.until(|view| view.restarts == 1 && view.pid.is_some()).await;
    let child = running.file("child").await;
    assert!(!is_alive(&child), "it was ended before the next start");
    running.end().await;
}

#[tokio::test]
async fn who_holds_standard_error_open_after_the_end_holds_up_nobody() {
    let mut running = run(sh("[ -e one ] && sleep 1000; touch one; setsid sleep 3 & echo last >&2; exit 1"));
    let begun = Instant::now();
    let view = running.until(|view| view.restarts == 1).await;
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    assert_eq!(view.trouble.as_deref(), Some("its program exited with status 1: last"));
    running.end().await;
}
