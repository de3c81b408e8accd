//! One node in full, and all of it packed without secrets.

use std::fs;
use std::io::Read;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Machines, Sandbox, has_machines};

const SOON: Duration = Duration::from_secs(60);

const SECRET: &str = "correct-horse-battery";

fn kill(sandbox: &Sandbox, node: &str, signal: Signal) -> i64 {
    let pid = sandbox.node(node)["pid"].as_i64().expect("a pid");
    kill_process(Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid"), signal).expect("it ran");
    pid
}

fn until_back(sandbox: &Sandbox, node: &str) {
    sandbox.until(SOON, &format!("{node} is back"), |s| {
        let row = s.node(node);
        if row["state"] == "running" && row["restarts"] == 1 { Ok(()) } else { Err(row.to_string()) }
    });
}

/// Names and contents of an archive.
fn unpack(path: &std::path::Path) -> Vec<(String, String)> {
    let file = fs::File::open(path).expect("the archive");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().expect("a tar file").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("its path").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (name, text)
    });
    entries.collect()
}

#[test]
fn a_crashed_worker_is_shown_with_its_last_words_core_and_configuration() {
    let sandbox = Sandbox::with_layout(
        "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  \
         worker: { type: worker, env_vars: { API_TOKEN: correct-horse-battery, PLAIN: shown } }\n",
    );
    // The agent, and so its nodes, may write core files.
    let mut deploy = std::process::Command::new("sh");
    deploy.args(["-c", "ulimit -c unlimited && exec \"$0\" deploy", env!("CARGO_BIN_EXE_zeek-cluster")]);
    deploy.current_dir(sandbox.path()).env("HOME", sandbox.home());
    assert!(deploy.output().expect("sh runs").status.success());
    let stderr = sandbox.base().join("campus/run/worker/stderr.log");
    let mut said = fs::read_to_string(&stderr).unwrap_or_default();
    said.push_str("ERROR the interface caught fire; password=hunter2-hunter2\n");
    fs::write(&stderr, said).expect("the node appends to it");
    let pid = kill(&sandbox, "worker", Signal::ABORT);
    until_back(&sandbox, "worker");

    let rows = sandbox.json(0, &["diag", "worker"]);
    let diag = &rows[0];
    assert_eq!((&diag["name"], &diag["status"]["state"]), (&"worker".into(), &"running".into()));
    let crash = &diag["crashes"][0];
    assert_eq!((crash["pid"].as_i64(), &crash["exit"]), (Some(pid), &"killed by signal 6 (SIGABRT)".into()));
    let last_words = crash["stderr"].as_str().expect("text");
    assert!(last_words.contains("the interface caught fire; password=[redacted]"), "{last_words}");
    assert!(diag["memory"]["peak_bytes"].as_u64().is_some_and(|peak| peak > 1 << 20), "{diag:#}");
    assert!(diag["since"].is_number() && diag["config"].as_str().is_some_and(|text| text.contains("name: worker")));
    assert_eq!((&diag["env"]["API_TOKEN"], &diag["env"]["PLAIN"]), (&"[redacted]".into(), &"shown".into()));
    assert_eq!(diag["missing_peers"], serde_json::json!([]));
    let words: Vec<&str> =
        diag["events"].as_array().into_iter().flatten().filter_map(|e| e["event"].as_str()).collect();
    assert!(words.ends_with(&["crashed", "restarted", "joined"]), "{words:?}");
    core_of(diag);

    let page = sandbox.expect(0, &["diag", "worker", "--no-backtrace"]).stdout;
    for text in ["worker (worker) on localhost: running since", "| ERROR the interface caught fire", "configuration"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains(SECRET) && !page.contains("hunter2-hunter2"), "{page}");

    sandbox.expect(0, &["stop", "worker"]);
    assert_eq!(sandbox.json(0, &["diag", "worker"])[0]["next"][0], "zeek-cluster start worker");
}

/// Where this machine writes core files into the working folder, the backtrace names a function; elsewhere it is said why
/// there is none.
fn core_of(diag: &serde_json::Value) {
    let core = &diag["core"];
    let has_gdb = std::process::Command::new("gdb").arg("--version").output().is_ok();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("a kernel");
    match pattern.starts_with(['|', '/']) || !has_gdb {
        true => assert!(core["note"].is_string() || core["backtrace"].is_string(), "{core:#}"),
        false => {
            assert!(core["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{core:#}");
            assert!(core["backtrace"].as_str().is_some_and(|text| text.contains("Thread ")), "{core:#}");
        }
    }
}

#[test]
fn a_bundle_of_two_hosts_has_all_and_no_secret() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("the base folder");
    let machines = Machines::start(sandbox.path(), &sandbox.base(), 2);
    sandbox.write_layout(&format!(
        "name: campus\nbase_dir: BASE\nencryption: on\n{}nodes:\n  manager: {{ type: manager, host: head }}\n  \
         worker: {{ type: worker, host: sensor-1, env_vars: {{ API_TOKEN: {SECRET} }} }}\n\
         notify:\n  chat: {{ http: {{ url: 'http://127.0.0.1:1/{SECRET}-hook' }}, on: disk }}\n",
        machines.layout("")
    ));
    sandbox.expect(0, &["deploy"]);
    let keys = machines.disk(1).join("campus/current/keys");
    let secrets: Vec<String> = fs::read_dir(&keys)
        .expect("the keys of an encrypted cluster")
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a key").trim().to_owned())
        .collect();
    assert!(secrets.len() >= 3, "{secrets:?}");
    // A node that prints what it should not.
    let stderr = machines.disk(1).join("campus/run/worker/stderr.log");
    let mut said = fs::read_to_string(&stderr).unwrap_or_default();
    said.push_str(&format!("{} {SECRET}\n", secrets.join(" ")));
    fs::write(&stderr, said).expect("it is written");
    kill(&sandbox, "worker", Signal::KILL);
    until_back(&sandbox, "worker");

    let bundle = sandbox.path().join("help.tar.gz");
    let name = bundle.display().to_string();
    sandbox.expect(0, &["diag", "--bundle", &name]);
    let entries = unpack(&bundle);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    for wanted in [
        "README.txt",
        "head/events.jsonl",
        "head/manager/diag.json",
        "sensor-1/agent.log",
        "sensor-1/worker/stderr.log",
    ] {
        assert!(names.contains(&wanted), "{wanted}: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("sensor-1/worker/crash/")), "{names:?}");
    for (name, text) in &entries {
        assert!(secrets.iter().all(|key| !text.contains(key.as_str())) && !text.contains(SECRET), "{name}: {text}");
    }
    let stderr = entries.iter().find(|(name, _)| name == "sensor-1/worker/stderr.log").map(|(_, text)| text.as_str());
    assert!(stderr.is_some_and(|text| text.contains("[redacted]")), "{stderr:?}");
    let again = sandbox.run(&["diag", "--bundle", &name]);
    assert!(again.status != 0 && again.stderr.contains("does not exist yet"), "{again:#?}");
}
