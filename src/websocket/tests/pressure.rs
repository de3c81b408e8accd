//! Clients that do not read, and a node that does not keep up.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::client::{Client, Raw, Served, message, next, within};
use crate::cluster::{ClusterEvent, Heard, Kept};
use crate::data::{Data, Event};

const CLIENTS: usize = 50;
const EVENTS: u64 = 1500;

/// Publishes, and how long it takes until all clients have all of it in order.
async fn spread(served: &Served, clients: &mut Vec<Client>) -> Duration {
    let began = Instant::now();
    let handle = served.host.handle.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..EVENTS {
            let args = vec![Data::Count(number), Data::String(vec![b'x'; 8000])];
            handle.publish("t", Event::new("load", args)).await.unwrap();
        }
    });
    let readers: Vec<_> = clients
        .drain(..)
        .map(|mut client| {
            tokio::spawn(async move {
                for number in 0..EVENTS {
                    let text = client.next().await;
                    assert!(
                        text.contains(&format!(r#"{{"@data-type":"count","data":{number}}},{{"@data-type":"string""#))
                    );
                }
                client
            })
        })
        .collect();
    for reader in readers {
        clients.push(within(reader).await.unwrap());
    }
    publishing.await.unwrap();
    began.elapsed()
}

/// Fifty clients, of which one stops reading: the others get everything as fast as before, and it is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_read_holds_up_nobody() {
    let served = Served::with(|options| options.ping_interval = Duration::from_secs(4));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS - 1 {
        clients.push(served.subscriber(r#"["t"]"#).await);
    }
    let alone = spread(&served, &mut clients).await;
    let mut stuck = Raw::upgraded(served.address).await;
    stuck.send(b"\x81\x05[\"t\"]").await;
    while stuck.frame().await.0 != 0x81 {}
    let mut events = served.listen().await;
    let beside = spread(&served, &mut clients).await;
    println!("{} clients get {EVENTS} events in {alone:?}; beside one that does not read in {beside:?}", CLIENTS - 1);
    // It takes at least an interval until it is dropped; who waited for it would wait that long.
    assert!(beside < alone * 3 + Duration::from_secs(1), "{beside:?} instead of {alone:?}");
    loop {
        if let Heard::Cluster(ClusterEvent::WebsocketClientLost { code, reason, .. }) = next(&mut events).await {
            assert_eq!((code, reason.as_str()), (1006, "Send timeout"));
            break;
        }
    }
    drop(stuck);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_node_makes_clients_wait_and_loses_nothing_and_nobody() {
    let served = Served::with(|options| {
        options.max_event_queue_size = 4;
        options.ping_interval = Duration::from_secs(1);
    });
    let mut other = served.subscriber(r#"["t"]"#).await;
    let mut client = served.subscriber("[]").await;
    let (go, wait) = mpsc::channel::<()>();
    let handle = served.host.handle.clone();
    let busy = tokio::spawn(async move {
        // The worker's other tasks go on elsewhere.
        let look = move |_: &mut crate::cluster::Core| tokio::task::block_in_place(|| wait.recv().unwrap_err());
        handle.look(look).await.unwrap();
    });
    let sending = tokio::spawn(async move {
        for number in 0..2000 {
            client.publish("t", "ping", number).await;
        }
        client
    });
    let receiving = tokio::spawn(async move {
        for number in 0..2000 {
            assert_eq!(other.next().await, message("t", "ping", number));
        }
    });
    // Each 100 ms of waiting counts: more than two ping intervals.
    let began = Instant::now();
    while served.servers.figures().servers[0].queue_blocks < 22 {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", served.servers.figures());
        tokio::task::yield_now().await;
    }
    drop(go);
    within(busy).await.unwrap();
    within(receiving).await.unwrap();
    let mut client = within(sending).await.unwrap();
    client.pinged().await;
    served.end().await;
}

/// Pause of a slow reader between two frames of 8 kB: less than any publisher sends, and never still for as long as the send
/// timeout.
const SLOW_READ: Duration = Duration::from_millis(100);

/// It reads all the time, and less than comes: it is told why it is closed, and the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_falls_too_far_behind_is_closed_with_a_reason() {
    // Its reads may pause for long where the machine is busy, which is no reason to end it.
    let served =
        Served::with(|options| (options.max_backlog, options.ping_interval) = (1 << 20, Duration::from_secs(120)));
    let mut slow = Raw::upgraded(served.address).await;
    slow.send(b"\x81\x05[\"t\"]").await;
    while slow.frame().await.0 != 0x81 {}
    let reading = tokio::spawn(async move {
        loop {
            slow.frame().await;
            tokio::time::sleep(SLOW_READ).await;
        }
    });
    let mut events = served.listen().await;
    let handle = served.host.handle.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..4000 {
            let args = vec![Data::Count(number), Data::String(vec![b'x'; 8000])];
            handle.publish("t", Event::new("load", args)).await.unwrap();
        }
    });
    loop {
        if let Heard::Cluster(ClusterEvent::WebsocketClientLost { code, reason, .. }) = next(&mut events).await {
            assert_eq!((code, reason.as_str()), (1008, "Too far behind: the backlog of events is full"));
            break;
        }
    }
    within(publishing).await.unwrap();
    assert_eq!(served.servers.figures().servers[0].behind, 1);
    reading.abort();
    served.end().await;
}

#[tokio::test]
async fn without_pings_nobody_is_pinged() {
    let served = Served::with(|options| options.ping_interval = Duration::from_millis(999));
    let mut raw = Raw::upgraded(served.address).await;
    raw.send(b"\x81\x02[]").await;
    assert_eq!(raw.frame().await.0, 0x81, "the acknowledgement is the first frame");
    served.end().await;
}

#[tokio::test]
async fn a_client_is_pinged_as_often_as_the_node_is_told_while_it_is_there() {
    let served = Served::with(|options| options.ping_interval = Duration::ZERO);
    let mut raw = Raw::upgraded(served.address).await;
    raw.send(b"\x81\x02[]").await;
    assert_eq!(raw.frame().await.0, 0x81, "the acknowledgement is the first frame");
    served.servers.set_ping_interval(Duration::from_secs(1));
    assert_eq!(raw.frame().await.0, 0x89, "a ping, at once");
    // One that never answers is let go of at the next one.
    assert_eq!(raw.frame().await.0, 0x88);
    served.end().await;
}

#[tokio::test]
async fn figures_of_clients_by_topic_are_kept_as_soon_as_they_are_wanted() {
    let served = Served::start();
    let mut client = served.subscriber("[]").await;
    client.publish("t", "ping", 1).await;
    client.pinged().await;
    let pairs = |served: &Served| served.servers.figures().apps["unknown"].traffic.outgoing.pairs.len();
    assert_eq!(pairs(&served), 0);
    served.servers.keep(Kept { verbose: true, ..Kept::default() });
    client.publish("t", "ping", 2).await;
    client.pinged().await;
    assert_eq!(pairs(&served), 1);
    served.end().await;
}
