//! What `status` tells beside the state: peers, release, crashes, and the past of a host that gives no answer.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::Sandbox;

const NODES: &str = "nodes:\n  manager: { host: head }\n  logger: { host: head }\n  worker: { host: head, count: 2 }\n";

fn layout(host: &str) -> String {
    format!("name: campus\nbase_dir: BASE\nport: PORT\nencryption: off\nhosts: {{ head: {host} }}\n{NODES}")
}

#[test]
fn a_row_tells_peers_and_release_and_a_crash_is_told_though_the_node_runs_again() {
    let sandbox = Sandbox::with_layout(&layout("127.0.0.1"));
    sandbox.expect(0, &["deploy"]);
    let worker = sandbox.node("worker-1");
    assert_eq!((&worker["peers"], &worker["last_known"]), (&3.into(), &serde_json::Value::Null), "{worker}");
    sandbox.until(Duration::from_secs(10), "worker-1 sees all", |s| match s.node("worker-1")["peers_up"].as_u64() {
        Some(3) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let release = worker["release"].as_str().expect("a release").to_owned();
    let table = sandbox.expect(0, &["status", "-o", "table"]).stdout;
    let mut lines = table.lines();
    let headings: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let wanted = ["NODE", "TYPE", "HOST", "STATE", "PID", "UPTIME", "RESTARTS", "PEERS", "RELEASE", "NOTE"];
    assert_eq!(headings, wanted);
    assert!(lines.all(|line| line.contains(&release) && line.contains("/3")), "{table}");

    let pid = i32::try_from(worker["pid"].as_i64().expect("a pid")).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is ours");
    let again = sandbox.until(Duration::from_secs(10), "worker-1 runs again", |s| {
        let row = s.node("worker-1");
        if row["state"] == "running" && row["restarts"] == 1 { Ok(row) } else { Err(row.to_string()) }
    });
    let story = again["error"].as_str().unwrap_or_default();
    assert!(story.starts_with("crashed once in 10 min, last: killed by signal 9"), "{again}");
}

#[test]
fn a_host_without_an_answer_keeps_its_rows_with_what_was_known_last() {
    let sandbox = Sandbox::with_layout(&layout("127.0.0.1"));
    sandbox.expect(0, &["deploy"]);
    let pid = sandbox.node("worker-2")["pid"].clone();
    let file = sandbox.home().join(".local/state/zeek-cluster/campus/answers.json");
    assert_eq!(std::fs::metadata(file).expect("it is kept").permissions().mode() & 0o777, 0o600);

    // The same cluster behind a port on which nobody listens.
    sandbox.write_layout(&layout("{ address: 127.0.0.1, ssh: { port: 1 } }"));
    let rows = sandbox.json(4, &["status"]);
    let rows = rows.as_array().expect("an array");
    assert_eq!(rows.len(), 4, "never fewer rows than nodes");
    for row in rows {
        assert_eq!((&row["state"], &row["pid"]), (&"unknown".into(), &serde_json::Value::Null), "{row}");
        assert_eq!(row["last_known"]["state"], "running", "{row}");
        assert!(row["last_known"]["at"].as_f64().is_some_and(|at| at > 1.7e9), "{row}");
    }
    assert_eq!(rows[3]["last_known"]["pid"], pid);
    let table = sandbox.expect(4, &["status", "-o", "table"]).stdout;
    assert!(table.contains("was running") && table.contains("ago: head (127.0.0.1:1)"), "{table}");
    sandbox.write_layout(&layout("127.0.0.1"));
}

#[test]
fn a_node_in_trouble_is_degraded_and_says_why() {
    let sandbox = Sandbox::with_layout(&layout("127.0.0.1"));
    sandbox.expect(0, &["deploy"]);
    // A cleanup job removes a log that is written.
    let log = sandbox.base().join("campus/logs/current/logger/cluster.log");
    sandbox.until(Duration::from_secs(10), "cluster.log is written", |_| match log.exists() {
        true => Ok(()),
        false => Err(format!("{} is not there", log.display())),
    });
    std::fs::remove_file(&log).expect("it is there");
    sandbox.expect(0, &["restart", "worker-1"]);
    let row = sandbox.until(Duration::from_secs(10), "logger is degraded", |s| {
        let row = s.node("logger");
        if row["state"] == "degraded" { Ok(row) } else { Err(row.to_string()) }
    });
    let story = row["error"].as_str().unwrap_or_default();
    assert!(story.contains("cluster.log was removed while it was written"), "{row}");
    assert!(log.exists(), "it was begun again");
    let table = sandbox.expect(1, &["status", "-o", "table"]).stdout;
    assert!(table.contains("degraded") && table.contains("a new file is begun"), "{table}");
    // It takes part all the same.
    sandbox.expect(0, &["deploy"]);
}
