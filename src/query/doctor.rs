//! `doctor`: what stands between this machine and a cluster on each host, step by step, each with its remedy. Changes
//! nothing, and needs nothing on a host but a POSIX shell.

mod checks;
mod facts;
mod running;

use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use super::settings::Settings;
use crate::fleet::{self, Deadlines, Exam, Host, Step};
use crate::layout::Layout;
use facts::{Facts, Wanted};
use running::Asked;

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct DoctorReport {
    /// The rows of all hosts, in the order of the layout.
    pub rows: Vec<Finding>,
    /// How many hosts were looked at.
    pub hosts: usize,
    /// How many of them were logged in to.
    pub reached: usize,
}

/// One thing that was looked at on one host. This is the JSON of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The host of the layout.
    pub host: String,
    /// What was looked at, such as `connect`, `disk` or `ssh.user`.
    pub check: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// With `--fix`: `fixed`, or why it was not.
    pub fix: Option<String>,
    /// What can be done about it without root and without guessing.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

/// What a program can do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Keep others than the owner out of the cluster's folder and its keys.
    ClosePermissions,
    /// Remove what interrupted uploads left behind.
    RemoveUploads,
    /// Bring the program of the current release, by its SHA-256.
    BringProgram(String),
    /// Start the agent, in the place of one that gives no sign of life.
    StartAgent,
    /// Keep others from reading the keys on this machine.
    CloseKeys,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It was not, and was mended now.
    Fixed,
    /// It works, and could be better.
    Warning,
    /// Something will not work.
    Failed,
    /// Not looked at, because something before it failed, or because it cannot be read.
    Skipped,
}

impl Verdict {
    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Fixed => "fixed",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
        }
    }
}

/// The steps of a login, each of them a row.
const WAY: [Step; 6] = [Step::Resolve, Step::Connect, Step::Banner, Step::Kex, Step::HostKey, Step::Auth];

/// Looks at the hosts of those names, all at once, each within the deadline of the settings.
pub async fn doctor(layout: &Layout, names: &[&str], settings: &Settings) -> DoctorReport {
    let hosts = super::ask::reachable(layout, names, settings);
    let deadlines = Deadlines { step: settings.within, ..Deadlines::default() };
    let exams = fleet::each(&hosts, settings.reach.parallel, |host| async move {
        let wanted = Wanted::on(layout, host.name());
        let script = facts::script(&wanted);
        let examined = async {
            let exam = host.examine(&script, deadlines).await;
            let asked = if exam.answer.is_ok() { running::ask(host.as_ref()).await } else { Asked::NoAgent };
            (exam, asked)
        };
        match settings.reach.within(settings.within, examined).await {
            Some((exam, asked)) => (is_reached(&exam), rows(host.as_ref(), &exam, &asked, &wanted, layout)),
            None => (false, vec![late(host.as_ref(), settings)]),
        }
    });
    let mut exams = pin!(exams);
    let mut report = DoctorReport { rows: Vec::new(), hosts: hosts.len(), reached: 0 };
    while let Some((_, (reached, rows))) = exams.next().await {
        report.reached += usize::from(reached);
        report.rows.extend(rows);
    }
    // Stable: the rows of a host keep their order.
    report.rows.sort_by_key(|row| names.iter().position(|name| *name == row.host));
    report
}

fn is_reached(exam: &Exam) -> bool {
    exam.answer.as_ref().map_or_else(|error| !error.step.is_on_the_way(), |_| true)
}

fn late(host: &dyn Host, settings: &Settings) -> Finding {
    let what = format!("{}: no answer within {:.1} s", host.place(), settings.within.as_secs_f64());
    Finding::of(host.name(), "answer", Verdict::Failed, what).hint("is the host overloaded? try a longer --timeout")
}

/// All that is to be said of one host.
fn rows(host: &dyn Host, exam: &Exam, asked: &Asked, wanted: &Wanted, layout: &Layout) -> Vec<Finding> {
    let name = host.name();
    let mut rows = settings_rows(name, exam);
    let over_ssh = !exam.settings.is_empty() || !exam.way.is_empty();
    rows.extend(WAY.into_iter().filter(|_| over_ssh).filter_map(|step| way_row(name, exam, step)));
    match &exam.answer {
        Err(error) if over_ssh && error.step.is_on_the_way() => {}
        Err(error) => {
            let mut row = Finding::of(name, error.step.as_str(), Verdict::Failed, error.to_string());
            row.hint = error.hint.clone();
            rows.push(row);
        }
        Ok(answer) => {
            rows.extend(checks::of_answer(answer).into_iter().map(|row| row.on(name)));
            let facts = Facts::parse(&answer.output.stdout);
            rows.extend(checks::of_facts(&facts, answer, wanted).into_iter().map(|row| row.on(name)));
            rows.extend(running::rows(asked, &facts, layout, name).into_iter().map(|row| row.on(name)));
        }
    }
    rows
}

fn settings_rows(host: &str, exam: &Exam) -> Vec<Finding> {
    let row = |setting: &fleet::Setting| {
        let what = format!("{} ({})", setting.value, setting.origin);
        Finding::of(host, &format!("ssh.{}", setting.name), Verdict::Ok, what)
    };
    exam.settings.iter().map(row).collect()
}

/// What became of a step of the login; none when it was not come to and nothing is to be said of it.
fn way_row(host: &str, exam: &Exam, step: Step) -> Option<Finding> {
    let failed = exam.answer.as_ref().err().filter(|error| error.step == step);
    if let Some(error) = failed {
        let mut row = Finding::of(host, step.as_str(), Verdict::Failed, error.to_string());
        row.hint = error.hint.clone();
        return Some(row);
    }
    let passed = exam.way.iter().filter(|passed| passed.step == step);
    let words: Vec<String> = passed
        .map(|passed| match &passed.jump {
            Some(jump) => format!("{jump}: {}", passed.what),
            None => passed.what.clone(),
        })
        .collect();
    match words.is_empty() {
        false => Some(Finding::of(host, step.as_str(), Verdict::Ok, words.join("; "))),
        true if exam.answer.is_err() => {
            Some(Finding::of(host, step.as_str(), Verdict::Skipped, "an earlier step failed"))
        }
        // The name of a host behind a jump host is resolved there.
        true => None,
    }
}

impl Finding {
    /// Without a hint.
    pub fn of(host: &str, check: &str, verdict: Verdict, what: impl Into<String>) -> Finding {
        let (host, check, what) = (host.to_owned(), check.to_owned(), what.into());
        Finding { host, check, verdict, what, hint: None, fix: None, remedy: None }
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }

    /// With what a program can do about it.
    pub fn remedy(mut self, remedy: Remedy) -> Finding {
        self.remedy = Some(remedy);
        self
    }

    fn on(self, host: &str) -> Finding {
        Finding { host: host.to_owned(), ..self }
    }
}
