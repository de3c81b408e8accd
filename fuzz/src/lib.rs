//! The pure parts of zeek-cluster that read what strangers send, compiled from its sources: so fuzzing them needs neither
//! libzmq nor OpenSSL built under a sanitizer.
//!
//! `cargo +nightly fuzz run broker_bin` (or `broker_json`, `log_batch`, `store_message`, `websocket_frames`) from the
//! directory above.

#[path = "../../src/data/mod.rs"]
pub mod data;
#[path = "../../src/wire/mod.rs"]
pub mod wire;

/// Of `cluster/stores`, what its messages need.
#[path = "../../src/cluster/stores"]
#[allow(dead_code, reason = "a part of a room")]
pub mod stores {
    mod backend;
    mod error;
    pub mod invariants;
    pub mod message;
    mod operation;
}

/// Of `websocket`, what reads frames.
#[path = "../../src/websocket"]
#[allow(dead_code, reason = "a part of a room")]
pub mod websocket {
    mod close;
    mod frame;
    pub mod invariants;
}
