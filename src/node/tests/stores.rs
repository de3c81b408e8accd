//! Stores of running nodes, over real ZeroMQ and real files; and stores without a cluster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{DEADLINE, TestCluster};
use crate::api::store::{BackendType, SqliteOptions, StoreConfig, StoreState, StoreView};
use crate::cluster::stores::{Definitions, Persistence, Refusal, Store, StoreError, StoreEvent, Update};
use crate::data::Data;
use crate::node::Stores;

fn config(backend: BackendType) -> StoreConfig {
    StoreConfig {
        backend,
        master_node: None,
        sqlite: SqliteOptions::default(),
        clone_resync_interval_s: 1.0,
        clone_stale_interval_s: 300.0,
        clone_mutation_buffer_interval_s: 120.0,
    }
}

fn count(number: u64) -> Value {
    json!({ "@data-type": "count", "data": number })
}

fn text(text: &str) -> Value {
    json!({ "@data-type": "string", "data": text })
}

fn ask(cluster: &TestCluster, node: &str, request: &Value) -> (u16, Value) {
    let (status, body) = cluster.request(node, "POST /v1/stores/ask", &request.to_string());
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

fn get(cluster: &TestCluster, node: &str, key: &str) -> (u16, Value) {
    ask(cluster, node, &json!({ "store": "a/b", "ask": "get", "key": text(key) }))
}

fn put(cluster: &TestCluster, node: &str, key: &str, number: u64) {
    let put = json!({ "store": "a/b", "ask": "put", "key": text(key), "value": count(number) });
    assert_eq!(ask(cluster, node, &put), (200, json!({ "@data-type": "none", "data": {} })), "{key}");
}

fn views(cluster: &TestCluster, node: &str) -> Vec<StoreView> {
    let (status, body) = cluster.request(node, "GET /v1/stores", "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn wait_for(cluster: &TestCluster, node: &str, what: &str, wanted: impl Fn(&StoreView) -> bool) {
    let began = Instant::now();
    loop {
        let views = views(cluster, node);
        if views.iter().any(&wanted) {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{node} never came to \"{what}\": {views:#?}");
    }
}

fn ready(view: &StoreView) -> bool {
    view.state == StoreState::Ready
}

#[test]
fn a_store_of_the_configuration_is_a_master_here_a_clone_there_and_survives_its_master() {
    let mut cluster = TestCluster::new(&["manager", "worker-1", "worker-2"]);
    cluster.stores = BTreeMap::from([("a/b".to_owned(), config(BackendType::Sqlite))]);
    for name in ["manager", "worker-1", "worker-2"] {
        cluster.start(name);
    }
    for name in ["worker-1", "worker-2"] {
        wait_for(&cluster, name, "in sync", ready);
    }
    put(&cluster, "worker-1", "k", 7);
    assert_eq!(get(&cluster, "manager", "k"), (200, count(7)));
    wait_for(&cluster, "worker-2", "one key", |view| view.size == 1);
    assert_eq!(get(&cluster, "worker-2", "k"), (200, count(7)));

    let (status, body) = get(&cluster, "worker-2", "missing");
    assert_eq!((status, &body["what"]), (404, &json!("no such key")));
    let (status, body) = ask(&cluster, "worker-2", &json!({ "store": "x", "ask": "size" }));
    assert_eq!((status, &body["hint"]), (404, &json!("this node has a/b")));

    let master = &views(&cluster, "manager")[0];
    let path = cluster.dir.stores().join("a/b.sqlite");
    assert_eq!((master.master, master.path.as_ref(), master.changes), (true, Some(&path), 1));
    let clone = &views(&cluster, "worker-1")[0];
    assert_eq!((clone.master, clone.master_node.as_str(), clone.since), (false, "manager", master.since));

    // What the master had is there after its next start, and the clones find it.
    cluster.stop("manager").unwrap();
    cluster.start("manager");
    assert_eq!(get(&cluster, "manager", "k"), (200, count(7)));
    put(&cluster, "worker-2", "l", 8);
    wait_for(&cluster, "worker-1", "two keys", |view| ready(view) && view.size == 2);
    assert_eq!(ask(&cluster, "worker-1", &json!({ "store": "a/b", "ask": "clear" })).0, 200);
    wait_for(&cluster, "manager", "no keys", |view| view.size == 0);
    let created = |lines: &[String]| lines.iter().filter(|line| line.contains("store: a/b")).count();
    let lines = cluster.cluster_log("manager", |lines| created(lines) >= 1);
    assert!(lines.iter().any(|line| line.ends_with("manager\tcreated master store: a/b")), "{lines:#?}");
    cluster.stop_all();
}

#[test]
fn a_store_that_cannot_be_opened_keeps_the_node_from_starting_and_the_error_names_it() {
    let mut cluster = TestCluster::new(&["manager"]);
    let mut store = config(BackendType::Sqlite);
    store.sqlite.path = "taken".into();
    cluster.stores = BTreeMap::from([("s".to_owned(), store)]);
    std::fs::create_dir_all(cluster.dir.path().join("taken")).unwrap();
    let error = cluster.start_and_fail("manager").to_string();
    assert!(error.starts_with("Could not create Broker master store 's' in "), "{error}");
    assert!(error.contains("taken") && error.contains("`stores:`"), "{error}");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn local(stores: &Stores, name: &str, persistent: Persistence) -> Store {
    stores.create_store(name, persistent).unwrap().store.unwrap()
}

#[test]
fn without_a_cluster_every_operation_of_the_reference_works_on_a_local_master() {
    block_on(async {
        let stores = Stores::new(None, Definitions::default());
        let store = local(&stores, "s", Persistence::Any);
        let mut watch = store.watch().await.unwrap();
        store.put("n", 1u64, None).await.unwrap();
        assert!(!store.put_unique("n", 2u64, None).await.unwrap());
        assert!(store.put_unique("u", 2u64, None).await.unwrap());
        store.increment("n", 2u64, None).await.unwrap();
        store.decrement("n", 1u64, None).await.unwrap();
        store.append("s", "ab", None).await.unwrap();
        store.append("s", "c", None).await.unwrap();
        store.insert_into_set("set", 1u64, None).await.unwrap();
        store.insert_into_set("set", 2u64, None).await.unwrap();
        store.remove_from("set", 1u64, None).await.unwrap();
        store.insert_into_table("t", "i", "v", None).await.unwrap();
        store.push("v", 1u64, None).await.unwrap();
        store.push("v", 2u64, None).await.unwrap();
        store.pop("v", None).await.unwrap();
        assert_eq!(store.get("n").await, Ok(Data::Count(2)));
        assert_eq!(store.get("s").await, Ok(Data::from("abc")));
        assert_eq!(store.get("set").await, Ok(Data::set([2u64])));
        assert_eq!(store.get_index_from_value("set", 2u64).await, Ok(Data::Boolean(true)));
        assert_eq!(store.get_index_from_value("t", "i").await, Ok(Data::from("v")));
        assert_eq!(store.get("v").await, Ok(Data::vector([1u64])));
        assert_eq!(store.keys().await, Ok(Data::set(["n", "s", "set", "t", "u", "v"])));
        store.erase("u").await.unwrap();
        assert_eq!((store.exists("u").await, store.size().await), (Ok(false), Ok(5)));
        assert!(matches!(store.append("n", "x", None).await, Err(StoreError::Refused(Refusal::TypeClash { .. }))));
        store.clear().await.unwrap();
        assert_eq!(store.size().await, Ok(0));
        let first = Update::Put { key: "n".into(), value: 1u64.into(), expiry: None };
        assert_eq!(watch.next().await, Some(StoreEvent::Changed(first)));

        store.put("short", 1u64, Some(Duration::from_millis(20))).await.unwrap();
        let mut last = None;
        while last != Some(StoreEvent::Changed(Update::Expire { key: "short".into() })) {
            last = watch.next().await;
        }
        assert_eq!(store.get("short").await, Err(StoreError::Refused(Refusal::NoSuchKey)));
        stores.close().await;
        assert_eq!(store.put("k", 1u64, None).await, Err(StoreError::Closed { store: "s".into() }));
        assert!(store.is_closed());
    });
}

#[test]
fn a_persistent_store_is_there_again_and_creating_one_twice_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let definitions = Definitions { default_store_dir: folder.path().to_owned(), ..Definitions::default() };
    block_on(async {
        let stores = Stores::new(None, definitions.clone());
        let store = local(&stores, "p/q", Persistence::Persistent);
        store.put("k", 1u64, None).await.unwrap();
        let again = local(&stores, "p/q", Persistence::Any);
        assert_eq!(again.get("k").await, Ok(Data::Count(1)));
        stores.close().await;

        let stores = Stores::new(None, definitions);
        let info = stores.create_store("p/q", Persistence::Persistent).unwrap();
        assert_eq!(info.options.sqlite.path, folder.path().join("p/q.sqlite"));
        assert_eq!(info.store.unwrap().get("k").await, Ok(Data::Count(1)));
        stores.close().await;
    });
}

#[test]
fn a_write_that_is_too_large_for_a_message_is_refused_before_it_goes_anywhere() {
    block_on(async {
        let stores = Stores::new(None, Definitions::default());
        let store = local(&stores, "s", Persistence::Any);
        let large = store.put("k", Data::String(vec![0; 9 << 20]), None).await;
        assert!(matches!(large, Err(StoreError::TooLarge { .. })), "{large:?}");
        stores.close().await;
    });
}
