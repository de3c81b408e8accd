//! Messages about incidents: from the record of events to a program or an HTTP server.
//!
//! Each agent tells of its own host. An incident has one message and its end another; what cannot be delivered waits in
//! `run/notify.json`, bounded, and is tried again.

mod deliver;
mod outbox;
mod run;

pub(super) use run::Notifier;
