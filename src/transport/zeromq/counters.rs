//! The figures that the transport thread writes and everybody may read.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::transport::Counters;

/// A number that only rises.
#[derive(Default)]
pub(super) struct Figure(AtomicU64);

impl Figure {
    pub(super) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! figures {
    ($($name:ident),* $(,)?) => {
        /// One [`Figure`] for each field of [`Counters`].
        #[derive(Default)]
        pub(super) struct Figures { $(pub(super) $name: Figure),* }

        impl Figures {
            pub(super) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.get()),* }
            }
        }
    };
}

figures!(
    events_sent,
    events_received,
    xpub_drops,
    onloop_drops,
    onloop_blocks,
    msg_errors,
    logs_sent,
    logs_received,
    log_drops,
    reconnects,
    queue_drops,
    too_large,
    accept_failures,
);
