//! Control and agents are killed in the middle of every step, by the points of `src/faults.rs`. After each: every host on a
//! whole release, the lock free, the exit status as documented, and the next deploy succeeds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Background, Machines, Output, Sandbox, finish, has_machines};

const HOSTS: usize = 2;

/// Two machines, and one release more with each round.
struct Trial {
    sandbox: Sandbox,
    machines: Machines,
    round: usize,
}

impl Trial {
    fn start() -> Option<Trial> {
        if !has_machines() {
            return None;
        }
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.base()).expect("the base folder");
        let machines = Machines::start(sandbox.path(), &sandbox.base(), HOSTS);
        let mut trial = Trial { sandbox, machines, round: 0 };
        trial.edit();
        Some(trial)
    }

    /// Another environment for the workers, which restarts them; in every other round a proxy, which is then stopped.
    fn edit(&mut self) {
        self.round += 1;
        let proxy = ["", "  proxy: { type: proxy, host: sensor-1 }\n"][self.round % 2];
        let text = format!(
            "name: campus\nbase_dir: BASE\n{}nodes:\n  manager: {{ type: manager, host: head }}\n  \
             worker: {{ type: worker, host: [head, sensor-1], env_vars: {{ ROUND: \"{}\" }} }}\n{proxy}",
            self.machines.layout(""),
            self.round
        );
        self.sandbox.write_layout(&text);
    }

    fn with_fault(&self, point: &str, args: &[&str]) -> Output {
        let mut command = self.sandbox.command(args);
        command.env("ZEEK_CLUSTER_FAULT", format!("{point}:kill"));
        finish(command)
    }

    /// The release that each host is on; it has to be whole, content and all.
    fn releases(&self) -> BTreeMap<String, String> {
        let releases = (0..HOSTS).filter_map(|index| {
            let cluster = self.machines.disk(index).join("campus");
            let current = fs::read_link(cluster.join("current")).ok()?;
            for release in fs::read_dir(cluster.join("releases")).expect("releases/") {
                let path = release.expect("an entry").path();
                if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".new-")) {
                    is_whole(&path);
                }
            }
            is_whole(&cluster.join(&current));
            Some((Machines::name(index), current.file_name()?.to_string_lossy().into_owned()))
        });
        releases.collect()
    }

    /// No waiting for a lock, all hosts on one release, all nodes up, and nothing unfinished left.
    fn the_next_deploy_succeeds(&self, after: &str) {
        self.releases();
        let output = self.sandbox.run(&["deploy", "--yes"]);
        assert_eq!(output.status, 0, "after {after}: {output:#?}");
        let releases: Vec<String> = self.releases().into_values().collect();
        assert!(releases.len() == HOSTS && releases[0] == releases[1], "after {after}: {releases:?}");
        for index in 0..HOSTS {
            let cluster = self.machines.disk(index).join("campus");
            for folder in [cluster.clone(), cluster.join("blobs"), cluster.join("releases")] {
                let names = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
                let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".new-")).collect();
                assert!(left.is_empty(), "after {after}: {left:?} in {}", folder.display());
            }
        }
        self.sandbox.expect(0, &["status"]);
    }
}

fn is_whole(release: &Path) {
    let text = fs::read(release.join("manifest.json")).unwrap_or_else(|e| panic!("{}: {e}", release.display()));
    let manifest: Value = serde_json::from_slice(&text).expect("a manifest");
    for file in manifest["files"].as_array().expect("files") {
        let path = release.join(file["path"].as_str().expect("a path"));
        let content = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["hash"], hash, "{}", path.display());
    }
}

#[test]
fn a_control_that_is_killed_in_the_middle_of_a_step_leaves_whole_releases_and_a_free_lock() {
    let Some(mut trial) = Trial::start() else { return };
    // -1: ended by a signal, not by itself.
    let killed = |trial: &Trial, point: &str, args: &[&str]| {
        let output = trial.with_fault(point, args);
        assert_eq!(output.status, -1, "at {point}: {output:#?}");
    };
    killed(&trial, "upload", &["deploy"]);
    assert_eq!(trial.releases(), BTreeMap::new(), "nothing was switched before all was there");
    trial.the_next_deploy_succeeds("upload");
    for point in ["lock", "connect", "stage", "activate", "apply", "joined", "retire"] {
        trial.edit();
        if point == "retire" && trial.round % 2 == 1 {
            // The round before brought the proxy that this one takes away.
            trial.sandbox.expect(0, &["deploy"]);
            trial.edit();
        }
        let before = trial.releases();
        killed(&trial, point, &["deploy", "--yes"]);
        let switched = trial.releases().values().filter(|id| !before.values().any(|old| old == *id)).count();
        match point {
            "lock" | "connect" | "stage" => assert_eq!(switched, 0, "at {point}"),
            "activate" => assert!(switched >= 1, "at {point}"),
            _ => assert_eq!(switched, HOSTS, "at {point}"),
        }
        trial.the_next_deploy_succeeds(point);
    }
    killed(&trial, "verify", &["rollback"]);
    trial.the_next_deploy_succeeds("verify");
    let before = trial.releases();
    trial.sandbox.expect(0, &["rollback"]);
    assert_ne!(trial.releases(), before);
    trial.sandbox.expect(0, &["rollback"]);
    assert_eq!(trial.releases(), before);

    let runs = trial.sandbox.json(0, &["history"]);
    let broken = runs.as_array().into_iter().flatten().filter(|run| run["outcome"] == "broken off").count();
    assert_eq!(broken, 9, "every killed command is remembered: {runs}");

    // The host that keeps the lock is gone: that is the reason, and the operator may go on without.
    trial.machines.stop_sshd(0);
    let refused = trial.sandbox.expect(4, &["restart", "@host:sensor-1"]);
    assert!(refused.stderr.contains("the cluster's lock, which head keeps, cannot be taken"), "{refused:#?}");
    assert!(refused.stderr.contains("refused") && refused.stderr.contains("--no-lock"), "{refused:#?}");
    trial.sandbox.expect(0, &["restart", "@host:sensor-1", "--no-lock"]);
    trial.machines.start_sshd(0);
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_every_host_is_on_a_whole_release() {
    let Some(mut trial) = Trial::start() else { return };
    let patient = |trial: &Trial| {
        let text = fs::read_to_string(trial.sandbox.layout()).expect("the layout");
        fs::write(trial.sandbox.layout(), format!("stop_grace: 100s\n{text}")).expect("the layout");
    };
    patient(&trial);
    trial.sandbox.expect(0, &["deploy"]);
    // A node that is deaf to SIGTERM holds the step up.
    let deaf = trial.sandbox.node("worker-2")["pid"].as_i64().expect("a pid");
    signal(deaf, rustix::process::Signal::STOP);
    trial.edit();
    patient(&trial);
    let deploy = Background::start(trial.sandbox.command(&["deploy", "--yes"]));
    trial.sandbox.until(Duration::from_secs(40), "worker-2 is being stopped", |s| {
        let row = s.node("worker-2");
        if row["state"] == "stopping" { Ok(()) } else { Err(row.to_string()) }
    });
    deploy.interrupt();
    deploy.says("Ctrl-C again leaves at once");
    deploy.interrupt();
    let began = std::time::Instant::now();
    let (status, lines) = deploy.end();
    assert_eq!(status, 130, "{lines:#?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(trial.releases().len(), HOSTS);
    signal(deaf, rustix::process::Signal::CONT);
    trial.the_next_deploy_succeeds("a second Ctrl-C");
}

#[test]
fn a_rollout_that_fails_on_one_host_goes_back_on_all() {
    let Some(mut trial) = Trial::start() else { return };
    trial.sandbox.expect(0, &["deploy"]);
    let (before, old) = (trial.releases(), fs::read_to_string(trial.sandbox.layout()).expect("the layout"));
    let pids = |trial: &Trial| ["manager", "worker-1", "worker-2"].map(|name| trial.sandbox.node(name)["pid"].clone());
    let [manager, worker, _] = pids(&trial);
    trial.edit();
    let text = fs::read_to_string(trial.sandbox.layout()).expect("the layout");
    // The second of them, on the other host, cannot start any more.
    let (first, broken) = ("host: [head, sensor-1]", "host: head");
    assert!(text.contains(first), "{text}");
    let broken = format!(
        "{}  worker-2: {{ type: worker, host: sensor-1, pin_cpus: [900] }}\n",
        text.replace("  worker: {", "  worker-1: {").replace(first, broken)
    );
    fs::write(trial.sandbox.layout(), broken).expect("the layout");
    let output = trial.sandbox.expect(1, &["deploy", "--yes", "--max-unavailable", "1", "--on-failure", "rollback"]);
    assert!(output.stderr.contains("failed at worker-2: cannot start"), "{output:#?}");
    assert!(output.stderr.contains("went back to release "), "{output:#?}");
    assert_eq!(trial.releases(), before, "both hosts");
    let after = pids(&trial);
    assert_eq!(after[0], manager, "it was never touched");
    assert_ne!(after[1], worker, "it was restarted, and again");
    trial.sandbox.expect(0, &["status"]);
    fs::write(trial.sandbox.layout(), old).expect("the layout");
    trial.sandbox.expect(0, &["plan"]);
}

/// Replaces the agent of a machine by one that is killed at a point.
fn faulty_agent(trial: &Trial, index: usize, point: &str) -> Background {
    let (host, base) = (Machines::name(index), trial.sandbox.base().join("campus"));
    let row = |s: &Sandbox| {
        let rows = s.run(&["agent", "status", "-o", "json"]);
        let rows: Value = serde_json::from_str(&rows.stdout).expect("one document");
        rows.as_array().into_iter().flatten().find(|row| row["host"] == host.as_str()).expect("a row").clone()
    };
    let old = row(&trial.sandbox)["pid"].as_i64().expect("a pid");
    crate::support::kill_agent(i32::try_from(old).expect("a pid"));
    let bin = fs::read_dir(trial.machines.disk(index).join("campus/bin")).expect("bin/");
    let mut programs = bin.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let program = programs.find(|name| name.starts_with("zeek-cluster-")).expect("the program");
    let mut command: Command = trial.machines.inside(index, "env");
    command.arg(format!("ZEEK_CLUSTER_FAULT={point}:kill")).arg(base.join("bin").join(program));
    command.args(["agent", "run", "--dir"]).arg(&base);
    let agent = Background::start(command);
    trial.sandbox.until(Duration::from_secs(20), "the faulty agent answers", |s| {
        let now = row(s);
        let there = now["running"] == true && now["pid"].as_i64() != Some(old);
        if there { Ok(()) } else { Err(now.to_string()) }
    });
    agent
}

fn signal(pid: i64, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

#[test]
fn an_agent_that_is_killed_in_the_middle_of_a_write_leaves_a_whole_release_and_its_nodes_run_on() {
    let Some(mut trial) = Trial::start() else { return };
    trial.sandbox.expect(0, &["deploy"]);
    // Of the host that keeps the lock (0), and of another one.
    let faults = [
        (1, "agent-in-blob"),
        (1, "agent-before-release"),
        (1, "agent-before-switch"),
        (1, "agent-after-switch"),
        (0, "agent-before-switch"),
    ];
    for (index, point) in faults {
        trial.edit();
        let (before, node) = (trial.releases(), ["worker-1", "worker-2"][index]);
        let pid = trial.sandbox.node(node)["pid"].clone();
        let agent = faulty_agent(&trial, index, point);
        let output = trial.sandbox.expect(1, &["deploy", "--yes"]);
        let host = Machines::name(index);
        assert!(output.stderr.contains(&host), "{point}: {output:#?}");
        drop(agent);
        trial.sandbox.expect(0, &["doctor", "--fix"]);
        let after = trial.releases();
        match point {
            "agent-in-blob" | "agent-before-release" => assert_eq!(after, before, "{point}: {output:#?}"),
            "agent-before-switch" => assert_eq!(after[&host], before[&host], "{point}: {output:#?}"),
            _ => assert_ne!(after[&host], before[&host], "{point}: {output:#?}"),
        }
        assert_eq!(trial.sandbox.node(node)["pid"], pid, "{point}: the node of the killed agent runs on");
        trial.the_next_deploy_succeeds(point);
    }
}
