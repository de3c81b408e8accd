//! What everything above needs of an open SSH session, whoever speaks SSH: the library (`mailbox.rs`), or the installed
//! `ssh` (`system/`).

use std::path::PathBuf;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::command::Piece;
use super::fault::Fault;
use super::host::ExecOutput;
use super::upload::Rest;

/// Channels with a process at once: below sshd's `MaxSessions 10`.
pub(super) const PROCESSES: usize = 8;

/// What may come before [`CONNECT_MAGIC`](crate::agent::CONNECT_MAGIC): the output of start-up files.
pub(super) const NOISE_LIMIT: usize = 64 << 10;

/// An open SSH session. It ends with its value.
pub(super) trait Link: Send + Sync {
    /// Runs a command, with its standard input. Of each output stream the first MiB is kept.
    fn exec(&self, command: String, input: Input, until: Instant) -> BoxFuture<'_, Result<ExecOutput, Fault>>;

    /// The same with what it says handed on as it comes; the answer has only its end.
    fn exec_heard(
        &self,
        command: String,
        input: Vec<u8>,
        said: mpsc::Sender<Piece>,
        until: Instant,
    ) -> BoxFuture<'_, Result<ExecOutput, Fault>>;

    /// Tells it that there is room again for what a command says.
    fn heard(&self);

    /// A Unix socket on this machine whose connections go to `target`; fails where it is seen that they cannot.
    fn listen(&self, target: Target, until: Instant) -> BoxFuture<'_, Result<PathBuf, Fault>>;

    /// Why the session is over, when it is.
    fn broken(&self) -> Option<Fault>;

    /// Why the last stream of a tunnel did not come about, once.
    fn refusal(&self) -> Option<String>;
}

/// What a command reads.
pub(super) struct Input {
    pub bytes: Vec<u8>,
    /// What follows.
    pub rest: Option<Rest>,
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Input {
        Input { bytes, rest: None }
    }
}

/// The far end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A Unix socket over there.
    Socket(String),
    /// A command whose standard input and output are joined to it, after [`CONNECT_MAGIC`](crate::agent::CONNECT_MAGIC).
    Command(String),
}
