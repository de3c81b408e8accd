//! Limits of nodes, from the layout to their processes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::Sandbox;

const LIMIT: Duration = Duration::from_secs(60);

fn layout(defaults: &str, worker: &str) -> String {
    format!(
        "name: campus\nbase_dir: BASE\nport: PORT\ndefaults: {{ {defaults} }}\nnodes:\n  manager: {{ type: manager }}\n  \
         logger: {{ type: logger }}\n  worker: {{ type: worker, count: 2{worker} }}\n"
    )
}

fn pid(sandbox: &Sandbox, name: &str) -> i32 {
    sandbox.node(name)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid")
}

fn nice(pid: i32) -> i64 {
    procfs::process::Process::new(pid).and_then(|process| process.stat()).expect("it runs").nice
}

/// The soft limit.
fn open_files(pid: i32) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
    line.split_whitespace().next().and_then(|limit| limit.parse().ok()).expect("a number")
}

#[test]
fn a_limit_that_changes_is_planned_and_given_to_nodes_that_run_on() {
    let sandbox = Sandbox::with_layout(&layout("nice: 3, open_files: 4096", ""));
    sandbox.expect(0, &["deploy"]);
    let before = ["manager", "logger", "worker-1", "worker-2"].map(|name| pid(&sandbox, name));
    assert!(before.iter().all(|pid| nice(*pid) == 3), "every node has the default");
    assert!(before.iter().all(|pid| open_files(*pid) == 4096), "and does not raise what the layout limits");

    sandbox.write_layout(&layout("nice: 3, open_files: 4096", ", nice: 6"));
    let plan = sandbox.run(&["plan"]);
    assert_eq!(plan.status, 10, "{plan:#?}");
    assert!(plan.stdout.contains("`nice` 3 -> 6") && !plan.stdout.contains("restart"), "{plan:#?}");
    sandbox.expect(0, &["deploy"]);
    let after = ["manager", "logger", "worker-1", "worker-2"].map(|name| pid(&sandbox, name));
    assert_eq!(after, before, "no node was restarted");
    assert_eq!(after.map(nice), [3, 3, 6, 6]);
    // Of a thread each, not of the first alone.
    let threads = fs::read_dir(format!("/proc/{}/task", after[2])).expect("its threads").flatten();
    for thread in threads {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let field = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(16).map(str::to_owned));
        assert!(field.is_none_or(|nice| nice == "6"), "{stat}");
    }
    let again = sandbox.expect(0, &["deploy"]);
    assert!(again.stderr.contains("unchanged"), "{again:#?}");
}

#[test]
fn what_the_host_does_not_keep_is_said_in_status() {
    let sandbox = Sandbox::with_layout(&layout("memory_max: 2GiB, memory_high: 1GiB", ""));
    sandbox.expect(0, &["deploy"]);
    let note = sandbox.node("worker-1")["error"].as_str().unwrap_or_default().to_owned();
    assert!(note.contains("memory_max is kept for each process alone, by RLIMIT_DATA"), "{note}");
    assert!(note.contains("memory_high is not kept") && note.contains("zeek-cluster agent install"), "{note}");
    assert_eq!(sandbox.node("worker-1")["state"], "running");
}

/// A folder takes the place of the kernel's tree of cgroups: what is written there is what the kernel would be told.
#[test]
fn a_cgroup_of_the_agents_keeps_memory_and_tells_of_its_lack() {
    let sandbox = Sandbox::with_layout(&layout("memory_max: 2GiB, memory_high: 1GiB", ""));
    sandbox.expect(0, &["install"]);
    let agent = sandbox.json(0, &["agent", "status"])[0]["pid"].as_i64().expect("a pid");
    kill(agent);
    let tree = sandbox.path().join("cgroup");
    fs::create_dir(&tree).expect("a folder");
    let mut agent = sandbox.command(&["agent", "run", "--detach", "--dir"]);
    agent.arg(sandbox.base().join("campus")).env("ZEEK_CLUSTER_CGROUP", &tree);
    assert!(agent.status().expect("it starts").success());
    sandbox.expect(0, &["deploy"]);
    let worker = sandbox.node("worker-1");
    assert!(worker["error"].is_null(), "{worker}");
    let group = tree.join("node-worker-1");
    let text = |name: &str| fs::read_to_string(group.join(name)).expect("a file");
    assert_eq!(text("memory.max"), (2u64 << 30).to_string());
    assert_eq!(text("memory.high"), (1u64 << 30).to_string());
    assert_eq!(text("memory.oom.group"), "1");
    assert_eq!(fs::read_to_string(tree.join("cgroup.subtree_control")).expect("a file"), "+memory");

    // What the kernel leaves behind when it ends one for lack of memory.
    fs::write(group.join("memory.events"), "oom 1\noom_kill 1\n").expect("a file");
    kill(worker["pid"].as_i64().expect("a pid"));
    let told = |row: &Value| row["error"].as_str().unwrap_or_default().to_owned();
    let note = sandbox.until(LIMIT, "the note", |sandbox| {
        let row = sandbox.node("worker-1");
        if told(&row).contains("for lack of memory") { Ok(told(&row)) } else { Err(row.to_string()) }
    });
    assert!(note.contains("the kernel ended it for lack of memory, memory_max 2GiB"), "{note}");
    let events = sandbox.json(0, &["events", "worker-1"]);
    let crash = events.as_array().into_iter().flatten().rfind(|event| event["event"] == "crashed").expect("a crash");
    assert_eq!(crash["oom"], true, "{crash}");
}

/// The kernel's own tree: each node comes into a cgroup of its own, and one that takes too much is ended and named.
#[test]
fn the_kernels_cgroups_hold_nodes_and_end_those_that_take_too_much() {
    let Some(tree) = Tree::make("limits") else { return };
    let greedy = "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  \
                  worker: { type: worker, memory_max: 96MiB, command: [tail, /dev/zero] }\n";
    let sandbox = Sandbox::with_layout(greedy);
    sandbox.expect(0, &["install"]);
    kill(sandbox.json(0, &["agent", "status"])[0]["pid"].as_i64().expect("a pid"));
    let mut agent = sandbox.command(&["agent", "run", "--detach", "--dir"]);
    agent.arg(sandbox.base().join("campus")).env("ZEEK_CLUSTER_CGROUP", &tree.path);
    assert!(agent.status().expect("it starts").success());
    // The worker is ended again and again: what a deploy says of it is another matter.
    sandbox.run(&["deploy"]);
    let manager = pid(&sandbox, "manager");
    let cgroup = fs::read_to_string(format!("/proc/{manager}/cgroup")).expect("it runs");
    let name = tree.path.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(cgroup.contains(&format!("/{name}/node-manager")), "{cgroup}");

    let told = |row: &Value| row["error"].as_str().unwrap_or_default().to_owned();
    if tree.has_memory {
        let note = sandbox.until(LIMIT, "the end", |sandbox| {
            let row = sandbox.node("worker");
            if told(&row).contains("for lack of memory") { Ok(told(&row)) } else { Err(row.to_string()) }
        });
        assert!(note.contains("the kernel ended it for lack of memory, memory_max 96MiB"), "{note}");
        let limit = fs::read_to_string(tree.path.join("node-worker/memory.max")).expect("a file");
        assert_eq!(limit.trim(), (96u64 << 20).to_string());
    }
    let doctor = sandbox.run(&["doctor", "-o", "json"]);
    let rows: Value = serde_json::from_str(&doctor.stdout).expect("JSON");
    let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["check"] == "memory")).expect("a row");
    let path = tree.path.to_str().expect("a path");
    assert!(row["what"].as_str().is_some_and(|what| what.contains(path)), "{row}");
    assert_eq!(row["verdict"], if tree.has_memory { "ok" } else { "warning" }, "{row}");
    let alone = doctor.stdout.contains("memory_max is kept for each process alone");
    assert_eq!(alone, !tree.has_memory, "{doctor:#?}");
    sandbox.expect(0, &["remove", "--all", "--yes"]);
    sandbox.until(LIMIT, "cgroups that are gone", |_| {
        let left = ["node-worker", "node-manager"].map(|name| tree.path.join(name).exists());
        if left == [false, false] { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// Without a cgroup the same program is refused its memory, and says so itself.
#[test]
fn without_a_cgroup_each_process_is_refused_what_is_beyond_its_limit() {
    let greedy = "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  \
                  worker: { type: worker, memory_max: 192MiB, command: [tail, /dev/zero] }\n";
    let sandbox = Sandbox::with_layout(greedy);
    sandbox.run(&["deploy"]);
    let told = |row: &Value| row["error"].as_str().unwrap_or_default().to_owned();
    let row = sandbox.until(LIMIT, "the program's end", |sandbox| {
        let row = sandbox.node("worker");
        if told(&row).contains("memory exhausted") { Ok(row) } else { Err(row.to_string()) }
    });
    assert!(["degraded", "failing"].contains(&row["state"].as_str().unwrap_or_default()), "{row}");
    assert!(row["cgroup"].is_null(), "{row}");
    assert_eq!(row["limits"]["memory_max"], "192MiB", "{row}");
    let doctor = sandbox.run(&["doctor", "-o", "json"]);
    assert!(doctor.stdout.contains("memory_max is kept for each process alone"), "{doctor:#?}");
}

/// A cgroup of version 2 for an agent, removed with the value.
struct Tree {
    path: PathBuf,
    /// Whether its children can be given the controller of memory.
    has_memory: bool,
}

impl Tree {
    /// None where none can be made; says so. Whether a machine has writable cgroups is not for its tests to demand, also
    /// under `CI`: what happens without them has tests of its own.
    fn make(name: &str) -> Option<Tree> {
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        let root = roots.into_iter().find(|root| root.join("cgroup.controllers").exists());
        let made = root.as_ref().map(|root| {
            let path = root.join(format!("zc-{name}-{}", std::process::id()));
            fs::create_dir(&path).map(|()| path)
        });
        let Some(Ok(path)) = made else {
            eprintln!("ignored: no cgroup of version 2 can be made: {made:?}");
            return None;
        };
        // Where systemd runs it is there already.
        let _ = root.map(|root| fs::write(root.join("cgroup.subtree_control"), "+memory"));
        let controllers = fs::read_to_string(path.join("cgroup.controllers")).expect("a file");
        let has_memory = controllers.split_whitespace().any(|name| name == "memory");
        if !has_memory {
            eprintln!(
                "ignored in part: no memory controller of version 2 for {}: has `{}`",
                path.display(),
                controllers.trim()
            );
        }
        Some(Tree { path, has_memory })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let below = fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in below.filter(|path| path.is_dir()).chain([self.path.clone()]) {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn kill(pid: i64) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
}
