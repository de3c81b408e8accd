//! What a running node takes over without a restart, and that it obeys.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::{DEADLINE, TestCluster};
use crate::api::config::{NodeConfig, OptionValue};
use crate::api::metrics::MetricFamily;
use crate::api::node::OptionView;
use crate::api::store::{BackendType, SqliteOptions, StoreConfig};

/// Gives a node a changed configuration; the status, and what it said.
fn give(cluster: &TestCluster, name: &str, change: impl FnOnce(&mut NodeConfig)) -> (u16, String) {
    let mut config = cluster.config(name);
    change(&mut config);
    cluster.request(name, "POST /v1/config", &serde_json::to_string(&config).unwrap())
}

fn set(cluster: &TestCluster, name: &str, option: &str, value: OptionValue) {
    let given = give(cluster, name, |config| drop(config.options.insert(option.to_owned(), value)));
    assert_eq!(given, (204, String::new()), "{option}");
}

fn text(text: &str) -> OptionValue {
    OptionValue::Text(text.to_owned())
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < DEADLINE, "never: {what}");
    }
}

#[test]
fn what_can_be_taken_over_is_and_the_rest_waits() {
    let mut cluster = TestCluster::new(&["manager"]);
    cluster.start("manager");
    let options = |cluster: &TestCluster| -> BTreeMap<String, OptionView> {
        serde_json::from_str(&cluster.request("manager", "GET /v1/options", "").1).unwrap()
    };
    let given = give(&cluster, "manager", |config| {
        config.options.insert("Cluster::Backend::ZeroMQ::hello_expiration".to_owned(), text("20sec"));
        config.options.insert("Cluster::Backend::ZeroMQ::xpub_sndhwm".to_owned(), OptionValue::Int(7));
        config.options.insert("Cluster::retry_interval".to_owned(), text("5sec"));
    });
    assert_eq!(given.0, 204, "{}", given.1);
    let now = options(&cluster);
    assert_eq!(now["Cluster::Backend::ZeroMQ::hello_expiration"].origin, "layout");
    assert_eq!(now["Cluster::retry_interval"].value, "5sec", "it has no use for it, and says what the layout says");
    assert_eq!(now["Cluster::Backend::ZeroMQ::xpub_sndhwm"].value, "1000");

    let (status, body) = give(&cluster, "manager", |config| {
        config.options.insert("Cluster::Backend::ZeroMQ::hello_expiration".to_owned(), text("soon"));
    });
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("hello_expiration: expected an interval"), "{body}");
    assert_eq!(options(&cluster)["Cluster::Backend::ZeroMQ::hello_expiration"].value, "20sec");
    cluster.stop_all();
}

#[test]
fn a_node_tells_more_of_its_events_from_the_moment_on_that_it_is_asked_to() {
    let mut cluster = TestCluster::new(&["manager", "worker-1"]);
    cluster.start("manager");
    let told = |cluster: &TestCluster, family: &str| {
        let (_, body) = cluster.request("manager", "GET /v1/metrics", "");
        let families: Vec<MetricFamily> = serde_json::from_str(&body).unwrap();
        families.iter().any(|each| each.name == family)
    };
    let sizes = "zeek_cluster_core_debug_incoming_event_sizes";
    let level = |level: &str| OptionValue::List(vec![text(&format!("Cluster::Telemetry::{level}"))]);
    set(&cluster, "manager", "Cluster::Telemetry::core_metrics", level("DEBUG"));
    assert!(!told(&cluster, sizes), "nobody has said anything yet");
    cluster.start("worker-1");
    until("sizes of the worker's hellos", || told(&cluster, sizes));
    set(&cluster, "manager", "Cluster::Telemetry::core_metrics", level("INFO"));
    assert!(!told(&cluster, sizes));
    cluster.stop_all();
}

#[test]
fn log_files_rotate_as_often_as_the_layout_says_now() {
    let mut cluster = TestCluster::new(&["manager", "worker-1"]);
    cluster.start("manager");
    cluster.start("worker-1");
    cluster.cluster_log("manager", |lines| lines.len() >= 2);
    let archived = |cluster: &TestCluster| {
        let days = std::fs::read_dir(cluster.dir.logs()).unwrap().flatten().filter(|day| day.file_name() != "current");
        days.flat_map(|day| std::fs::read_dir(day.path()).unwrap().flatten()).count()
    };
    assert_eq!(archived(&cluster), 0);
    let given = give(&cluster, "manager", |config| config.logging.rotation_interval_s = 1);
    assert_eq!(given.0, 204, "{}", given.1);
    until("cluster.log is in the archive", || archived(&cluster) > 0);
    cluster.stop_all();
}

#[test]
fn a_clone_without_master_answers_as_long_as_the_layout_says_now() {
    let mut cluster = TestCluster::new(&["manager", "proxy-1", "worker-1"]);
    let store = StoreConfig {
        backend: BackendType::Memory,
        master_node: Some("proxy-1".to_owned()),
        sqlite: SqliteOptions::default(),
        clone_resync_interval_s: 1.0,
        clone_stale_interval_s: 300.0,
        clone_mutation_buffer_interval_s: 120.0,
    };
    cluster.stores = BTreeMap::from([("s".to_owned(), store)]);
    ["manager", "proxy-1", "worker-1"].iter().for_each(|name| cluster.start(name));
    let ask = |cluster: &TestCluster| {
        let body = json!({ "store": "s", "ask": "size" }).to_string();
        cluster.request("worker-1", "POST /v1/stores/ask", &body)
    };
    until("the clone is whole", || ask(&cluster).0 == 200);
    cluster.stop("proxy-1").unwrap();
    let given = give(&cluster, "worker-1", |config| {
        config.stores.values_mut().for_each(|store| store.clone_stale_interval_s = 0.05);
    });
    assert_eq!(given.0, 204, "{}", given.1);
    until("the clone says that it is stale", || ask(&cluster).0 == 503);
    let given = give(&cluster, "worker-1", |_| {});
    assert_eq!(given.0, 204, "{}", given.1);
    assert_eq!(ask(&cluster).0, 200, "five minutes again");
    cluster.stop_all();
}

#[test]
fn a_clone_gives_its_writes_up_as_soon_as_the_layout_says_now() {
    let mut cluster = TestCluster::new(&["manager", "proxy-1", "worker-1"]);
    let store = StoreConfig {
        backend: BackendType::Memory,
        master_node: Some("proxy-1".to_owned()),
        sqlite: SqliteOptions::default(),
        clone_resync_interval_s: 1.0,
        clone_stale_interval_s: 300.0,
        clone_mutation_buffer_interval_s: 120.0,
    };
    cluster.stores = BTreeMap::from([("s".to_owned(), store)]);
    ["manager", "worker-1"].iter().for_each(|name| cluster.start(name));
    std::thread::scope(|scope| {
        let number = json!({ "@data-type": "count", "data": 1 });
        let body = json!({ "store": "s", "ask": "put", "key": number, "value": number }).to_string();
        let cluster = &cluster;
        let put = scope.spawn(move || cluster.request("worker-1", "POST /v1/stores/ask", &body).0);
        until("the write waits", || cluster.request("worker-1", "GET /v1/stores", "").1.contains("\"pending\":1"));
        let given = give(cluster, "worker-1", |config| {
            config.stores.values_mut().for_each(|store| store.clone_mutation_buffer_interval_s = 0.05);
        });
        assert_eq!(given.0, 204, "{}", given.1);
        assert_eq!(put.join().unwrap(), 503, "nobody is there to take it");
    });
    cluster.stop_all();
    assert!(DEADLINE < Duration::from_secs(120), "it was not given up by itself");
}
