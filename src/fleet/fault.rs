//! A failed step before the host is known, and the clock that each step runs against.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::{ReachError, ReachKind, Step};
use super::exam::{Diary, Passed};
use crate::api::outcome::ErrorInfo;

/// What went wrong in which step; [`Reached::error`] adds where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub step: Step,
    pub kind: ReachKind,
    pub what: String,
    pub hint: Option<String>,
    /// Nodes of the cluster that run there although no agent does.
    pub unwatched: Vec<String>,
}

impl Fault {
    pub fn failed(step: Step, what: impl Into<String>) -> Fault {
        Fault::of(step, ReachKind::Failed, what)
    }

    pub fn unreachable(step: Step, what: impl Into<String>) -> Fault {
        Fault::of(step, ReachKind::Unreachable, what)
    }

    pub fn timed_out(step: Step, what: impl Into<String>) -> Fault {
        Fault::of(step, ReachKind::TimedOut, what)
    }

    pub fn of(step: Step, kind: ReachKind, what: impl Into<String>) -> Fault {
        Fault { step, kind, what: what.into(), hint: None, unwatched: Vec::new() }
    }

    /// What an operator has to know of it.
    pub fn info(self) -> ErrorInfo {
        ErrorInfo { what: self.what, hint: self.hint }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }
}

/// Where a fault happened, and since when the host is being tried.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub host: String,
    pub address: String,
    pub port: u16,
    pub since: Instant,
}

impl Reached {
    pub fn error(&self, fault: Fault) -> ReachError {
        ReachError {
            host: self.host.clone(),
            address: self.address.clone(),
            port: self.port,
            step: fault.step,
            kind: fault.kind,
            elapsed: self.since.elapsed(),
            what: fault.what,
            hint: fault.hint,
            unwatched: fault.unwatched,
        }
    }
}

/// The step that a session's thread is in, and when it has to be over. Shared with whoever waits for that thread, so
/// that a call without a deadline of its own (the resolver, the SSH agent) cannot make anybody wait longer.
pub(super) struct Progress {
    state: Mutex<(Step, Option<Instant>)>,
    /// Somebody other than the host, while that is waited for.
    third: Mutex<Option<String>>,
    diary: Diary,
    jump: Option<String>,
}

impl Progress {
    pub fn new(step: Step, until: Instant) -> Progress {
        Progress {
            state: Mutex::new((step, Some(until))),
            third: Mutex::default(),
            diary: Diary::default(),
            jump: None,
        }
    }

    /// Notes the steps that succeed, of the jump host of that name where it is one.
    pub fn noted_in(self, diary: Diary, jump: Option<String>) -> Progress {
        Progress { diary, jump, ..self }
    }

    /// Notes that a step succeeded.
    pub fn passed(&self, step: Step, what: impl Into<String>) {
        self.diary.note(Passed { step, jump: self.jump.clone(), what: what.into() });
    }

    /// Goes on to another step under the same deadline.
    pub fn enter(&self, step: Step) {
        self.locked().0 = step;
    }

    /// Goes on to another step with a deadline of its own.
    pub fn begin(&self, step: Step, until: Instant) {
        *self.locked() = (step, Some(until));
    }

    /// The step, and its deadline unless the clock stands still.
    pub fn now(&self) -> (Step, Option<Instant>) {
        *self.locked()
    }

    /// What is left of the deadline; at least a millisecond, because libssh2 takes 0 for "wait for ever".
    pub fn remaining(&self) -> Duration {
        let left = self.locked().1.map(|until| until.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().max(Duration::from_millis(1))
    }

    pub fn is_over(&self) -> bool {
        self.locked().1.is_some_and(|until| until <= Instant::now())
    }

    /// Does something that is not the host's fault (waiting for the operator, for our own queue) with the clock stopped.
    pub fn paused<T>(&self, work: impl FnOnce() -> T) -> T {
        let (from, until) = (Instant::now(), self.locked().1.take());
        let done = work();
        self.locked().1 = until.map(|until| until + from.elapsed());
        done
    }

    /// Does something that waits for somebody other than the host, such as the SSH agent.
    pub fn waiting_for<T>(&self, third: String, work: impl FnOnce() -> T) -> T {
        let third_of = || self.third.lock().unwrap_or_else(PoisonError::into_inner);
        *third_of() = Some(third);
        let done = work();
        *third_of() = None;
        done
    }

    /// Who is waited for, where that is not the host.
    pub fn third(&self) -> Option<String> {
        self.third.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn locked(&self) -> MutexGuard<'_, (Step, Option<Instant>)> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
