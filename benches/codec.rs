//! Encoding and decoding of events, in nanoseconds, with the events that were recorded from Zeek 8.2.2 (`tests/vectors`).
//!
//! Bar: decoding `broker-json-v1` takes no longer than `serde_json` takes to parse the same text into a `Value`, which does
//! not even look at the types. `broker-bin-v1` has no peer in Rust; its figures stand for themselves.
//!
//! `cargo bench --bench codec`: medians of [`ROUNDS`] rounds.

#![allow(clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use zeek_cluster::wire::{broker_bin, broker_json};

const ROUNDS: usize = 21;
const ROUND: Duration = Duration::from_millis(4);

fn main() {
    println!("nanoseconds per event (octets), medians of {ROUNDS} rounds; serde_json parses the same text to a Value");
    println!(
        "{:28} {:>22} {:>24} {:>12} {:>8}",
        "event", "bin: encode  decode", "json: encode  decode", "serde_json", "ratio"
    );
    let (mut ours, mut peers) = (0.0, 0.0);
    for (name, payload) in recorded_events() {
        let event = broker_bin::decode_event(&payload).expect("Zeek sent it");
        let text = broker_json::encode_event(&event);
        let bin_encode = median(|| broker_bin::encode_event(black_box(&event)));
        let bin_decode = median(|| broker_bin::decode_event(black_box(&payload)));
        let json_encode = median(|| broker_json::encode_event(black_box(&event)));
        let json_decode = median(|| broker_json::decode_event(black_box(text.as_bytes())));
        let peer = median(|| serde_json::from_slice::<serde_json::Value>(black_box(text.as_bytes())));
        println!(
            "{:28} {bin_encode:>8.0} {bin_decode:>7.0} ({:>4}) {json_encode:>10.0} {json_decode:>7.0} ({:>4}) {peer:>11.0} {:>8.2}",
            shortened(&name),
            payload.len(),
            text.len(),
            json_decode / peer,
        );
        ours += json_decode;
        peers += peer;
    }
    println!("all events: JSON decodes in {:.2} of serde_json's time (the bar is 1.00)", ours / peers);
    if ours > peers {
        std::process::exit(1);
    }
}

/// The first payload of each event name.
fn recorded_events() -> BTreeMap<String, Vec<u8>> {
    let mut events = BTreeMap::new();
    for folder in ["events", "node-life"] {
        let path = format!("{}/tests/vectors/{folder}/frames.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the recorded frames");
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            if line["kind"] == "event" {
                let payload = unhex(line["frames"][3].as_str().expect("the fourth frame"));
                let event = broker_bin::decode_event(&payload).expect("Zeek sent it");
                events.entry(String::from_utf8_lossy(&event.name).into_owned()).or_insert(payload);
            }
        }
    }
    events
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn shortened(name: &str) -> &str {
    &name[..name.len().min(28)]
}

/// Nanoseconds of one call.
fn median<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut calls = 1u32;
    let mut round = |calls: u32| {
        let begin = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        begin.elapsed()
    };
    while round(calls) < ROUND {
        calls *= 2;
    }
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(calls).as_nanos() as f64 / f64::from(calls)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
