//! For tests and fuzzing: what has to hold for any octets that a decoder is given. Each function panics when it does not.

use super::{broker_bin, broker_json, log_batch};

/// What decodes encodes to octets that decode to the same, and events that open are written as they were read.
pub fn check_broker_bin(octets: &[u8]) {
    if let Ok(value) = broker_bin::decode(octets) {
        let written = broker_bin::encode(&value);
        let read = broker_bin::decode(&written).expect("what was written is read");
        assert_eq!(read, value);
        assert_eq!(broker_bin::encode(&read), written);
        let _ = value.to_string();
    }
    if let Ok(event) = broker_bin::decode_event(octets) {
        let written = broker_bin::encode_event(&event);
        assert_eq!(broker_bin::decode_event(&written), Ok(event));
    }
}

/// What decodes is written as JSON. Where that can be read (in a set two times may become one when their nanoseconds are
/// cut), writing it again gives the same text.
pub fn check_broker_json(octets: &[u8]) {
    if let Ok(value) = broker_json::decode(octets) {
        let written = broker_json::encode(&value);
        if let Ok(read) = broker_json::decode(written.as_bytes()) {
            assert_eq!(broker_json::encode(&read).len(), written.len());
        }
        let in_binary = broker_bin::encode(&value);
        assert!(broker_bin::decode(&in_binary).is_ok());
    }
    let _ = broker_json::decode_event(octets);
}

/// What decodes encodes to octets that decode to the same.
pub fn check_log_batch(octets: &[u8]) {
    if let Ok(batch) = log_batch::LogBatch::decode(octets) {
        let written = batch.encode().expect("what was read can be written");
        let read = log_batch::LogBatch::decode(&written).expect("what was written is read");
        assert_eq!(read.encode(), Ok(written));
    }
}

/// Runs `check` over the committed corpus of a fuzz target, so that the ordinary tests run it too.
#[cfg(test)]
pub(crate) fn check_corpus(target: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        check(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count >= 10, "the corpus of {target} is there");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_of_broker_bin_holds() {
        check_corpus("broker_bin", check_broker_bin);
    }

    #[test]
    fn the_corpus_of_broker_json_holds() {
        check_corpus("broker_json", check_broker_json);
    }

    #[test]
    fn the_corpus_of_log_batch_holds() {
        check_corpus("log_batch", check_log_batch);
    }
}
