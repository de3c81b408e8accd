//! What became of each target: rows for programs, and for eyes the reasons and one folded line.

use std::collections::BTreeMap;

use crate::api::outcome::{Kind, Outcome};
use crate::cli::exit::Status;
use crate::deploy::RETIRE;
use crate::layout::{Node, nodeset};
use crate::query::Silent;

use super::record::{Column, Record};

impl Record for Outcome {
    const COLUMNS: &'static [Column] = &[
        Column::stays("TARGET"),
        Column::gives("HOST", 2),
        Column::stays("OUTCOME"),
        Column::gives("STEP", 4),
        Column::gives("TIME", 5),
        Column::note("ERROR"),
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        cells[4] = format!("{:.1}s", self.elapsed_ms as f64 / 1000.0);
        cells
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.target.clone(),
            self.host.clone(),
            self.kind.as_str().to_owned(),
            self.step.clone(),
            self.elapsed_ms.to_string(),
            self.error.as_ref().map_or_else(|| "-".to_owned(), |error| error.what.clone()),
        ]
    }

    fn name(&self) -> &str {
        &self.target
    }
}

/// The exit status that outcomes amount to: failure outweighs lateness, and only when nothing at all was reached it is
/// [`Status::Unreachable`].
pub fn exit_status(outcomes: &[Outcome]) -> Status {
    let has = |kind: Kind| outcomes.iter().any(|outcome| outcome.kind == kind);
    match () {
        () if outcomes.iter().all(Outcome::is_well) => Status::Done,
        () if outcomes.iter().all(|outcome| outcome.kind == Kind::Unreachable) => Status::Unreachable,
        () if has(Kind::TimedOut) && !has(Kind::Failed) && !has(Kind::Unreachable) => Status::TimedOut,
        () => Status::Failed,
    }
}

/// One line: `ok worker-[1-6] · failed worker-7 (disk full on sensor-3) · unreachable worker-8 (sensor-4)`.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut groups: BTreeMap<(Kind, String), Vec<&str>> = BTreeMap::new();
    for outcome in outcomes {
        groups.entry((outcome.kind, reason(outcome))).or_default().push(&outcome.target);
    }
    let groups: Vec<String> =
        groups.into_iter().map(|((kind, reason), targets)| group(kind, &reason, targets)).collect();
    groups.join(" · ")
}

fn group(kind: Kind, reason: &str, targets: Vec<&str>) -> String {
    let word = match kind {
        Kind::TimedOut => "timed out",
        Kind::Ok if reason == LEFT => "stopped",
        other => other.as_str(),
    };
    let targets = nodeset::fold(targets);
    match reason {
        "" => format!("{word} {targets}"),
        reason => format!("{word} {targets} ({reason})"),
    }
}

/// Why a deploy stopped a node.
const LEFT: &str = "no longer in the layout";

/// Longer reasons were told in full before; the folded line names the step and the host instead.
const REASON: usize = 60;

/// Why, as short as it can be said: the host of an unreachable node, the words of any other failure.
fn reason(outcome: &Outcome) -> String {
    match (&outcome.error, outcome.kind) {
        (_, Kind::Unreachable) if outcome.host == outcome.target => String::new(),
        (_, Kind::Unreachable) => outcome.host.clone(),
        (Some(error), kind) if !kind.is_success() && error.what.chars().count() > REASON => {
            format!("{} on {}", outcome.step, outcome.host)
        }
        (Some(error), kind) if !kind.is_success() => error.what.clone(),
        (_, Kind::Ok) if outcome.step == RETIRE => LEFT.to_owned(),
        _ => String::new(),
    }
}

/// What silent hosts mean for nodes: the others gave their answer.
pub fn of_nodes(nodes: &[&Node], silent: &[Silent]) -> Vec<Outcome> {
    let outcome = |node: &&Node| match silent.iter().find(|silent| silent.host == node.host) {
        Some(silent) => silent.outcome(&node.name),
        None => Outcome {
            target: node.name.clone(),
            host: node.host.clone(),
            kind: Kind::Ok,
            step: "answer".to_owned(),
            elapsed_ms: 0,
            error: None,
        },
    };
    nodes.iter().map(outcome).collect()
}

/// The failures, those with equal words together: targets, what, and the hint of the first.
pub fn failures(outcomes: &[Outcome]) -> Vec<(String, String, Option<String>)> {
    let mut groups: Vec<(&Outcome, Vec<&str>)> = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.error.is_some() && !outcome.kind.is_success()) {
        let what = |outcome: &Outcome| outcome.error.as_ref().map(|error| error.what.clone());
        let same = |first: &Outcome| first.kind == outcome.kind && what(first) == what(outcome);
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, targets)) => targets.push(&outcome.target),
            None => groups.push((outcome, vec![&outcome.target])),
        }
    }
    let described = groups.into_iter().map(|(first, targets)| {
        let error = first.error.as_ref().map_or(Default::default(), |error| (error.what.clone(), error.hint.clone()));
        (nodeset::fold(targets), error.0, error.1)
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::outcome::ErrorInfo;

    fn outcome(target: &str, host: &str, kind: Kind, what: &str) -> Outcome {
        let error = (!what.is_empty()).then(|| ErrorInfo { what: what.into(), hint: None });
        Outcome { target: target.into(), host: host.into(), kind, step: "start".into(), elapsed_ms: 5, error }
    }

    #[test]
    fn the_summary_folds_names_and_gives_reasons() {
        let mut outcomes: Vec<Outcome> =
            (1..=6).map(|n| outcome(&format!("worker-{n}"), "sensor-1", Kind::Ok, "")).collect();
        outcomes.push(outcome("worker-7", "sensor-3", Kind::Failed, "disk full on sensor-3"));
        outcomes.push(outcome("worker-8", "sensor-4", Kind::Unreachable, "no answer"));
        let expected = "ok worker-[1-6] · failed worker-7 (disk full on sensor-3) · unreachable worker-8 (sensor-4)";
        assert_eq!(summary(&outcomes), expected);
    }

    #[test]
    fn statuses_follow_the_worst_that_happened() {
        let check = |kinds: &[Kind], expected: Status| {
            let outcomes: Vec<Outcome> = kinds.iter().map(|kind| outcome("n", "h", *kind, "")).collect();
            assert_eq!(exit_status(&outcomes), expected, "{kinds:?}");
        };
        check(&[], Status::Done);
        check(&[Kind::Ok, Kind::Unchanged], Status::Done);
        check(&[Kind::Ok, Kind::Failed], Status::Failed);
        check(&[Kind::Ok, Kind::Unreachable], Status::Failed);
        check(&[Kind::Unreachable, Kind::Unreachable], Status::Unreachable);
        check(&[Kind::Ok, Kind::TimedOut], Status::TimedOut);
        check(&[Kind::Skipped, Kind::Failed], Status::Failed);
        // Left out because the operator said so.
        check(&[Kind::Skipped, Kind::Ok], Status::Done);
    }

    #[test]
    fn equal_failures_are_said_once() {
        let outcomes = [
            outcome("worker-1", "sensor-1", Kind::Failed, "disk full"),
            outcome("worker-2", "sensor-1", Kind::Failed, "disk full"),
        ];
        assert_eq!(failures(&outcomes), [("worker-[1-2]".to_owned(), "disk full".to_owned(), None)]);
    }
}
