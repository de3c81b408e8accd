//! What may happen to the processes of a host without anything staying down.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Sandbox, SmallDisk, finish, pad_to_a_page};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: off
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";

const NODES: [&str; 4] = ["manager", "logger", "worker-1", "worker-2"];

/// Longer than the pauses between the starts of a node add up to.
const PATIENCE: Duration = Duration::from_secs(60);

fn pid(row: &Value) -> Pid {
    let pid = row["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    Pid::from_raw(pid).expect("a pid")
}

fn send(signal: Signal, row: &Value) {
    kill_process(pid(row), signal).expect("the process is ours");
}

fn agent(sandbox: &Sandbox) -> Value {
    sandbox.json(0, &["agent", "status"])[0].clone()
}

/// Waits until a node runs in another process than before.
fn is_back(sandbox: &Sandbox, before: &Value) -> Value {
    let name = before["name"].as_str().expect("a name");
    sandbox.until(PATIENCE, &format!("{name} runs again"), |s| {
        let row = s.node(name);
        let again = row["state"] == "running" && row["pid"] != before["pid"];
        if again { Ok(row) } else { Err(row.to_string()) }
    })
}

#[test]
fn an_agent_whose_words_nobody_takes_works_on() {
    let sandbox = Sandbox::new();
    let dir = sandbox.base().join("campus");
    let mut command = sandbox.command(&["agent", "run", "--dir"]);
    command.arg(&dir).stderr(Stdio::from(File::options().write(true).open("/dev/full").expect("/dev/full")));
    let mut agent = command.spawn().expect("the agent starts");
    sandbox.until(Duration::from_secs(20), "it listens", |_| {
        UnixStream::connect(dir.join("run/agent.sock")).map(drop).map_err(|error| error.to_string())
    });
    kill_process(Pid::from_child(&agent), Signal::TERM).expect("the process is ours");
    let ended = agent.wait().expect("the process is ours");
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_full_disk_ends_no_process_and_what_was_killed_meanwhile_comes_back() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let program = fs::metadata(env!("CARGO_BIN_EXE_zeek-cluster")).expect("the program").len();
    let Some(disk) = SmallDisk::mount(&sandbox.base(), program + (24 << 20)) else { return };
    sandbox.expect(0, &["deploy"]);
    let before = NODES.map(|name| sandbox.node(name));
    let agent_before = agent(&sandbox)["pid"].clone();
    let run = sandbox.base().join("campus/run");
    disk.fill();
    let logs = NODES.map(|name| run.join(name).join("stderr.log")).into_iter().chain([run.join("agent.log")]);
    logs.for_each(|log| pad_to_a_page(&log));
    disk.fill();

    send(Signal::KILL, &before[2]);
    // Each of these writes something somewhere.
    sandbox.until(Duration::from_secs(20), "the agent noticed", |s| {
        let row = s.node("worker-1");
        if row["pid"] == before[2]["pid"] { Err(row.to_string()) } else { Ok(()) }
    });
    let asked = sandbox.run(&["start", "worker-1"]);
    assert!(!asked.stderr.contains("panicked"), "{asked:#?}");
    disk.make_room();

    is_back(&sandbox, &before[2]);
    for (name, row) in NODES.iter().zip(&before) {
        if *name != "worker-1" {
            assert_eq!(sandbox.node(name)["pid"], row["pid"], "{name} is the process that it was");
        }
    }
    assert_eq!(agent(&sandbox)["pid"], agent_before, "so is the agent");
    let log = fs::read_to_string(run.join("agent.log")).expect("agent.log");
    assert!(log.contains("lines could not be written here"), "{log}");
    sandbox.expect(0, &["status"]);
    // Its folder goes before the disk.
    sandbox.expect(0, &["remove", "--all", "--yes"]);
}

#[test]
fn a_killed_agent_is_back_within_seconds_and_nodes_that_died_meanwhile_too() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let (before, first) = (NODES.map(|name| sandbox.node(name)), agent(&sandbox));
    send(Signal::KILL, &first);
    send(Signal::KILL, &before[3]);
    // Without a command that would start an agent.
    let second = sandbox.until(Duration::from_secs(20), "another agent runs", |s| {
        let rows = s.run(&["agent", "status", "-o", "json"]).stdout;
        let rows: Value = serde_json::from_str(&rows).map_err(|error| format!("{error}: {rows}"))?;
        let there = rows[0]["running"] == true && rows[0]["pid"] != first["pid"];
        if there { Ok(rows[0].clone()) } else { Err(rows.to_string()) }
    });
    is_back(&sandbox, &before[3]);
    for row in &before[..3] {
        let name = row["name"].as_str().expect("a name");
        assert_eq!(sandbox.node(name)["pid"], row["pid"], "{name} never noticed");
    }
    // Told to end, it ends for good.
    send(Signal::TERM, &second);
    let keeper = finish({
        let mut command = std::process::Command::new("pgrep");
        command.args(["-f", &format!("agent keep --dir {}", sandbox.base().display())]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    });
    let keepers: Vec<i32> = keeper.stdout.lines().filter_map(|line| line.parse().ok()).collect();
    sandbox.until(Duration::from_secs(20), "no keeper is left", |_| {
        let left = keepers.iter().filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        });
        match left.count() {
            0 => Ok(()),
            count => Err(format!("{count} keepers")),
        }
    });
    let rows = sandbox.run(&["agent", "status", "-o", "json"]).stdout;
    let rows: Value = serde_json::from_str(&rows).expect("JSON");
    assert_eq!(rows[0]["running"], false, "{rows}");
}

/// States by name.
fn states(sandbox: &Sandbox) -> Vec<(String, String)> {
    let output = sandbox.run(&["status", "-o", "json"]);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"));
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.as_array().into_iter().flatten().map(|row| (text(row, "name"), text(row, "state"))).collect()
}

/// Stops a node's process, as a debugger or a host in trouble does; it is `degraded` with its reason within 20 s, by `status`,
/// `wait` and `count`, and gets another process in the end.
fn a_hung_node_is_told_of_and_restarted(name: &str) {
    let sandbox = Sandbox::with_layout(&format!("restart_when_silent: 25s\nstop_grace: 1s\n{LAYOUT}"));
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["wait", "--timeout", "20s"]);
    let before = sandbox.node(name);
    send(Signal::STOP, &before);
    let hung = sandbox.until(Duration::from_secs(20), &format!("{name} is degraded"), |s| {
        let row = s.node(name);
        if row["state"] == "degraded" { Ok(row) } else { Err(row.to_string()) }
    });
    let why = hung["error"].as_str().unwrap_or_default();
    assert!(why.starts_with("no sign of life for 1") && why.contains("the process may be hung"), "{hung}");
    assert!(why.ends_with("; it is restarted after 25 s"), "{hung}");
    sandbox.expect(1, &["status", name]);
    let waited = sandbox.run(&["wait", name, "--timeout", "1s"]);
    assert_eq!(waited.status, 6, "{waited:#?}");

    let after = is_back(&sandbox, &before);
    assert_eq!(after["restarts"], 1, "{after}");
    assert!(after["last_restart_at"].as_f64().is_some_and(|at| at > 1.7e9), "{after}");
    sandbox.expect(0, &["wait", "--timeout", "40s"]);
    sandbox.until(PATIENCE, "all see each other", |s| {
        let counted = s.run(&["count", "--active", "--expect", "4"]);
        if counted.status == 0 { Ok(()) } else { Err(counted.stderr) }
    });
    assert!(states(&sandbox).iter().all(|(_, state)| state == "running"), "{:?}", states(&sandbox));
    // Another deploy, and another agent, still know of it.
    sandbox.expect(0, &["deploy"]);
    send(Signal::KILL, &agent(&sandbox));
    sandbox.until(Duration::from_secs(20), "another agent runs", |s| {
        let status = s.run(&["status"]);
        if status.status == 0 { Ok(()) } else { Err(format!("{status:?}")) }
    });
    assert_eq!(sandbox.node(name)["restarts"], 1);
    let table = sandbox.expect(0, &["status", "-o", "table", name]).stdout;
    assert!(table.contains("1 (") && table.contains(" ago)"), "{table}");
}

#[test]
fn a_hung_worker_is_degraded_and_then_restarted() {
    a_hung_node_is_told_of_and_restarted("worker-1");
}

#[test]
fn a_hung_manager_is_degraded_and_then_restarted() {
    a_hung_node_is_told_of_and_restarted("manager");
}

#[test]
fn a_hung_logger_is_degraded_and_then_restarted() {
    a_hung_node_is_told_of_and_restarted("logger");
}

#[test]
fn a_node_that_may_be_silent_for_ever_is_left_alone() {
    let layout = LAYOUT.replace("type: worker, count: 2", "type: worker, count: 2, restart_when_silent: 0");
    let sandbox = Sandbox::with_layout(&layout);
    sandbox.expect(0, &["deploy"]);
    let before = sandbox.node("worker-2");
    send(Signal::STOP, &before);
    sandbox.until(PATIENCE, "its silence is long", |s| {
        let row = s.node("worker-2");
        let why = row["error"].as_str().unwrap_or_default().to_owned();
        let seconds =
            why.strip_prefix("no sign of life for ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        if seconds.is_some_and(|seconds| seconds >= 20) { Ok(()) } else { Err(row.to_string()) }
    });
    send(Signal::CONT, &before);
    let after = sandbox.until(Duration::from_secs(20), "it is heard again", |s| {
        let row = s.node("worker-2");
        if row["state"] == "running" { Ok(row) } else { Err(row.to_string()) }
    });
    assert_eq!(after["pid"], before["pid"]);
}

const CROWD: usize = 30;

/// Rounds of each kind; by hand `ZEEK_CLUSTER_TEST_ROUNDS=10`.
fn rounds() -> usize {
    std::env::var("ZEEK_CLUSTER_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Name, process and restarts of each node that is no worker.
fn pillars(sandbox: &Sandbox) -> Vec<(String, Value, Value)> {
    let rows = sandbox.json(0, &["status", "manager,logger,proxy"]);
    let rows = rows.as_array().into_iter().flatten();
    rows.map(|row| (row["name"].as_str().unwrap_or_default().to_owned(), row["pid"].clone(), row["restarts"].clone()))
        .collect()
}

#[test]
fn thirty_workers_come_and_go_without_an_unexpected_restart() {
    let layout = |workers: usize| {
        let proxy = "  proxy: { type: proxy }\n";
        format!("{}{proxy}", LAYOUT.replace("count: 2", &format!("count: {workers}")))
    };
    let sandbox = Sandbox::with_layout(&layout(CROWD));
    sandbox.expect(0, &["deploy"]);
    let before = pillars(&sandbox);
    let stay = |after: &str| assert_eq!(pillars(&sandbox), before, "after {after}");
    // Those that are deployed away are new ones when they come back.
    let restarts = |name: &str, round: usize| if ["worker-1", "worker-2"].contains(&name) { round } else { 1 };
    let all_back = |s: &Sandbox, round: usize| {
        s.until(PATIENCE, "all workers run", |s| {
            let output = s.run(&["status", "@workers", "-o", "json"]).stdout;
            let rows: Value = serde_json::from_str(&output).map_err(|error| format!("{error}: {output}"))?;
            let rows = rows.as_array().into_iter().flatten();
            let bad: Vec<String> = rows
                .filter(|row| {
                    let name = row["name"].as_str().unwrap_or_default();
                    row["state"] != "running" || row["restarts"] != restarts(name, round)
                })
                .map(|row| format!("{} {} {}", row["name"], row["state"], row["restarts"]))
                .collect();
            if bad.is_empty() { Ok(()) } else { Err(bad.join(", ")) }
        });
    };
    for round in 1..=rounds() {
        sandbox.expect(0, &["stop", "@workers"]);
        stay("a stop");
        sandbox.expect(0, &["start", "@workers"]);
        stay("a start");
        sandbox.expect(0, &["restart", "@workers"]);
        stay("a restart");
        let rows = sandbox.json(0, &["status", "@workers"]);
        rows.as_array().into_iter().flatten().for_each(|row| send(Signal::KILL, row));
        all_back(&sandbox, round);
        stay("a kill");
        sandbox.write_layout(&layout(2));
        sandbox.expect(0, &["deploy", "--yes"]);
        stay("a deploy without most of them");
        sandbox.write_layout(&layout(CROWD));
        sandbox.expect(0, &["deploy"]);
        stay("a deploy with all of them");
        println!("round {round}: {CROWD} workers stopped, started, restarted, killed, deployed away and back");
    }
}
