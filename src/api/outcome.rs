//! What became of one target of an operation.

use serde::{Deserialize, Serialize};

/// The outcome for one target; every operation yields exactly one per target, whatever happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Node name, or host name where the operation is about hosts.
    pub target: String,
    /// The host of the layout that the target belongs to.
    pub host: String,
    /// How it ended.
    pub kind: Kind,
    /// The step that was reached last, such as `connect`, `upload`, `start`, `joined`.
    pub step: String,
    /// Milliseconds from the start of the operation on this target to its end.
    pub elapsed_ms: u64,
    /// Set for `failed`, `unreachable` and `timed_out`.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
}

/// How an operation on one target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Done.
    Ok,
    /// There was nothing to do.
    Unchanged,
    /// Not tried, because an earlier step failed elsewhere; without an error because the operator left it out.
    Skipped,
    /// Tried, and refused or broken.
    Failed,
    /// Its host gave no answer.
    Unreachable,
    /// Begun, but not finished within its deadline.
    TimedOut,
}

impl Outcome {
    /// Whether the target is as the operator asked: also when that was to leave it as it is.
    pub fn is_well(&self) -> bool {
        self.kind.is_success() || (self.kind == Kind::Skipped && self.error.is_none())
    }
}

impl Kind {
    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ok => "ok",
            Kind::Unchanged => "unchanged",
            Kind::Skipped => "skipped",
            Kind::Failed => "failed",
            Kind::Unreachable => "unreachable",
            Kind::TimedOut => "timed_out",
        }
    }

    /// Whether the target is as the operator asked.
    pub fn is_success(self) -> bool {
        matches!(self, Kind::Ok | Kind::Unchanged)
    }
}

/// What went wrong, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// What happened: host, address, file, number; one sentence fragment.
    pub what: String,
    /// What to do about it, where that is known: a command, if one mends it.
    #[serde(default)]
    pub hint: Option<String>,
}
