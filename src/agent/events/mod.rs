//! `events.jsonl`: the record of events on the host, written while they happen.
//!
//! The tasks of nodes tell what [`Story`] makes of their views; the agent tells of itself, the disk and the clock
//! ([`watch`]). The file is bounded; what cannot be written waits in memory, and what is lost there is counted.

mod feed;
mod log;
mod story;
mod watch;

pub(super) use feed::{EventQuery, feed};
pub(super) use log::EventLog;
pub(super) use story::Story;
pub(super) use watch::watch;
