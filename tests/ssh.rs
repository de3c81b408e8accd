//! A cluster over three machines, each with a network, a disk and a real sshd of its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Background, Line, Machines, Sandbox, has_machines};

/// Six nodes on three machines.
fn layout(machines: &Machines) -> String {
    format!(
        "name: campus\nbase_dir: BASE\n{}nodes:\n  manager: {{ type: manager, host: head }}\n  \
         logger: {{ type: logger, host: head }}\n  proxy: {{ type: proxy, host: head }}\n  \
         worker: {{ type: worker, host: [sensor-1, sensor-2, head], count: 1 }}\n",
        machines.layout("  connect_timeout: 2s\n")
    )
}

fn start() -> Option<(Sandbox, Machines)> {
    if !has_machines() {
        return None;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.base()).expect("the base folder");
    let machines = Machines::start(sandbox.path(), &sandbox.base(), 3);
    sandbox.write_layout(&layout(&machines));
    Some((sandbox, machines))
}

fn states(rows: &Value) -> Vec<(String, String)> {
    let rows = rows.as_array().expect("an array").iter();
    rows.map(|r| (r["name"].as_str().unwrap_or("").into(), r["state"].as_str().unwrap_or("").into())).collect()
}

#[test]
fn six_nodes_over_three_machines_come_up_and_survive_what_they_must() {
    let Some((sandbox, mut machines)) = start() else { return };
    sandbox.expect(0, &["deploy"]);
    let status = sandbox.json(0, &["status"]);
    assert_eq!(states(&status).len(), 6);
    assert!(states(&status).iter().all(|(_, state)| state == "running"), "{status}");
    assert_eq!(sandbox.json(0, &["count"])["total"], serde_json::json!({ "defined": 6, "active": 6 }));
    sandbox.until(Duration::from_secs(10), "30 hellos in cluster.log", |s| {
        let log = s.json(0, &["log", "--grep", "got hello from"]);
        let count = log.as_array().map_or(0, Vec::len);
        if count == 30 { Ok(()) } else { Err(count.to_string()) }
    });
    let again = sandbox.expect(0, &["deploy"]);
    assert!(again.stderr.contains("unchanged"), "{again:#?}");

    sandbox.expect(0, &["stop", "worker-1"]);
    sandbox.until(Duration::from_secs(2), "two active workers", |s| {
        let out = s.run(&["count", "--type", "worker", "--active"]).stdout;
        if out.trim() == "2" { Ok(()) } else { Err(out) }
    });
    sandbox.expect(0, &["start", "worker-1"]);

    // The process ids of all namespaces are this machine's.
    let pid = sandbox.node("worker-2")["pid"].as_i64().expect("a pid");
    kill(pid);
    sandbox.until(Duration::from_secs(3), "worker-2 runs again", |s| {
        let row = s.node("worker-2");
        let again = row["state"] == "running" && row["restarts"] == 1;
        if again { Ok(()) } else { Err(row.to_string()) }
    });

    let before = sandbox.json(0, &["status"]);
    let agents = sandbox.json(0, &["agent", "status"]);
    for agent in agents.as_array().expect("one row a host") {
        kill(agent["pid"].as_i64().expect("a pid"));
    }
    let after = sandbox.json(0, &["status"]);
    let pids = |rows: &Value| -> Vec<Option<i64>> {
        rows.as_array().into_iter().flatten().map(|r| r["pid"].as_i64()).collect()
    };
    assert_eq!(pids(&before), pids(&after));

    // A machine whose sshd is gone: its nodes are unknown, with the reason; the others are answered at once.
    machines.stop_sshd(2);
    let output = sandbox.expect(1, &["status", "-o", "json"]);
    let rows: Value = serde_json::from_str(&output.stdout).expect("one document");
    for row in rows.as_array().expect("an array") {
        if row["host"] == "sensor-2" {
            assert_eq!(row["state"], "unknown", "{row}");
            assert!(row["error"].as_str().is_some_and(|e| e.contains("refused")), "{row}");
        } else {
            assert_eq!(row["state"], "running", "{row}");
        }
    }
    assert_eq!(states(&rows).len(), 6);
    assert!(output.stderr.contains("unreachable"), "{output:#?}");
    assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);

    // A machine that swallows packets: the others' rows are there at once, the command ends at its deadline.
    machines.set_link(1, false);
    let output = sandbox.expect(1, &["status", "-o", "tsv"]);
    let rows: Vec<Vec<&str>> = output.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().filter(|row| row[2] != "head").all(|row| row[3] == "unknown"), "{output:#?}");
    assert!(output.elapsed < Duration::from_secs(8), "{:?}", output.elapsed);
    machines.set_link(1, true);
}

#[test]
fn a_machine_with_another_key_is_refused_and_costs_only_its_own_nodes() {
    let Some((sandbox, machines)) = start() else { return };
    let known = std::fs::read_to_string(machines.known_hosts()).expect("known_hosts");
    let (first, last) = (known.lines().next().expect("a line"), known.lines().last().expect("a line"));
    let key = first.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ");
    let wrong = known.replace(last, &format!("{} {key}", machines.address(2)));
    std::fs::write(machines.known_hosts(), wrong).expect("known_hosts");
    let output = sandbox.expect(1, &["deploy", "--timeout", "20s"]);
    assert!(
        output.stderr.contains("SHA256:") && output.stderr.contains("ssh-keygen") && output.stderr.contains(" -R "),
        "{output:#?}"
    );
    let status = sandbox.run(&["status", "-o", "json"]);
    let rows: Value = serde_json::from_str(&status.stdout).expect("one document");
    let on_sensor_2 = |row: &&Value| row["host"] == "sensor-2";
    assert!(rows.as_array().into_iter().flatten().filter(on_sensor_2).all(|r| r["state"] == "unknown"), "{rows}");
    assert!(
        rows.as_array().into_iter().flatten().filter(|r| !on_sensor_2(r)).all(|r| r["state"] == "running"),
        "{rows}"
    );
}

/// PAM asks, the operator answers on a terminal, and nobody else does: whichever client speaks SSH.
#[test]
fn questions_of_pam_are_asked_on_a_terminal_alone() {
    let Some((sandbox, mut machines)) = start() else { return };
    machines.ask_through_pam(1, "open says me");
    for client in ["builtin", "system"] {
        let command = ["exec", "sensor-1", "--ssh", client, "--", "echo", "got in"];
        let said = sandbox.on_a_terminal(&command, &[("assword: ", "open says me")]);
        assert!(said.contains("got in") && !said.contains("open says me"), "{client}: {said}");
        assert_eq!(said.matches("Password: ").count(), 1, "{client}: {said}");
        assert!(said.contains(&format!("root@{}", machines.address(1))), "{client}: {said}");
        let wrong = sandbox.on_a_terminal(&command, &[("assword: ", "close says me")]);
        assert!(!wrong.contains("got in") && wrong.contains("login as root refused"), "{client}: {wrong}");

        let alone = sandbox.expect(1, &command);
        let what =
            "login as root refused: the server asks for keyboard-interactive, and there is no terminal to ask on";
        assert!(alone.stderr.contains(what) && alone.stderr.contains("ssh-copy-id"), "{client}: {alone:#?}");
    }
    // Nothing of it was kept.
    let kept = std::process::Command::new("grep").args(["-r", "says me"]).arg(sandbox.home()).output().expect("grep");
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
    std::fs::remove_file(sandbox.layout()).expect("nothing was deployed");
}

/// The states of a worker as they are shown one after the other.
fn shows(watching: &Background, limit: Duration, worker: &str, state: &str) -> Value {
    watching.wait_within(limit, &format!("{worker} {state}"), |line| {
        let Line::Out(text) = line else { return None };
        let row: Value = serde_json::from_str(text).ok()?;
        (row["name"] == worker && row["state"] == state).then_some(row)
    })
}

/// Silence is told after 45 s at most (`fleet/tunnel.rs`), and what was lost is picked up again every 5 s.
#[test]
fn a_link_that_dies_silently_is_said_in_time_and_picked_up_again() {
    let Some((sandbox, machines)) = start() else { return };
    sandbox.expect(0, &["deploy"]);
    let watching = Background::start(sandbox.command(&["status", "--watch", "-o", "jsonl"]));
    let following = Background::start(sandbox.command(&["log", "-f", "-n", "1", "-o", "jsonl"]));
    let by_program = Background::start(sandbox.command(&["status", "--watch", "-o", "jsonl", "--ssh", "system"]));
    shows(&watching, Duration::from_secs(20), "worker-1", "running");
    shows(&by_program, Duration::from_secs(20), "worker-1", "running");
    let mut shown = BTreeSet::from([following.prints()]);
    machines.set_black_hole(0, true);
    machines.set_black_hole(1, true);
    let cut = Instant::now();
    // And some more for a busy machine.
    let limit = Duration::from_secs(60);
    let row = shows(&watching, limit, "worker-1", "unknown");
    assert!(row["error"].as_str().is_some_and(|error| error.contains("no sign of life for 45 s")), "{row}");
    following.wait_within(limit, "the logger is lost", |line| match line {
        Line::Err(said) => (said.contains("head") && said.contains("no sign of life for 45 s")).then_some(()),
        Line::Out(text) => {
            assert!(shown.insert(text.clone()), "twice: {text}");
            None
        }
    });
    let row = shows(&by_program, limit, "worker-1", "unknown");
    assert!(row["error"].as_str().is_some_and(|error| error.contains("the SSH session broke")), "{row}");
    assert!(cut.elapsed() > Duration::from_secs(30) && cut.elapsed() < limit, "{:?}", cut.elapsed());

    machines.set_black_hole(0, false);
    machines.set_black_hole(1, false);
    shows(&watching, Duration::from_secs(20), "worker-1", "running");
    shows(&by_program, Duration::from_secs(20), "worker-1", "running");
    // What is logged from now on is shown, and nothing twice.
    sandbox.expect(0, &["restart", "worker-3"]);
    following.wait_within(Duration::from_secs(20), "worker-3 went and came", |line| {
        let Line::Out(text) = line else { return None };
        assert!(shown.insert(text.clone()), "twice: {text}");
        let row: Value = serde_json::from_str(text).ok()?;
        (row["node"] == "manager" && row["message"] == "node down: worker-3").then_some(())
    });
}

/// The holder renews its lease as long as it can; whether its silence is its end the agent cannot know.
#[test]
fn the_lock_of_an_operator_whose_link_is_cut_runs_out_and_the_next_one_gets_it() {
    let Some((sandbox, machines)) = start() else { return };
    let layout = std::fs::read_to_string(sandbox.layout()).expect("the layout");
    sandbox.write_layout(&format!("stop_grace: 60s\n{layout}"));
    sandbox.expect(0, &["deploy"]);
    // A worker that does not hear keeps `stop` at work for a minute.
    let pid = sandbox.node("worker-1")["pid"].as_i64().expect("a pid");
    signal(pid, rustix::process::Signal::STOP);
    // The first operator sits on another machine, whose way to the lock is cut.
    let mut command = machines.inside(2, env!("CARGO_BIN_EXE_zeek-cluster"));
    command.args(["stop", "worker-1"]).env("ZEEK_CLUSTER_LAYOUT", sandbox.layout());
    command.env("HOME", sandbox.home()).env("LOGNAME", "ana").env_remove("SSH_AUTH_SOCK");
    let first = Background::start(command);
    sandbox.until(Duration::from_secs(20), "ana has the lock", |s| {
        let said = s.run(&["status", "worker-3"]).stderr;
        if said.contains("`stop worker-1` by ana@") { Ok(()) } else { Err(said) }
    });
    machines.set_black_hole_between(0, 2, true);
    let cut = Instant::now();
    let refused = sandbox.expect(5, &["restart", "worker-3"]);
    assert!(refused.stderr.contains("locked by ana@"), "{refused:#?}");
    let next = sandbox.expect(0, &["restart", "worker-3", "--wait=40s"]);
    // Ten seconds of silence; the last renewal was up to three before the cut.
    assert!(cut.elapsed() > Duration::from_secs(6) && cut.elapsed() < Duration::from_secs(35), "{next:#?}");
    assert!(next.stderr.contains("locked by ana@"), "{next:#?}");

    // When the link is back, the first one hears that it is no longer its turn, and begins nothing more.
    machines.set_black_hole_between(0, 2, false);
    let (status, lines) = first.end_within(Duration::from_secs(60));
    let said = |text: &str| lines.iter().any(|line| matches!(line, Line::Err(said) if said.contains(text)));
    assert!(status == 1 && said("was not heard for 10 s"), "{status}: {lines:#?}");
    signal(pid, rustix::process::Signal::CONT);
}

fn signal(pid: i64, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

fn kill(pid: i64) {
    signal(pid, rustix::process::Signal::KILL);
}

/// The second name is an alias of ssh_config: no address in the layout is there twice.
#[test]
fn one_machine_under_two_names_is_refused_with_both_names_and_nothing_is_stopped() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.base()).expect("the base folder");
    let machines = Machines::start(sandbox.path(), &sandbox.base(), 1);
    std::fs::create_dir(sandbox.home().join(".ssh")).expect("a folder");
    let second = format!("{}.250", machines.address(0).rsplit_once('.').expect("an address").0);
    let alias = format!("Host {second}\n  HostName {}\n", machines.address(0));
    std::fs::write(sandbox.home().join(".ssh/config"), alias).expect("ssh_config");
    let layout = |more: &str, worker: &str| {
        format!(
            "name: campus\nbase_dir: BASE\n{}{more}nodes:\n  manager: {{ type: manager, host: head }}\n  \
             logger: {{ type: logger, host: head }}\n  worker: {{ type: worker, host: {worker} }}\n",
            machines.layout("")
        )
    };
    let twice = layout(&format!("  twin: {{ address: {second} }}\n"), "twin");
    let refused = |output: &crate::support::Output| {
        let said = output.stderr.contains("head and twin are one machine");
        assert!(said && output.stderr.contains("put their nodes on one host"), "{output:#?}");
    };

    // Before anything is there, and over a cluster that runs.
    sandbox.write_layout(&twice);
    refused(&sandbox.expect(3, &["deploy"]));
    sandbox.write_layout(&layout("", "head"));
    sandbox.expect(0, &["deploy"]);
    let pids = |sandbox: &Sandbox| -> Vec<i64> {
        let rows = sandbox.json(0, &["status"]);
        rows.as_array().into_iter().flatten().filter_map(|row| row["pid"].as_i64()).collect()
    };
    let before = pids(&sandbox);
    sandbox.write_layout(&twice);
    for (status, args) in [(3, &["deploy"][..]), (3, &["plan"]), (1, &["check"]), (1, &["remove", "--all", "--yes"])] {
        refused(&sandbox.expect(status, args));
    }
    refused(&sandbox.run(&["status"]));

    // Under its first name it is as it was; the second name may take its place.
    sandbox.write_layout(&layout("", "head"));
    assert_eq!((pids(&sandbox), before.len()), (before.clone(), 3));
    let renamed = twice.replace(&format!("  head: {{ address: {} }}\n", machines.address(0)), "");
    let renamed = renamed.replace("host: head", "host: twin");
    sandbox.write_layout(&renamed.replace("host: twin", &format!("host: twin, ip: {}", machines.address(0))));
    sandbox.expect(0, &["deploy"]);
    assert_eq!(pids(&sandbox).len(), 3);
}
