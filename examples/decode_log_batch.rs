//! What is inside a log batch?
//!
//! A node sends its log records in batches: stream, writer, filter, path and columns once, then the records. This reads
//! batches that a real Zeek 8.2.2 sent, as recorded in `tests/vectors`, and tells what they hold. It opens no socket.
//!
//! ```sh
//! cargo run --example decode_log_batch
//! cargo run --example decode_log_batch -- tests/vectors/logs-json/frames.jsonl
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::Value;
use zeek_cluster::wire::log_batch::{self, LogBatch, LogValue};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/logs-tsv/frames.jsonl");

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| RECORDED.to_owned());
    let mut streams: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut first: Option<LogBatch> = None;
    for line in std::fs::read_to_string(path)?.lines() {
        let Some(payload) = payload(&serde_json::from_str(line)?)? else { continue };
        // Lengths and types are checked against what is there: hostile octets are an error, never a panic.
        let batch = LogBatch::decode(&payload)?;
        let (batches, records) = streams.entry(batch.stream.escape_ascii().to_string()).or_default();
        (*batches, *records) = (*batches + 1, *records + batch.records.len());
        // What was read is written to the same octets again.
        assert_eq!(batch.encode()?, payload);
        first.get_or_insert(batch);
    }
    for (stream, (batches, records)) in &streams {
        println!("{stream}: {records} records in {batches} batches");
    }
    let batch = first.ok_or("there is no log batch in that file")?;
    println!("the first batch is for {}.log and has the columns", batch.path.escape_ascii());
    for (field, value) in batch.fields.iter().zip(&batch.records[0]) {
        println!("  {} ({}) = {}", field.name.escape_ascii(), field.tag.name(), text(value));
    }
    Ok(())
}

/// A value, readable.
fn text(value: &LogValue) -> String {
    match value {
        LogValue::Unset => "-".to_owned(),
        LogValue::String(octets) | LogValue::Enum(octets) => octets.escape_ascii().to_string(),
        other => format!("{other:?}"),
    }
}

/// The octets of a log batch; none for another message. Parts: an empty one, sender, format, payload.
fn payload(message: &Value) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
    if message["kind"] != "log" {
        return Ok(None);
    }
    let parts = message["frames"].as_array().ok_or("a message without frames")?;
    let hex = parts.last().and_then(Value::as_str).ok_or("a message without a payload")?;
    let format = log_batch::FORMAT;
    let named =
        parts.iter().filter_map(Value::as_str).any(|part| octets(part).is_ok_and(|part| part == format.as_bytes()));
    if !named {
        return Err(format!("a batch that is not in the format {format}").into());
    }
    octets(hex).map(Some)
}

fn octets(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}
