//! The bounded queue between whoever receives batches and the logger's thread.
//!
//! The bound is in octets. Policy when full: wait. The thread takes all that is there at once, so that at most twice
//! the bound is in memory. One batch always fits, however large: the transport has limits of its own.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What can stand in the queue.
pub(super) trait Weight {
    /// Octets in memory.
    fn weight(&self) -> usize;
}

/// The queue was closed; the item comes back.
#[derive(Debug)]
pub(super) struct Closed<T>(pub T);

#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    limit: usize,
    /// Something came, or the queue was closed.
    filled: Condvar,
    /// There is room, or the queue was closed.
    emptied: Condvar,
    emptied_async: tokio::sync::Notify,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    weight: usize,
    waits: u64,
    nudged: bool,
    closed: bool,
}

/// What waiting for items came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There are items.
    Items,
    /// The time came first.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

impl<T: Weight> Queue<T> {
    pub(super) fn new(limit: usize) -> Queue<T> {
        Queue {
            state: Mutex::new(State { items: Vec::new(), weight: 0, waits: 0, nudged: false, closed: false }),
            limit,
            filled: Condvar::new(),
            emptied: Condvar::new(),
            emptied_async: tokio::sync::Notify::new(),
        }
    }

    /// Adds an item; blocks while the queue is full.
    pub(super) fn push(&self, item: T) -> Result<(), Closed<T>> {
        let mut state = self.lock();
        if self.is_full(&state, &item) {
            state.waits += 1;
        }
        while self.is_full(&state, &item) {
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.add(state, item)
    }

    /// Adds an item; waits while the queue is full. Dropping the future leaves the item out.
    pub(super) async fn push_async(&self, item: T) -> Result<(), Closed<T>> {
        let mut waited = false;
        loop {
            // Before looking, so that room made in between is not missed.
            let emptied = self.emptied_async.notified();
            {
                let mut state = self.lock();
                if !self.is_full(&state, &item) {
                    return self.add(state, item);
                }
                state.waits += u64::from(!waited);
                waited = true;
            }
            emptied.await;
        }
    }

    /// Waits until there are items, the queue is closed, or `until`; moves all items to `into`, which must be empty.
    pub(super) fn take(&self, into: &mut Vec<T>, until: Option<Instant>) -> Taken {
        debug_assert!(into.is_empty(), "the last items were worked off");
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            if std::mem::take(&mut state.nudged) {
                return Taken::Nothing;
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Taken::Nothing,
                Some(left) => self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        std::mem::swap(&mut state.items, into);
        state.weight = 0;
        drop(state);
        self.emptied.notify_all();
        self.emptied_async.notify_waiters();
        Taken::Items
    }

    /// Waits until `until` or until the queue is closed, without taking anything; says whether it is closed.
    pub(super) fn pause(&self, until: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return state.closed;
            }
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has whoever waits for items look around, as if the time had come.
    pub(super) fn nudge(&self) {
        self.lock().nudged = true;
        self.filled.notify_all();
    }

    /// Refuses whatever comes from now on; what is there can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
        self.emptied_async.notify_waiters();
    }

    /// Octets that wait, and how often somebody had to wait for room.
    pub(super) fn figures(&self) -> (usize, u64) {
        let state = self.lock();
        (state.weight, state.waits)
    }

    fn is_full(&self, state: &State<T>, item: &T) -> bool {
        !state.closed && !state.items.is_empty() && state.weight + item.weight() > self.limit
    }

    fn add(&self, mut state: MutexGuard<'_, State<T>>, item: T) -> Result<(), Closed<T>> {
        if state.closed {
            return Err(Closed(item));
        }
        state.weight += item.weight();
        state.items.push(item);
        let first = state.items.len() == 1;
        drop(state);
        // The one taker sleeps only while the queue is empty.
        if first {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// A panic elsewhere leaves the items intact: they are only moved.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    impl Weight for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    #[test]
    fn whoever_brings_too_much_waits_for_room() {
        let queue = Arc::new(Queue::new(10));
        queue.push(6usize).unwrap();
        let other = Arc::clone(&queue);
        let pushing = std::thread::spawn(move || other.push(6).unwrap());
        while queue.figures().1 == 0 {
            std::thread::yield_now();
        }
        let mut taken = Vec::new();
        assert_eq!(queue.take(&mut taken, None), Taken::Items);
        assert_eq!(taken, [6]);
        pushing.join().unwrap();
        assert_eq!(queue.figures(), (6, 1));
    }

    #[tokio::test]
    async fn a_waiting_future_goes_on_when_there_is_room() {
        let queue = Arc::new(Queue::new(10));
        queue.push_async(10usize).await.unwrap();
        let other = Arc::clone(&queue);
        let pushing = tokio::spawn(async move { other.push_async(1).await.is_ok() });
        while queue.figures().1 == 0 {
            tokio::task::yield_now().await;
        }
        let mut taken = Vec::new();
        queue.take(&mut taken, None);
        assert!(pushing.await.unwrap());
    }

    #[test]
    fn an_oversized_item_fits_alone() {
        let queue = Queue::new(10);
        queue.push(100usize).unwrap();
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let queue = Queue::new(10);
        queue.push(1usize).unwrap();
        queue.close();
        assert!(matches!(queue.push(2), Err(Closed(2))));
        let mut taken = Vec::new();
        assert_eq!(queue.take(&mut taken, None), Taken::Items);
        taken.clear();
        assert_eq!(queue.take(&mut taken, None), Taken::Closed);
    }

    #[test]
    fn waiting_ends_when_the_time_has_come() {
        let queue = Queue::<usize>::new(10);
        let until = Instant::now() + Duration::from_millis(5);
        assert_eq!(queue.take(&mut Vec::new(), Some(until)), Taken::Nothing);
        assert!(Instant::now() >= until);
    }
}
