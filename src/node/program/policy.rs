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
    /// A program that ran this long starts over with the first pause.
    pub(super) stable_after: Duration,
    /// After so many exits within [`Timing::crash_window`] a program is failing, until it ran for
    /// [`Timing::stable_after`]; it is started again all the same.
    pub(super) crash_limit: usize,
    /// See [`Timing::crash_limit`].
    pub(super) crash_window: Duration,
    /// A program that ran this long is one that can run.
    pub(super) settled_after: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            stable_after: Duration::from_secs(60),
            crash_limit: 5,
            crash_window: Duration::from_secs(60),
            settled_after: Duration::from_secs(1),
        }
    }
}

/// What is remembered of the exits.
#[derive(Debug)]
pub(super) struct Policy {
    timing: Timing,
    in_a_row: u32,
    recent: VecDeque<Duration>,
    failing: bool,
}

impl Policy {
    pub(super) fn new(timing: Timing) -> Policy {
        Policy { timing, in_a_row: 0, recent: VecDeque::new(), failing: false }
    }

    /// The program ended at `now` on the node's monotonic clock, having run for `ran`: how long to wait before it is started
    /// again. It always is.
    pub(super) fn exited(&mut self, ran: Duration, now: Duration) -> Duration {
        if ran >= self.timing.stable_after {
            self.in_a_row = 0;
            self.failing = false;
        }
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) > self.timing.crash_window) {
            self.recent.pop_front();
        }
        self.failing |= self.recent.len() >= self.timing.crash_limit;
        let doubled = 1u32.checked_shl(self.in_a_row.min(16)).unwrap_or(u32::MAX);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.timing.backoff_first.saturating_mul(doubled).min(self.timing.backoff_max)
    }

    /// See [`Timing::crash_limit`].
    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_up_to_five_minutes_and_after_five_exits_in_a_minute_it_is_failing() {
        let mut policy = Policy::new(Timing::default());
        let mut now = Duration::ZERO;
        for (number, pause) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].into_iter().enumerate() {
            assert_eq!(policy.exited(SECOND, now), pause * SECOND);
            assert_eq!(policy.is_failing(), number >= 4, "exit {number}");
            now += (pause + 1) * SECOND;
        }
        assert_eq!(policy.exited(60 * SECOND, now), SECOND, "a minute of work, and it starts over");
        assert!(!policy.is_failing());
    }

    #[test]
    fn rare_exits_never_add_up() {
        let mut policy = Policy::new(Timing::default());
        policy.exited(SECOND, SECOND);
        policy.exited(SECOND, 4 * SECOND);
        for round in 1..40 {
            assert_eq!(policy.exited(100 * SECOND, round * 110 * SECOND), SECOND);
        }
    }
}
