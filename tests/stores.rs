//! Data stores of a running cluster: the commands, and a master that is killed while three nodes write.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::support::{Background, Sandbox};

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

/// Puts of each of the three nodes; a hundred thousand are put in the simulation of `cluster/stores/tests`.
const PUTS: usize = 1500;
/// Puts that wait for their acknowledgement at once, of each node.
const AT_ONCE: usize = 32;

/// Acknowledged puts, and who waits until there are so many.
struct Counter {
    done: AtomicUsize,
    waiting: std::sync::Mutex<Vec<(usize, oneshot::Sender<()>)>>,
}

impl Counter {
    fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let mut waiting = self.waiting.lock().expect("nobody panicked");
        for (_, told) in waiting.extract_if(.., |(at, _)| *at <= done) {
            let _gone = told.send(());
        }
    }

    fn reaches(&self, at: usize) -> oneshot::Receiver<()> {
        let (told, hears) = oneshot::channel();
        self.waiting.lock().expect("nobody panicked").push((at, told));
        hears
    }
}

#[test]
fn a_master_that_is_killed_twice_while_three_nodes_write_loses_nothing_that_it_acknowledged() {
    let sandbox = deployed();
    until_ready(&sandbox, "every clone is ready", 0);
    let counter = Arc::new(Counter { done: AtomicUsize::new(0), waiting: std::sync::Mutex::default() });
    let kills = [PUTS, 2 * PUTS].map(|at| counter.reaches(at));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let writers: Vec<_> = WORKERS
        .map(|worker| {
            let socket = sandbox.base().join("campus/run").join(worker).join("node.sock");
            let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().expect("a client");
            runtime.spawn(write_all(client, worker, Arc::clone(&counter)))
        })
        .into();
    for kill in kills {
        runtime.block_on(kill).expect("so many puts");
        let pid = sandbox.node("proxy")["pid"].as_i64().expect("a pid");
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is ours");
        sandbox.until(Duration::from_secs(20), "the agent starts it again", |s| {
            let row = s.node("proxy");
            let again = row["state"] == "running" && row["pid"].as_i64() != Some(i64::from(pid.as_raw_nonzero().get()));
            if again { Ok(()) } else { Err(row.to_string()) }
        });
    }
    let refused: Vec<String> =
        writers.into_iter().flat_map(|writer| runtime.block_on(writer).expect("it ends")).collect();
    assert_eq!(refused, Vec::<String>::new(), "within the buffer interval every write is acknowledged");
    assert_eq!(counter.done.load(Ordering::SeqCst), 3 * PUTS);
    assert_eq!(sandbox.node("proxy")["restarts"], 2);

    until_ready(&sandbox, "every node has every key", 3 * PUTS as u64);
    let expected: BTreeSet<String> =
        WORKERS.iter().flat_map(|worker| (0..PUTS).map(move |n| format!("\"{worker}:{n}\""))).collect();
    for node in ["proxy", "manager", "worker-1", "worker-2", "worker-3"] {
        let keys = sandbox.expect(0, &["store", "keys", STORE, "--node", node]).stdout;
        assert_eq!(keys.lines().map(str::to_owned).collect::<BTreeSet<_>>(), expected, "{node}");
    }
    let value = sandbox.expect(0, &["store", "get", STORE, "string:worker-2:7", "--node", "worker-3"]).stdout;
    assert_eq!(value, "7\n");
}

/// Puts through one node; what was refused.
async fn write_all(client: reqwest::Client, worker: &'static str, counter: Arc<Counter>) -> Vec<String> {
    let text = |text: String| json!({ "@data-type": "string", "data": text });
    let put = |number: usize| {
        let key = text(format!("{worker}:{number}"));
        let value = json!({ "@data-type": "count", "data": number });
        let request = json!({ "store": STORE, "ask": "put", "key": key, "value": value });
        let (client, counter) = (client.clone(), Arc::clone(&counter));
        async move {
            let answer =
                client.post("http://node/v1/stores/ask").json(&request).send().await.expect("the node answers");
            if answer.status().is_success() {
                counter.one_more();
                return None;
            }
            Some(answer.text().await.expect("an answer"))
        }
    };
    stream::iter((0..PUTS).map(put)).buffer_unordered(AT_ONCE).filter_map(async |refused| refused).collect().await
}
