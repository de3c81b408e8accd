//! How many octets of log batches a logger takes from its PULL socket before it pushes back.
//!
//! A batch is counted from the moment it leaves libzmq until its last copy is dropped, wherever it waits meanwhile: in the
//! inbox, on the way to the writer, in the writer's queue. Policy when used up: PULL is not read.
//!
//! Below that, libzmq keeps up to `log_rcvhwm` messages for each connection, of whatever size. [`Share`] turns the number
//! down where batches are large, so that those octets are bounded too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What a batch costs beside its octets: libzmq's four messages, our frame.
const OVERHEAD: usize = 512;
/// The fewest batches that a connection may have waiting in libzmq: fewer would stop the flow between two rounds.
const MIN_HWM: usize = 4;
/// A new mark is set when it differs from the last one by more than a quarter.
const TOLERANCE: usize = 4;

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

/// The high-water mark that keeps what waits in libzmq, over all connections, below a number of octets.
pub(super) struct Share {
    octets: usize,
    /// `log_rcvhwm`; 0 for no limit.
    configured: usize,
    connections: usize,
    /// Octets of a batch, as a moving average.
    average: usize,
    current: usize,
}

impl Share {
    pub(super) fn new(octets: usize, log_rcvhwm: i32) -> Share {
        let configured = usize::try_from(log_rcvhwm).unwrap_or(0);
        Share { octets, configured, connections: 0, average: 0, current: configured }
    }

    pub(super) fn connected(&mut self) {
        self.connections += 1;
    }

    pub(super) fn disconnected(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// A batch came.
    pub(super) fn received(&mut self, octets: usize) {
        let octets = octets + OVERHEAD;
        self.average = if self.average == 0 { octets } else { (self.average * 15 + octets) / 16 };
    }

    /// The mark to set now, if the last one does not do any more.
    pub(super) fn changed(&mut self) -> Option<i32> {
        if self.configured == 0 || self.average == 0 {
            return None;
        }
        let fits = self.octets / self.average / self.connections.max(1);
        let wanted = fits.max(MIN_HWM).min(self.configured);
        let near = wanted.abs_diff(self.current) <= self.current / TOLERANCE;
        if wanted == self.current || (near && wanted != self.configured) {
            return None;
        }
        self.current = wanted;
        i32::try_from(wanted).ok()
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

    #[test]
    fn small_batches_leave_zeeks_mark_and_large_ones_lower_it() {
        let mut share = Share::new(8 << 20, 1000);
        share.connected();
        share.received(1000);
        assert_eq!(share.changed(), None);
        (0..100).for_each(|_| share.received(400_000));
        assert!(share.changed().is_some_and(|mark| (20..=30).contains(&mark)));
        assert_eq!(share.changed(), None, "set once");
        (0..63).for_each(|_| share.connected());
        assert_eq!(share.changed(), Some(4));
        (0..63).for_each(|_| share.disconnected());
        (0..200).for_each(|_| share.received(1000));
        assert_eq!(share.changed(), Some(1000));
    }

    #[test]
    fn no_limit_stays_no_limit() {
        let mut share = Share::new(8 << 20, 0);
        share.received(400_000);
        assert_eq!(share.changed(), None);
    }
}
