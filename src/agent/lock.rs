//! The cluster's lock: one run at a time, and only as long as that run lives.
//!
//! A lease lasts while its answer is read and its holder renews it. A holder that is killed closes its connection, which
//! ends the lease at once; one whose connection is half open, or that was stopped, stays silent, which ends it after
//! [`LEASE`]. Nothing of it is on disk: an agent that ends gives the lock up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::api::agent::Holder;

/// How long a lease lasts after its last renewal.
pub const LEASE: Duration = Duration::from_secs(10);

/// The lock of the cluster that this agent belongs to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lock {
    book: Arc<watch::Sender<Book>>,
    lease: Duration,
}

#[derive(Debug, Default)]
struct Book {
    held: Option<Held>,
    /// Of the lease that was granted last.
    serial: u64,
    /// Why the last lease ended, unless its holder ended it.
    lost: String,
}

#[derive(Debug)]
struct Held {
    holder: Holder,
    renewed: Instant,
}

/// A granted lock; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    lock: Lock,
    serial: u64,
}

impl Lock {
    /// A free lock.
    pub fn new() -> Lock {
        Lock::with_lease(LEASE)
    }

    fn with_lease(lease: Duration) -> Lock {
        Lock { book: Arc::new(watch::channel(Book::default()).0), lease }
    }

    /// Who holds it.
    pub fn holder(&self) -> Option<Holder> {
        let book = self.book.borrow();
        book.held.as_ref().filter(|held| held.renewed.elapsed() < self.lease).map(|held| held.holder.clone())
    }

    /// Takes it, or tells who holds it. A run that holds it already takes it anew: its connection broke.
    pub fn take(&self, holder: Holder) -> Result<Lease, Holder> {
        let mut answer = Err(holder.clone());
        self.book.send_if_modified(|book| {
            let in_force = book.held.as_ref().filter(|held| held.renewed.elapsed() < self.lease);
            if let Some(other) = in_force.filter(|held| held.holder.run != holder.run) {
                answer = Err(other.holder.clone());
                return false;
            }
            book.serial += 1;
            // Another run gets it only from one that was silent.
            let same = book.held.as_ref().is_none_or(|held| held.holder.run == holder.run);
            book.lost = if same { "another connection of the same run took it".to_owned() } else { self.silent() };
            book.held = Some(Held { holder, renewed: Instant::now() });
            answer = Ok(book.serial);
            true
        });
        answer.map(|serial| Lease { lock: self.clone(), serial })
    }

    /// [`Lock::take`], after waiting until it is free; tells who holds it when it is not in time.
    pub async fn take_within(&self, holder: Holder, wait: Duration) -> Result<Lease, Holder> {
        let deadline = Instant::now() + wait;
        let mut changes = self.book.subscribe();
        loop {
            let other = match self.take(holder.clone()) {
                Ok(lease) => return Ok(lease),
                Err(other) => other,
            };
            if Instant::now() >= deadline {
                return Err(other);
            }
            tokio::select! {
                changed = changes.changed() => changed.expect("the lock holds the sender"),
                () = sleep_until(self.expires().map_or(deadline, |expires| expires.min(deadline))) => {}
            }
        }
    }

    /// Whether the run holds it; from now on it has a whole lease again.
    pub fn renew(&self, run: &str, step: Option<String>) -> bool {
        let mut renewed = false;
        // Who waits for the end of the lease has to hear that it moved.
        self.book.send_if_modified(|book| {
            if let Some(held) = book.held.as_mut().filter(|held| held.holder.run == run) {
                held.renewed = Instant::now();
                held.holder.step = step;
                renewed = true;
            }
            renewed
        });
        renewed
    }

    /// Whether the run held it; now nobody does.
    pub fn end(&self, run: &str) -> bool {
        self.take_from(run, "its own command ended")
    }

    /// [`Lock::end`] against the holder's will, who is told why.
    pub fn take_from(&self, run: &str, why: &str) -> bool {
        self.book.send_if_modified(|book| {
            let held = book.held.take_if(|held| held.holder.run == run);
            if held.is_some() {
                book.lost = why.to_owned();
            }
            held.is_some()
        })
    }

    fn silent(&self) -> String {
        format!("its holder was not heard for {} s", self.lease.as_secs())
    }

    fn expires(&self) -> Option<Instant> {
        self.book.borrow().held.as_ref().map(|held| held.renewed + self.lease)
    }
}

impl Lease {
    /// Waits until the lease ends other than by being dropped; why.
    pub async fn ended(&self) -> String {
        let mut changes = self.lock.book.subscribe();
        loop {
            {
                let book = changes.borrow_and_update();
                if book.serial != self.serial || book.held.is_none() {
                    return book.lost.clone();
                }
            }
            let Some(expires) = self.lock.expires() else { continue };
            if Instant::now() >= expires {
                return self.lock.silent();
            }
            tokio::select! {
                changed = changes.changed() => changed.expect("the lock holds the sender"),
                () = sleep_until(expires) => {}
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lock.book.send_if_modified(|book| {
            let mine = book.serial == self.serial;
            if mine {
                book.held = None;
            }
            mine
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(run: &str) -> Holder {
        Holder {
            run: run.into(),
            operator: "ana@ops1".into(),
            pid: 4711,
            command: "deploy".into(),
            since: 1.0,
            step: None,
        }
    }

    #[test]
    fn one_run_holds_it_until_its_lease_is_dropped() {
        let lock = Lock::new();
        let lease = lock.take(holder("a")).unwrap();
        assert_eq!(lock.take(holder("b")).unwrap_err().run, "a");
        drop(lease);
        assert_eq!(lock.holder(), None);
        lock.take(holder("b")).unwrap();
    }

    #[test]
    fn a_run_whose_connection_broke_takes_it_anew_and_the_old_lease_ends_nothing() {
        let lock = Lock::new();
        let old = lock.take(holder("a")).unwrap();
        let _new = lock.take(holder("a")).unwrap();
        drop(old);
        assert_eq!(lock.holder().unwrap().run, "a");
    }

    #[test]
    fn only_the_run_that_holds_it_renews_and_ends_it() {
        let lock = Lock::new();
        let _lease = lock.take(holder("a")).unwrap();
        assert!(!lock.renew("b", None) && !lock.end("b"));
        assert!(lock.renew("a", Some("staging".into())));
        assert_eq!(lock.holder().unwrap().step.as_deref(), Some("staging"));
        assert!(lock.end("a") && lock.holder().is_none());
    }

    #[tokio::test]
    async fn a_silent_holder_loses_it_and_who_waits_gets_it() {
        let length = Duration::from_millis(100);
        let lock = Lock::with_lease(length);
        let lease = lock.take(holder("a")).unwrap();
        let renewed = Instant::now();
        assert!(lock.renew("a", None));
        let _next = lock.take_within(holder("b"), Duration::from_secs(60)).await.unwrap();
        assert!(renewed.elapsed() >= length);
        assert_eq!(lease.ended().await, "its holder was not heard for 0 s");
        drop(lease);
        assert_eq!(lock.holder().unwrap().run, "b");
    }

    #[tokio::test]
    async fn waiting_in_vain_tells_who_holds_it_then() {
        let lock = Lock::new();
        let first = lock.take(holder("a")).unwrap();
        let waiting = lock.take_within(holder("c"), Duration::from_millis(50));
        let change = async {
            drop(first);
            lock.take(holder("b")).unwrap()
        };
        let (_second, waited) = tokio::join!(change, waiting);
        assert_eq!(waited.unwrap_err().run, "b");
    }

    #[tokio::test]
    async fn whom_it_is_taken_from_is_told_by_whom() {
        let lock = Lock::new();
        let lease = lock.take(holder("a")).unwrap();
        assert!(lock.take_from("a", "unlocked by bob@ops2"));
        assert_eq!(lease.ended().await, "unlocked by bob@ops2");
    }
}
