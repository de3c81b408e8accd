//! What starts a cluster with its host: systemd, a container, and what they hear of the agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Line, Output, Sandbox, Systemd, can_boot, finish, kill_agent};

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

/// Nothing here takes longer, also on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_zeek-cluster");

fn kill(pid: u64, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
    rustix::process::kill_process(pid, signal).expect("it runs");
}

/// The same program under another hash.
fn other_program(sandbox: &Sandbox) -> PathBuf {
    let other = sandbox.path().join("zeek-cluster");
    let mut bytes = fs::read(PROGRAM).expect("the program");
    bytes.extend(b"another build");
    fs::write(&other, bytes).expect("a copy");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("executable");
    other
}

fn by(program: &Path, sandbox: &Sandbox, args: &[&str]) -> Output {
    let ours = sandbox.command(args);
    let mut command = Command::new(program);
    command.args(args).current_dir(sandbox.path());
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    finish(command)
}

fn agent_of(rows: &Value) -> Value {
    rows.as_array().and_then(|rows| rows.first()).cloned().unwrap_or_else(|| panic!("one agent: {rows}"))
}

fn pid_of(agent: &Value) -> i32 {
    agent["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid")
}

/// Each node's process and how often it was started again.
fn processes(rows: &Value) -> Vec<(u64, u64)> {
    let rows = rows.as_array().expect("an array");
    let one = |row: &Value| (row["pid"].as_u64().unwrap_or(0), row["restarts"].as_u64().unwrap_or(99));
    NODES.iter().map(|name| one(rows.iter().find(|row| row["name"] == *name).expect("a row"))).collect()
}

#[test]
fn a_service_manager_hears_when_the_agent_is_ready_and_that_it_lives() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let agent = agent_of(&sandbox.json(0, &["agent", "status"]));
    kill_agent(pid_of(&agent));

    let path = sandbox.path().join("notify");
    let listener = UnixDatagram::bind(&path).expect("a socket");
    listener.set_read_timeout(Some(LIMIT)).expect("a limit");
    let dir = sandbox.base().join("campus");
    let mut command = sandbox.command(&["agent", "run", "--dir", dir.to_str().expect("a path")]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let agent = Background::start(command);
    let hear = || {
        let mut buffer = [0; 256];
        let length = listener.recv(&mut buffer).expect("it says something in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(hear().starts_with("READY=1\n"), "first of all");
    // Ready means that it answers, and that it has its nodes.
    let rows = sandbox.json(0, &["status"]);
    assert!(rows.as_array().is_some_and(|rows| rows.iter().all(|row| row["state"] == "running")), "{rows}");
    let beats = (0..40).map(|_| hear()).filter(|said| said == "WATCHDOG=1").take(5).count();
    assert_eq!(beats, 5);

    // What it starts does not speak for it.
    sandbox.expect(0, &["restart", "worker-1"]);
    let worker = sandbox.node("worker-1")["pid"].as_u64().expect("a pid");
    let environment = fs::read(format!("/proc/{worker}/environ")).expect("its environment");
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");

    agent.interrupt();
    while hear() != "STOPPING=1" {}
    let (status, said) = agent.end();
    assert_eq!(status, 0, "{said:?}");
    assert!(said.iter().any(|line| matches!(line, Line::Err(text) if text.contains("nodes run on"))), "{said:?}");
}

/// A program in a namespace of its own, as process 1.
fn as_process_1(sandbox: &Sandbox, words: &[&str]) -> Command {
    let ours = sandbox.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "--", PROGRAM]).args(words);
    command.current_dir(sandbox.path());
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn child_of(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children");
    children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("one child")
}

#[test]
fn process_1_of_a_container_reaps_starts_the_agent_again_and_ends_with_its_nodes_in_order() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "a namespace of processes needs root");
        eprintln!("ignored: a namespace of processes needs root");
        return;
    }
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["install"]);
    let agent = agent_of(&sandbox.json(0, &["agent", "status"]));
    kill_agent(pid_of(&agent));
    let dir = sandbox.base().join("campus");
    let dir = dir.to_str().expect("a path").to_owned();

    let container = Background::start(as_process_1(&sandbox, &["agent", "run", "--dir", &dir]));
    container.says("agent listens");
    assert_eq!(agent_of(&sandbox.json(0, &["agent", "status"]))["boot"], "container");
    sandbox.expect(0, &["start"]);
    let before = processes(&sandbox.json(0, &["status"]));

    // What loses its parent is waited for.
    let init = child_of(container.id());
    let enter = ["--target", &init.to_string(), "--pid", "--mount", "--"].map(str::to_owned);
    for _ in 0..20 {
        let mut orphan = Command::new("nsenter");
        orphan.args(&enter).args(["sh", "-c", "(true &) ; (sleep 0.01 &)"]);
        assert!(orphan.status().expect("nsenter runs").success());
    }
    let zombies = || {
        let all = procfs::process::all_processes().into_iter().flatten().flatten().filter_map(|one| one.stat().ok());
        all.filter(|stat| stat.ppid.cast_unsigned() == init && stat.state == 'Z').count()
    };
    sandbox.until(LIMIT, "no zombie", |_| if zombies() == 0 { Ok(()) } else { Err(zombies().to_string()) });

    // An agent that is killed comes back and finds its nodes.
    kill(u64::from(child_of(init)), rustix::process::Signal::KILL);
    container.says("it is started again, and adopts the nodes");
    container.says("agent listens");
    assert_eq!(processes(&sandbox.json(0, &["status"])), before);

    kill(u64::from(init), rustix::process::Signal::TERM);
    let (status, said) = container.end_within(LIMIT);
    assert_eq!(status, 0, "{said:?}");
    let ended = |name: &str| {
        let is_end = |line: &Line| match line {
            // An adopted node is process 1's child, which takes its exit status.
            Line::Err(text) => text.contains(&format!("node={name} ")) && text.contains("exit"),
            Line::Out(_) => false,
        };
        said.iter().position(is_end).unwrap_or_else(|| panic!("{name} did not end well: {said:#?}"))
    };
    let order = ["worker-1", "proxy", "manager", "logger"].map(ended);
    assert!(order.is_sorted(), "{order:?} {said:#?}");
    assert!(ended("worker-2") < ended("proxy"));

    // What ran runs again with the next start of the container.
    let container = Background::start(as_process_1(&sandbox, &["agent", "run", "--foreground", "--dir", &dir]));
    container.says("agent listens");
    sandbox.expect(0, &["wait", "--timeout", "30s"]);
    // Another program takes over there, too, and no node notices.
    let before = processes(&sandbox.json(0, &["status"]));
    let old = agent_of(&sandbox.json(0, &["agent", "status"]));
    let init = child_of(container.id()).to_string();
    let other = other_program(&sandbox).display().to_string();
    let layout = sandbox.layout().display().to_string();
    let enter = ["--target", &init, "--pid", "--mount", "--", &other, "-l", &layout, "install"];
    let brought = by(Path::new("nsenter"), &sandbox, &enter);
    assert_eq!(brought.status, 0, "{brought:#?}");
    let new = agent_of(&sandbox.json(0, &["agent", "status"]));
    assert_ne!(new["pid"], old["pid"]);
    assert_eq!(processes(&sandbox.json(0, &["status"])), before);
    sandbox.expect(0, &["remove", "--all", "--yes"]);
    let (status, said) = container.end_within(LIMIT);
    assert_eq!(status, 0, "a container without a cluster ends: {said:?}");
}

#[test]
fn an_agent_that_cannot_run_ends_its_container_with_the_reason() {
    let sandbox = Sandbox::new();
    let deep = sandbox.path().join("d".repeat(120));
    let mut command = sandbox.command(&["agent", "run", "--foreground", "--dir"]);
    command.arg(&deep);
    let output = finish(command);
    assert_eq!(output.status, 1, "{output:#?}");
    assert!(output.stderr.contains("choose a shorter base_dir"), "{output:#?}");
}

#[test]
fn an_agent_of_another_program_takes_over_and_no_node_notices() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let before = processes(&sandbox.json(0, &["status"]));
    let old = agent_of(&sandbox.json(0, &["agent", "status"]));
    let link = sandbox.base().join("campus/bin/agent");
    let old_program = fs::read_link(&link).expect("what starts at boot");

    let brought = by(&other_program(&sandbox), &sandbox, &["install"]);
    assert_eq!(brought.status, 0, "{brought:#?}");
    let new = agent_of(&sandbox.json(0, &["agent", "status"]));
    assert_ne!(new["pid"], old["pid"]);
    assert_eq!(processes(&sandbox.json(0, &["status"])), before);
    assert_ne!(fs::read_link(&link).expect("what starts at boot"), old_program);
}

/// Where libfaketime is installed: it gives a process another time of day.
fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|library| library.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "libfaketime is not installed");
        eprintln!("ignored: libfaketime is not installed");
    }
    found
}

#[test]
fn a_clock_that_was_stepped_makes_no_node_another() {
    let Some(library) = faketime() else { return };
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let before = processes(&sandbox.json(0, &["status"]));
    let dir = sandbox.base().join("campus");
    for step in ["+2d", "-2d"] {
        let agent = agent_of(&sandbox.json(0, &["agent", "status"]));
        kill_agent(pid_of(&agent));
        let mut next = sandbox.command(&["agent", "run", "--detach", "--dir"]);
        next.arg(&dir).env("LD_PRELOAD", &library).env("FAKETIME", step).env("DONT_FAKE_MONOTONIC", "1");
        let started = finish(next);
        assert_eq!(started.status, 0, "{started:#?}");
        let stepped = agent_of(&sandbox.json(0, &["agent", "status"]))["started_at"].as_f64().expect("a time");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
        assert!((stepped - now).abs() > 86_400.0, "its clock is another");
        assert_eq!(processes(&sandbox.json(0, &["status"])), before, "{step}");
    }
}

#[test]
fn systemd_brings_the_cluster_back_whatever_dies_and_lets_go_of_it_again() {
    if !can_boot() {
        return;
    }
    let limited = LAYOUT.replace("count: 2", "count: 2, memory_max: 1GiB");
    let sandbox = Sandbox::with_layout(&limited);
    let folder = sandbox.path().join("host");
    fs::create_dir(&folder).expect("a folder");
    let mut host = Systemd::boot(&folder);
    let layout = sandbox.layout().display().to_string();
    let home = format!("HOME={}", sandbox.home().display());
    let run = |host: &Systemd, program: &str, args: &[&str]| {
        let words: Vec<&str> =
            [home.as_str(), program, "-l", &layout].into_iter().chain(args.iter().copied()).collect();
        host.run("env", &words)
    };
    let expect = |host: &Systemd, args: &[&str]| {
        let output = run(host, PROGRAM, args);
        assert_eq!(output.status, 0, "{args:?}: {output:#?}");
        output
    };
    let json = |host: &Systemd, args: &[&str]| -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let output = run(host, PROGRAM, &args);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
    };
    let boot_row = |host: &Systemd| {
        let rows = json(host, &["doctor"]);
        let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["check"] == "boot")).cloned();
        row.unwrap_or_else(|| panic!("a row: {rows}"))
    };

    let deployed = expect(&host, &["deploy", "-o", "table"]);
    assert!(deployed.stderr.contains("after a reboot of localhost nothing starts there by itself"), "{deployed:#?}");
    let checked = expect(&host, &["check"]);
    assert!(checked.stderr.contains("after a reboot of localhost nothing starts there by itself"), "{checked:#?}");
    let row = boot_row(&host);
    assert!(row["verdict"] == "warning" && row["hint"] == "zeek-cluster agent install", "{row}");

    // The remedy, as it is printed.
    let nodes = processes(&json(&host, &["status"]));
    let agent = agent_of(&json(&host, &["agent", "status"]));
    expect(&host, &["agent", "install"]);
    assert_eq!(processes(&json(&host, &["status"])), nodes, "no node noticed");
    let under = agent_of(&json(&host, &["agent", "status"]));
    assert!(under["pid"] != agent["pid"] && under["boot"] == "system", "{under}");
    let unit = "zeek-cluster-campus.service";
    assert_eq!(host.systemctl(&["show", "--property=MainPID", "--value", unit]), under["pid"].to_string());
    assert_eq!(boot_row(&host)["verdict"], "ok");
    // The unit's cgroup is the agent's to divide, also after the next agent was started into it.
    let in_its_cgroup = |host: &Systemd, after: &str| {
        let rows = json(host, &["status"]);
        let worker = rows.as_array().and_then(|rows| rows.iter().find(|row| row["name"] == "worker-1")).expect("a row");
        let cgroup = host.run("cat", &[&format!("/proc/{}/cgroup", worker["pid"])]).stdout;
        assert!(cgroup.contains("zeek-cluster-campus.service/node-worker-1"), "{after}: {cgroup}");
        let note = worker["error"].as_str().unwrap_or_default();
        assert!(worker["cgroup"].is_string() || note.contains("the controller of memory"), "{after}: {worker}");
    };
    in_its_cgroup(&host, "install");
    let again = expect(&host, &["agent", "install"]);
    assert!(again.stderr.contains("unchanged"), "{again:#?}");
    assert_eq!(agent_of(&json(&host, &["agent", "status"]))["pid"], under["pid"]);

    // Another program, by way of systemd.
    let other = other_program(&sandbox);
    let brought = run(&host, other.to_str().expect("a path"), &["install"]);
    assert_eq!(brought.status, 0, "{brought:#?}");
    let newer = agent_of(&json(&host, &["agent", "status"]));
    assert_eq!(host.systemctl(&["show", "--property=MainPID", "--value", unit]), newer["pid"].to_string());
    assert!(newer["pid"] != under["pid"], "{newer}");
    assert_eq!(processes(&json(&host, &["status"])), nodes, "no node noticed");

    // The agent alone is killed; then it hangs.
    let comes_back = |host: &Systemd, was: &Value| {
        sandbox.until(LIMIT, "another agent", |_| {
            let now = agent_of(&json(host, &["agent", "status"]));
            if now["running"] == true && now["pid"] != *was { Ok(now["pid"].clone()) } else { Err(now.to_string()) }
        })
    };
    host.run("kill", &["-KILL", &newer["pid"].to_string()]);
    let after_kill = comes_back(&host, &newer["pid"]);
    assert_eq!(processes(&json(&host, &["status"])), nodes);
    let impatient = folder.join("units").join(format!("{unit}.d"));
    fs::create_dir_all(&impatient).expect("a folder");
    fs::write(impatient.join("test.conf"), "[Service]\nWatchdogSec=2\n").expect("a setting");
    host.systemctl(&["daemon-reload"]);
    host.run("kill", &["-KILL", &after_kill.to_string()]);
    let watched = comes_back(&host, &after_kill);
    host.run("kill", &["-STOP", &watched.to_string()]);
    comes_back(&host, &watched);
    in_its_cgroup(&host, "agents that were killed");
    assert_eq!(processes(&json(&host, &["status"])), nodes);
    fs::remove_dir_all(&impatient).expect("the setting");
    host.systemctl(&["daemon-reload"]);

    // Everything is killed at once.
    let agent = agent_of(&json(&host, &["agent", "status"]));
    let all: Vec<String> = nodes.iter().map(|(pid, _)| pid.to_string()).chain([agent["pid"].to_string()]).collect();
    let words: Vec<&str> = ["-KILL"].into_iter().chain(all.iter().map(String::as_str)).collect();
    host.run("kill", &words);
    comes_back(&host, &agent["pid"]);
    let all_run = |host: &Systemd| {
        sandbox.until(LIMIT, "all nodes run", |_| {
            let rows = json(host, &["status"]);
            let is_up = |row: &Value| row["state"] == "running";
            if rows.as_array().is_some_and(|rows| rows.len() == 5 && rows.iter().all(is_up)) {
                Ok(rows)
            } else {
                Err(rows.to_string())
            }
        })
    };
    all_run(&host);

    // The power goes; nobody types anything.
    host.reboot();
    comes_back(&host, &Value::Null);
    let rows = all_run(&host);
    assert!(processes(&rows).iter().all(|(_, restarts)| *restarts <= 2), "{rows}");

    // The unit is given up, and no node notices.
    let nodes = processes(&json(&host, &["status"]));
    expect(&host, &["agent", "uninstall"]);
    assert_eq!(processes(&json(&host, &["status"])), nodes);
    assert_eq!(agent_of(&json(&host, &["agent", "status"]))["boot"], "nothing");
    assert!(!folder.join("units").join(unit).exists());
    assert_eq!(boot_row(&host)["verdict"], "warning");

    // What is removed stays away.
    expect(&host, &["agent", "install", "--system"]);
    expect(&host, &["remove", "--all", "--yes"]);
    assert!(!folder.join("units").join(unit).exists());
    sandbox.until(LIMIT, "no agent", |_| {
        let state = host.systemctl(&["is-active", unit]);
        if state == "inactive" || state == "unknown" { Ok(()) } else { Err(state) }
    });
}
