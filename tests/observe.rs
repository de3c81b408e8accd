//! A running cluster seen from outside: `--connect`, `subscribe`, `publish`.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Background, Line, Sandbox};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";
const NODES: [&str; 4] = ["logger", "manager", "worker-1", "worker-2"];

fn encrypted() -> String {
    format!("encryption: on\n{LAYOUT}")
}

fn key_folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/share/zeek-cluster/keys/campus")
}

/// A subscriber that runs, and has said that it misses nothing from now on.
fn subscriber(sandbox: &Sandbox, args: &[&str]) -> Background {
    let subscriber = Background::start(sandbox.command(&[&["subscribe"], args].concat()));
    subscriber.says("subscribed to");
    subscriber
}

fn column(rows: &Value, name: &str) -> Vec<String> {
    let rows = rows.as_array().expect("an array");
    rows.iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_one_process_publishes_another_prints() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let lines = subscriber(&sandbox, &["test.", "-o", "json", "-n", "2"]);
    let table = subscriber(&sandbox, &["test.", "-o", "tsv", "-n", "1"]);

    let args = ["string:say \"hi\"", "count:5", "-7", "addr:1.2.3.4", "port:80/tcp", "[1,null]"];
    let published = sandbox.expect(0, &[&["publish", "test.topic", "Test::ping"], &args[..]].concat());
    assert_eq!(
        (published.stdout.as_str(), published.stderr.as_str()),
        ("", "published `Test::ping` on `test.topic`\n")
    );
    assert!(published.elapsed.as_secs() < 5, "{published:#?}");

    let event: Value = serde_json::from_str(&lines.prints()).expect("one JSON object a line");
    assert_eq!((event["type"].as_str(), event["topic"].as_str()), (Some("data-message"), Some("test.topic")));
    assert!(event["ts"].as_f64().is_some_and(|ts| ts > 1.7e9), "{event}");
    assert!(event["sender"].as_str().is_some_and(|sender| sender.starts_with("zeromq_")), "{event}");
    let typed = |data_type: &str, data: Value| json!({ "@data-type": data_type, "data": data });
    let args = [
        typed("string", json!("say \"hi\"")),
        typed("count", json!(5)),
        typed("integer", json!(-7)),
        typed("address", json!("1.2.3.4")),
        typed("port", json!("80/tcp")),
        typed("vector", json!([typed("count", json!(1)), typed("none", json!({}))])),
    ];
    let event_of_it = json!([typed("string", json!("Test::ping")), typed("vector", json!(args))]);
    assert_eq!(event["@data-type"], "vector");
    assert_eq!(
        event["data"],
        json!([typed("count", json!(1)), typed("count", json!(1)), typed("vector", event_of_it)])
    );

    let line = table.prints();
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields[1], "test.topic");
    assert_eq!(&fields[3..], ["Test::ping", r#""say \\"hi\\"", 5, -7, 1.2.3.4, 80/tcp, [1, -]"#]);
    assert_eq!(table.end(), (0, Vec::new()), "-n 1 ends after one");

    sandbox.expect(0, &["publish", "test.other", "Test::pong", "-q"]);
    let event: Value = serde_json::from_str(&lines.prints()).expect("one JSON object a line");
    assert_eq!(event["topic"], "test.other");
    assert_eq!(lines.end(), (0, Vec::new()));
}

#[test]
fn publishing_to_nobody_and_waiting_in_vain_say_so() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let nobody = sandbox.expect(1, &["publish", "test.nobody", "Test::ping"]);
    assert!(nobody.stderr.starts_with("error: nobody is subscribed to `test.nobody`"), "{nobody:#?}");
    assert!(nobody.stderr.contains("hint: "), "{nobody:#?}");
    // Each node is subscribed to a topic of its own.
    sandbox.expect(0, &["publish", "zeek.cluster.node.worker-1.", "Test::ping"]);
    let late = sandbox.expect(6, &["subscribe", "test.", "-n", "1", "--timeout", "1"]);
    assert!(late.stderr.ends_with("error: 0 of 1 events on `test.` in time\n"), "{late:#?}");
    sandbox.expect(0, &["subscribe", "test.", "--timeout", "1"]);

    let wrong = sandbox.expect(2, &["publish", "test.topic", "Test::ping", "hello"]);
    assert!(wrong.stderr.contains("such as string:hello"), "{wrong:#?}");
    let id = column(&sandbox.json(0, &["nodes", "worker-1"]), "id").remove(0);
    let noticed = sandbox.expect(2, &["subscribe", &format!("zeek.cluster.nodeid.{id}.")]);
    assert!(noticed.stderr.contains("nodes would take us for"), "{noticed:#?}");
    sandbox.expect(0, &["stop"]);
    let away = sandbox.expect(4, &["subscribe", "test."]);
    assert!(away.stderr.contains("cannot observe the cluster") && away.stderr.contains("hint: "), "{away:#?}");
}

#[test]
fn no_node_notices_an_observer() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let hellos = |s: &Sandbox| s.json(0, &["log", "-n", "1000"]).as_array().expect("an array").len();
    // Each of the four nodes greets three others.
    sandbox.until(std::time::Duration::from_secs(10), "12 hellos in cluster.log", |s| match hellos(s) {
        12 => Ok(()),
        other => Err(other.to_string()),
    });
    let before = sandbox.json(0, &["peers"]);
    let connect = format!("127.0.0.1:{}", sandbox.port);
    let watcher = subscriber(&sandbox, &["", "--connect", &connect]);
    for command in ["nodes", "count", "peers"] {
        sandbox.expect(0, &[command, "--connect", &connect]);
    }
    sandbox.expect(0, &["publish", "zeek.cluster.worker", "Test::ping", "--connect", &connect]);
    watcher.wait_for("the event", |line| matches!(line, Line::Out(text) if text.contains("Test::ping")).then_some(()));
    drop(watcher);
    // A node's end and return are told after all that an observer could have caused.
    sandbox.expect(0, &["restart", "worker-2"]);
    let logged = |s: &Sandbox| match hellos(s) {
        // Three nodes tell that it went, three greet it, and it greets three.
        21 => Ok(()),
        other => Err(other.to_string()),
    };
    sandbox.until(std::time::Duration::from_secs(10), "21 lines in cluster.log", logged);
    let after = sandbox.json(0, &["peers"]);
    let others = |rows: &Value| -> Vec<(String, String, String)> {
        let all = column(rows, "node").into_iter().zip(column(rows, "peer")).zip(column(rows, "id"));
        all.map(|((node, peer), id)| (node, peer, id)).filter(|(_, peer, _)| peer != "worker-2").collect()
    };
    assert_eq!(others(&before), others(&after));
    for node in NODES {
        let said = sandbox.expect(0, &["output", node, "--stream", "stderr"]).stdout;
        assert!(!said.contains("WARN") && !said.contains("ERROR"), "{node}: {said}");
    }
}

/// The table of a cluster, as an observer sees it.
fn observed(sandbox: &Sandbox, args: &[&str]) {
    let own = sandbox.json(0, &["nodes"]);
    let seen = sandbox.json(0, &[&["nodes"], args].concat());
    let mut named: Vec<(String, String)> = column(&own, "name").into_iter().zip(column(&own, "id")).collect();
    named.sort();
    let found: Vec<(String, String)> = column(&seen, "name").into_iter().zip(column(&seen, "id")).collect();
    assert_eq!(found, named);
    assert_eq!(column(&seen, "type"), ["logger", "manager", "worker", "worker"]);
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert!(column(&seen, "host").iter().all(|host| *host == machine), "{seen}");
    assert_eq!(sandbox.expect(0, &[&["count", "--active"], args].concat()).stdout, "4\n");
    assert_eq!(sandbox.json(0, &[&["count"], args].concat())["worker"]["active"], 2);
    let peers = sandbox.json(0, &[&["peers"], args].concat());
    assert_eq!(column(&peers, "peer"), NODES);
    assert!(peers.as_array().is_some_and(|rows| rows.iter().all(|row| row["up"] == true)), "{peers}");
}

#[test]
fn a_cluster_is_seen_by_its_port_or_its_endpoints() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let port = sandbox.port;
    observed(&sandbox, &["--connect", &format!("localhost:{port}")]);
    observed(&sandbox, &["--connect", &format!("tcp://127.0.0.1:{port},tcp://127.0.0.1:{}", port + 1)]);
    let swapped = format!("tcp://127.0.0.1:{},tcp://127.0.0.1:{port}", port + 1);
    let swapped = sandbox.expect(4, &["nodes", "--connect", &swapped, "--timeout", "3s"]);
    assert!(swapped.stderr.contains("mixed up"), "{swapped:#?}");
    let one = sandbox.json(0, &["nodes", "worker-2", "--connect", &format!("127.0.0.1:{port}")]);
    assert_eq!(column(&one, "name"), ["worker-2"]);
    sandbox.expect(2, &["nodes", "worker-9", "--connect", &format!("127.0.0.1:{port}")]);
}

#[test]
fn an_encrypted_cluster_is_seen_with_its_keys_only() {
    let sandbox = Sandbox::with_layout(&encrypted());
    sandbox.expect(0, &["deploy"]);
    let connect = format!("127.0.0.1:{}", sandbox.port);
    let keys = key_folder(&sandbox).display().to_string();
    observed(&sandbox, &["--connect", &connect, "--keys", &keys]);

    // The layout's own keys, and those of the environment, in both directions.
    let from_layout = subscriber(&sandbox, &["test.", "-n", "1", "-o", "jsonl"]);
    let read = |name: &str| fs::read_to_string(Path::new(&keys).join(name)).expect("a key").trim().to_owned();
    let mut publish = sandbox.command(&["publish", "test.topic", "Test::ping", "--connect", &connect]);
    for name in ["server_publickey", "client_publickey", "client_secretkey"] {
        publish.env(format!("ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_{}", name.to_uppercase()), read(name));
    }
    let (status, said) = Background::start(publish).end();
    assert_eq!((status, said), (0, vec![Line::Err("published `Test::ping` on `test.topic`".into())]));
    assert!(from_layout.prints().contains("Test::ping"));

    let none = sandbox.expect(4, &["nodes", "--connect", &connect, "--timeout", "5s"]);
    assert!(none.stderr.contains("it requires CURVE"), "{none:#?}");
    assert!(none.stderr.contains("--keys DIR"), "{none:#?}");
    sandbox.expect(0, &["keys", "generate", "-l", &other_layout(&sandbox)]);
    let wrong = sandbox.home().join(".local/share/zeek-cluster/keys/other").display().to_string();
    let wrong = sandbox.expect(4, &["nodes", "--connect", &connect, "--keys", &wrong, "--timeout", "8s"]);
    assert!(wrong.stderr.contains("CURVE") && wrong.stderr.contains("these keys are not the cluster's"), "{wrong:#?}");
    let said = sandbox.expect(0, &["output", "manager", "--stream", "stderr"]).stdout;
    assert!(said.contains("CURVE keys"), "the other side says it too: {said}");
    assert!(said.contains("a peer was turned away that encrypts for another server key"), "{said}");
}

/// Another cluster's layout, so that its keys can be made.
fn other_layout(sandbox: &Sandbox) -> String {
    let path = sandbox.path().join("other.yaml");
    fs::write(&path, "name: other\nencryption: on\nnodes:\n  manager: { type: manager }\n").expect("a layout");
    path.display().to_string()
}

#[test]
fn a_zeekctl_folder_tells_where_the_cluster_is_and_who_should_be_there() {
    let sandbox = Sandbox::with_layout(&encrypted());
    sandbox.expect(0, &["deploy"]);
    let prefix = sandbox.path().join("zeek");
    fs::create_dir_all(prefix.join("etc")).expect("etc");
    let node_cfg = "[logger]\ntype=logger\nhost=127.0.0.1\n[manager]\ntype=manager\nhost=127.0.0.1\n\
                    [worker]\ntype=worker\nhost=127.0.0.1\ninterface=eth0\nlb_method=custom\nlb_procs=3\n";
    fs::write(prefix.join("etc/node.cfg"), node_cfg).expect("node.cfg");
    let options = |encrypted| {
        let text = format!("ZeekPort = {}\ncluster_backend_zeromq.use_curve_encryption = {encrypted}\n", sandbox.port);
        fs::write(prefix.join("etc/zeekctl.cfg"), text).expect("zeekctl.cfg");
    };
    options("1");
    let connect = prefix.display().to_string();
    let no_keys = sandbox.expect(3, &["nodes", "--connect", &connect]);
    assert!(no_keys.stderr.contains("spool/zeromq/curve") && no_keys.stderr.contains("--keys DIR"), "{no_keys:#?}");

    let curve = prefix.join("spool/zeromq/curve");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&curve).expect("a folder");
    for file in fs::read_dir(key_folder(&sandbox)).expect("keys").map(|entry| entry.expect("a file").path()) {
        // Copies keep the mode, 0600.
        fs::copy(&file, curve.join(file.file_name().expect("a name"))).expect("copied");
    }
    let rows = sandbox.json(0, &["nodes", "--connect", &connect]);
    assert_eq!(column(&rows, "name"), ["logger", "manager", "worker-1", "worker-2", "worker-3"]);
    let active: Vec<bool> = rows.as_array().expect("rows").iter().map(|row| row["active"] == true).collect();
    assert_eq!(active, [true, true, true, true, false]);
    assert_eq!(sandbox.expect(0, &["count", "--active", "--connect", &connect]).stdout, "4\n");
    assert_eq!(sandbox.expect(0, &["count", "--defined", "--connect", &connect]).stdout, "5\n");
    let short = sandbox.expect(1, &["count", "--active", "--expect", "5", "--connect", &connect]);
    assert!(short.stderr.contains("missing: worker-3"), "{short:#?}");
    let down = sandbox.json(0, &["peers", "--down", "--connect", &connect]);
    assert_eq!(column(&down, "peer"), ["worker-3"]);

    fs::set_permissions(curve.join("client_secretkey"), fs::Permissions::from_mode(0o644)).expect("ours");
    let exposed = sandbox.expect(3, &["nodes", "--connect", &connect]);
    assert!(exposed.stderr.contains("can be read by others"), "{exposed:#?}");
    options("0");
    let plain = sandbox.expect(4, &["nodes", "--connect", &connect]);
    assert!(plain.stderr.contains("it requires CURVE"), "{plain:#?}");
}

#[test]
fn a_reader_that_leaves_ends_subscribe_quietly() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let mut process = sandbox.command(&["subscribe", "test."]).spawn().expect("the program starts");
    drop(process.stdout.take());
    assert_eq!(process.wait().expect("ours").code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut process.stderr.take().expect("piped"), &mut said).expect("text");
    assert!(!said.contains("error"), "{said}");
}
