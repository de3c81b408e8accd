//! Limits over all clients of a server together, beside those of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Octets of messages that have begun and not ended: each is kept until its last octet, so clients that never finish would take
/// as much together as all of their messages might.
pub(super) const BEGUN: usize = 64 << 20;

/// Octets that each client may have begun beside that.
pub(super) const BEGUN_FREE: usize = 64 << 10;

/// Subscriptions, at [`SUBSCRIPTION`] and their octets: they all are the node's own, and the hub cuts a node off that has more
/// than ten thousand or a megabyte.
pub(super) const SUBSCRIPTIONS: usize = 900_000;

/// Cost of a subscription beside its octets.
pub(super) const SUBSCRIPTION: usize = 100;

/// One client's part; given back when dropped.
pub(super) struct Quota {
    all: Arc<AtomicUsize>,
    limit: usize,
    own: usize,
}

impl Quota {
    /// Nothing yet, of what the clients that share `all` may have.
    pub(super) fn new(all: &Arc<AtomicUsize>, limit: usize) -> Quota {
        Quota { all: Arc::clone(all), limit, own: 0 }
    }

    /// Says how much the client has now; false when that is more than there is room for.
    pub(super) fn hold(&mut self, amount: usize) -> bool {
        let before = std::mem::replace(&mut self.own, amount);
        if amount <= before {
            self.all.fetch_sub(before - amount, Ordering::Relaxed);
            return true;
        }
        let grown = amount - before;
        self.all.fetch_add(grown, Ordering::Relaxed) + grown <= self.limit
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_take_is_bounded_together() {
        let all = Arc::new(AtomicUsize::new(0));
        let (mut one, mut other) = (Quota::new(&all, 100), Quota::new(&all, 100));
        assert!(one.hold(60));
        assert!(!other.hold(41), "one too many");
        assert!(other.hold(40));
        assert!(one.hold(0));
        assert!(other.hold(100));
        drop(other);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
