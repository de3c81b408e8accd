//! A cluster over three machines, each with a network, a disk and a real sshd of its own.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Machines, Sandbox, can_make_machines};

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
    if !can_make_machines() {
        eprintln!("left out: needs root, iproute2 and sshd to make machines");
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

fn kill(pid: i64) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is there");
}
