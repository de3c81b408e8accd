//! The way to the thread that owns one SSH session of libssh2: requests in, answers out.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustix::event::{EventfdFlags, eventfd};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::command::Piece;
use super::error::Step;
use super::fault::Fault;
use super::host::ExecOutput;
use super::link::{Input, Link, Target};

/// Requests that may wait for the thread; more wait in their callers.
const MAILBOX: usize = 16;

/// The way to a session's thread. The thread ends when this is dropped.
pub(super) struct Mailbox {
    requests: Option<mpsc::Sender<Request>>,
    wake: Arc<OwnedFd>,
    shared: Arc<Shared>,
}

/// The thread's end of a [`Mailbox`].
pub(super) struct Inbox {
    pub requests: mpsc::Receiver<Request>,
    /// Readable when there are requests, or room for what a command says.
    pub wake: Arc<OwnedFd>,
    pub shared: Arc<Shared>,
}

/// What the thread leaves for whoever asks.
#[derive(Default)]
pub(super) struct Shared {
    /// Why the session is over.
    pub broken: OnceLock<Fault>,
    /// Why the last stream of a tunnel did not come about.
    pub refusal: Mutex<Option<String>>,
    /// Whether a jump has been waiting for longer than a moment.
    pub stuck: AtomicBool,
    /// Where the tunnel's socket lies. Here, so that it is removed at once with the mailbox, even when the process ends
    /// before the thread does.
    folder: Mutex<Option<TempDir>>,
}

impl Shared {
    pub fn set_folder(&self, folder: Option<TempDir>) {
        *self.folder.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = folder;
    }
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// What the thread can be asked for.
pub(super) enum Request {
    /// A command with its standard input. Where somebody hears what it says, the answer has only its end.
    Exec { command: String, input: Input, said: Option<mpsc::Sender<Piece>>, until: Instant, reply: Reply<ExecOutput> },
    /// A Unix socket on this machine whose connections go to `target`; the first is opened at once to see that it can be.
    Listen { target: Target, until: Instant, reply: Reply<PathBuf> },
    /// A stream to another machine, from that host. The time for it begins when it is tried.
    Dial { host: String, port: u16, within: Duration, patience: Patience, reply: Reply<Dialled> },
}

/// What came of a jump.
pub(super) enum Dialled {
    /// It is open.
    Stream(UnixStream),
    /// Another jump of this session waits for a host that does not answer; it was not tried.
    Busy,
}

/// How long a jump waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until one of them takes longer than a moment.
    Little,
    /// As long as it takes.
    All,
}

/// A mailbox and the thread's end of it.
pub(super) fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = mpsc::channel(MAILBOX);
    let mailbox = Mailbox { requests: Some(sender), wake: wake.clone(), shared: shared.clone() };
    Ok((mailbox, Inbox { requests: receiver, wake, shared }))
}

impl Mailbox {
    /// Asks and waits for the answer; the thread keeps the deadline that the request carries.
    pub async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let sender = self.requests.as_ref().expect("taken only when dropped");
        if sender.send(request(reply)).await.is_ok() {
            wake(&self.wake);
            if let Ok(answer) = answer.await {
                return answer;
            }
        }
        Err(self.gone())
    }

    /// Why the session is over, when it is.
    pub fn broken(&self) -> Option<Fault> {
        self.shared.broken.get().cloned()
    }

    /// Whether a jump waits for a host that does not answer, so that others would wait as well.
    pub fn is_stuck(&self) -> bool {
        self.shared.stuck.load(Ordering::Relaxed)
    }

    fn gone(&self) -> Fault {
        self.broken().unwrap_or_else(|| Fault::failed(Step::Channel, "the SSH session has ended"))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.requests = None;
        self.shared.set_folder(None);
        wake(&self.wake);
    }
}

impl Link for Mailbox {
    fn exec(&self, command: String, input: Input, until: Instant) -> BoxFuture<'_, Result<ExecOutput, Fault>> {
        Box::pin(self.ask(move |reply| Request::Exec { command, input, said: None, until, reply }))
    }

    fn exec_heard(
        &self,
        command: String,
        input: Vec<u8>,
        said: mpsc::Sender<Piece>,
        until: Instant,
    ) -> BoxFuture<'_, Result<ExecOutput, Fault>> {
        Box::pin(self.ask(move |reply| Request::Exec { command, input: input.into(), said: Some(said), until, reply }))
    }

    fn heard(&self) {
        wake(&self.wake);
    }

    fn listen(&self, target: Target, until: Instant) -> BoxFuture<'_, Result<PathBuf, Fault>> {
        Box::pin(self.ask(move |reply| Request::Listen { target, until, reply }))
    }

    fn broken(&self) -> Option<Fault> {
        Mailbox::broken(self)
    }

    fn refusal(&self) -> Option<String> {
        self.shared.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

fn wake(event: &OwnedFd) {
    // Only a counter at its limit refuses, and then the thread is awake.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}
