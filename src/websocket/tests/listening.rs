//! `listen_websocket`, limits of connections, and the end of a server.

use std::net::{Ipv4Addr, TcpListener};

use tokio::io::AsyncReadExt;

use super::client::{Client, Raw, Served, next, within};
use crate::cluster::{ClusterEvent, Heard};
use crate::websocket::{MAX_CLIENTS, WebSocketServerOptions};

#[tokio::test]
async fn listening_twice_is_fine_with_equal_options_only() {
    let served = Served::start();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = WebSocketServerOptions::new(Ipv4Addr::LOCALHOST.into(), port);
    let address = served.servers.listen_websocket(options.clone()).unwrap();
    assert_eq!(served.servers.listen_websocket(options.clone()).unwrap(), address);
    assert_eq!(served.servers.figures().servers.len(), 2);
    let other = WebSocketServerOptions { max_event_queue_size: 33, ..options.clone() };
    let error = served.servers.listen_websocket(other).unwrap_err();
    assert_eq!(error.to_string(), format!("Already listening on 127.0.0.1:{port}"));
    // Numbers of clients are those of all servers together.
    assert!(served.subscriber_id().await.ends_with("-websocket-0"));
    let mut client = Client::connect(address, None).await.unwrap();
    assert!(client.subscribe("[]").await.ends_with("-websocket-1"));
    served.end().await;
}

impl Served {
    async fn subscriber_id(&self) -> String {
        self.client().await.subscribe("[]").await
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_says_how_to_find_out_who_has_it() {
    let served = Served::start();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = |addr: Ipv4Addr| {
        let options = WebSocketServerOptions::new(addr.into(), port);
        served.servers.listen_websocket(options).unwrap_err().to_string()
    };
    assert_eq!(
        listen(Ipv4Addr::LOCALHOST),
        format!(
            "WebSocket: Unable to listen on 127.0.0.1:{port}: Address already in use (os error 98); \
             `ss -tanp 'sport = :{port}'` shows who has it"
        )
    );
    let elsewhere = listen(Ipv4Addr::new(192, 0, 2, 1));
    assert!(elsewhere.ends_with("; that is no address of this machine"), "{elsewhere}");
    served.end().await;
}

#[tokio::test]
async fn a_hundred_clients_are_served_and_the_next_is_let_go_at_once() {
    let served = Served::start();
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        clients.push(served.subscriber("[]").await);
    }
    let mut further = Raw::connect(served.address).await;
    assert!(further.rest().await.is_empty());
    let figures = served.servers.figures().servers.remove(0);
    assert_eq!((figures.clients, figures.too_many), (100, 1));
    // Room for one as soon as one has gone.
    let mut events = served.listen().await;
    drop(clients.pop());
    assert!(matches!(
        next(&mut events).await,
        Heard::Cluster(ClusterEvent::WebsocketClientLost { code: 1006, reason, .. }) if reason == "Abnormal closure"
    ));
    while served.servers.figures().servers[0].clients == 100 {
        tokio::task::yield_now().await;
    }
    served.subscriber("[]").await;
    served.end().await;
}

#[tokio::test]
async fn at_the_end_every_client_is_told_and_none_is_raised_as_lost() {
    let served = Served::start();
    let mut events = served.listen().await;
    let mut client = served.subscriber(r#"["t"]"#).await;
    let mut silent = Raw::connect(served.address).await;
    assert!(matches!(next(&mut events).await, Heard::Cluster(ClusterEvent::WebsocketClientAdded { .. })));
    client.publish("t/last", "words", 1).await;
    // All that the client sent has been taken when its ping is answered.
    within(client.pinged()).await;
    let servers = served.servers.clone();
    let ending = tokio::spawn(async move { servers.end().await });
    assert_eq!(client.next().await, "1001 Terminating");
    within(ending).await.unwrap();
    assert_eq!(within(silent.0.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(events.try_next(), None);
    assert!(Client::connect(served.address, None).await.is_err());
    let again = served.servers.listen_websocket(WebSocketServerOptions::new(Ipv4Addr::LOCALHOST.into(), 0));
    assert_eq!(again.unwrap_err().to_string(), "WebSocket: the node has ended");
    served.end().await;
}
