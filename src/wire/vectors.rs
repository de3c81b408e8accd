//! For tests: the frames that were recorded from a real Zeek. See `tests/vectors/README.md`.

use std::path::{Path, PathBuf};

/// `tests/vectors/`.
pub(crate) fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The lines of a file of JSON values under `tests/vectors/`.
pub(crate) fn json_lines(path: &str) -> Vec<serde_json::Value> {
    let path = dir().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The octets that hex digits stand for; white space is skipped.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    let octet = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.chunks(2).map(|pair| octet(pair).expect("hex digits")).collect()
}

/// Payloads of all recorded events, as `(folder and line, format, payload)`.
pub(crate) fn event_payloads() -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["events", "node-life"] {
        for (index, line) in json_lines(&format!("{folder}/frames.jsonl")).iter().enumerate() {
            if line["kind"] != "event" {
                continue;
            }
            let frames: Vec<Vec<u8>> = line["frames"]
                .as_array()
                .expect("frames")
                .iter()
                .map(|frame| hex(frame.as_str().expect("hex")))
                .collect();
            // Topic, sender, format, payload: `zeromq.md`, the frames of an event.
            let [_topic, _sender, format, payload] = frames.as_slice() else { panic!("four frames") };
            let format = String::from_utf8(format.clone()).expect("a format's name");
            found.push((format!("{folder}:{}", index + 1), format, payload.clone()));
        }
    }
    found
}
