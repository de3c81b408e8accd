//! Every way in which a command can end without an answer, and the exit status of each.

use std::io;

use super::change::locked_by;
use super::exit::Status;
use crate::api::outcome::ErrorInfo;
use crate::deploy::key_export::KeyExportError;
use crate::deploy::keys::KeyStoreError;
use crate::deploy::{DeployError, LockError, NoRollback};
use crate::layout::Problem;
use crate::node::NodeError;

/// Why a command ended without an answer. Outcomes of single targets are not failures of the command: they are its answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The words on the command line do not fit the layout, or each other.
    #[error("{what}")]
    Usage { what: String, hint: Option<String> },
    /// The layout has problems.
    #[error("the layout has {} problems", .0.len())]
    Layout(Vec<Problem>),
    /// A file cannot be read or is not what it should be.
    #[error("{what}")]
    File { what: String, hint: Option<String> },
    /// Something of this machine failed.
    #[error("{what}")]
    Here { what: String, hint: Option<String> },
    /// Whoever was to be asked gives no answer.
    #[error("{what}")]
    Unreachable { what: String, hint: Option<String> },
    /// Another command changes the cluster.
    #[error("{what}")]
    Locked { what: String, hint: Option<String> },
    /// The lock was lost while the command worked.
    #[error("the cluster's lock was lost, so nothing more was begun: {0}")]
    LockLost(String),
    /// What was waited for did not come in time.
    #[error("{what}")]
    TimedOut { what: String },
    /// Whoever read standard output went away: the quiet end of `log -f | head -1`.
    #[error("the reader of standard output left")]
    ReaderLeft,
    /// Ctrl-C.
    #[error("interrupted; what the hosts were told before, they finish")]
    Interrupted,
    /// A question answered with no.
    #[error("nothing was done")]
    Declined,
    /// Ctrl-C, in a command that goes on until then.
    #[error("ended by Ctrl-C")]
    Ended,
}

impl Failure {
    /// A command line that does not fit.
    pub fn usage(what: impl Into<String>) -> Failure {
        Failure::Usage { what: what.into(), hint: None }
    }

    /// A file that cannot be read.
    pub fn unreadable(path: &std::path::Path, error: &io::Error) -> Failure {
        Failure::File { what: format!("cannot read {}: {error}", path.display()), hint: None }
    }

    /// A file that cannot be written.
    pub fn unwritable(path: &std::path::Path, error: &io::Error) -> Failure {
        Failure::Here { what: format!("cannot write {}: {error}", path.display()), hint: None }
    }

    /// Something of this machine failed.
    pub fn here(error: impl std::error::Error) -> Failure {
        Failure::Here { what: chain(&error), hint: None }
    }

    /// A verb that could not begin.
    pub fn deploy(error: DeployError) -> Failure {
        match error {
            DeployError::Render(_) => Failure::File { what: chain(&error), hint: None },
            DeployError::OwnBinary(_) => Failure::here(error),
            DeployError::Rollback(NoRollback::Unreachable(_)) => {
                Failure::Unreachable { what: chain(&error), hint: None }
            }
            DeployError::Rollback(NoRollback::Unknown { .. } | NoRollback::Several(..)) => {
                Failure::Usage { what: chain(&error), hint: Some("zeek-cluster releases".into()) }
            }
            DeployError::Rollback(_) => {
                Failure::Here { what: chain(&error), hint: Some("`zeek-cluster releases` lists what there is".into()) }
            }
            DeployError::Crosses(_) => Failure::Usage {
                what: chain(&error),
                hint: Some("nothing was changed; name these hosts too, or none to deploy all".to_owned()),
            },
            DeployError::Keys(error) => Failure::keys(error),
            DeployError::KeysUnknown { ref host, .. } => Failure::Unreachable {
                hint: Some(format!(
                    "bring {host} up, or `zeek-cluster keys import FILE` if you have an export; `zeek-cluster keys generate` \
                     makes new keys for a new cluster"
                )),
                what: chain(&error),
            },
            DeployError::OneMachine(ErrorInfo { what, hint }) => Failure::File { what, hint },
            DeployError::KeysWithheld { error: ErrorInfo { ref hint, .. }, .. } => {
                Failure::Here { hint: hint.clone(), what: chain(&error) }
            }
            DeployError::Leaves(_) => Failure::Usage {
                what: chain(&error),
                hint: Some(
                    "no node was touched; add --yes if that is meant, or name the right layout with -l".to_owned(),
                ),
            },
            DeployError::Moved(_) => Failure::Here {
                what: chain(&error),
                hint: Some("nothing was changed; `zeek-cluster plan` shows what has to be done now".to_owned()),
            },
        }
    }

    /// A lock that cannot be taken.
    pub fn lock(error: LockError) -> Failure {
        match error {
            LockError::Held(holder) => Failure::Locked {
                what: locked_by(&holder),
                hint: Some("--wait waits for its end; `zeek-cluster unlock` ends a command that hangs".into()),
            },
            LockError::InVain { holder, waited } => {
                Failure::TimedOut { what: format!("still {} after {:.0} s", locked_by(&holder), waited.as_secs_f64()) }
            }
            LockError::Failed { error: ErrorInfo { ref hint, .. }, .. } => {
                Failure::Here { hint: hint.clone(), what: error.to_string() }
            }
            LockError::Unreachable { error: ErrorInfo { ref hint, .. }, .. } => Failure::Unreachable {
                hint: Some(match hint {
                    Some(hint) => format!("{hint}; or leave the lock out with --no-lock"),
                    None => "--no-lock goes on without it".to_owned(),
                }),
                what: error.to_string(),
            },
            LockError::OwnBinary(_) => Failure::here(error),
        }
    }

    /// An observer that lost its cluster.
    pub fn observer(error: NodeError) -> Failure {
        Failure::Unreachable { what: chain(&error), hint: None }
    }

    /// Keys that cannot be read or made.
    pub fn keys(error: KeyStoreError) -> Failure {
        let hint = matches!(error, KeyStoreError::None(_)).then(|| "zeek-cluster keys generate".to_owned());
        Failure::File { what: chain(&error), hint }
    }

    /// Keys that cannot be exported or imported.
    pub fn key_export(error: KeyExportError) -> Failure {
        let hint = match error {
            KeyExportError::Sealed(_) => {
                Some("--passphrase-file FILE opens it; on a terminal it is asked for".to_owned())
            }
            _ => None,
        };
        Failure::File { what: chain(&error), hint }
    }

    /// The one place where a failure becomes an exit status.
    pub fn status(&self) -> Status {
        match self {
            Failure::Usage { .. } => Status::Usage,
            Failure::Layout(_) | Failure::File { .. } => Status::Invalid,
            Failure::Here { .. } | Failure::LockLost(_) => Status::Failed,
            Failure::Locked { .. } => Status::Locked,
            Failure::Unreachable { .. } => Status::Unreachable,
            Failure::TimedOut { .. } => Status::TimedOut,
            Failure::ReaderLeft => Status::Done,
            Failure::Interrupted | Failure::Declined | Failure::Ended => Status::Interrupted,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Failure::Usage { hint, .. }
            | Failure::File { hint, .. }
            | Failure::Here { hint, .. }
            | Failure::Locked { hint, .. }
            | Failure::Unreachable { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// An error with its causes, each after a colon.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl From<io::Error> for Failure {
    /// Errors of writing the answer; everything else names its file or step itself.
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderLeft,
            _ => Failure::Here { what: format!("cannot write the answer: {error}"), hint: None },
        }
    }
}
