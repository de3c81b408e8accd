//! The two lower floors of zeek-cluster, compiled from its sources: they are pure, so that fuzzing them needs neither
//! libzmq nor OpenSSL built under a sanitizer.
//!
//! `cargo +nightly fuzz run broker_bin` (or `broker_json`, `log_batch`) from the directory above.

#[path = "../../src/data/mod.rs"]
pub mod data;
#[path = "../../src/wire/mod.rs"]
pub mod wire;
