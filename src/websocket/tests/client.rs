//! A server to test, and clients for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::cluster::{Heard, Kept, Listening, Topics, Wish};
use crate::node::testing::{DEADLINE, TestHost};
use crate::websocket::{WebSocketServerOptions, WebSocketServers};

/// A node with one WebSocket server.
pub(super) struct Served {
    pub(super) host: TestHost,
    pub(super) servers: WebSocketServers,
    pub(super) address: SocketAddr,
}

impl Served {
    pub(super) fn start() -> Served {
        Served::with(|_| {})
    }

    /// With other options than the defaults.
    pub(super) fn with(change: impl FnOnce(&mut WebSocketServerOptions)) -> Served {
        let host = TestHost::start();
        let servers = WebSocketServers::new(host.handle.clone(), Kept::default(), Topics::zeromq());
        let mut options = WebSocketServerOptions::new(Ipv4Addr::LOCALHOST.into(), 0);
        change(&mut options);
        let address = servers.listen_websocket(options).unwrap();
        Served { host, servers, address }
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(self.address, None).await.unwrap()
    }

    /// A client that is subscribed.
    pub(super) async fn subscriber(&self, topics: &str) -> Client {
        let mut client = self.client().await;
        client.subscribe(topics).await;
        client
    }

    /// Somebody who hears of clients that come and go.
    pub(super) async fn listen(&self) -> Listening {
        let id = self.host.handle.id().clone();
        let wish = Wish { id, membership: true, capacity: 1000, ..Wish::default() };
        self.host.handle.listen(wish).await.unwrap()
    }

    pub(super) async fn end(self) {
        within(self.servers.end()).await;
        self.host.end().await;
    }
}

/// The next thing that is heard.
pub(super) async fn next(listening: &mut Listening) -> Heard {
    within(listening.next()).await.unwrap()
}

pub(super) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.expect("done in time")
}

/// A well-behaved client, which answers pings while it waits for something.
pub(super) struct Client {
    pub(super) stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr, name: Option<&str>) -> Result<Client, Error> {
        let mut request = format!("ws://{address}/v1/messages/json").into_client_request()?;
        if let Some(name) = name {
            request.headers_mut().insert("X-Application-Name", name.parse().unwrap());
        }
        within(connect_async(request)).await.map(|(stream, _)| Client { stream })
    }

    pub(super) async fn send(&mut self, text: impl Into<String>) {
        within(self.stream.send(Message::text(text.into()))).await.unwrap();
    }

    /// The next message that is no ping; a Close as `CODE REASON`.
    pub(super) async fn next(&mut self) -> String {
        loop {
            match within(self.stream.next()).await {
                Some(Ok(Message::Text(text))) => return text.as_str().to_owned(),
                Some(Ok(Message::Close(Some(close)))) => return format!("{} {}", u16::from(close.code), close.reason),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether nothing comes for a moment; pings apart.
    pub(super) async fn is_silent(&mut self, moment: Duration) -> bool {
        timeout(moment, self.next()).await.is_err()
    }

    /// Its endpoint id.
    pub(super) async fn subscribe(&mut self, topics: &str) -> String {
        self.send(topics).await;
        let text = self.next().await;
        let ack: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&ack["type"], &ack["version"]), (&"ack".into(), &"8.2.2".into()), "{text}");
        ack["endpoint"].as_str().unwrap().to_owned()
    }

    /// Waits for the answer to a ping of its own: by then all that was sent before has been taken.
    pub(super) async fn pinged(&mut self) {
        within(self.stream.send(Message::Ping("mine".into()))).await.unwrap();
        loop {
            match within(self.stream.next()).await {
                Some(Ok(Message::Pong(_))) => return,
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn publish(&mut self, topic: &str, event: &str, number: u64) {
        self.send(message(topic, event, number)).await;
    }
}

/// A data message with one count.
pub(super) fn message(topic: &str, event: &str, number: u64) -> String {
    format!(
        r#"{{"type":"data-message","topic":"{topic}","@data-type":"vector","data":[{{"@data-type":"count","data":1}},{{"@data-type":"count","data":1}},{{"@data-type":"vector","data":[{{"@data-type":"string","data":"{event}"}},{{"@data-type":"vector","data":[{{"@data-type":"count","data":{number}}}]}}]}}]}}"#
    )
}

/// A socket and nothing more.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) async fn connect(address: SocketAddr) -> Raw {
        Raw(within(TcpStream::connect(address)).await.unwrap())
    }

    /// Upgraded and without its first ping.
    pub(super) async fn upgraded(address: SocketAddr) -> Raw {
        let mut raw = Raw::connect(address).await;
        raw.send(b"GET /v1/messages/json HTTP/1.1\r\nSec-WebSocket-Key: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n").await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(raw.0.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"), "{}", head.escape_ascii());
        raw
    }

    pub(super) async fn send(&mut self, octets: &[u8]) {
        within(self.0.write_all(octets)).await.unwrap();
    }

    /// The next frame's first octet and payload.
    pub(super) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = within(self.0.read_u8()).await.unwrap();
        let length = match within(self.0.read_u8()).await.unwrap() {
            126 => u64::from(within(self.0.read_u16()).await.unwrap()),
            127 => within(self.0.read_u64()).await.unwrap(),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        within(self.0.read_exact(&mut payload)).await.unwrap();
        (first, payload)
    }

    /// Code and reason of the next frame that is a Close.
    pub(super) async fn close(&mut self) -> (u16, String) {
        loop {
            let (first, payload) = self.frame().await;
            if first == 0x88 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return (code, String::from_utf8(payload[2..].to_vec()).unwrap());
            }
        }
    }

    /// All that comes until the other side ends the connection.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        within(self.0.read_to_end(&mut rest)).await.unwrap();
        rest
    }
}
