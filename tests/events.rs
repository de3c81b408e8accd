//! The record of events: crashes, agents, full disks, several hosts.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Background, Line, Machines, Sandbox, has_machines};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";

const SOON: Duration = Duration::from_secs(60);

fn text(line: &Line) -> &str {
    match line {
        Line::Out(text) | Line::Err(text) => text,
    }
}

fn kill(pid: &Value, signal: Signal) {
    let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, signal).expect("it ran");
}

fn events(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = ["events"].iter().chain(args).copied().collect();
    sandbox.json(0, &args).as_array().expect("an array").clone()
}

/// The words of a node's events, in order.
fn words(events: &[Value], node: &str) -> Vec<String> {
    let of_node = events.iter().filter(|event| event["node"] == node);
    of_node.map(|event| event["event"].as_str().expect("a word").to_owned()).collect()
}

/// Asks until the last event of a node is this one.
fn until_last(sandbox: &Sandbox, node: &str, word: &str) -> Vec<Value> {
    sandbox.until(SOON, &format!("{node} {word}"), |s| {
        let events = events(s, &["-n", "1000"]);
        match words(&events, node).last() {
            Some(last) if last == word => Ok(events),
            _ => Err(format!("{events:#?}")),
        }
    })
}

#[test]
fn a_killed_worker_is_told_with_its_crash_its_restart_and_its_return_in_order() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let first = until_last(&sandbox, "worker-1", "joined");
    assert_eq!(words(&first, "worker-1"), ["started", "joined"]);
    let step = |word: &str| first.iter().find(|event| event["event"] == word).unwrap_or_else(|| panic!("{first:#?}"));
    assert_eq!(step("agent_started")["before"], "none");
    let (activated, asked) = (step("activated"), step("asked"));
    assert_eq!(asked["verb"], "start");
    assert!(activated["run"].is_string() && activated["run"] == asked["run"], "{activated} {asked}");
    assert_eq!(activated["release"], sandbox.node("worker-1")["release"]);
    let of_run = first.iter().filter(|event| event["run"] == asked["run"]).filter_map(|event| event["event"].as_str());
    let mut of_run: Vec<&str> = of_run.collect();
    of_run.dedup();
    assert_eq!(of_run, ["run_began", "staged", "activated", "asked", "run_ended"], "{first:#?}");
    assert_eq!((&step("run_began")["command"], &step("run_ended")["ending"]), (&"deploy".into(), &"ok".into()));

    let pid = sandbox.node("worker-1")["pid"].clone();
    kill(&pid, Signal::KILL);
    let after = until_last(&sandbox, "worker-1", "joined");
    let after = match words(&after, "worker-1").len() {
        2 => sandbox.until(SOON, "the return of worker-1", |s| {
            let events = events(s, &["-n", "1000"]);
            if words(&events, "worker-1").len() == 5 { Ok(events) } else { Err(format!("{events:#?}")) }
        }),
        _ => after,
    };
    assert_eq!(words(&after, "worker-1"), ["started", "joined", "crashed", "restarted", "joined"]);
    let crashed = after.iter().find(|event| event["event"] == "crashed").expect("a crash");
    assert_eq!((&crashed["pid"], &crashed["exit"]), (&pid, &Value::from("killed by signal 9 (SIGKILL)")));
    assert_eq!(crashed["severity"], "error");
    assert_eq!(words(&after, "worker-2"), ["started", "joined"], "nothing of the others");
    let numbers: Vec<u64> = after.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");

    // Only of one node, only the last, and as columns.
    let table = sandbox.expect(0, &["events", "worker-1", "-n", "2", "-o", "tsv"]);
    let columns: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(columns.iter().map(|row| row[3]).collect::<Vec<_>>(), ["restarted", "joined"], "{table:#?}");
    assert!(columns.iter().all(|row| row.len() == 6 && row[1] == "localhost"), "{table:#?}");
    let stopped = sandbox.expect(0, &["stop", "worker-2"]);
    assert_eq!(words(&until_last(&sandbox, "worker-2", "stopped"), "worker-2").len(), 3, "{stopped:#?}");
}

#[test]
fn a_node_that_is_not_waited_for_any_longer_is_on_record() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["stop", "manager"]);
    let restarted = sandbox.run(&["restart", "worker-1", "--timeout", "3"]);
    assert_ne!(restarted.status, 0, "nobody joins without a manager: {restarted:#?}");
    let all = until_last(&sandbox, "worker-1", "gave_up");
    let gave_up = all.iter().rfind(|event| event["event"] == "gave_up").expect("it was found above");
    let asked = all.iter().rfind(|event| event["event"] == "asked").expect("a request");
    assert_eq!(gave_up["run"], asked["run"]);
}

#[test]
fn what_is_damaged_underneath_is_told_until_it_is_whole_again() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let folder = sandbox.base().join("campus");
    let about_release = |s: &Sandbox| -> Vec<String> {
        let events = events(s, &["-n", "1000"]);
        let words = events.iter().filter_map(|event| event["event"].as_str());
        words.filter(|word| ["damaged", "mended"].contains(word)).map(str::to_owned).collect()
    };
    let until = |wanted: &[&str]| {
        sandbox.until(SOON, &wanted.join(" "), |s| match about_release(s) {
            words if words == wanted => Ok(()),
            words => Err(words.join(" ")),
        });
    };
    // The blobs are there, so the agent mends it alone.
    std::fs::remove_file(folder.join("current")).expect("the link");
    until(&["mended"]);
    std::fs::remove_dir_all(folder.join("blobs")).expect("the blobs");
    std::fs::write(folder.join("current/nodes/worker-1.yaml"), "rot").expect("a file");
    until(&["mended", "damaged"]);
    sandbox.expect(0, &["deploy"]);
    until(&["mended", "damaged", "mended"]);
}

#[test]
fn the_record_goes_on_when_the_agent_is_killed_and_a_follower_misses_nothing() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    until_last(&sandbox, "worker-2", "joined");
    let following = Background::start(sandbox.command(&["events", "-f", "-n", "0", "-o", "jsonl"]));
    let agent = sandbox.json(0, &["agent", "status"]);
    let agent = agent.as_array().expect("one host")[0]["pid"].clone();
    kill(&sandbox.node("worker-1")["pid"], Signal::KILL);
    let said = |word: &'static str| {
        following.wait_within(SOON, word, |line| text(line).contains(&format!("\"event\":\"{word}\"")).then_some(()))
    };
    said("crashed");
    kill(&agent, Signal::KILL);
    said("agent_started");
    let events = sandbox.until(SOON, "worker-1 joined", |s| {
        let events = events(s, &["-n", "1000"]);
        let node = words(&events, "worker-1");
        // What the first agent had started again already the second one adopts.
        if node.last().is_some_and(|last| last == "joined" || last == "recovered") && node.len() > 3 {
            Ok(events)
        } else {
            Err(format!("{events:#?}"))
        }
    });
    let second = events.iter().filter(|event| event["event"] == "agent_started").nth(1).expect("a second agent");
    assert_eq!(second["before"], "died");
    assert_eq!(words(&events, "worker-2"), ["started", "joined", "adopted"]);
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no number twice and none left out: {numbers:?}");
}

#[test]
fn a_full_disk_is_told_and_so_is_what_happened_meanwhile() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.base()).expect("the base folder");
    let machines = Machines::start(sandbox.path(), &sandbox.base(), 1);
    sandbox.write_layout(&format!(
        "name: campus\nbase_dir: BASE\n{}nodes:\n  manager: {{ type: manager, host: head }}\n  worker: {{ type: worker, host: head }}\n",
        machines.layout("")
    ));
    let folder = sandbox.base().join("campus");
    machines.limit_disk(0, &folder, 256 << 10);
    sandbox.expect(0, &["deploy"]);
    until_last(&sandbox, "worker", "joined");
    let fill = machines.inside(0, "sh").arg("-c").arg(format!("cat /dev/zero > {}/filler", folder.display())).output();
    assert!(!fill.expect("sh runs").status.success(), "the disk is full");
    sandbox.until(SOON, "a full disk", |s| {
        let events = events(s, &[]);
        if events.iter().any(|event| event["event"] == "disk_full") { Ok(()) } else { Err(format!("{events:#?}")) }
    });
    let pid = sandbox.node("worker")["pid"].clone();
    kill(&pid, Signal::KILL);
    sandbox.until(SOON, "a crash told from memory", |s| {
        let events = events(s, &["worker"]);
        if words(&events, "worker").contains(&"crashed".to_owned()) { Ok(()) } else { Err(format!("{events:#?}")) }
    });
    let remove = machines.inside(0, "rm").arg(folder.join("filler")).status();
    assert!(remove.expect("rm runs").success());
    sandbox.until(SOON, "a disk with room and the worker back", |s| {
        let events = events(s, &["-n", "1000"]);
        let back = events.iter().any(|event| event["event"] == "disk_back");
        let returned = words(&events, "worker").last().is_some_and(|last| last == "joined");
        if back && returned { Ok(()) } else { Err(format!("{events:#?}")) }
    });
    let cat = machines.inside(0, "cat").arg(folder.join("events.jsonl")).output().expect("cat runs");
    let written = String::from_utf8_lossy(&cat.stdout);
    for word in ["disk_full", "crashed", "disk_back", "joined"] {
        assert!(written.contains(&format!("\"event\":\"{word}\"")), "{word} is on disk: {written}");
    }
}

#[test]
fn two_hosts_are_merged_by_time_and_a_lost_one_is_named_once_and_picked_up_again() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.base()).expect("the base folder");
    let mut machines = Machines::start(sandbox.path(), &sandbox.base(), 2);
    sandbox.write_layout(&format!(
        "name: campus\nbase_dir: BASE\n{}nodes:\n  manager: {{ type: manager, host: head }}\n  \
         worker: {{ type: worker, host: [head, sensor-1] }}\n",
        machines.layout("")
    ));
    sandbox.expect(0, &["deploy"]);
    until_last(&sandbox, "worker-2", "joined");
    let following = Background::start(sandbox.command(&["events", "-f", "-n", "0", "-o", "jsonl"]));
    kill(&sandbox.node("worker-1")["pid"], Signal::KILL);
    kill(&sandbox.node("worker-2")["pid"], Signal::KILL);
    for host in ["head", "sensor-1"] {
        following.wait_within(SOON, host, |line| {
            let text = text(line);
            (text.contains("\"event\":\"crashed\"") && text.contains(&format!("\"host\":\"{host}\""))).then_some(())
        });
    }
    let merged = sandbox.until(SOON, "both back", |s| {
        let events = events(s, &["-n", "1000"]);
        let back =
            |node: &str| words(&events, node).ends_with(&["crashed".into(), "restarted".into(), "joined".into()]);
        if back("worker-1") && back("worker-2") { Ok(events) } else { Err(format!("{events:#?}")) }
    });
    let times: Vec<f64> = merged.iter().filter_map(|event| event["ts"].as_f64()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let hosts: std::collections::BTreeSet<&str> = merged.iter().filter_map(|event| event["host"].as_str()).collect();
    assert_eq!(hosts.into_iter().collect::<Vec<_>>(), ["head", "sensor-1"]);

    // What happens while a host is away is told when it is back, and nothing twice.
    let pid = sandbox.node("worker-2")["pid"].clone();
    machines.cut_sessions(1);
    machines.stop_sshd(1);
    following.wait_within(SOON, "the lost host", |line| {
        matches!(line, Line::Err(text) if text.contains("sensor-1")).then_some(())
    });
    kill(&pid, Signal::KILL);
    machines.start_sshd(1);
    let crashed = format!("\"pid\":{pid}");
    following.wait_within(SOON, "the crash of meanwhile", |line| {
        (text(line).contains("\"event\":\"crashed\"") && text(line).contains(&crashed)).then_some(())
    });
    following.interrupt();
    let (_, lines) = following.end();
    let again = lines.iter().filter(|line| text(line).starts_with("error: ")).count();
    assert_eq!(again, 0, "it was named once: {lines:?}");
}
