//! Who changed the cluster, when and how it ended: from the history of this machine and from those of the hosts.
//!
//! A run is known here with all its steps when it was started here, and on the hosts by what it asked of them; the host of
//! the lock also knows its command and its end. What one side has lost the other may still have.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::api::agent::{HistoryEntry, Holder};
use crate::api::outcome::{Kind, Outcome};
use crate::journal::{self, Event, JournalError, Record};
use crate::layout::{Layout, nodeset};

/// So many entries are asked of a host.
const ENTRIES: usize = 4_000;

/// The runs that are known, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryReport {
    /// One row a run.
    pub runs: Vec<RunRow>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
    records: Vec<Record>,
    entries: Vec<(String, HistoryEntry)>,
}

/// One command that changed the cluster. This is the JSON of `history`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// 8 hex digits.
    pub run: String,
    /// Its beginning, seconds since the epoch.
    pub ts: f64,
    /// `user@machine`.
    pub operator: Option<String>,
    /// As it was typed; unset when only hosts other than the lock's know of it.
    pub command: Option<String>,
    /// The release that it was about.
    pub release: Option<String>,
    /// `ok`, `unchanged`, `failed`, `refused`, `interrupted`; `in progress` while it holds the lock, and `broken off` when
    /// nobody saw its end.
    pub outcome: String,
    /// Milliseconds from its beginning to its end.
    pub elapsed_ms: Option<u64>,
    /// Why it ended without an answer.
    pub error: Option<String>,
}

/// A part of a run. `history show -o json` is an array of these.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRow {
    /// Its beginning, seconds since the epoch by the clock of its place.
    pub ts: f64,
    /// The host, or none for this machine.
    pub host: Option<String>,
    /// In words.
    pub step: String,
    /// The folded names of the hosts or nodes that it was about.
    pub targets: Option<String>,
    /// `ok`, or what became of it.
    pub outcome: String,
    /// Milliseconds.
    pub elapsed_ms: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// What is known of how a run can be finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest {
    /// [`RunRow::outcome`].
    pub outcome: String,
    /// The words of its command; none when they are not known, or not all.
    pub args: Option<Vec<String>>,
    /// The release that it was about, where its end was seen.
    pub release: Option<String>,
    /// The release that it made the current one somewhere, or was about to.
    pub switched: Option<String>,
    /// Targets that are not as its operator asked.
    pub left: Vec<String>,
    /// The hosts that it was about, as far as its outcomes tell.
    pub hosts: Vec<String>,
    /// The runs that began after it, in their order.
    pub later: Vec<Later>,
}

/// A run that came after another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Later {
    /// 8 hex digits.
    pub run: String,
    /// [`RunRow::outcome`].
    pub outcome: String,
    /// As in [`Rest`].
    pub args: Option<Vec<String>>,
    /// Targets that were as its operator asked.
    pub well: Vec<String>,
}

/// Which histories are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// This machine's and those of all hosts.
    All,
    /// This machine's; no host is asked.
    Here,
}

/// Why no run could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum NoRun {
    /// Nothing begins like that.
    #[error("there is no run {0}")]
    Unknown(String),
    /// More than one does.
    #[error("{0} is the beginning of several runs: {1}")]
    Several(String, String),
}

/// Reads the histories.
///
/// # Errors
/// When this machine's history cannot be read. Hosts that give no answer are named in the report.
pub async fn history(layout: &Layout, sources: Sources, settings: &Settings) -> Result<HistoryReport, JournalError> {
    let records = journal::read(&layout.name)?;
    let (mut entries, mut silent) = (Vec::new(), Vec::new());
    if sources == Sources::All {
        let names = layout.host_names();
        let hosts = ask::reachable(layout, &names, settings);
        let question = async |session: &crate::fleet::Session| session.agent().history(None, ENTRIES).await;
        let mut answers = pin!(ask::ask(&hosts, settings, question));
        while let Some((host, answer)) = answers.next().await {
            match answer {
                Ok(found) => entries.extend(found.into_iter().map(|entry| (host.clone(), entry))),
                Err(why) => silent.push(why),
            }
        }
    }
    entries.sort_by(|(_, a), (_, b)| a.ts.total_cmp(&b.ts));
    let runs = runs(&records, &entries, settings.writer.seen().as_ref());
    Ok(HistoryReport { runs, silent, records, entries })
}

/// The runs that this machine knows, newest first; none when its history cannot be read.
pub fn runs_here(cluster: &str) -> Vec<RunRow> {
    runs(&journal::read(cluster).unwrap_or_default(), &[], None)
}

impl HistoryReport {
    /// The run that `beginning` is the beginning of; `last` is the newest.
    ///
    /// # Errors
    /// [`NoRun::Unknown`] when no run begins so, [`NoRun::Several`] when more than one does.
    pub fn find(&self, beginning: &str) -> Result<&RunRow, NoRun> {
        if beginning == "last"
            && let Some(newest) = self.runs.first()
        {
            return Ok(newest);
        }
        let found: Vec<&RunRow> = self.runs.iter().filter(|row| row.run.starts_with(beginning)).collect();
        match found.as_slice() {
            [] => Err(NoRun::Unknown(beginning.to_owned())),
            [one] => Ok(one),
            several => {
                let names: Vec<&str> = several.iter().map(|row| row.run.as_str()).collect();
                Err(NoRun::Several(beginning.to_owned(), names.join(", ")))
            }
        }
    }

    /// What a run left to do, and what came after it.
    pub fn rest(&self, row: &RunRow) -> Rest {
        let outcomes = |run: &str| -> &[Outcome] {
            let ends = self.records.iter().filter(|record| record.run == run);
            let mut ends = ends.filter_map(|record| match &record.event {
                Event::End { outcomes, .. } => Some(outcomes.as_slice()),
                _ => None,
            });
            ends.next_back().unwrap_or_default()
        };
        let names = |outcomes: &[Outcome], well: bool| {
            let wanted = outcomes.iter().filter(|outcome| outcome.is_well() == well);
            wanted.map(|outcome| outcome.target.clone()).collect()
        };
        let later = self.runs.iter().rev().filter(|other| other.ts > row.ts && other.run != row.run);
        Rest {
            outcome: row.outcome.clone(),
            args: self.args(row),
            release: row.release.clone(),
            switched: self.switched(row),
            left: names(outcomes(&row.run), false),
            hosts: {
                let about =
                    outcomes(&row.run).iter().filter(|outcome| outcome.kind != Kind::Skipped || !outcome.is_well());
                about.map(|outcome| outcome.host.clone()).collect::<BTreeSet<_>>().into_iter().collect()
            },
            later: later
                .map(|other| Later {
                    run: other.run.clone(),
                    outcome: other.outcome.clone(),
                    args: self.args(other),
                    well: names(outcomes(&other.run), true),
                })
                .collect(),
        }
    }

    /// Whether this machine saw the run begin.
    pub fn began_here(&self, run: &str) -> bool {
        self.records.iter().any(|record| record.run == run && matches!(record.event, Event::Begin { .. }))
    }

    fn args(&self, row: &RunRow) -> Option<Vec<String>> {
        let begun = self.records.iter().filter(|record| record.run == row.run);
        let mut kept = begun.filter_map(|record| match &record.event {
            Event::Begin { args, .. } if !args.is_empty() => Some(args.clone()),
            _ => None,
        });
        kept.next_back().or_else(|| split(row.command.as_deref()?))
    }

    /// As the hosts wrote it down; without their histories that the run came to the switch.
    fn switched(&self, row: &RunRow) -> Option<String> {
        let asked = self.entries.iter().filter(|(_, entry)| entry.run.as_deref() == Some(&row.run));
        let mut told = asked.filter_map(|(_, entry)| {
            let path = entry.request.strip_prefix("POST ")?.strip_suffix("/activate")?;
            path.rsplit('/').next().map(str::to_owned)
        });
        told.next_back().or_else(|| {
            let here = self.records.iter().filter(|record| record.run == row.run);
            let switching = |record: &Record| match &record.event {
                Event::Step { step, .. } => step == SWITCHING,
                _ => false,
            };
            here.into_iter().any(switching).then(|| row.release.clone()).flatten()
        })
    }

    /// What a run did, here and on the hosts, by time.
    pub fn steps(&self, run: &str) -> Vec<StepRow> {
        let records: Vec<&Record> = self.records.iter().filter(|record| record.run == run).collect();
        let entries = self.entries.iter().filter(|(_, entry)| entry.run.as_deref() == Some(run));
        let entries: Vec<(&str, &HistoryEntry)> = entries.map(|(host, entry)| (host.as_str(), entry)).collect();
        let mut steps = steps_here(&records);
        steps.extend(steps_on_hosts(&entries));
        steps.sort_by(|a, b| a.ts.total_cmp(&b.ts));
        steps
    }
}

fn runs(records: &[Record], entries: &[(String, HistoryEntry)], writer: Option<&Holder>) -> Vec<RunRow> {
    let mut rows: BTreeMap<&str, RunRow> = BTreeMap::new();
    for record in records {
        let row = rows.entry(&record.run).or_insert_with(|| blank(&record.run, record.ts));
        match &record.event {
            Event::Begin { operator, command, .. } => {
                row.operator = Some(operator.clone());
                row.command = Some(command.clone());
            }
            Event::End { ending, elapsed_ms, release, error, .. } => {
                ending.as_str().clone_into(&mut row.outcome);
                row.elapsed_ms = Some(*elapsed_ms);
                row.release.clone_from(release);
                row.error.clone_from(error);
            }
            _ => {}
        }
    }
    for (_, entry) in entries {
        let Some(run) = entry.run.as_deref() else { continue };
        let row = rows.entry(run).or_insert_with(|| blank(run, entry.ts));
        row.operator = row.operator.take().or_else(|| entry.operator.clone());
        if let Some(holder) = &entry.holder {
            row.command.get_or_insert_with(|| holder.command.clone());
        }
        if let Some(end) = entry.end.as_ref().filter(|_| row.outcome == BROKEN_OFF) {
            row.outcome.clone_from(&end.ending);
            row.release.clone_from(&end.release);
            row.error.clone_from(&end.error);
            row.elapsed_ms = Some(((entry.ts - row.ts) * 1000.0).max(0.0) as u64);
        }
    }
    if let Some(row) = writer.and_then(|holder| rows.get_mut(holder.run.as_str())) {
        "in progress".clone_into(&mut row.outcome);
    }
    let mut rows: Vec<RunRow> = rows.into_values().collect();
    rows.sort_by(|a, b| b.ts.total_cmp(&a.ts));
    rows
}

/// The step in which hosts take a release, as a deploy says it.
const SWITCHING: &str = "switching to the release";

/// A command line as its words, which are quoted as [`crate::fleet::quote`] does; none for one that was cut.
fn split(command: &str) -> Option<Vec<String>> {
    if command.chars().count() >= journal::COMMAND_CHARS {
        return None;
    }
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let quoted: String = rest.by_ref().take_while(|c| *c != '\'').collect();
                word.get_or_insert_default().push_str(&quoted);
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// The outcome of a run whose end nobody saw.
const BROKEN_OFF: &str = "broken off";

fn blank(run: &str, ts: f64) -> RunRow {
    RunRow {
        run: run.to_owned(),
        ts,
        operator: None,
        command: None,
        release: None,
        outcome: BROKEN_OFF.to_owned(),
        elapsed_ms: None,
        error: None,
    }
}

fn steps_here(records: &[&Record]) -> Vec<StepRow> {
    let mut steps: Vec<StepRow> = Vec::new();
    for record in records {
        match &record.event {
            Event::Step { step, targets } => steps.push(StepRow {
                ts: record.ts,
                host: None,
                step: step.clone(),
                targets: folded(targets.iter().map(String::as_str)),
                outcome: BROKEN_OFF.to_owned(),
                elapsed_ms: None,
                error: None,
            }),
            Event::StepEnd { elapsed_ms, late, .. } => {
                if let Some(step) = steps.last_mut() {
                    step.elapsed_ms = Some(*elapsed_ms);
                    step.outcome = if late.is_empty() { "ok" } else { "not done" }.to_owned();
                    step.error = folded(late.iter().map(String::as_str)).map(|late| format!("still waited for {late}"));
                }
            }
            Event::End { outcomes, .. } => steps.extend(failures(record.ts, None, outcomes)),
            Event::Begin { .. } | Event::Target { .. } => {}
        }
    }
    steps
}

fn steps_on_hosts(entries: &[(&str, &HistoryEntry)]) -> Vec<StepRow> {
    let mut steps: Vec<StepRow> = Vec::new();
    for (host, entry) in entries {
        let step = request_in_words(&entry.request);
        let Some(done) = &entry.done else {
            steps.push(StepRow {
                ts: entry.ts,
                host: Some((*host).to_owned()),
                step,
                targets: None,
                outcome: BROKEN_OFF.to_owned(),
                elapsed_ms: None,
                error: None,
            });
            continue;
        };
        let begun = steps.iter().rposition(|begun| {
            begun.host.as_deref() == Some(host) && begun.step == step && begun.outcome == BROKEN_OFF
        });
        let ts = begun.map_or(entry.ts - done.elapsed_ms as f64 / 1000.0, |at| steps.remove(at).ts);
        let failed = done.outcomes.iter().any(|outcome| !outcome.kind.is_success()) || done.error.is_some();
        steps.push(StepRow {
            ts,
            host: Some((*host).to_owned()),
            step,
            targets: folded(done.outcomes.iter().map(|outcome| outcome.target.as_str())),
            outcome: if failed { "failed" } else { "ok" }.to_owned(),
            elapsed_ms: Some(done.elapsed_ms),
            error: done.error.as_ref().map(|error| error.what.clone()),
        });
        steps.extend(failures(entry.ts, Some(host), &done.outcomes));
    }
    steps
}

/// One row for each target that is not as the operator asked.
fn failures<'a>(ts: f64, host: Option<&'a str>, outcomes: &'a [Outcome]) -> impl Iterator<Item = StepRow> + 'a {
    let failed = outcomes.iter().filter(|outcome| !outcome.is_well());
    failed.map(move |outcome| StepRow {
        ts,
        host: host.map(str::to_owned),
        step: outcome.step.clone(),
        targets: Some(outcome.target.clone()),
        outcome: outcome.kind.as_str().to_owned(),
        elapsed_ms: Some(outcome.elapsed_ms),
        error: outcome.error.as_ref().map(|error| error.what.clone()),
    })
}

fn folded<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let folded = nodeset::fold(names);
    (!folded.is_empty()).then_some(folded)
}

/// `stage`, `activate` and so on, for the requests that agents write down.
fn request_in_words(request: &str) -> String {
    let parts: Vec<&str> = request.split([' ', '/']).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["PUT", _, "releases", id] => format!("stage {id}"),
        ["POST", _, "releases", id, verb] => format!("{verb} {id}"),
        ["POST", _, "nodes", verb] => (*verb).to_owned(),
        ["POST", _, "lock"] => "take the lock".to_owned(),
        ["POST", _, "lock", "end"] => "give the lock back".to_owned(),
        ["DELETE", _, lock] if lock.starts_with("lock") => "unlock".to_owned(),
        ["POST", _, "exit"] => "end the agent".to_owned(),
        ["POST", _, "remove"] => "remove".to_owned(),
        _ => request.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::agent::{HistoryDone, RunEnd};

    fn record(ts: f64, run: &str, event: Event) -> Record {
        Record { ts, run: run.into(), event }
    }

    fn begin(ts: f64, run: &str) -> Record {
        let event = Event::Begin { operator: "ana@ops1".into(), pid: 1, command: "deploy".into(), args: Vec::new() };
        record(ts, run, event)
    }

    fn entry(ts: f64, run: &str, request: &str, done: bool) -> HistoryEntry {
        let done = done.then(|| HistoryDone { elapsed_ms: 500, outcomes: Vec::new(), error: None });
        HistoryEntry {
            ts,
            run: Some(run.into()),
            operator: Some("bob@ops2".into()),
            request: request.into(),
            done,
            holder: None,
            end: None,
        }
    }

    fn holder(run: &str) -> Holder {
        Holder { run: run.into(), operator: "bob@ops2".into(), pid: 2, command: "stop".into(), since: 1.0, step: None }
    }

    #[test]
    fn a_run_of_another_operator_is_known_from_the_host_of_the_lock() {
        let locked = HistoryEntry { holder: Some(holder("b")), ..entry(20.0, "b", "POST /v1/lock", true) };
        let end = RunEnd {
            run: "b".into(),
            ending: "failed".into(),
            release: Some("r1".into()),
            error: None,
            late: Vec::new(),
        };
        let ended = HistoryEntry { end: Some(end), ..entry(22.0, "b", "POST /v1/lock/end", true) };
        let entries = [("head".to_owned(), locked), ("head".to_owned(), ended)];
        let rows = runs(&[begin(10.0, "a")], &entries, None);
        let shown = |row: &RunRow| {
            format!("{} {:?} {:?} {} {:?}", row.run, row.operator, row.command, row.outcome, row.elapsed_ms)
        };
        assert_eq!(
            rows.iter().map(shown).collect::<Vec<_>>(),
            [
                r#"b Some("bob@ops2") Some("stop") failed Some(2000)"#,
                r#"a Some("ana@ops1") Some("deploy") broken off None"#,
            ]
        );
    }

    #[test]
    fn a_command_line_is_split_as_it_was_quoted() {
        for words in [vec!["deploy"], vec!["start", "worker-[1-2]", "it's", "", "a b"], vec!["-l", "x.yaml", "stop"]] {
            let text = words.iter().map(|word| crate::fleet::quote(word)).collect::<Vec<_>>().join(" ");
            assert_eq!(split(&text).unwrap(), words, "{text}");
        }
        assert_eq!(split(&"x".repeat(journal::COMMAND_CHARS)), None);
    }

    #[test]
    fn what_is_left_of_a_run_and_what_came_after_it() {
        let outcome = |target: &str, kind| Outcome {
            target: target.into(),
            host: "head".into(),
            kind,
            step: "start".into(),
            elapsed_ms: 1,
            error: None,
        };
        let end = |ending, outcomes| Event::End { ending, elapsed_ms: 1, release: None, outcomes, error: None };
        let records = vec![
            begin(1.0, "a"),
            record(2.0, "a", end(journal::Ending::Failed, vec![outcome("w1", Kind::Ok), outcome("w2", Kind::Failed)])),
            begin(3.0, "b"),
            record(4.0, "b", end(journal::Ending::Ok, vec![outcome("w2", Kind::Ok)])),
        ];
        let entries = vec![("h1".to_owned(), entry(1.5, "a", "POST /v1/releases/ab12/activate", true))];
        let report = HistoryReport { runs: runs(&records, &entries, None), silent: Vec::new(), records, entries };
        let rest = report.rest(report.find("a").unwrap());
        assert_eq!((rest.left, rest.switched), (vec!["w2".to_owned()], Some("ab12".to_owned())));
        let later: Vec<(&str, &[String])> =
            rest.later.iter().map(|later| (later.run.as_str(), later.well.as_slice())).collect();
        assert_eq!(later, [("b", ["w2".to_owned()].as_slice())]);
        assert!(report.began_here("a") && !report.began_here("c"));
    }

    #[test]
    fn the_holder_of_the_lock_is_in_progress() {
        assert_eq!(runs(&[begin(1.0, "a")], &[], Some(&holder("a")))[0].outcome, "in progress");
    }

    #[test]
    fn the_steps_of_a_run_that_was_killed_are_there() {
        let records = vec![
            begin(1.0, "a"),
            record(2.0, "a", Event::Step { step: "staging".into(), targets: vec!["h1".into(), "h2".into()] }),
            record(3.0, "a", Event::StepEnd { step: "staging".into(), elapsed_ms: 1000, late: vec![] }),
            record(3.1, "a", Event::Step { step: "switching".into(), targets: vec!["h1".into(), "h2".into()] }),
        ];
        let entries = vec![
            ("h1".to_owned(), entry(3.2, "a", "POST /v1/nodes/apply", false)),
            ("h1".to_owned(), entry(2.5, "a", "PUT /v1/releases/r1", true)),
        ];
        let report = HistoryReport { runs: runs(&records, &entries, None), silent: Vec::new(), records, entries };
        assert_eq!(report.find("last").unwrap().run, "a");
        assert!(matches!(report.find("x"), Err(NoRun::Unknown(_))));
        let shown =
            |row: &StepRow| format!("{} {} {} {}", row.host.as_deref().unwrap_or("-"), row.step, row.outcome, row.ts);
        assert_eq!(
            report.steps("a").iter().map(shown).collect::<Vec<_>>(),
            ["- staging ok 2", "h1 stage r1 ok 2", "- switching broken off 3.1", "h1 apply broken off 3.2"]
        );
    }

    #[test]
    fn an_end_finds_its_beginning() {
        let entries = [entry(1.0, "a", "POST /v1/nodes/apply", false), entry(1.5, "a", "POST /v1/nodes/apply", true)];
        let entries: Vec<(&str, &HistoryEntry)> = entries.iter().map(|entry| ("h1", entry)).collect();
        let steps = steps_on_hosts(&entries);
        assert_eq!(steps.len(), 1);
        assert_eq!((steps[0].ts, steps[0].elapsed_ms, steps[0].outcome.as_str()), (1.0, Some(500), "ok"));
    }
}
