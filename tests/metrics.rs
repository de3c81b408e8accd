//! What nodes count, asked through their agents and over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";

fn rows(answer: &Value, node: &str, metric: &str) -> Vec<Value> {
    let rows = answer.as_array().expect("an array").iter();
    rows.filter(|row| row["node"] == node && row["metric"] == metric).cloned().collect()
}

#[test]
fn metrics_of_all_nodes_come_without_a_metrics_port() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let answer = sandbox.json(0, &["metrics"]);
    for node in ["manager", "logger", "worker-1", "worker-2"] {
        let joined = rows(&answer, node, "zeek_cluster_node_joined");
        assert_eq!(joined.len(), 1, "{node}");
        assert_eq!((joined[0]["value"].as_f64(), joined[0]["kind"].as_str()), (Some(1.0), Some("gauge")), "{node}");
        assert_eq!(rows(&answer, node, "zeek_cluster_node_restarts_total")[0]["value"], 0.0);
        assert!(rows(&answer, node, "process_resident_memory_bytes")[0]["value"].as_f64() > Some(1e6));
    }
    let active = rows(&answer, "manager", "zeek_cluster_active_nodes");
    let workers = active.iter().find(|row| row["labels"]["node_type"] == "worker").expect("workers");
    assert_eq!(workers["value"], 2.0);

    let some =
        sandbox.expect(0, &["metrics", "worker-1", "--grep", "incoming_events", "--nonzero", "-o", "tsv"]).stdout;
    let columns: Vec<&str> = some.trim().split('\t').collect();
    assert_eq!(columns[..3], ["worker-1", "zeek_cluster_core_incoming_events_total", "-"], "{some}");
    assert!(columns[3].parse::<u64>().is_ok_and(|count| count >= 6), "{some}");
}

#[test]
fn a_node_that_does_not_run_is_named_and_the_others_are_shown() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["stop", "worker-2"]);
    let answer = sandbox.expect(1, &["metrics", "@workers", "--grep", "node_joined"]);
    assert_eq!(answer.stdout, "worker-1\tzeek_cluster_node_joined\t-\t1\n");
    assert!(answer.stderr.contains("worker-2") && !answer.stderr.contains("worker-1"), "{answer:#?}");
}

#[test]
fn a_page_of_all_nodes_satisfies_promtool() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let page = sandbox.expect(0, &["metrics", "--prometheus"]).stdout;
    assert_eq!(page.matches("# TYPE zeek_cluster_node_joined gauge\n").count(), 1, "{page}");
    assert_eq!(page.matches("\nzeek_cluster_node_joined{").count(), 4, "{page}");
    let mut promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of Debian's package prometheus");
    promtool.stdin.take().expect("its input").write_all(page.as_bytes()).expect("it reads");
    let checked = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_layout_s_metrics_port_is_served_and_the_manager_tells_of_it() {
    let sandbox = Sandbox::new();
    let port = sandbox.port + 9;
    let metrics = format!("manager: {{ type: manager, metrics_port: {port} }}");
    sandbox.write_layout(&LAYOUT.replace("manager: { type: manager }", &metrics));
    sandbox.expect(0, &["deploy"]);
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the manager listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: n\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(get("/metrics").contains("\nzeek_cluster_node_joined{node=\"manager\"} 1\n"));
    let expected = format!(r#"[{{"targets":["127.0.0.1:{port}"],"labels":{{}}}}]"#);
    assert!(get("/services.json").ends_with(&expected), "{}", get("/services.json"));
}
