//! A cluster on this machine: no SSH, no configuration beyond a few lines.

use std::time::Duration;

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  proxy: { type: proxy }
  worker: { type: worker, count: 2 }
";

const NODES: [&str; 5] = ["manager", "logger", "proxy", "worker-1", "worker-2"];

fn active_workers(sandbox: &Sandbox) -> String {
    sandbox.run(&["count", "--type", "worker", "--active"]).stdout.trim().to_owned()
}

#[test]
fn deploy_brings_every_node_up_and_a_second_deploy_changes_nothing() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);

    let status = sandbox.json(0, &["status"]);
    let rows = status.as_array().expect("an array");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, NODES);
    for row in rows {
        assert_eq!(row["state"], "running", "{row}");
        assert_eq!(row["restarts"], 0, "{row}");
        assert!(row["pid"].as_u64().is_some_and(|pid| pid > 1), "{row}");
        assert!(row["error"].is_null(), "{row}");
        assert!(row["uptime_s"].as_f64().is_some_and(|s| s >= 0.0), "{row}");
    }

    let nodes = sandbox.json(0, &["nodes"]);
    for row in nodes.as_array().expect("an array") {
        assert_eq!(row["active"], true, "{row}");
        assert!(row["id"].as_str().is_some_and(|id| id.starts_with("zeromq_")), "{row}");
    }
    let count = sandbox.json(0, &["count"]);
    assert_eq!(count["worker"], serde_json::json!({ "defined": 2, "active": 2 }));
    assert_eq!(count["total"], serde_json::json!({ "defined": 5, "active": 5 }));
    let peers = sandbox.json(0, &["peers"]);
    let peers = peers.as_array().expect("an array");
    assert_eq!(peers.len(), 20);
    assert!(peers.iter().all(|p| p["up"] == true), "{peers:#?}");
    assert_eq!(sandbox.json(0, &["peers", "worker-1"]).as_array().map(Vec::len), Some(4));

    // Each node greets each other one: 20 hellos in cluster.log.
    sandbox.until(Duration::from_secs(10), "20 hellos in cluster.log", |s| {
        let log = s.json(0, &["log"]);
        let hellos = log.as_array().expect("an array").iter();
        let count = hellos.filter(|l| l["message"].as_str().is_some_and(|m| m.starts_with("got hello from"))).count();
        if count == 20 { Ok(()) } else { Err(format!("{count}")) }
    });

    let again = sandbox.expect(0, &["deploy"]);
    assert!(again.stderr.contains("unchanged"), "{again:#?}");
    let after = sandbox.json(0, &["status"]);
    let pids = |rows: &serde_json::Value| -> Vec<u64> {
        rows.as_array().into_iter().flatten().filter_map(|row| row["pid"].as_u64()).collect()
    };
    assert_eq!(pids(&status), pids(&after));
}

#[test]
fn a_stopped_worker_is_counted_out_and_comes_back_when_started() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    assert_eq!(active_workers(&sandbox), "2");

    sandbox.expect(0, &["stop", "worker-1"]);
    sandbox.until(Duration::from_secs(1), "one active worker", |s| match active_workers(s).as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    });
    sandbox.until(Duration::from_secs(3), "the log says why", |s| {
        let log = s.expect(0, &["log", "--grep", "node down: worker-1"]).stdout;
        if log.contains("node down: worker-1") { Ok(()) } else { Err(log) }
    });
    assert_eq!(sandbox.node("worker-1")["state"], "stopped");
    assert_eq!(sandbox.run(&["status"]).status, 1, "not all nodes run");

    sandbox.expect(0, &["start", "worker-1"]);
    assert_eq!(active_workers(&sandbox), "2");
    sandbox.expect(0, &["status"]);
}

#[test]
fn a_killed_worker_is_running_again_within_three_seconds() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let before = sandbox.node("worker-2");
    kill(before["pid"].as_u64().expect("a pid"));
    let after = sandbox.until(Duration::from_secs(3), "worker-2 runs again", |s| {
        let row = s.node("worker-2");
        let again = row["state"] == "running" && row["pid"] != before["pid"];
        if again { Ok(row) } else { Err(row.to_string()) }
    });
    assert_eq!(after["restarts"], 1, "{after}");
}

#[test]
fn killing_the_agent_stops_nothing_and_the_next_status_has_the_same_pids() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let pids = |s: &Sandbox| NODES.map(|name| s.node(name)["pid"].as_u64());
    let before = pids(&sandbox);
    let agent = sandbox.json(0, &["agent", "status"]);
    let agent = agent.as_array().map_or(&agent, |rows| &rows[0])["pid"].as_u64().expect("the agent's pid");
    kill(agent);
    let status = sandbox.json(0, &["status"]);
    assert!(status.as_array().is_some_and(|rows| rows.iter().all(|row| row["state"] == "running")), "{status}");
    assert_eq!(pids(&sandbox), before);
    assert!(status.as_array().is_some_and(|rows| rows.iter().all(|row| row["restarts"] == 0)), "{status}");
}

#[test]
fn wait_ends_when_all_are_active_and_gives_up_with_status_6() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["wait", "--for", "active=all", "--timeout", "10s"]);
    sandbox.expect(0, &["stop", "proxy"]);
    sandbox.expect(6, &["wait", "--for", "active=all", "--timeout", "1s"]);
    sandbox.expect(0, &["count", "--active", "--expect", "4"]);
    let short = sandbox.expect(1, &["count", "--active", "--expect", "5"]);
    assert!(short.stderr.contains("proxy"), "the missing one is named: {short:#?}");
}

#[test]
fn restart_gives_every_node_a_new_process_and_remove_leaves_no_process() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let before = NODES.map(|name| sandbox.node(name)["pid"].as_u64());
    sandbox.expect(0, &["restart"]);
    let after = NODES.map(|name| sandbox.node(name)["pid"].as_u64());
    for (old, new) in before.iter().zip(after) {
        assert_ne!(*old, new);
    }
    sandbox.expect(0, &["status"]);
    sandbox.expect(0, &["remove", "--all", "--yes"]);
    for pid in after.into_iter().flatten() {
        assert!(!std::path::Path::new(&format!("/proc/{pid}/stat")).exists(), "process {pid} is still there");
    }
}

fn kill(pid: u64) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is ours");
}

/// The archived logs of one logger.
fn archived(sandbox: &Sandbox, logger: &str) -> Vec<String> {
    let days = std::fs::read_dir(sandbox.base().join("campus/logs")).expect("logs").flatten();
    let files =
        days.filter(|day| day.file_name() != "current").flat_map(|day| std::fs::read_dir(day.path()).expect("a day"));
    let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("cluster.") && name.contains(&format!("-{logger}."))).collect()
}

/// Makes a process deaf to SIGTERM.
fn freeze(sandbox: &Sandbox, node: &str) {
    let pid = sandbox.node(node)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("the process is ours");
}

#[test]
fn logs_of_a_logger_that_has_to_be_killed_are_archived_when_it_leaves_and_when_it_is_stopped() {
    let loggers = |count: &str| {
        format!(
            "stop_grace: 1s\n{}",
            LAYOUT.replace("logger: { type: logger }", &format!("logger: {{ type: logger, count: {count} }}"))
        )
    };
    let sandbox = Sandbox::with_layout(&loggers("3"));
    sandbox.expect(0, &["deploy"]);
    let open =
        |sandbox: &Sandbox, logger: &str| sandbox.base().join("campus/logs/current").join(logger).join("cluster.log");
    for logger in ["logger-2", "logger-3"] {
        sandbox.until(Duration::from_secs(20), "each logger writes its own lines", |sandbox| {
            let text = std::fs::read_to_string(open(sandbox, logger)).map_err(|error| error.to_string())?;
            if text.contains("got hello") { Ok(()) } else { Err(text) }
        });
        assert_eq!(archived(&sandbox, logger), Vec::<String>::new());
        freeze(&sandbox, logger);
    }
    let stopped = sandbox.expect(0, &["stop", "logger-2", "-o", "tsv"]);
    assert!(stopped.stdout.contains("\tkill\t"), "{stopped:#?}");
    assert_eq!(archived(&sandbox, "logger-2").len(), 1);
    assert!(!open(&sandbox, "logger-2").exists());

    sandbox.write_layout(&loggers("2"));
    sandbox.expect(0, &["deploy", "--yes"]);
    assert_eq!(archived(&sandbox, "logger-3").len(), 1, "the layout has two loggers now");
    assert!(!open(&sandbox, "logger-3").exists());
}

#[test]
fn nobody_is_waited_for_when_the_manager_does_not_come_up() {
    let files = "tls_options: { cert_file: /nowhere.pem, key_file: /nowhere.key }";
    let manager = format!("manager: {{ type: manager, websocket: {{ listen_port: PORT8, {files} }} }}");
    let sandbox = Sandbox::new();
    let broken = LAYOUT.replace("manager: { type: manager }", &manager);
    sandbox.write_layout(&broken.replace("PORT8", &(sandbox.port + 8).to_string()));
    let patience = Duration::from_secs(40);
    for verb in [&["deploy"][..], &["restart", "all"], &["deploy"]] {
        let output = sandbox.expect(1, verb);
        assert!(output.elapsed < patience, "{verb:?} waited: {output:#?}");
        assert!(output.stderr.contains("cert_file /nowhere.pem: No such file"), "{verb:?}: {output:#?}");
        let why = "not waited for any longer: manager, without which nobody joins, did not come up";
        assert!(output.stdout.contains(why) || output.stderr.contains(why), "{verb:?}: {output:#?}");
    }
    // The layout is put right: all come up.
    sandbox.write_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["status"]);
}
