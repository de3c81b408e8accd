//! A run: one command that changes the cluster, written down while it happens, under the cluster's lock.

use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::watch;

use super::lock::{self, Claim, Lease, LockError};
use super::progress::{Event, Progress};
use crate::api::agent::RunEnd;
use crate::api::events::MAX_NAMES;
use crate::api::outcome::{Kind, Outcome};
use crate::fleet::Settings;
use crate::journal::{self, Ending, Journal};
use crate::layout::Layout;

/// What a run is doing, as it changes.
pub type StepName = watch::Receiver<Option<String>>;

/// What a verb that changes something answers, as far as its history is concerned.
pub trait Answer {
    /// What became of each target.
    fn outcomes(&self) -> &[Outcome];

    /// The release that it was about.
    fn release(&self) -> Option<&str> {
        None
    }

    /// Whether the operator ended it between two steps.
    fn is_interrupted(&self) -> bool {
        false
    }
}

impl Answer for Vec<Outcome> {
    fn outcomes(&self) -> &[Outcome] {
        self
    }
}

impl Answer for super::Report {
    fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn release(&self) -> Option<&str> {
        Some(&self.release)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted
    }
}

/// One command at work. Hears its progress, and hands it on to whoever draws it.
pub struct Run<'a> {
    id: String,
    begun: Instant,
    journal: Option<Journal>,
    /// Why the history is not complete; said once, at the end.
    trouble: Mutex<Option<String>>,
    step: Mutex<Option<Step>>,
    step_name: watch::Sender<Option<String>>,
    drawn: &'a dyn Progress,
}

struct Step {
    name: String,
    begun: Instant,
    late: Vec<String>,
}

/// How a run ended, for both histories.
pub struct End<'a> {
    /// In a word.
    pub ending: Ending,
    /// The release that it was about.
    pub release: Option<&'a str>,
    /// What became of each target.
    pub outcomes: &'a [Outcome],
    /// Why it ended without an answer.
    pub error: Option<String>,
}

impl<'a> Run<'a> {
    /// Begins to write; a history that cannot be written does not keep anybody from working.
    pub fn begin(
        cluster: &str,
        command: &str,
        args: &[String],
        settings: &Settings,
        drawn: &'a dyn Progress,
    ) -> Run<'a> {
        let id = journal::new_run();
        let (journal, trouble) = match Journal::open(cluster, &id) {
            Ok(journal) => (Some(journal), None),
            Err(error) => (None, Some(in_words(&error))),
        };
        let run = Run {
            id,
            begun: Instant::now(),
            journal,
            trouble: Mutex::new(trouble),
            step: Mutex::new(None),
            step_name: watch::channel(None).0,
            drawn,
        };
        run.write(journal::Event::Begin {
            operator: settings.operator_at(),
            pid: std::process::id(),
            command: command.to_owned(),
            args: args.to_vec(),
        });
        run
    }

    /// Its name in all histories.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The step that it is at, as it changes.
    pub fn step_name(&self) -> StepName {
        self.step_name.subscribe()
    }

    /// Takes the lock; waiting for it is a step of its own.
    ///
    /// # Errors
    /// [`LockError::Held`] while another run has it and `claim` does not wait, [`LockError::InVain`] when it waited,
    /// [`LockError::Unreachable`] or [`LockError::Failed`] when the lock's host cannot be asked, [`LockError::OwnBinary`] when
    /// this program is to be brought there and cannot be read.
    pub async fn lock(
        &self,
        layout: &Layout,
        settings: &Settings,
        claim: &Claim<'_>,
    ) -> Result<Option<Lease>, LockError> {
        let keeper = lock::keeper(layout);
        self.tell(Event::Phase { what: "taking the lock", targets: &[keeper] });
        let taken = lock::take(layout, settings, claim).await;
        self.tell(Event::Done { target: keeper });
        taken
    }

    /// Ends it: writes how, and gives the lock back. Tells why the history is not complete, if it is not.
    pub async fn end(self, lease: Option<Lease>, end: &End<'_>) -> Option<String> {
        self.end_step();
        self.write(journal::Event::End {
            ending: end.ending,
            elapsed_ms: millis(self.begun),
            release: end.release.map(str::to_owned),
            outcomes: end.outcomes.to_vec(),
            error: end.error.clone(),
        });
        if let Some(lease) = lease {
            let told = RunEnd {
                run: self.id.clone(),
                ending: end.ending.as_str().to_owned(),
                release: end.release.map(str::to_owned),
                error: end.error.clone(),
                late: late(end.outcomes),
            };
            lease.end(&told).await;
        }
        self.trouble.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self, event: journal::Event) {
        let Some(journal) = &self.journal else { return };
        if let Err(error) = journal.write(event) {
            locked(&self.trouble).get_or_insert_with(|| in_words(&error));
        }
    }

    fn end_step(&self) {
        if let Some(step) = locked(&self.step).take() {
            self.write(journal::Event::StepEnd { step: step.name, elapsed_ms: millis(step.begun), late: step.late });
        }
    }
}

/// The nodes that are not waited for any longer.
fn late(outcomes: &[Outcome]) -> Vec<Outcome> {
    let is_late = |outcome: &&Outcome| outcome.kind == Kind::TimedOut && outcome.target != outcome.host;
    outcomes.iter().filter(is_late).take(MAX_NAMES).cloned().collect()
}

impl Progress for Run<'_> {
    fn tell(&self, event: Event<'_>) {
        match event {
            Event::Phase { what, targets } => {
                self.end_step();
                let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
                self.write(journal::Event::Step { step: what.to_owned(), targets: targets.clone() });
                *locked(&self.step) = Some(Step { name: what.to_owned(), begun: Instant::now(), late: targets });
                self.step_name.send_replace(Some(what.to_owned()));
            }
            Event::Done { target } => {
                self.write(journal::Event::Target { target: target.to_owned() });
                if let Some(step) = locked(&self.step).as_mut() {
                    step.late.retain(|late| late != target);
                }
            }
            Event::Note { .. } => {}
        }
        self.drawn.tell(event);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn in_words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
