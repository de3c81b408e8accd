//! What a real Zeek 8.2.2 answered to its clients (`tests/vectors/websocket`), asked of this server.

use futures_util::SinkExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::client::{Client, Served, within};
use crate::cluster::{Handle, Heard, Listening, Wish};
use crate::data::Event;
use crate::wire::vectors::json_lines;

/// The recorded Zeek knew one event and its arguments; this node takes all. Everything else has to be the same.
const UNKNOWN_TO_ZEEK: [&str; 2] = ["event-unknown-name", "event-all-types"];

#[tokio::test]
async fn every_recorded_case_is_answered_as_by_zeek() {
    let served = Served::start();
    let handle = served.host.handle.clone();
    let wish = Wish { topics: vec!["/test/topic".to_owned()], capacity: 100, ..Wish::default() };
    let mut pings = handle.listen(wish).await.unwrap();
    within(pings.confirmed()).await.unwrap();
    tokio::spawn(answer(pings, handle));
    let cases = json_lines("websocket/transcript.jsonl");
    assert!(cases.len() > 20, "{}", cases.len());
    for case in cases {
        let name = case["case"].as_str().unwrap();
        if name.starts_with("path ") {
            // Refused before the upgrade, which no recorded client could be.
            continue;
        }
        let expected: Vec<Value> = case["received"].as_array().unwrap().iter().map(masked).collect();
        let expected = if UNKNOWN_TO_ZEEK.contains(&name) { &expected[..1] } else { &expected[..] };
        assert_eq!(replay(&served, &case, expected.len()).await, expected, "{name}");
    }
    served.end().await;
}

/// As the script of the recorded server: a pong for each ping.
async fn answer(mut pings: Listening, handle: Handle) {
    while let Some(Heard::Event(event)) = pings.next().await {
        if event.event.name == b"ping" {
            let pong = Event { name: b"pong".to_vec(), ..event.event.clone() };
            handle.publish(event.topic.clone(), pong).await.unwrap();
        }
    }
}

/// Sends what the recorded client sent; what comes back, and that nothing more does.
async fn replay(served: &Served, case: &Value, expected: usize) -> Vec<Value> {
    let mut client: Client = served.client().await;
    for sent in case["sent"].as_array().unwrap() {
        let message = match sent.as_str() {
            Some(text) => Message::text(text),
            None => Message::binary(octets(sent["hex"].as_str().unwrap())),
        };
        within(client.stream.send(message)).await.unwrap();
    }
    let mut received = Vec::new();
    for _ in 0..expected {
        received.push(masked(&client.next().await.into()));
    }
    let is_refused = received[0]["type"] == "error";
    if !is_refused {
        let close = CloseFrame { code: 1000.into(), reason: "done".into() };
        within(client.stream.close(Some(close))).await.unwrap();
    }
    let end = client.next().await;
    let expected_end =
        if is_refused { format!("1008 {}", received[0]["context"].as_str().unwrap()) } else { "1000 done".to_owned() };
    assert_eq!(end, expected_end, "{case}");
    received
}

/// A text as JSON, without what differs between two runs; white space and order were compared by the tests of the texts.
fn masked(text: &Value) -> Value {
    let mut value: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    if let Some(endpoint) = value.get_mut("endpoint") {
        assert!(endpoint.as_str().unwrap().contains("-websocket-"));
        *endpoint = "masked".into();
    }
    value
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
