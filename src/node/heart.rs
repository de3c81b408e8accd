//! Proof of life: the event loop of a node makes a [`Beat`] every two seconds, and asks its threads whether they have moved
//! since the one before. A thread that has ended although the node has not stands still as well.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::api::node::{BEAT_EVERY, Beat, StuckPart};
use crate::logs::Logger;
use crate::transport::zeromq::ZeromqTransport;

/// A thread that has not moved for so long is told of.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Makes the beats of one node.
pub(super) struct Heart {
    parts: Vec<Part>,
    beats: u64,
    due: Instant,
}

/// A thread beside the event loop.
pub(super) struct Part {
    name: &'static str,
    /// Whether it moved since it was asked last, or has nothing to do.
    moved: Box<dyn FnMut() -> bool + Send>,
    still_since: Option<Instant>,
}

impl Part {
    fn new(name: &'static str, moved: impl FnMut() -> bool + Send + 'static) -> Part {
        Part { name, moved: Box::new(moved), still_since: None }
    }

    /// The thread of the sockets: each beat it is given a number to write down, behind all that waits for it.
    pub(super) fn sockets(transport: &Arc<ZeromqTransport>) -> Part {
        let (transport, written) = (Arc::downgrade(transport), Arc::new(AtomicU64::new(0)));
        let mut asked = 0;
        Part::new("socket thread", move || {
            let moved = written.load(Ordering::Relaxed) == asked;
            if moved && let Some(transport) = transport.upgrade() {
                asked += 1;
                // Where the queue is full the next beat finds the number missing, as it should.
                let _full = transport.write_down(asked, &written);
            }
            moved
        })
    }

    /// The thread of the hub, where one runs here: it is woken at each beat.
    pub(super) fn hub(transport: &Arc<ZeromqTransport>) -> Part {
        let transport = Arc::downgrade(transport);
        let mut before = None;
        Part::new("hub thread", move || {
            let rounds = transport.upgrade().and_then(|transport| transport.hub_rounds());
            let moved = rounds.is_none() || rounds != before;
            before = rounds;
            moved
        })
    }

    /// The thread that writes logs: while batches wait it takes some, or says that it cannot write them.
    pub(super) fn log_writer(logger: Weak<Logger>) -> Part {
        let mut before = 0;
        Part::new("log writer", move || {
            let Some(figures) = logger.upgrade().map(|logger| logger.counters()) else { return true };
            let done = figures.batches + figures.rejected_batches + figures.discarded_records + figures.write_errors;
            let moved = done != before || figures.queued_octets == 0;
            before = done;
            moved
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Heart {
    /// Of a node with these threads; the first beat is due at once.
    pub(super) fn new(parts: Vec<Part>, now: Instant) -> Heart {
        Heart { parts, beats: 0, due: now }
    }

    /// When the next beat is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The next beat, when it is due.
    pub(super) fn beat(&mut self, now: Instant) -> Option<Beat> {
        if now < self.due {
            return None;
        }
        self.due = now + BEAT_EVERY;
        self.beats += 1;
        let stuck = self.parts.iter_mut().filter_map(|part| part.look(now));
        Some(Beat { beat: self.beats, stuck: stuck.collect() })
    }
}

impl Part {
    fn look(&mut self, now: Instant) -> Option<StuckPart> {
        if (self.moved)() {
            self.still_since = None;
            return None;
        }
        let still = now.saturating_duration_since(*self.still_since.get_or_insert(now));
        (still >= STUCK_AFTER).then(|| StuckPart { part: self.name.to_owned(), for_s: still.as_secs() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_thread_that_stands_still_is_named_until_it_moves() {
        let moves = Arc::new(AtomicBool::new(true));
        let (start, seen) = (Instant::now(), moves.clone());
        let part = Part::new("log writer", move || seen.load(Ordering::Relaxed));
        let mut heart = Heart::new(vec![part], start);
        let mut beat =
            |second: u64| heart.beat(start + Duration::from_secs(second)).map(|beat| (beat.beat, beat.stuck));
        assert_eq!(beat(0), Some((1, Vec::new())));
        assert_eq!(beat(1), None, "one is due every two seconds");
        moves.store(false, Ordering::Relaxed);
        assert_eq!(beat(2), Some((2, Vec::new())));
        assert_eq!(beat(11), Some((3, Vec::new())));
        assert_eq!(beat(14), Some((4, vec![StuckPart { part: "log writer".into(), for_s: 12 }])));
        moves.store(true, Ordering::Relaxed);
        assert_eq!(beat(16), Some((5, Vec::new())));
    }
}
