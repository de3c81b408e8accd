//! Members of one cluster in this process, over real ZeroMQ on loopback.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;

use super::{Cluster, ClusterBuilder, ClusterError, Events, Logs, parse_layout};
use crate::api::config::OptionValue;
use crate::cluster::pools::{PoolId, PoolSpec};
use crate::cluster::stores::Persistence;
use crate::cluster::{ClusterEvent, Ended, Verdict};
use crate::data::{Data, NodeType};
use crate::layout::Layout;
use crate::render;
use crate::websocket::WebSocketServerOptions;
use crate::wire::log_batch::LogValue;

/// Nobody waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// The first of eight ports that are free on loopback, and that no other test of this process was given.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = (std::process::id() as u16 ^ NEXT.fetch_add(1, Ordering::Relaxed)) % 1500;
        let first = 20_000 + 8 * offset;
        if (first..first + 8).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}

fn layout(text: &str) -> Layout {
    let port = free_ports();
    // The last of the eight.
    let text = format!("port: {port}\n{}", text.replace("METRICS", &(port + 7).to_string()));
    parse_layout(&text, "test.yaml").expect("a layout")
}

const TWO: &str = "nodes:\n  manager: { type: manager }\n  worker-1: { type: worker, metrics_port: METRICS }\n";

const THREE: &str = "\
logging: { compress: none }
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker }
";

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { timeout(2 * DEADLINE, test).await.expect("the test ends") });
}

async fn manager(layout: &Layout) -> (Cluster, Events) {
    Cluster::builder(layout, "manager").logs(Logs::discarded()).init().await.expect("the manager starts")
}

async fn join(builder: ClusterBuilder) -> (Cluster, Events) {
    builder.init().await.expect("the node joins")
}

async fn up(events: &mut Events, node: &str) -> String {
    timeout(DEADLINE, events.node_up(node)).await.expect("in time").expect("the member works")
}

/// The next event of somebody else, as `topic name(args)`.
async fn remote(events: &mut Events) -> String {
    loop {
        match timeout(DEADLINE, events.next()).await.expect("in time").expect("the member works") {
            ClusterEvent::Remote { topic, event, .. } => return format!("{} {event}", topic.escape_ascii()),
            _ => continue,
        }
    }
}

/// Publishes until it is heard: from then on the publisher knows of the subscription. What came of it is taken.
async fn until_heard(publisher: &Cluster, topic: &str, events: &mut Events) {
    let sync = |n: u64| Cluster::make_event("My::sync", vec![Data::Count(n)]);
    let heard = async |events: &mut Events| loop {
        match events.next().await.expect("the member works") {
            ClusterEvent::Remote { event, .. } if event.name == b"My::sync" => break event,
            _ => continue,
        }
    };
    let mut published = 0;
    let mut event = loop {
        publisher.publish(topic, sync(published)).await.expect("it works");
        match timeout(Duration::from_millis(20), heard(events)).await {
            Ok(event) => break event,
            Err(_) => published += 1,
        }
    };
    while event != sync(published) {
        event = timeout(DEADLINE, heard(events)).await.expect("in time");
    }
}

fn ping(n: u64) -> crate::data::Event {
    Cluster::make_event("My::ping", vec![Data::Count(n)])
}

/// The answer to `GET /metrics` on a port of loopback.
async fn scrape(port: u16) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

#[test]
fn two_members_meet_and_know_who_they_are() {
    run(async {
        let layout = layout(TWO);
        let (manager, mut at_manager) = manager(&layout).await;
        let (worker, mut at_worker) = join(Cluster::builder(&layout, "worker-1")).await;
        let manager_id = up(&mut at_worker, "manager").await;
        assert_eq!(up(&mut at_manager, "worker-1").await, worker.node_id());
        assert_eq!(manager_id, manager.node_id());

        assert!(worker.is_enabled());
        assert_eq!((worker.node(), worker.local_node_type()), ("worker-1", NodeType::Worker));
        assert_eq!(manager.local_node_metrics_port(), None);
        let port = worker.local_node_metrics_port().expect("the layout has one");
        let page = scrape(port).await;
        assert!(page.contains("zeek_cluster_node_joined{node=\"worker-1\"} 1\n"), "{page}");
        assert!(
            page.contains("\nprocess_resident_memory_bytes{") && page.contains("\nexposer_scrapes_total 0\n"),
            "{page}"
        );
        assert_eq!(worker.node_topic("a"), "zeek.cluster.node.a.");
        assert_eq!(worker.nodeid_topic("x"), "zeek.cluster.nodeid.x.");
        let count = |t| async move { (worker.get_node_count(t).await, worker.get_active_node_count(t).await, worker) };
        let (defined, active, worker) = count(NodeType::Manager).await;
        assert_eq!((defined, active), (Ok(1), Ok(1)));
        assert_eq!(worker.get_active_node_count(NodeType::Worker).await, Ok(0), "it never counts itself");
        assert_eq!(worker.nodeid_to_node(&manager_id).await.expect("it works").name, "manager");
        assert_eq!(worker.nodeid_to_node(worker.node_id()).await.expect("it works").name, "");
        let nodes = worker.nodes().await.expect("it works");
        let seen: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.node.id.is_some())).collect();
        assert_eq!(seen, [("manager", true), ("worker-1", false)]);
        let status = worker.status().await.expect("it works");
        assert_eq!((status.joined, status.not_joined_because), (true, None));

        worker.clone().close().await.expect("it leaves");
        assert_eq!(worker.get_node_count(NodeType::Manager).await, Err(Ended));
        while at_worker.next().await.is_some() {}
        let down = loop {
            match timeout(DEADLINE, at_manager.next()).await.expect("in time").expect("the manager works") {
                ClusterEvent::NodeDown { name, .. } => break name,
                _ => continue,
            }
        };
        assert_eq!(down, "worker-1");
        worker.close().await.expect("a second time does nothing");
        manager.close().await.expect("it leaves");
    });
}

#[test]
fn what_is_published_on_a_subscribed_topic_arrives_once_and_never_at_the_publisher() {
    run(async {
        let layout = layout(TWO);
        let (manager, mut at_manager) = manager(&layout).await;
        let (worker, mut at_worker) = join(Cluster::builder(&layout, "worker-1")).await;
        for topic in ["my.", "my.topic"] {
            worker.subscribe(topic).await.expect("it works");
            manager.subscribe(topic).await.expect("it works");
        }
        until_heard(&manager, "my.topic.x", &mut at_worker).await;
        until_heard(&worker, "my.topic.x", &mut at_manager).await;
        manager.publish("my.topic.x", ping(1)).await.expect("it works");
        assert_eq!(remote(&mut at_worker).await, "my.topic.x My::ping(1)");
        worker.unsubscribe("my.topic").await.expect("it works");
        worker.unsubscribe("never.subscribed").await.expect("it works");
        manager.publish("my.topic.x", ping(2)).await.expect("it works");
        assert_eq!(remote(&mut at_worker).await, "my.topic.x My::ping(2)");
        worker.unsubscribe("my.").await.expect("it works");
        // On the node's own topics it hears without a subscription, and the framework's stay whatever it unsubscribes.
        worker.unsubscribe("zeek.cluster.worker").await.expect("it works");
        worker.status().await.expect("it works");
        for (topic, n) in [("my.topic.x", 3), ("zeek.cluster.node.worker-10.", 4), ("zeek.cluster.worker", 5)] {
            manager.publish(topic, ping(n)).await.expect("it works");
        }
        assert_eq!(remote(&mut at_worker).await, "zeek.cluster.worker My::ping(5)");
        worker.publish("my.topic.x", ping(6)).await.expect("it works");
        assert_eq!(remote(&mut at_manager).await, "my.topic.x My::ping(6)", "the manager's own never came back");
        assert_eq!((at_manager.missed(), at_worker.missed()), (0, 0));
    });
}

#[test]
fn pools_are_published_to_by_key_and_in_turn() {
    run(async {
        let layout = layout("nodes:\n  manager: { type: manager }\n  proxy: { type: proxy, count: 2 }\n");
        let mut builder = Cluster::builder(&layout, "manager").logs(Logs::discarded());
        let mine = builder.register_pool(PoolSpec {
            max_nodes: Some(1),
            ..PoolSpec::all("zeek.cluster.pool.z_mine", NodeType::Proxy)
        });
        let (manager, mut at_manager) = join(builder).await;
        assert_eq!(manager.publish_hrw(PoolId::PROXY, 1u64, ping(0)).await, Ok(false), "nobody is up");
        let (_first, mut at_first) = join(Cluster::builder(&layout, "proxy-1")).await;
        let (second, mut at_second) = join(Cluster::builder(&layout, "proxy-2")).await;
        let mut ups = [at_manager.node_up("proxy-1").await, None];
        if manager.get_active_node_count(NodeType::Proxy).await != Ok(2) {
            ups[1] = at_manager.node_up("proxy-2").await;
        }
        // `cluster.md`, appendix B: 13 chooses proxy-1, 0 chooses proxy-2.
        assert_eq!(manager.publish_hrw(PoolId::PROXY, 13u64, ping(13)).await, Ok(true));
        assert_eq!(manager.publish_hrw(PoolId::PROXY, 0u64, ping(0)).await, Ok(true));
        for n in [1, 2] {
            assert_eq!(manager.publish_rr(PoolId::PROXY, "key", ping(n)).await, Ok(true));
        }
        for expected in ["13", "1"] {
            let expected = format!("zeek.cluster.node.proxy-1. My::ping({expected})");
            assert_eq!(remote(&mut at_first).await, expected);
        }
        for expected in ["0", "2"] {
            let expected = format!("zeek.cluster.node.proxy-2. My::ping({expected})");
            assert_eq!(remote(&mut at_second).await, expected);
        }
        assert_eq!(manager.rr_topic(mine, "").await, Ok(Some("zeek.cluster.node.proxy-1.".to_owned())));
        second.close().await.expect("it leaves");
        while manager.pool(PoolId::PROXY).await.expect("it works").expect("predefined").alive_count() == 2 {
            timeout(DEADLINE, at_manager.next()).await.expect("in time").expect("the manager works");
        }
        let chosen = manager.hrw_topic(PoolId::PROXY, 0u64).await;
        assert_eq!(chosen, Ok(Some("zeek.cluster.node.proxy-1.".to_owned())));
    });
}

#[test]
fn a_logger_takes_the_logs_of_the_others_as_batches_or_writes_them() {
    run(async {
        let layout = layout(THREE);
        let folder = tempfile::tempdir().expect("a folder");
        let (_manager, _at_manager) = join(Cluster::builder(&layout, "manager")).await;
        let (logs, mut batches) = Logs::received(16);
        let (logger, _at_logger) = join(Cluster::builder(&layout, "logger").logs(logs)).await;
        let vetoed = Cluster::builder(&layout, "worker")
            .log_policy(|record| if record.message.contains("secret") { Verdict::Veto } else { Verdict::Keep });
        let (worker, mut at_worker) = join(vetoed).await;
        up(&mut at_worker, "logger").await;
        worker.log("a secret").await.expect("it works");
        worker.log("all is well").await.expect("it works");
        let lines = loop {
            let batch = timeout(DEADLINE, batches.next()).await.expect("in time").expect("the logger works");
            let records = batch.decode().expect("our own format");
            assert_eq!((records.stream.as_slice(), records.path.as_slice()), (&b"Cluster::LOG"[..], &b"cluster"[..]));
            let message = |record: &Vec<LogValue>| match &record[2] {
                LogValue::String(text) => String::from_utf8_lossy(text).into_owned(),
                other => panic!("{other:?}"),
            };
            let lines: Vec<String> = records.records.iter().map(message).collect();
            if batch.sender == worker.node_id() && lines.iter().any(|line| line == "all is well") {
                break lines;
            }
        };
        assert!(!lines.iter().any(|line| line == "a secret"), "{lines:?}");
        logger.close().await.expect("it leaves");

        let (logger, mut at_logger) = join(Cluster::builder(&layout, "logger").logs(Logs::files(folder.path()))).await;
        up(&mut at_logger, "worker").await;
        logger.log("from the logger itself").await.expect("it works");
        worker.log("for the file").await.expect("it works");
        let file = folder.path().join("logs/current/logger/cluster.log");
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\tworker\tfor the file\n")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        logger.close().await.expect("it leaves");
        let archived = walk(&folder.path().join("logs"));
        assert!(archived.contains("\tlogger\tfrom the logger itself\n"), "{archived}");
    });
}

/// All files below a folder, one after the other.
fn walk(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| if path.is_dir() { walk(&path) } else { std::fs::read_to_string(path).unwrap_or_default() })
        .collect()
}

#[test]
fn a_member_without_a_name_takes_part_and_nobody_notices() {
    run(async {
        let layout = layout(TWO);
        let (manager, mut at_manager) = manager(&layout).await;
        let worker = layout.node("worker-1").expect("it is there");
        let endpoints = render::node_config(&layout, worker).expect("a configuration").zeromq;
        let (guest, mut at_guest) = join(Cluster::builder_at(endpoints)).await;
        assert!(!guest.is_enabled());
        assert_eq!(
            (guest.node(), guest.local_node_type(), guest.local_node_metrics_port()),
            ("", NodeType::None, None)
        );
        assert_eq!(guest.get_node_count(NodeType::Manager).await, Ok(0));
        guest.subscribe("to.guests").await.expect("it works");
        until_heard(&manager, "to.guests", &mut at_guest).await;
        manager.publish("to.guests", ping(1)).await.expect("it works");
        assert_eq!(remote(&mut at_guest).await, "to.guests My::ping(1)");
        guest.publish("zeek.cluster.manager", ping(2)).await.expect("it works");
        assert_eq!(remote(&mut at_manager).await, "zeek.cluster.manager My::ping(2)", "and no hello before");
    });
}

#[test]
fn hooks_see_the_framework_s_subscriptions_and_one_s_own() {
    run(async {
        let layout = layout(TWO);
        let (_manager, _at_manager) = manager(&layout).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |mark: &'static str| {
            let seen = Arc::clone(&seen);
            move |topic: &str| seen.lock().expect("no panic").push(format!("{mark}{topic}"))
        };
        let builder = Cluster::builder(&layout, "worker-1").on_subscribe(note("+")).on_unsubscribe(note("-"));
        let (worker, _at_worker) = join(builder).await;
        worker.subscribe("mine").await.expect("it works");
        worker.unsubscribe("mine").await.expect("it works");
        worker.unsubscribe("nobody.s").await.expect("it works");
        worker.status().await.expect("it works");
        let seen = seen.lock().expect("no panic");
        let own = ["zeek/supervisor", "zeek/table/", "zeek.cluster.pool.worker", "zeek.cluster.worker"];
        assert_eq!(seen[..4], own.map(|topic| format!("+{topic}")));
        assert_eq!(seen[6..], ["+mine", "-mine", "-nobody.s"]);
    });
}

#[test]
fn who_takes_no_events_misses_them_and_stays_a_member() {
    run(async {
        let layout = layout(TWO);
        let (manager, mut at_manager) = manager(&layout).await;
        let (worker, mut at_worker) = join(Cluster::builder(&layout, "worker-1").events_capacity(2)).await;
        up(&mut at_manager, "worker-1").await;
        worker.subscribe("flood").await.expect("it works");
        until_heard(&manager, "flood", &mut at_worker).await;
        let before = at_worker.missed();
        for n in 0..100 {
            manager.publish("flood", ping(n)).await.expect("it works");
        }
        while at_worker.missed() < before + 98 {
            worker.status().await.expect("it works");
            tokio::task::yield_now().await;
        }
        assert!(at_worker.try_next().is_some());
        assert_eq!(manager.get_active_node_count(NodeType::Worker).await, Ok(1));
    });
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    run(async {
        let layout = layout(TWO);
        let error = |builder: ClusterBuilder| async { builder.init().await.expect_err("refused").to_string() };
        let expected = "'worker-7' is not a valid node in the Cluster::nodes configuration; it has manager,worker-1";
        assert_eq!(error(Cluster::builder(&layout, "worker-7")).await, expected);
        let text = error(Cluster::builder(&layout, "manager")).await;
        assert!(text.starts_with("'manager' receives the cluster's logs: say with `logs`"), "{text}");
        let text = error(Cluster::builder(&layout, "worker-1").logs(Logs::discarded())).await;
        assert!(text.starts_with("'worker-1' receives no logs"), "{text}");
        let unknown = Cluster::builder(&layout, "worker-1").option("Cluster::retry_intervall", OptionValue::Int(1));
        assert_eq!(
            error(unknown).await,
            "there is no option Cluster::retry_intervall; did you mean Cluster::retry_interval?"
        );
        let mut builder = Cluster::builder(&layout, "worker-1");
        builder.register_pool(PoolSpec { exclusive: true, max_nodes: Some(2), ..PoolSpec::all("p", NodeType::Worker) });
        let text = error(builder).await;
        assert!(text.starts_with("not enough Cluster::WORKER nodes to satisfy"), "{text}");
        let encrypted = Layout { encrypted: true, ..layout.clone() };
        let text = error(Cluster::builder(&encrypted, "worker-1")).await;
        assert!(text.contains("CURVE keys"), "{text}");

        let late = Cluster::builder(&layout, "worker-1").connect_timeout(Duration::from_millis(50)).init().await;
        let Err(ClusterError::NotConnected { reason, .. }) = late else { panic!("{late:?}") };
        assert_eq!(reason, "the hub on the manager cannot be reached");
        // Without waiting it comes in as soon as the manager is there.
        let (_worker, mut at_worker) =
            join(Cluster::builder(&layout, "worker-1").connect_timeout(Duration::ZERO)).await;
        let (_manager, _at_manager) = manager(&layout).await;
        up(&mut at_worker, "manager").await;
    });
}

#[test]
fn a_store_that_one_member_writes_the_other_reads() {
    run(async {
        let layout = layout(TWO);
        let (manager, _at_manager) = manager(&layout).await;
        let (worker, _at_worker) = join(Cluster::builder(&layout, "worker-1")).await;
        let master = manager.create_store("shared", Persistence::Any).await.expect("it is created");
        let clone = worker.create_store("shared", Persistence::Any).await.expect("it is created");
        assert_eq!((master.master, clone.master, clone.master_node.as_str()), (true, false, "manager"));
        let (master, clone) = (master.store.expect("open"), clone.store.expect("open"));
        clone.put("key", 7u64, None).await.expect("acknowledged");
        assert_eq!(master.get("key").await, Ok(Data::Count(7)));
        worker.close().await.expect("it leaves");
        assert!(clone.get("key").await.is_err(), "it ended with its member");
    });
}

#[test]
fn a_member_serves_websocket_clients_and_hears_of_them() {
    run(async {
        let layout = layout(TWO);
        let (manager, mut at_manager) = manager(&layout).await;
        let options = WebSocketServerOptions::new([127, 0, 0, 1].into(), 0);
        let address = manager.listen_websocket(options).expect("it listens");
        let (mut client, _) =
            tokio_tungstenite::connect_async(format!("ws://{address}/v1/messages/json")).await.expect("a connection");
        client.send(r#"["my."]"#.into()).await.expect("it is read");
        let texts = client.by_ref().filter_map(async |message| {
            message.expect("a message").into_text().ok().filter(|text| text.starts_with('{'))
        });
        let mut texts = std::pin::pin!(texts);
        assert!(texts.next().await.expect("an acknowledgement").contains(r#""type":"ack""#));
        let added = loop {
            match timeout(DEADLINE, at_manager.next()).await.expect("in time").expect("the manager works") {
                ClusterEvent::WebsocketClientAdded { subscriptions, .. } => break subscriptions,
                _ => continue,
            }
        };
        assert_eq!(added, ["my."]);
        manager.publish("my.topic", ping(1)).await.expect("it works");
        let heard = timeout(DEADLINE, texts.next()).await.expect("in time").expect("open");
        assert!(heard.contains("My::ping"), "{heard}");
        client.close(None).await.expect("it closes");
        loop {
            match timeout(DEADLINE, at_manager.next()).await.expect("in time").expect("the manager works") {
                ClusterEvent::WebsocketClientLost { code, .. } => {
                    break assert!([1000, 1005].contains(&code), "{code}");
                }
                _ => continue,
            }
        }
        manager.close().await.expect("it leaves");
    });
}

#[test]
fn what_was_published_before_closing_goes_out() {
    run(async {
        let layout = layout(TWO);
        let (_manager, mut at_manager) = manager(&layout).await;
        let (worker, mut at_worker) = join(Cluster::builder(&layout, "worker-1")).await;
        up(&mut at_worker, "manager").await;
        for n in 0..200 {
            worker.publish("zeek.cluster.manager", ping(n)).await.expect("it works");
        }
        worker.close().await.expect("it leaves");
        for n in 0..200 {
            assert_eq!(remote(&mut at_manager).await, format!("zeek.cluster.manager My::ping({n})"));
        }
    });
}

#[test]
fn a_member_whose_last_clone_is_dropped_is_gone_for_the_others() {
    run(async {
        let layout = layout(TWO);
        let (_manager, mut at_manager) = manager(&layout).await;
        let (worker, at_worker) = join(Cluster::builder(&layout, "worker-1")).await;
        up(&mut at_manager, "worker-1").await;
        drop((worker, at_worker));
        loop {
            match timeout(DEADLINE, at_manager.next()).await.expect("in time").expect("the manager works") {
                ClusterEvent::NodeDown { name, .. } => break assert_eq!(name, "worker-1"),
                _ => continue,
            }
        }
    });
}
