//! Nodes that are a real Zeek, with a stand-in for Zeek that speaks its protocol over libzmq (`tests/peer/zeek_standin.py`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Sandbox, finish};

/// Our manager, logger and proxy with two foreign workers.
const WORKERS: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  proxy: { type: proxy }
  worker: { type: worker, count: 2, engine: zeek, interface: lo, lb_method: af_packet, env_vars: { SITE: north } }
options: { Cluster::retry_interval: 2sec }
networks: [10.0.0.0/8]
zeek: { prefix: PREFIX }
";

/// Everybody foreign but a worker and a logger.
const MANAGER: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager, engine: zeek }
  logger: { type: logger }
  worker: { type: worker }
zeek: { prefix: PREFIX }
";

/// Writes a Zeek installation that pretends to be of that version.
fn install(sandbox: &Sandbox, version: &str) -> PathBuf {
    let prefix = sandbox.path().join("zeek");
    let standin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/zeek_standin.py");
    let site = prefix.join("share/zeek/site");
    fs::create_dir_all(prefix.join("bin")).expect("the prefix");
    fs::create_dir_all(&site).expect("the site folder");
    fs::write(site.join("local.zeek"), "# The site's own.\n").expect("local.zeek");
    let wrapper = format!("#!/bin/sh\nSTANDIN_VERSION={version} {} '{}' \"$@\"\n", python(), standin.display());
    let zeek = prefix.join("bin/zeek");
    fs::write(&zeek, wrapper).expect("the wrapper");
    fs::set_permissions(&zeek, fs::Permissions::from_mode(0o755)).expect("its mode");
    prefix
}

/// A Python that has pyzmq, as words of a shell: it may lie in the folder of the user who runs the tests.
fn python() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let tell = "import os, sys, zmq; \
                    print(f\"PYTHONPATH='{os.path.dirname(zmq.__path__[0])}' exec '{sys.executable}'\")";
        let ask = |python: &str| {
            let output = Command::new(python).args(["-c", tell]).output().ok()?;
            let words = String::from_utf8(output.stdout).ok()?.trim().to_owned();
            (!words.is_empty()).then_some(words)
        };
        let found = ["python3", "/usr/bin/python3"].into_iter().find_map(ask);
        found.expect("python3 with pyzmq is needed; `tests/run` installs it")
    })
}

fn sandbox(layout: &str, version: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let prefix = install(&sandbox, version);
    sandbox.write_layout(&layout.replace("PREFIX", &prefix.display().to_string()));
    sandbox
}

fn state(sandbox: &Sandbox, node: &str) -> Value {
    sandbox.node(node)["state"].clone()
}

fn all_see_all(sandbox: &Sandbox) {
    sandbox.until(Duration::from_secs(10), "all see all", |s| {
        let peers = s.json(0, &["peers"]);
        let down: Vec<Value> =
            peers.as_array().into_iter().flatten().filter(|row| row["up"] != true).cloned().collect();
        if down.is_empty() { Ok(()) } else { Err(format!("{down:?}")) }
    });
}

/// What Zeek's parent wrote for it.
fn script(sandbox: &Sandbox, node: &str, name: &str) -> String {
    let path = sandbox.base().join("campus/run").join(node).join("scripts").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn foreign_workers_join_stop_start_and_come_back() {
    let sandbox = sandbox(WORKERS, "8.2.2");
    sandbox.expect(0, &["deploy"]);
    for row in sandbox.json(0, &["status"]).as_array().expect("rows") {
        assert_eq!(row["state"], "running", "{row}");
    }
    all_see_all(&sandbox);
    assert_eq!(sandbox.json(0, &["count"])["worker"], serde_json::json!({ "defined": 2, "active": 2 }));
    let said = sandbox.expect(0, &["output", "worker-1", "--stream", "stdout"]).stdout;
    let argv = "-i af_packet::lo -U .status -p local -p worker-1 zeek-cluster-node local zeek-cluster-config";
    assert!(said.contains(&format!("STANDIN argv {argv}\n")), "{said}");
    assert_eq!(sandbox.expect(0, &["deploy"]).stderr.matches("unchanged").count(), 1);

    sandbox.expect(0, &["stop", "worker-1"]);
    assert_eq!(state(&sandbox, "worker-1"), "stopped");
    sandbox.expect(0, &["count", "--type", "worker", "--active", "--expect", "1"]);
    sandbox.expect(0, &["start", "worker-1"]);
    all_see_all(&sandbox);

    let before = sandbox.node("worker-2")["pid"].clone();
    let child = zeek_of(before.as_u64().expect("a pid"));
    kill(child);
    sandbox.until(Duration::from_secs(10), "worker-2 runs again", |s| {
        let row = s.node("worker-2");
        if row["state"] == "running" && row["pid"] != before { Ok(()) } else { Err(row.to_string()) }
    });
    assert_eq!(sandbox.node("worker-2")["restarts"], 1);

    let parent = sandbox.node("worker-2")["pid"].as_u64().expect("a pid");
    let child = zeek_of(parent);
    kill(parent);
    sandbox.until(Duration::from_secs(10), "zeek dies with its parent", |_| {
        match Path::new(&format!("/proc/{child}/cwd")).read_link() {
            Ok(cwd) => Err(cwd.display().to_string()),
            Err(_) => Ok(()),
        }
    });
}

#[test]
fn encrypted_clusters_take_foreign_workers_in() {
    let sandbox = sandbox(&format!("{WORKERS}encryption: on\n"), "8.2.2");
    sandbox.expect(0, &["deploy"]);
    all_see_all(&sandbox);
    let keys = sandbox.base().join("campus/current/keys/client_secretkey");
    let secret = fs::read_to_string(keys).expect("the key");
    let said = sandbox.expect(0, &["output", "worker-1", "--stream", "stdout"]).stdout;
    assert!(!said.contains(secret.trim()), "no secret among the arguments");
}

#[test]
fn each_version_gets_the_scripts_it_has() {
    for (version, backend) in [("8.0.10", "zeromq/connect"), ("8.1.2", "zeromq"), ("9.0.0", "zeromq")] {
        let sandbox = sandbox(WORKERS, version);
        sandbox.expect(0, &["deploy"]);
        let text = script(&sandbox, "worker-1", "zeek-cluster-node.zeek");
        assert!(text.contains(&format!("@load policy/frameworks/cluster/backend/{backend}\n")), "{text}");
        assert!(text.contains("redef AF_Packet::fanout_id = 19008;"), "{text}");
    }
}

#[test]
fn what_zeek_cannot_do_is_said_once_and_before_anything_is_switched() {
    let cannot = |layout: &str, version: &str, what: &str| {
        let sandbox = sandbox(layout, version);
        let output = sandbox.expect(1, &["deploy"]);
        let full = output.stderr.lines().filter(|line| line.starts_with("error: ") && line.contains(what)).count();
        assert_eq!(full, 1, "{output:#?}");
        assert!(output.stderr.contains("worker-[1-2]"), "{output:#?}");
        assert!(!sandbox.base().join("campus/current").exists(), "nothing was switched");
    };
    cannot(&WORKERS.replace("PREFIX", "/nowhere"), "8.2.2", "looked for /nowhere/bin/zeek;");
    cannot(WORKERS, "7.0.3", "is Zeek 7.0.3, which cannot be a node of a ZeroMQ cluster");
    cannot(&format!("{WORKERS}encryption: on\n"), "8.1.2", "is Zeek 8.1.2, which cannot encrypt");
    cannot(&WORKERS.replace("PREFIX", "PREFIX, scripts: [local, lacal]"), "8.2.2", "can't find lacal");
}

#[test]
fn an_interface_that_is_not_there_is_named_with_a_hint() {
    let sandbox = sandbox(&WORKERS.replace("interface: lo", "interface: eth9"), "8.2.2");
    let output = sandbox.expect(1, &["deploy"]);
    let what = "fatal error: problem with interface af_packet::eth9 (pcap_error: No such device exists)";
    assert!(output.stderr.contains(what), "{output:#?}");
    assert!(output.stderr.contains("`ip link` on the host lists its interfaces"), "{output:#?}");
    assert!(output.stderr.contains("worker-[1-2]: "), "{output:#?}");
}

#[test]
fn check_finds_a_wrong_script_before_the_cluster_does() {
    let sandbox = sandbox(WORKERS, "8.2.2");
    let early = sandbox.expect(0, &["check"]);
    assert!(early.stderr.contains("Zeek has not read the scripts of worker-[1-2]"), "{early:#?}");
    sandbox.expect(0, &["deploy"]);
    let output = sandbox.expect(0, &["check"]);
    assert!(!output.stderr.contains("has not read"), "{output:#?}");
    fs::write(sandbox.path().join("zeek/share/zeek/site/local.zeek"), "nonsense\n").expect("local.zeek");
    let output = sandbox.expect(1, &["check"]);
    assert!(output.stderr.contains("local.zeek, line 1: syntax error, at or near \"nonsense\""), "{output:#?}");
    assert_eq!(state(&sandbox, "worker-1"), "running");

    // Neither does a restart stop a worker that would not come back.
    let before = sandbox.node("worker-1")["pid"].clone();
    let output = sandbox.expect(1, &["restart", "worker-1", "proxy"]);
    assert!(output.stderr.contains("local.zeek, line 1: syntax error"), "{output:#?}");
    assert!(output.stderr.contains("ok proxy"), "{output:#?}");
    assert_eq!(sandbox.node("worker-1")["pid"], before);
    fs::write(sandbox.path().join("zeek/share/zeek/site/local.zeek"), "# Mended.\n").expect("local.zeek");
    sandbox.expect(0, &["restart", "worker-1"]);
    assert_ne!(sandbox.node("worker-1")["pid"], before);
}

#[test]
fn a_foreign_manager_and_our_others_are_one_cluster() {
    for encryption in ["off", "on"] {
        let sandbox = sandbox(&format!("{MANAGER}encryption: {encryption}\n"), "8.2.2");
        sandbox.expect(0, &["deploy"]);
        all_see_all(&sandbox);
        sandbox.expect(0, &["status"]);
    }
}

#[test]
fn what_a_foreign_logger_rotates_is_archived() {
    let sandbox =
        sandbox(&WORKERS.replace("logger: { type: logger }", "logger: { type: logger, engine: zeek }"), "8.2.2");
    sandbox.expect(0, &["deploy"]);
    all_see_all(&sandbox);
    sandbox.expect(0, &["stop", "logger"]);
    let archived = sandbox.base().join("campus/logs/2026-01-31/conn.13:00:00-14:00:00.log.gz");
    let said = fs::read_to_string(sandbox.base().join("campus/run/logger/stderr.log")).expect("its output");
    assert!(archived.exists(), "{said}");
    let rotated = sandbox.base().join("campus/logs/current/logger/conn.2026-01-31-13-00-00.log");
    assert!(!rotated.exists());
}

#[test]
fn a_control_that_is_killed_while_zeek_reads_its_scripts_has_switched_nothing() {
    let sandbox = sandbox(WORKERS, "8.2.2");
    sandbox.expect(0, &["deploy"]);
    let current = || fs::read_link(sandbox.base().join("campus/current")).expect("a current release");
    let (before, pid) = (current(), sandbox.node("worker-1")["pid"].clone());
    let text = fs::read_to_string(sandbox.layout()).expect("the layout");
    fs::write(sandbox.layout(), text.replace("SITE: north", "SITE: south")).expect("the layout");
    let mut command = sandbox.command(&["deploy"]);
    command.env("ZEEK_CLUSTER_FAULT", "check:kill");
    let output = finish(command);
    assert_eq!(output.status, -1, "ended by a signal: {output:#?}");
    assert_eq!((current(), &sandbox.node("worker-1")["pid"]), (before.clone(), &pid));
    sandbox.expect(0, &["deploy"]);
    assert_ne!(current(), before);
    assert_ne!(sandbox.node("worker-1")["pid"], pid);
    all_see_all(&sandbox);
}

/// The child of a node's process.
fn zeek_of(parent: u64) -> u64 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("the parent runs");
    let child = children.split_whitespace().next().unwrap_or_else(|| panic!("{parent} has no child"));
    child.parse().expect("a process id")
}

fn kill(pid: u64) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is ours");
}
