//! What a client that keeps to the protocol sees, and what the node sees of it.

use std::time::Duration;

use super::client::{Client, Served, message, next, within};
use crate::cluster::{ClusterEvent, Heard, Wish};
use crate::data::{Data, Event};

#[tokio::test]
async fn clients_and_the_node_hear_each_other_and_nobody_hears_itself() {
    let served = Served::start();
    let (mut one, mut other) = (served.client().await, served.client().await);
    assert_eq!(one.subscribe(r#"["/test/"]"#).await, "zeromq_manager_here_1_test-websocket-0");
    assert_eq!(other.subscribe(r#"["/test/", "/test/a"]"#).await, "zeromq_manager_here_1_test-websocket-1");
    let wish = Wish {
        id: served.host.handle.id().clone(),
        topics: vec!["/test/".to_owned()],
        capacity: 10,
        ..Wish::default()
    };
    let mut node = served.host.handle.listen(wish).await.unwrap();
    within(node.confirmed()).await.unwrap();

    one.publish("/test/a", "ping", 1).await;
    assert_eq!(other.next().await, message("/test/a", "ping", 1), "once, though two prefixes match");
    let Heard::Event(event) = next(&mut node).await else { panic!("an event") };
    assert_eq!(event.sender, b"zeromq_manager_here_1_test-websocket-0");
    assert_eq!(event.event, Event::new("ping", vec![Data::Count(1)]));

    other.publish("/test/b", "pong", 2).await;
    assert_eq!(one.next().await, message("/test/b", "pong", 2), "its own first event did not come back");

    served.host.handle.publish("/test/c", Event::new("node", vec![Data::Count(3)])).await.unwrap();
    assert_eq!(one.next().await, message("/test/c", "node", 3));
    assert_eq!(other.next().await, message("/test/c", "node", 3));
    assert!(one.is_silent(Duration::from_millis(50)).await);

    let figures = served.servers.figures();
    assert_eq!(figures.apps["unknown"].traffic.outgoing.events, 2);
    assert_eq!(figures.apps["unknown"].traffic.incoming.events, 4);
    served.end().await;
}

#[tokio::test]
async fn coming_and_going_is_raised_and_logged_in_zeek_s_words() {
    let mut served = Served::start();
    let mut events = served.listen().await;
    let mut client = Client::connect(served.address, Some(" super-duper-app ")).await.unwrap();
    let id = client.subscribe(r#"["/topic/good","/duplicate","/duplicate","/is/okay"]"#).await;
    let Heard::Cluster(ClusterEvent::WebsocketClientAdded { endpoint, subscriptions }) = next(&mut events).await else {
        panic!("added")
    };
    assert_eq!(subscriptions, ["/duplicate", "/is/okay", "/topic/good"]);
    assert_eq!((endpoint.id.as_str(), endpoint.application_name.as_deref()), (id.as_str(), Some("super-duper-app")));
    assert_eq!(endpoint.network.address, "127.0.0.1");
    let port = endpoint.network.bound_port.number;
    let who = format!("WebSocket client '{id}' (127.0.0.1:{port}) application_name=super-duper-app");
    assert_eq!(served.host.log().await, format!("{who} subscribed to [/duplicate, /is/okay, /topic/good]"));
    // The hook runs for each element, duplicates included.
    let mut hooks = Vec::new();
    while let Ok(topic) = served.host.subscribed.try_recv() {
        hooks.push(topic);
    }
    assert_eq!(hooks.iter().filter(|topic| *topic == "/duplicate").count(), 2, "{hooks:?}");

    within(client.stream.close(None)).await.unwrap();
    let Heard::Cluster(ClusterEvent::WebsocketClientLost { endpoint, code, reason }) = next(&mut events).await else {
        panic!("lost")
    };
    assert_eq!((endpoint.id, code, reason.as_str()), (id, 1005, "No status code"));
    assert_eq!(served.host.log().await, format!("{who} gone with code 1005 and reason 'No status code'"));
    assert_eq!(served.servers.figures().servers[0].clients, 0);
    served.end().await;
}
