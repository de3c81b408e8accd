//! Exactly one outcome per target, whatever happens: the book that every verb keeps.

use std::collections::BTreeSet;
use std::time::Instant;

use super::steps::join;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::fleet::Double;

/// What kept a host, or a request to it, from being done: becomes the outcome of each target that depended on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    pub(super) step: String,
    pub(super) error: ErrorInfo,
    pub(super) place: Place,
}

impl Trouble {
    /// Hosts of the layout that are one machine.
    pub(super) fn one_machine(double: &Double) -> Trouble {
        Trouble { error: double.error(), ..Trouble::failed("agent", String::new()) }
    }
}

/// How far the way to a host went before the trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The host was not even logged in to: it costs its own nodes only.
    OnTheWay,
    /// The host was reached, and has nothing of this cluster.
    NotDeployed,
    /// The host was reached, and its agent does not run.
    NoAgent,
    /// The host was reached, and what was to be done there failed.
    AtWork,
}

/// One line per target, in the order in which targets were entered.
pub(super) struct Ledger {
    started: Instant,
    lines: Vec<Line>,
    /// Hosts on which nothing more is done.
    out: BTreeSet<String>,
}

struct Line {
    target: String,
    host: String,
    outcome: Option<Outcome>,
    /// Nothing can change this line any more.
    closed: bool,
}

impl Ledger {
    /// A book with one open line for each `(target, host)`.
    pub(super) fn new<'a>(targets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Ledger {
        let line = |(target, host): (&str, &str)| Line {
            target: target.to_owned(),
            host: host.to_owned(),
            outcome: None,
            closed: false,
        };
        Ledger { started: Instant::now(), lines: targets.into_iter().map(line).collect(), out: BTreeSet::new() }
    }

    /// Targets of a host whose line is still open.
    pub(super) fn open_on(&self, host: &str) -> Vec<String> {
        self.lines.iter().filter(|line| line.host == host && !line.closed).map(|line| line.target.clone()).collect()
    }

    /// Adds a line.
    pub(super) fn add(&mut self, target: &str, host: &str) {
        let (target, host) = (target.to_owned(), host.to_owned());
        self.lines.push(Line { target, host, outcome: None, closed: false });
    }

    /// The host of a target; none when the book has no line for it.
    pub(super) fn host_of(&self, target: &str) -> Option<&str> {
        self.line(target).map(|line| line.host.as_str())
    }

    /// Whether a target has a line that can still change.
    pub(super) fn is_open(&self, target: &str) -> bool {
        self.line(target).is_some_and(|line| !line.closed)
    }

    /// Whether a target has a line that can not change any more.
    pub(super) fn has_failed(&self, target: &str) -> bool {
        self.line(target).is_some_and(|line| line.closed)
    }

    /// Whether nothing more is done on a host.
    pub(super) fn is_out(&self, host: &str) -> bool {
        self.out.contains(host)
    }

    /// Why a target failed, if it did.
    pub(super) fn failure(&self, target: &str) -> Option<String> {
        let outcome = self.line(target).filter(|line| line.closed)?.outcome.as_ref()?;
        let what = outcome.error.as_ref().map(|error| error.what.clone());
        Some(what.unwrap_or_else(|| outcome.kind.as_str().to_owned()))
    }

    /// Whether a node was begun and its agent said that it does not come up.
    pub(super) fn does_not_come_up(&self, target: &str) -> bool {
        let outcome = self.line(target).filter(|line| line.closed).and_then(|line| line.outcome.as_ref());
        outcome.is_some_and(|outcome| {
            outcome.kind == Kind::Failed && ["start", join::STEP].contains(&outcome.step.as_str())
        })
    }

    /// Whether the last success of a target was at this step.
    pub(super) fn has_passed(&self, target: &str, step: &str) -> bool {
        let outcome = self.line(target).and_then(|line| line.outcome.as_ref());
        outcome.is_some_and(|outcome| outcome.kind.is_success() && outcome.step == step)
    }

    fn line(&self, target: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.target == target)
    }

    /// Enters what became of a target. Success may be followed by another step's outcome, failure may not; a target that
    /// was unchanged stays so when a later step finds it well.
    pub(super) fn enter(&mut self, outcome: Outcome) {
        let elapsed_ms = self.elapsed_ms();
        let Some(line) = self.lines.iter_mut().find(|line| line.target == outcome.target && !line.closed) else {
            return;
        };
        let was_unchanged = line.outcome.as_ref().is_some_and(|before| before.kind == Kind::Unchanged);
        line.closed = !outcome.kind.is_success();
        let kind = if was_unchanged && outcome.kind == Kind::Ok { Kind::Unchanged } else { outcome.kind };
        line.outcome = Some(Outcome { kind, elapsed_ms, host: line.host.clone(), ..outcome });
    }

    /// Enters what became of a target, unless that has passed the same step.
    pub(super) fn enter_unless_passed(&mut self, outcome: Outcome) {
        if !self.has_passed(&outcome.target, &outcome.step) {
            self.enter(outcome);
        }
    }

    /// Closes all open lines of a host with what happened to it; nothing more is done there.
    pub(super) fn close_host(&mut self, host: &str, trouble: &Trouble) {
        self.out.insert(host.to_owned());
        for target in self.open_on(host) {
            self.enter(trouble.outcome(&target, host));
        }
    }

    /// Closes the lines of which nothing is known yet, because an earlier step failed elsewhere.
    pub(super) fn skip_unwritten(&mut self, step: &str, why: &str) {
        self.skip(step, why, |line| line.outcome.is_none());
    }

    /// Closes the lines of what was changed well, because the change was taken back.
    pub(super) fn skip_changed(&mut self, step: &str, why: &str) {
        self.skip(step, why, |line| line.outcome.as_ref().is_none_or(|outcome| outcome.kind == Kind::Ok));
    }

    fn skip(&mut self, step: &str, why: &str, wanted: impl Fn(&Line) -> bool) {
        let elapsed_ms = self.elapsed_ms();
        let trouble = Trouble::skipped(step, why.to_owned());
        for line in self.lines.iter_mut().filter(|line| !line.closed && wanted(line)) {
            line.closed = true;
            line.outcome = Some(Outcome { elapsed_ms, ..trouble.outcome(&line.target, &line.host) });
        }
    }

    /// The outcomes, one for each target. A line that nobody wrote is a failure that says so.
    pub(super) fn finish(self) -> Vec<Outcome> {
        let elapsed_ms = self.elapsed_ms();
        let unwritten = |line: &Line| Outcome {
            target: line.target.clone(),
            host: line.host.clone(),
            kind: Kind::Failed,
            step: "answer".to_owned(),
            elapsed_ms,
            error: Some(ErrorInfo { what: "the agent did not say what became of it".to_owned(), hint: None }),
        };
        self.lines.into_iter().map(|line| line.outcome.clone().unwrap_or_else(|| unwritten(&line))).collect()
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Trouble {
    /// Not tried.
    pub(super) fn skipped(step: &str, what: String) -> Trouble {
        Trouble { kind: Kind::Skipped, ..Trouble::failed(step, what) }
    }

    /// Tried in vain, without a hint.
    pub(super) fn failed(step: &str, what: String) -> Trouble {
        let error = ErrorInfo { what, hint: None };
        Trouble { kind: Kind::Failed, step: step.to_owned(), error, place: Place::AtWork }
    }

    /// As the outcome of one target.
    pub(super) fn outcome(&self, target: &str, host: &str) -> Outcome {
        Outcome {
            target: target.to_owned(),
            host: host.to_owned(),
            kind: self.kind,
            step: self.step.clone(),
            elapsed_ms: 0,
            error: Some(self.error.clone()),
        }
    }
}

/// A success of one target.
pub(super) fn ok(target: &str, host: &str, step: &str) -> Outcome {
    Outcome {
        target: target.to_owned(),
        host: host.to_owned(),
        kind: Kind::Ok,
        step: step.to_owned(),
        elapsed_ms: 0,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: Kind) -> Trouble {
        Trouble {
            kind,
            step: "stage".into(),
            error: ErrorInfo { what: "disk full".into(), hint: None },
            place: Place::AtWork,
        }
    }

    #[test]
    fn every_target_has_exactly_one_outcome() {
        let mut ledger = Ledger::new([("worker-1", "a"), ("worker-2", "a"), ("worker-3", "b")]);
        ledger.enter(ok("worker-1", "a", "start"));
        ledger.close_host("b", &trouble(Kind::Unreachable));
        let outcomes = ledger.finish();
        let kinds: Vec<Kind> = outcomes.iter().map(|outcome| outcome.kind).collect();
        assert_eq!(kinds, [Kind::Ok, Kind::Failed, Kind::Unreachable]);
    }

    #[test]
    fn failure_is_final_and_unchanged_survives_success() {
        let mut ledger = Ledger::new([("worker-1", "a"), ("worker-2", "a")]);
        ledger.enter(Outcome { kind: Kind::Unchanged, ..ok("worker-1", "a", "apply") });
        ledger.enter(ok("worker-1", "a", "joined"));
        ledger.enter(trouble(Kind::Failed).outcome("worker-2", "a"));
        ledger.enter(ok("worker-2", "a", "joined"));
        let kinds: Vec<Kind> = ledger.finish().iter().map(|outcome| outcome.kind).collect();
        assert_eq!(kinds, [Kind::Unchanged, Kind::Failed]);
    }

    #[test]
    fn the_rest_is_skipped_with_the_reason() {
        let mut ledger = Ledger::new([("worker-1", "a"), ("worker-2", "b")]);
        ledger.close_host("a", &trouble(Kind::Failed));
        ledger.skip_unwritten("stage", "staging failed on a");
        let outcomes = ledger.finish();
        assert_eq!(outcomes[0].kind, Kind::Failed);
        assert_eq!(outcomes[1].kind, Kind::Skipped);
    }
}
