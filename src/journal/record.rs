//! The lines of an operator's `history.jsonl`.

use serde::{Deserialize, Serialize};

use crate::api::outcome::Outcome;

/// The part of a command line that is kept as text.
pub const COMMAND_CHARS: usize = 200;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since the epoch.
    pub ts: f64,
    /// The run: 8 hex digits, the same in the histories of the hosts.
    pub run: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A command that changes the cluster begins.
    Begin {
        /// `user@machine`.
        operator: String,
        /// Its process.
        pid: u32,
        /// As it was typed, without the program's name; long ones are cut.
        command: String,
        /// The same word by word; empty when it is too long to keep.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A step begins.
    Step {
        /// In words, such as `staging the release`.
        step: String,
        /// The hosts or nodes that it waits for.
        targets: Vec<String>,
    },
    /// One target of the step is done, well or not.
    Target {
        /// One of the step's targets.
        target: String,
    },
    /// A step ends.
    StepEnd {
        /// As in [`Event::Step`].
        step: String,
        /// Milliseconds.
        elapsed_ms: u64,
        /// The targets that were still waited for.
        late: Vec<String>,
    },
    /// The command ends.
    End {
        /// How.
        ending: Ending,
        /// Milliseconds.
        elapsed_ms: u64,
        /// The release that it was about.
        release: Option<String>,
        /// What became of each target.
        outcomes: Vec<Outcome>,
        /// Why it ended without an answer.
        error: Option<String>,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every target is as the operator asked, and something was done.
    Ok,
    /// There was nothing to do.
    Unchanged,
    /// Not every target is as the operator asked.
    Failed,
    /// It did not begin: another operator held the lock, or no lock could be taken.
    Refused,
    /// Ctrl-C, or the lock was lost.
    Interrupted,
}

impl Ending {
    /// The word of the table and of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Ok => "ok",
            Ending::Unchanged => "unchanged",
            Ending::Failed => "failed",
            Ending::Refused => "refused",
            Ending::Interrupted => "interrupted",
        }
    }

    /// What outcomes amount to.
    pub fn of(outcomes: &[Outcome]) -> Ending {
        use crate::api::outcome::Kind;
        match () {
            () if outcomes.iter().any(|outcome| !outcome.is_well()) => Ending::Failed,
            () if outcomes.iter().all(|outcome| outcome.kind != Kind::Ok) && !outcomes.is_empty() => Ending::Unchanged,
            () => Ending::Ok,
        }
    }
}
