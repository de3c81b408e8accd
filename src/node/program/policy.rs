//! When a program that ended is started again. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// The durations; [`Timing::default`] has those of the agent for its nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Pause before the first start again; doubles with each further one.
    pub(super) backoff_first: Duration,
    /// The longest pause.
    pub(super) backoff_max: Duration,
    /// Whoever ran this long starts over with the first pause.
    pub(super) stable_after: Duration,
    /// So many exits within [`Timing::crash_window`] are enough.
    pub(super) crash_limit: usize,
    /// See [`Timing::crash_limit`].
    pub(super) crash_window: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            stable_after: Duration::from_secs(60),
            crash_limit: 5,
            crash_window: Duration::from_secs(60),
        }
    }
}

/// What is to be done after an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Start it again after this pause.
    StartAfter(Duration),
    /// It ended too often; only an operator starts it again.
    GiveUp,
}

/// What is remembered of the exits.
#[derive(Debug)]
pub(super) struct Policy {
    timing: Timing,
    in_a_row: u32,
    recent: VecDeque<Duration>,
}

impl Policy {
    pub(super) fn new(timing: Timing) -> Policy {
        Policy { timing, in_a_row: 0, recent: VecDeque::new() }
    }

    /// The program ended at `now` on the node's monotonic clock, having run for `ran`.
    pub(super) fn exited(&mut self, ran: Duration, now: Duration) -> Next {
        if ran >= self.timing.stable_after {
            self.in_a_row = 0;
        }
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) > self.timing.crash_window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.timing.crash_limit {
            return Next::GiveUp;
        }
        let doubled = 1u32.checked_shl(self.in_a_row.min(16)).unwrap_or(u32::MAX);
        self.in_a_row += 1;
        Next::StartAfter(self.timing.backoff_first.saturating_mul(doubled).min(self.timing.backoff_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_and_five_exits_in_a_minute_are_enough() {
        let mut policy = Policy::new(Timing::default());
        let mut now = Duration::ZERO;
        for pause in [1, 2, 4, 8] {
            assert_eq!(policy.exited(SECOND, now), Next::StartAfter(pause * SECOND));
            now += (pause + 1) * SECOND;
        }
        assert_eq!(policy.exited(SECOND, now), Next::GiveUp);
    }

    #[test]
    fn who_ran_for_long_starts_over() {
        let mut policy = Policy::new(Timing::default());
        policy.exited(SECOND, SECOND);
        policy.exited(SECOND, 4 * SECOND);
        assert_eq!(policy.exited(100 * SECOND, 110 * SECOND), Next::StartAfter(SECOND));
        // Rare exits never add up.
        for round in 2..40 {
            assert_eq!(policy.exited(100 * SECOND, round * 110 * SECOND), Next::StartAfter(SECOND));
        }
    }

    #[test]
    fn a_pause_is_a_minute_at_most() {
        let timing = Timing { crash_limit: usize::MAX, ..Timing::default() };
        let mut policy = Policy::new(timing);
        let last = (0..40).map(|second| policy.exited(Duration::ZERO, second * SECOND)).last();
        assert_eq!(last, Some(Next::StartAfter(60 * SECOND)));
    }
}
