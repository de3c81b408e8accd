//! The bounded queue from the callers to the transport thread, in order, with the descriptor that wakes it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::OwnedSemaphorePermit;

use super::options::Tuning;
use crate::transport::{EventFrame, LogFrame, MAX_TOPIC, SendError};

/// Events and log batches that wait for the transport thread. Source: `zeromq.md` 1.5 (two default high-water marks).
const LIMIT: usize = 2000;

/// All that waits, subscriptions included, which are dropped only here.
const HARD_LIMIT: usize = 100_000;

/// What a caller wants done.
pub(super) enum Command {
    Subscribe(Vec<u8>),
    Unsubscribe(Vec<u8>),
    Publish(EventFrame),
    /// Waits for room in the socket; the credit is given back when there was some.
    PublishWhenRoom(EventFrame, OwnedSemaphorePermit),
    PushLog(LogFrame),
    Tune(Tuning),
    /// To be written down, which tells that the thread came to it.
    WriteDown(u64, Arc<AtomicU64>),
}

impl Command {
    /// Whether peers would refuse it.
    pub(super) fn is_too_large(&self) -> bool {
        match self {
            Command::Subscribe(topic) | Command::Unsubscribe(topic) => topic.len() > MAX_TOPIC,
            Command::Publish(event) | Command::PublishWhenRoom(event, _) => !event.fits(),
            Command::PushLog(batch) => !batch.fits(),
            Command::Tune(_) | Command::WriteDown(..) => false,
        }
    }

    fn limit(&self) -> usize {
        match self {
            Command::Publish(_) | Command::PushLog(_) => LIMIT,
            Command::PublishWhenRoom(..)
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::Tune(_)
            | Command::WriteDown(..) => HARD_LIMIT,
        }
    }
}

/// Many callers, one thread that takes.
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Waker,
}

#[derive(Default)]
struct State {
    commands: VecDeque<Command>,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> io::Result<Queue> {
        Ok(Queue { state: Mutex::new(State::default()), wake: Waker::new()? })
    }

    /// Never blocks. The policy when full is to refuse.
    pub(super) fn push(&self, command: Command) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SendError::Closed);
        }
        if state.commands.len() >= command.limit() {
            return Err(SendError::Full);
        }
        let first = state.commands.is_empty();
        state.commands.push_back(command);
        drop(state);
        if first {
            self.wake.wake();
        }
        Ok(())
    }

    /// Refuses everything from now on; what is queued is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.wake();
    }

    /// Forgets the wake-up. To be called before [`Queue::take`] when the descriptor could be read.
    pub(super) fn clear(&self) {
        self.wake.clear();
    }

    /// Moves everything at once to `into`, which must be empty; says whether the queue is closed, so that nothing will
    /// follow.
    pub(super) fn take(&self, into: &mut VecDeque<Command>) -> bool {
        debug_assert!(into.is_empty(), "the last commands were performed");
        let mut state = self.lock();
        std::mem::swap(&mut state.commands, into);
        state.closed
    }

    /// Readable when there is something to take.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.fd()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A descriptor that one thread polls and others make readable; closed on exec.
pub(super) struct Waker(OwnedFd);

impl Waker {
    pub(super) fn new() -> io::Result<Waker> {
        Ok(Waker(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(super) fn wake(&self) {
        // Fails only when the counter is at its maximum, and then the descriptor is readable.
        let _readable = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    pub(super) fn clear(&self) {
        // Fails only when there was no wake-up.
        let _count = rustix::io::read(&self.0, &mut [0u8; 8]);
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_events_and_still_takes_subscriptions() {
        let queue = Queue::new().expect("eventfd");
        let event = EventFrame { topic: "t".into(), sender: "s".into(), format: "f".into(), payload: "p".into() };
        for _ in 0..LIMIT {
            queue.push(Command::Publish(event.clone())).expect("room");
        }
        assert_eq!(queue.push(Command::Publish(event)), Err(SendError::Full));
        assert_eq!(queue.push(Command::Subscribe(b"t".to_vec())), Ok(()));
        queue.close();
        assert_eq!(queue.push(Command::Subscribe(b"t".to_vec())), Err(SendError::Closed));
        let mut commands = VecDeque::new();
        assert!(queue.take(&mut commands), "closed");
        assert_eq!(commands.len(), LIMIT + 1);
    }
}
