//! Clients that do not keep to the protocol.

use std::time::Duration;

use super::client::{Client, Raw, Served, message, next};
use crate::cluster::{ClusterEvent, Heard};
use crate::websocket::MAX_MESSAGE;

/// What is sent and the Close that answers it.
const CASES: [(&[u8], u16, &str); 9] = [
    (b"\x81\x01\xff", 1007, "Invalid frame payload data"),
    (b"\xc1\x01x", 1002, "Reserved bit used"),
    (b"\x83\x00", 1002, "Protocol error"),
    (b"\x89\xfe\x00\x7e", 1002, "Ping reason control frame with payload length > 125 octets"),
    (b"\x09\x00", 1002, "Control message fragmented"),
    (b"\x80\x00", 1002, "Fragmentation: continuation opcode out of sequence"),
    (b"\x01\x00\x81\x00", 1002, "Fragmentation: data message out of sequence"),
    (b"\x88\x02\x03\xec", 1002, "Invalid close code: 1004"),
    (b"\x82\xff\x00\x00\x00\x00\x01\x00\x00\x01", 1009, "Message of more than 16777216 octets"),
];

#[tokio::test]
async fn each_violation_is_answered_with_its_close() {
    let served = Served::start();
    for (octets, code, reason) in CASES {
        let mut raw = Raw::upgraded(served.address).await;
        raw.send(octets).await;
        assert_eq!(raw.close().await, (code, reason.to_owned()));
        raw.rest().await;
    }
    // Nobody of them was ever added.
    let mut events = served.listen().await;
    let mut client = served.subscriber("[]").await;
    client.stream.close(None).await.unwrap();
    assert!(matches!(next(&mut events).await, Heard::Cluster(ClusterEvent::WebsocketClientAdded { .. })));
    served.end().await;
}

#[tokio::test]
async fn a_client_s_close_is_echoed_and_seen_as_it_came() {
    let served = Served::start();
    let mut events = served.listen().await;
    let cases: [(&[u8], &[u8], u16, &str); 4] = [
        (b"\x88\x02\x03\xe8", b"\x03\xe8", 1000, ""),
        (b"\x88\x06\x0b\xb8gone", b"\x0b\xb8gone", 3000, "gone"),
        (b"\x88\x00", b"", 1005, "No status code"),
        (b"\x88\x03\x03\xe8\xff", b"\x03\xefInvalid frame payload data", 1007, "Invalid frame payload data"),
    ];
    for (octets, echo, code, reason) in cases {
        let mut raw = Raw::upgraded(served.address).await;
        raw.send(b"\x81\x02[]").await;
        while raw.frame().await.0 != 0x81 {}
        assert!(matches!(next(&mut events).await, Heard::Cluster(ClusterEvent::WebsocketClientAdded { .. })));
        raw.send(octets).await;
        assert_eq!(raw.frame().await, (0x88, echo.to_vec()));
        assert!(raw.rest().await.is_empty());
        let Heard::Cluster(ClusterEvent::WebsocketClientLost { code: seen, reason: why, .. }) = next(&mut events).await
        else {
            panic!("lost")
        };
        assert_eq!((seen, why.as_str()), (code, reason));
    }
    served.end().await;
}

#[tokio::test]
async fn wrong_requests_are_refused_before_the_upgrade() {
    let served = Served::start();
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
            "404 Not Found",
        ),
        ("POST /v1/messages/json HTTP/1.1\r\n", "400 Invalid HTTP method, need GET, got POST"),
        ("GET /v1/messages/json HTTP/1.1\r\n\r\n", "400 Missing Sec-WebSocket-Key value"),
    ] {
        let mut raw = Raw::connect(served.address).await;
        raw.send(request.as_bytes()).await;
        let answer = String::from_utf8(raw.rest().await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.contains("\r\n\r\n"), "{answer}");
    }
    assert_eq!(served.servers.figures().servers[0].refused, 3);
    served.end().await;
}

#[tokio::test]
async fn half_a_request_has_three_seconds_and_holds_up_nobody() {
    let served = Served::start();
    let mut silent = Raw::connect(served.address).await;
    let mut half = Raw::connect(served.address).await;
    half.send(b"GET /v1/messages/json HTTP/1.1\r\nUpgr").await;
    served.subscriber("[]").await;
    let answer = |octets: Vec<u8>| String::from_utf8(octets).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(answer(silent.rest().await), "HTTP/1.1 400 Error reading HTTP request line");
    assert_eq!(answer(half.rest().await), "HTTP/1.1 400 Error parsing HTTP headers");
    served.end().await;
}

#[tokio::test]
async fn a_bad_name_and_bad_subscriptions_end_the_connection_with_a_reason() {
    let served = Served::start();
    let mut named = Client::connect(served.address, Some("no blanks")).await.unwrap();
    let error = r#"{"type":"error","code":"invalid_application_name","context":"Invalid X-Application-Name"}"#;
    assert_eq!(named.next().await, error);
    assert_eq!(named.next().await, "1008 Invalid X-Application-Name");
    for (text, context) in [("hello", "subscriptions not an array"), ("[1]", "individual subscription not a string")] {
        let mut client = served.client().await;
        client.send(text).await;
        let error = format!(r#"{{"type":"error","code":"deserialization_failed","context":"{context}"}}"#);
        assert_eq!(client.next().await, error);
        assert_eq!(client.next().await, format!("1008 {context}"));
    }
    assert_eq!(served.servers.figures().servers[0].refused, 3);
    served.end().await;
}

#[tokio::test]
async fn errors_do_not_end_the_connection_and_pipelining_keeps_the_order() {
    let served = Served::start();
    let mut other = served.subscriber(r#"[""]"#).await;
    let mut client = served.client().await;
    client.send(r#"["nothing"]"#).await;
    for number in 0..100 {
        client.publish("t", "ping", number).await;
    }
    client.send("{").await;
    client.send(message("<$>", "ping", 0)).await;
    client.send(message("t", "ping", 0).replace(r#""data":1}"#, r#""data":2}"#)).await;
    client.publish("t", "ping", 100).await;
    assert!(client.next().await.starts_with(r#"{"type":"ack""#));
    for context in ["failed to decode JSON object", "no topic in top-level JSON object", "failed to create Zeek event"]
    {
        let error = format!(r#"{{"type":"error","code":"deserialization_failed","context":"{context}"}}"#);
        assert_eq!(client.next().await, error);
    }
    for number in 0..=100 {
        assert_eq!(other.next().await, message("t", "ping", number));
    }
    assert_eq!(served.servers.figures().apps["unknown"].bad_messages, 3);
    served.end().await;
}

#[tokio::test]
async fn messages_may_come_in_fragments_and_large_ones_leave_in_them() {
    let served = Served::start();
    let mut other = served.subscriber(r#"["t"]"#).await;
    let mut raw = Raw::upgraded(served.address).await;
    raw.send(b"\x81\x02[]").await;
    let text = message("t", "ping", 7);
    let (begin, end) = text.as_bytes().split_at(100);
    raw.send(&[b"\x01\x64", begin, b"\x89\x02hi"].concat()).await;
    loop {
        match raw.frame().await {
            (0x8a, payload) => break assert_eq!(payload, b"hi"),
            (first, _) => assert!(first == 0x89 || first == 0x81),
        }
    }
    raw.send(&[&[0x80, 126, 0, u8::try_from(end.len()).unwrap()], end].concat()).await;
    assert_eq!(other.next().await, text);

    let large = message("t", &"x".repeat(100_000), 8);
    let mut reader = Raw::upgraded(served.address).await;
    reader.send(b"\x81\x05[\"t\"]").await;
    while reader.frame().await.0 != 0x81 {}
    other.send(large.as_str()).await;
    let (mut frames, mut whole) = (Vec::new(), Vec::new());
    while whole.len() < large.len() {
        let (first, payload) = reader.frame().await;
        frames.push((first, payload.len()));
        whole.extend(payload);
    }
    assert_eq!(frames, [(0x01, 32_768), (0x00, 32_768), (0x80, large.len() - 65_536)]);
    assert_eq!(whole, large.as_bytes());
    served.end().await;
}

#[tokio::test]
async fn the_largest_message_passes() {
    let served = Served::start();
    let mut other = served.subscriber(r#"["t"]"#).await;
    let mut client = served.subscriber("[]").await;
    let frame = message("t", "", 1).len();
    let largest = message("t", &"x".repeat(MAX_MESSAGE - frame), 1);
    assert_eq!(largest.len(), MAX_MESSAGE);
    client.send(largest.as_str()).await;
    assert!(other.next().await == largest);
    client.send(format!("{largest} ")).await;
    assert_eq!(client.next().await, "1009 Message of more than 16777216 octets");
    served.end().await;
}

#[tokio::test]
async fn pings_begin_at_once_and_who_does_not_answer_is_dropped_after_one_interval() {
    let served = Served::with(|options| options.ping_interval = Duration::from_millis(1900));
    let mut events = served.listen().await;
    let mut raw = Raw::upgraded(served.address).await;
    assert_eq!(raw.frame().await, (0x89, b"ixwebsocket::heartbeat::1s::0".to_vec()));
    raw.send(b"\x81\x02[]").await;
    assert_eq!(raw.frame().await.0, 0x81);
    // Any pong will do.
    raw.send(b"\x8a\x00").await;
    assert_eq!(raw.frame().await, (0x89, b"ixwebsocket::heartbeat::1s::1".to_vec()));
    assert_eq!(raw.close().await, (1011, "Ping timeout".to_owned()));
    assert!(matches!(next(&mut events).await, Heard::Cluster(ClusterEvent::WebsocketClientAdded { .. })));
    assert!(matches!(
        next(&mut events).await,
        Heard::Cluster(ClusterEvent::WebsocketClientLost { code: 1011, reason, .. }) if reason == "Ping timeout"
    ));
    served.end().await;
}
