//! Data stores of a running cluster: the commands, and a master that is killed while three nodes write.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::examples::example;
use crate::support::{Background, Line, Sandbox};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  proxy: { type: proxy }
  worker: { type: worker, count: 3 }
stores:
  known/hosts: { backend: sqlite, master_node: proxy, synchronous: normal, journal_mode: wal }
  scratch: {}
";

const STORE: &str = "known/hosts";
const WORKERS: [&str; 3] = ["worker-1", "worker-2", "worker-3"];

fn deployed() -> Sandbox {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let deploy = sandbox.expect(0, &["deploy"]);
    assert!(!deploy.stderr.contains("warning"), "{deploy:#?}");
    sandbox
}

fn rows(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.run(&["store", "list", "-o", "json"]);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

fn until_ready(sandbox: &Sandbox, what: &str, keys: u64) {
    sandbox.until(Duration::from_secs(30), what, |s| {
        let rows = rows(s);
        let mine: Vec<&Value> = rows.iter().filter(|row| row["name"] == STORE).collect();
        let good = |row: &&Value| row["state"] == "ready" && row["size"] == keys;
        if mine.len() == 5 && mine.iter().all(good) { Ok(()) } else { Err(format!("{mine:#?}")) }
    });
}

#[test]
fn what_is_put_by_hand_is_read_on_every_node_and_removed_again() {
    let sandbox = deployed();
    until_ready(&sandbox, "every clone is ready", 0);
    let list = rows(&sandbox);
    assert_eq!(list.len(), 10, "two stores on five nodes: {list:#?}");
    let master = |name: &str| {
        let found = list.iter().find(|row| row["name"] == name && row["master"] == true).expect("a master");
        found["node"].as_str().expect("a name").to_owned()
    };
    assert_eq!((master(STORE).as_str(), master("scratch").as_str()), ("proxy", "manager"));

    let mut command = sandbox.command(&["store", "watch", STORE, "-o", "jsonl"]);
    command.stdin(Stdio::null());
    let watching = Background::start(command);
    watching.says("watching `known/hosts` on proxy");

    let put = sandbox.expect(0, &["store", "put", STORE, "addr:192.0.2.1", r#"table:{"seen":5}"#]);
    assert!(put.stderr.contains("wrote 192.0.2.1 into `known/hosts`"), "{put:#?}");
    assert_eq!(sandbox.expect(0, &["store", "get", STORE, "addr:192.0.2.1"]).stdout, "{[\"seen\"] = 5}\n");
    sandbox.expect(0, &["store", "put", STORE, "string:short", "1", "--expiry", "1h", "--node", "worker-2"]);
    until_ready(&sandbox, "two keys everywhere", 2);
    let keys = sandbox.expect(0, &["store", "keys", STORE, "--node", "worker-3"]);
    assert_eq!(keys.stdout, "\"short\"\n192.0.2.1\n");
    assert_eq!(
        sandbox.json(0, &["store", "size", STORE]),
        json!([{ "schema": "zeek-cluster/v1", "@data-type": "count", "data": 2 }])
    );

    let change: Value = serde_json::from_str(&watching.prints()).expect("a line of JSON");
    assert_eq!((&change["change"], &change["key"]["data"]), (&json!("put"), &json!("192.0.2.1")));
    let change: Value = serde_json::from_str(&watching.prints()).expect("a line of JSON");
    assert!(change["expiry"].as_f64().is_some_and(|at| at > 1.7e9), "{change}");

    let missing = sandbox.expect(1, &["store", "get", STORE, "string:x"]);
    assert_eq!((missing.stdout.as_str(), missing.stderr.as_str()), ("", "error: no such key\n"));
    sandbox.expect(0, &["store", "del", STORE, "string:short"]);
    let again = sandbox.expect(1, &["store", "del", STORE, "string:short"]);
    assert!(again.stderr.contains("\"short\" is not in `known/hosts`"), "{again:#?}");
    let unclear = sandbox.expect(2, &["store", "clear", STORE]);
    assert!(unclear.stderr.contains("Remove the one key of store `known/hosts`?"), "{unclear:#?}");
    sandbox.expect(0, &["store", "clear", STORE, "--yes"]);
    until_ready(&sandbox, "no keys anywhere", 0);

    let unknown = sandbox.expect(1, &["store", "size", "nowhere"]);
    assert!(unknown.stderr.contains("there is no store `nowhere` on this node"), "{unknown:#?}");
    assert!(unknown.stderr.contains("hint: this node has known/hosts, scratch"), "{unknown:#?}");
    let unreadable = sandbox.expect(2, &["store", "get", STORE, "192.0.2.1"]);
    assert!(unreadable.stderr.contains("neither TYPE:VALUE nor JSON"), "{unreadable:#?}");
    sandbox.expect(0, &["stop", "proxy"]);
    let stopped = sandbox.expect(1, &["store", "get", STORE, "string:x"]);
    assert!(stopped.stderr.contains("node proxy gives no answer"), "{stopped:#?}");
}

/// Puts of each of the three nodes: a hundred thousand together.
const PUTS: usize = 33_334;
/// Nobody waits longer for anything here: a debug build on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(240);

/// How many puts of all writers are acknowledged, as far as they said so.
struct Progress {
    writers: [Background; 3],
    acknowledged: [usize; 3],
}

impl Progress {
    /// Waits until each writer has said `count` or more.
    fn reaches(&mut self, count: usize) {
        for (writer, acknowledged) in self.writers.iter().zip(&mut self.acknowledged) {
            while *acknowledged < count {
                *acknowledged = writer.wait_within(LIMIT, "acknowledged", |line| match line {
                    Line::Out(text) => {
                        let number = text.split(": ").nth(1)?.strip_suffix(" acknowledged")?;
                        Some(number.parse().expect("a number"))
                    }
                    Line::Err(text) => panic!("a writer failed: {text}"),
                });
            }
        }
    }
}

#[test]
fn a_master_that_is_killed_twice_during_100_000_puts_of_three_nodes_loses_nothing_that_it_acknowledged() {
    let sandbox = deployed();
    until_ready(&sandbox, "every clone is ready", 0);
    // The three nodes are programs that write with the library; the master and the manager are nodes of the agent.
    sandbox.expect(0, &["stop", "worker-[1-3]"]);
    let total = 3 * PUTS;
    let began = Instant::now();
    let writers = WORKERS.map(|worker| {
        let mut command = Command::new(example("store_writer"));
        command.arg(sandbox.layout()).args([worker, STORE, &PUTS.to_string(), &total.to_string()]);
        Background::start(command)
    });
    let mut progress = Progress { writers, acknowledged: [0; 3] };
    let mut killed = None;
    for share in 1..=2 {
        let pid = sandbox.until(LIMIT, "the agent starts the master again", |sandbox| {
            let row = sandbox.node("proxy");
            let pid = row["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| killed != Some(*pid));
            pid.ok_or_else(|| row.to_string())
        });
        progress.reaches(share * PUTS / 3);
        assert!(progress.acknowledged.iter().all(|count| *count < PUTS), "in the middle: {:?}", progress.acknowledged);
        let process = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("the process is ours");
        killed = Some(pid);
    }
    progress.reaches(PUTS);
    println!("{total} puts, and a master killed twice, in {:?}", began.elapsed());
    assert_eq!(sandbox.node("proxy")["restarts"], 2);

    let expected: BTreeSet<String> =
        WORKERS.iter().flat_map(|worker| (0..PUTS).map(move |n| format!("{worker}:{n}"))).collect();
    for (writer, worker) in progress.writers.into_iter().zip(WORKERS) {
        let mut keys = BTreeSet::new();
        while keys.len() < total {
            writer.wait_within(LIMIT, "a key", |line| match line {
                Line::Out(key) => Some(keys.insert(key.clone())),
                Line::Err(text) => panic!("{worker} failed: {text}"),
            });
        }
        assert_eq!(keys, expected, "{worker}");
        assert_eq!(writer.end(), (0, Vec::new()), "{worker}");
    }
    for node in ["proxy", "manager"] {
        let keys = sandbox.expect(0, &["store", "keys", STORE, "--node", node]).stdout;
        let keys: BTreeSet<String> = keys.lines().map(|key| key.trim_matches('"').to_owned()).collect();
        assert_eq!(keys, expected, "{node}");
    }
    let value = sandbox.expect(0, &["store", "get", STORE, "string:worker-2:7", "--node", "manager"]).stdout;
    assert_eq!(value, "7\n");
}
