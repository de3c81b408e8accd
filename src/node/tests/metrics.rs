//! What nodes tell Prometheus, over real HTTP, judged by promtool and by what a real Zeek served.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cluster::{DEADLINE, TestCluster, free_port};
use crate::api::config::OptionValue;
use crate::api::metrics::{MetricFamily, MetricValue};
use crate::node::{NodeError, NodeOptions};

const LEVELS: &str = "Cluster::Telemetry::core_metrics";

/// Four nodes that serve metrics, with everything that can be kept.
fn cluster() -> TestCluster {
    let mut cluster = TestCluster::new(&["manager", "logger-1", "proxy-1", "worker-1"]);
    cluster.nodes.iter_mut().for_each(|node| node.metrics_port = Some(free_port()));
    let levels = ["INFO", "VERBOSE", "DEBUG"].map(|level| OptionValue::Text(format!("Cluster::Telemetry::{level}")));
    cluster.options.insert(LEVELS.to_owned(), OptionValue::List(levels.to_vec()));
    let loopback = OptionValue::Text("127.0.0.1".to_owned());
    cluster.options.insert("Telemetry::metrics_address".to_owned(), loopback);
    cluster
}

fn start_all(cluster: &mut TestCluster) {
    let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    names.iter().for_each(|name| cluster.start(name));
    cluster.wait_until_all_see_all();
}

fn get(cluster: &TestCluster, name: &str, path: &str, headers: &str) -> (u16, String) {
    let port = cluster.nodes.iter().find(|node| node.name == name).unwrap().metrics_port.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: n\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn page(cluster: &TestCluster, name: &str) -> String {
    let (status, body) = get(cluster, name, "/metrics", "");
    assert_eq!(status, 200, "{body}");
    body
}

/// The value of the one sample that begins so.
fn value(page: &str, sample: &str) -> f64 {
    let line = page.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no {sample} in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Family name to kind, help, and names of labels.
fn families(page: &str) -> BTreeMap<String, (String, String, BTreeSet<String>)> {
    let mut found: BTreeMap<String, (String, String, BTreeSet<String>)> = BTreeMap::new();
    let mut last = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            last = name.to_owned();
            found.entry(last.clone()).or_default().1 = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            found.get_mut(&last).unwrap().0 = rest.rsplit(' ').next().unwrap().to_owned();
        } else if let Some((_, labels)) = line.split_once('{') {
            let labels = labels.rsplit_once('}').unwrap().0;
            let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
            found.get_mut(&last).unwrap().2.extend(names);
        }
    }
    found
}

#[test]
fn names_kinds_help_and_labels_are_those_of_a_real_zeek() {
    let mut cluster = cluster();
    start_all(&mut cluster);
    for (name, recorded) in [
        ("manager", include_str!("../../../tests/vectors/telemetry/metrics-manager.txt")),
        ("logger-1", include_str!("../../../tests/vectors/telemetry/metrics-logger-1.txt")),
        ("worker-1", include_str!("../../../tests/vectors/telemetry/metrics-worker-1.txt")),
    ] {
        let ours = families(&page(&cluster, name));
        let wanted = families(recorded).into_iter().filter(|(family, _)| {
            let shared = [
                "zeek_log_stream",
                "zeek_log_writer_writes",
                "zeek_cluster_core",
                "zeek_cluster_onloop",
                "zeek_cluster_zeromq",
                "process_",
                "exposer_",
            ];
            shared.iter().any(|prefix| family.starts_with(prefix))
        });
        for (family, zeek_s) in wanted {
            assert_eq!(ours.get(&family), Some(&zeek_s), "{name}: {family}");
        }
    }
    cluster.stop_all();
}

#[test]
fn each_of_four_nodes_counts_six_hellos_out_and_in() {
    let mut cluster = cluster();
    start_all(&mut cluster);
    let began = Instant::now();
    for name in ["manager", "logger-1", "proxy-1", "worker-1"] {
        // Whoever sees all others has heard from each; what it says itself may still be on its way to them.
        let topic = r#"topic="zeek.cluster.nodeid.__normalized__""#;
        for way in ["outgoing", "incoming"] {
            for handler in ["Cluster::hello", "Cluster::Backend::ZeroMQ::hello"] {
                let sample = format!(
                    r#"zeek_cluster_core_verbose_{way}_events_total{{handler="{handler}",node="{name}",{topic}}}"#
                );
                while !page(&cluster, name).contains(&format!("\n{sample} ")) {
                    assert!(began.elapsed() < DEADLINE, "{name}: no {sample}");
                }
                // Repeated hellos are possible on a slow machine, missing ones are not.
                assert!(value(&page(&cluster, name), &sample) >= 3.0, "{name}: {sample}");
            }
            let page = page(&cluster, name);
            let script = if way == "outgoing" { r#",script_location="none""# } else { "" };
            let labels = format!(r#"handler="Cluster::hello",node="{name}"{script},{topic}"#);
            let count = value(&page, &format!("zeek_cluster_core_debug_{way}_event_sizes_count{{{labels}}}"));
            let largest = format!(r#"zeek_cluster_core_debug_{way}_event_sizes_bucket{{{labels},le="500.0"}}"#);
            assert_eq!(value(&page, &largest), count, "hellos are small");
        }
        let page = page(&cluster, name);
        let logged = format!(r#"zeek_log_stream_writes_total{{module="Cluster",node="{name}",stream="Cluster::LOG"}}"#);
        assert!(value(&page, &logged) >= 3.0, "a line for each hello");
        assert_eq!(value(&page, &format!("zeek_cluster_node_joined{{node=\"{name}\"}}")), 1.0);
    }
    cluster.cluster_log("logger-1", |lines| lines.len() >= 12);
    let written = r#"zeek_cluster_logger_stream_records_total{node="logger-1",path="cluster",stream="Cluster::LOG"}"#;
    assert!(value(&page(&cluster, "logger-1"), written) >= 12.0);
    cluster.stop_all();
}

#[test]
fn promtool_finds_nothing_wrong_with_a_page() {
    let mut cluster = cluster();
    start_all(&mut cluster);
    for name in ["manager", "logger-1", "worker-1"] {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool, of Debian's package prometheus");
        promtool.stdin.take().unwrap().write_all(page(&cluster, name).as_bytes()).unwrap();
        let checked = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && said.is_empty(), "{name}: {said}");
    }
    cluster.stop_all();
}

#[test]
fn every_counter_of_a_node_has_a_metric() {
    let mut cluster = TestCluster::new(&["manager"]);
    cluster.start("manager");
    cluster.wait_until_all_see_all();
    let told = cluster.view("manager").counters.len();
    let (status, body) = cluster.request("manager", "GET /v1/metrics", "");
    assert_eq!(status, 200, "{body}");
    let families: Vec<MetricFamily> = serde_json::from_str(&body).unwrap();
    // All of them, and two that are drawn from the core's own figures.
    let of_counters = |family: &&MetricFamily| {
        [
            "zeek_cluster_core_",
            "zeek_cluster_zeromq_",
            "zeek_cluster_onloop_",
            "zeek_cluster_log_",
            "zeek_cluster_reports_",
        ]
        .iter()
        .any(|prefix| family.name.starts_with(prefix))
            && !family.name.starts_with("zeek_cluster_zeromq_proxy_")
            && !family.name.ends_with("going_events_total")
            && !family.name.ends_with("coming_events_total")
    };
    assert_eq!(
        families.iter().filter(of_counters).count() + 1,
        told,
        "a counter of the node has no name in telemetry/node.rs"
    );
    assert!(families.iter().flat_map(|family| &family.samples).all(|sample| sample.labels["node"] == "manager"));
    let records = families.iter().find(|family| family.name == "zeek_cluster_logger_records_total").unwrap();
    assert!(matches!(records.samples[0].value, MetricValue::Count(_)));
    // What it logged itself is the one counter with Zeek's names for logs.
    let own = families.iter().find(|family| family.name == "zeek_log_stream_writes_total").unwrap();
    assert_eq!(own.samples[0].labels["stream"], "Cluster::LOG");
    cluster.stop_all();
}

#[test]
fn the_manager_tells_where_all_nodes_serve_and_follows_a_new_layout() {
    let mut cluster = cluster();
    cluster.nodes[3].metrics_port = None;
    cluster.start("manager");
    cluster.start("proxy-1");
    cluster.view("manager");
    cluster.view("proxy-1");
    let (status, body) = get(&cluster, "manager", "/services.json", "");
    assert_eq!(status, 200, "{body}");
    let target = |index: usize| format!("127.0.0.1:{}", cluster.nodes[index].metrics_port.unwrap());
    let expected = serde_json::json!([{ "targets": [target(0), target(1), target(2)], "labels": {} }]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), expected);
    let (status, _) = get(&cluster, "proxy-1", "/services.json", "");
    assert_eq!(status, 404);

    let nodes = serde_json::to_string(&cluster.nodes[..2]).unwrap();
    let (status, body) = cluster.request("manager", "POST /v1/layout", &nodes);
    assert_eq!(status, 204, "{body}");
    let (_, body) = get(&cluster, "manager", "/services.json", "");
    assert_eq!(body.matches("127.0.0.1:").count(), 2, "{body}");
    cluster.stop_all();
}

#[test]
fn options_are_obeyed() {
    let mut cluster = cluster();
    let options = &mut cluster.options;
    options.insert(LEVELS.to_owned(), OptionValue::List(Vec::new()));
    options.insert("Telemetry::metrics_endpoint_label".to_owned(), OptionValue::Text("endpoint".to_owned()));
    cluster.start("manager");
    cluster.view("manager");
    let page = page(&cluster, "manager");
    assert!(!page.contains("zeek_cluster_core_outgoing_events_total"), "{page}");
    assert_eq!(value(&page, r#"zeek_cluster_zeromq_xpub_drops_total{endpoint="manager"}"#), 0.0);
    let address = cluster.nodes[0].metrics_port.unwrap();
    // 127.0.0.1 alone was asked for.
    assert!(TcpStream::connect(("127.0.0.2", address)).is_err());
    cluster.stop_all();
}

#[test]
fn a_metrics_port_that_is_taken_ends_the_node_with_the_port_and_what_to_do() {
    let cluster = cluster();
    let port = cluster.nodes[0].metrics_port.unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    cluster.write_config(&cluster.config("manager"));
    let options = NodeOptions { dir: cluster.dir.clone(), name: "manager".to_owned() };
    let error = crate::node::run::run_until(options, Ok).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, NodeError::Metrics { .. }), "{text}");
    assert!(text.contains(&format!("Attempted to bind to 127.0.0.1:{port}.")) && text.contains("ss -tanp"), "{text}");
}

#[test]
fn a_wrong_option_is_named() {
    let mut cluster = cluster();
    let address = "Telemetry::metrics_address";
    cluster.options.insert(address.to_owned(), OptionValue::Text("everywhere".to_owned()));
    cluster.write_config(&cluster.config("manager"));
    let options = NodeOptions { dir: cluster.dir.clone(), name: "manager".to_owned() };
    let error = crate::node::run::run_until(options, Ok).unwrap_err().to_string();
    assert_eq!(error, "option Telemetry::metrics_address: 'everywhere' is no IP address");
}

#[test]
fn a_real_prometheus_finds_and_scrapes_every_node_through_the_manager() {
    let mut cluster = cluster();
    start_all(&mut cluster);
    let folder = tempfile::tempdir().unwrap();
    let manager = cluster.nodes[0].metrics_port.unwrap();
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n- job_name: zeek\n  http_sd_configs:\n  \
         - {{ url: 'http://127.0.0.1:{manager}/services.json', refresh_interval: 1s }}\n"
    );
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let port = free_port();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus, of Debian's package prometheus");
    let began = Instant::now();
    let up = loop {
        let up = query(port, "sum(up) by (job)").filter(|answer| answer.contains("\"4\""));
        if up.is_some() || began.elapsed() > Duration::from_secs(60) {
            break up;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let hellos = query(port, "count(zeek_cluster_core_incoming_events_total >= 6)").unwrap_or_default();
    prometheus.kill().unwrap();
    prometheus.wait().unwrap();
    assert!(up.is_some(), "not all four targets are up");
    assert!(hellos.contains("\"4\""), "{hellos}");
    cluster.stop_all();
}

/// One query of Prometheus' API; none while it does not answer.
fn query(port: u16, query: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let query: String = query.bytes().map(|octet| format!("%{octet:02x}")).collect();
    write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\nHost: p\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains("\"success\"").then_some(answer)
}
