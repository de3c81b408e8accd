//! How many octets of log batches a logger takes from its PULL socket before it pushes back.
//!
//! A batch is counted from the moment it leaves libzmq until its last copy is dropped, wherever it waits meanwhile: in the
//! inbox, on the way to the writer, in the writer's queue. Policy when used up: PULL is not read.
//!
//! Below that, libzmq keeps a few messages for each connection ([`LOG_RCVHWM_MAX`](super::sockets::LOG_RCVHWM_MAX)).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What a batch costs beside its octets: libzmq's four messages, our frame.
const OVERHEAD: usize = 512;
/// Octets of batches that are under way in this process.
pub(super) struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
}

/// A batch that counts until it is dropped.
struct Counted {
    payload: Bytes,
    used: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.used.fetch_sub(self.payload.len() + OVERHEAD, Ordering::Relaxed);
    }
}

impl Budget {
    pub(super) fn new(limit: usize) -> Budget {
        Budget { limit, used: Arc::default() }
    }

    /// Whether no further batch should be taken. One more always fits, however large.
    pub(super) fn is_used_up(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit
    }

    /// Counts a batch for as long as the answer lives.
    pub(super) fn count(&self, payload: Bytes) -> Bytes {
        self.used.fetch_add(payload.len() + OVERHEAD, Ordering::Relaxed);
        Bytes::from_owner(Counted { payload, used: Arc::clone(&self.used) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_until_its_last_copy_is_gone() {
        let budget = Budget::new(1000);
        let batch = budget.count(Bytes::from(vec![7; 2000]));
        assert!(budget.is_used_up());
        let part = batch.slice(..10);
        drop(batch);
        assert!(budget.is_used_up(), "a part keeps the whole");
        drop(part);
        assert!(!budget.is_used_up());
    }
}
