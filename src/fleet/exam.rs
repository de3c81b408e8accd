//! What a look at a host found: how it is reached, by which settings, and what it tells about itself. Nothing on it is
//! changed, and nothing has to be installed there but a POSIX shell.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::error::{ReachError, Step};
use super::host::ExecOutput;
use crate::api::outcome::ErrorInfo;

/// One host, looked at.
#[derive(Clone, Debug)]
pub struct Exam {
    /// The settings of the login, in a fixed order; empty for this machine.
    pub settings: Vec<Setting>,
    /// The steps on the way that succeeded, in their order, jump hosts first.
    pub way: Vec<Passed>,
    /// What it told, or why it was not reached.
    pub answer: Result<Answer, ReachError>,
}

/// A setting of the login in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Such as `user`.
    pub name: &'static str,
    /// As text.
    pub value: String,
    /// Who says so.
    pub origin: Origin,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line (`--ssh`).
    CommandLine,
    /// The layout.
    Layout,
    /// `ssh_config`: file and line, where they were found.
    SshConfig(Option<(String, usize)>),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("--ssh"),
            Origin::Layout => f.write_str("layout"),
            Origin::SshConfig(Some((file, line))) => write!(f, "{file} line {line}"),
            Origin::SshConfig(None) => f.write_str("ssh_config"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A step that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The step.
    pub step: Step,
    /// The jump host that it was done on; none: the host itself.
    pub jump: Option<String>,
    /// What was found.
    pub what: String,
}

/// What a host told.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the script printed; it begins with `$dir` set to the cluster's folder on that host.
    pub output: ExecOutput,
    /// When the script was sent.
    pub asked: SystemTime,
    /// When its answer was there.
    pub answered: SystemTime,
    /// Whether this program can run there.
    pub program: Result<(), ErrorInfo>,
    /// Whether a stream to a Unix socket can be opened through SSH.
    pub sockets: Sockets,
}

/// Whether SSH opens streams to Unix sockets over there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// There is no SSH in between.
    NotNeeded,
    /// It does.
    Forwarded,
    /// It does not, and why; a process is started instead.
    Refused(String),
    /// That cannot be seen where no agent listens; and the installed `ssh` starts a process in any case.
    NotAsked,
}

/// Where the steps of one login are noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<Passed>>>);

impl Diary {
    /// Notes a step; one that is done again replaces what was noted before.
    pub fn note(&self, passed: Passed) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.retain(|note| (note.step, &note.jump) != (passed.step, &passed.jump));
        notes.push(passed);
    }

    /// All notes so far.
    pub fn notes(&self) -> Vec<Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
