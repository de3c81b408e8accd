//! A host, whichever way it is reached, and the session that was opened on it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};

use super::command::{Ended, Piece, Shell};
use super::error::ReachError;
use super::exam::Exam;
use super::local::LocalHost;
use super::packing::{Packed, PackedForms, Packing};
use super::settings::{Deadlines, Settings};
use super::ssh::SshHost;
use crate::agent::client::{AgentClient, ClientError};
use crate::api::agent::AgentStatus;
use crate::api::paths::ClusterDir;
use crate::descriptors;
use crate::layout::{Layout, Reach};

/// A machine that runs nodes, and the way to its agent.
pub trait Host: Send + Sync {
    /// Its name in the layout.
    fn name(&self) -> &str;

    /// Where it is, for messages: `address:port`, or `this machine`.
    fn place(&self) -> String;

    /// Reaches it and sees to it that its agent is as `presence` asks. Each step ends at its deadline.
    fn open(&self, presence: Presence, deadlines: Deadlines) -> BoxFuture<'_, Result<Session, ReachError>>;

    /// Looks at it: how it is reached, and what a POSIX shell there answers to `script`, which finds the cluster's folder in
    /// `$dir`. Nothing is changed but what the script changes.
    fn examine<'a>(&'a self, script: &'a str, deadlines: Deadlines) -> BoxFuture<'a, Exam>;

    /// Begins to log in, where that takes time: the first [`Host::open`] of a host with these settings goes on from there.
    fn log_in_early(self: Arc<Self>, places: Arc<Semaphore>);

    /// Reaches it for commands alone, whatever is installed there. Each step ends at its deadline.
    fn log_in(&self, deadlines: Deadlines) -> BoxFuture<'_, Result<Shell, ReachError>>;
}

/// The hosts of a layout, in its order. Raises this process's soft limit of open files to the hard one: each host takes
/// a few.
pub fn hosts(layout: &Layout, settings: &Settings) -> Vec<Arc<dyn Host>> {
    // Each host takes a socket, a tunnel and its streams; a soft limit of 1024 is met at some hundred hosts.
    descriptors::raise_limit();
    let settings = Arc::new(settings.clone());
    layout
        .hosts
        .iter()
        .map(|host| match &host.reach {
            Reach::Local => Arc::new(LocalHost::new(layout, host, &settings)) as Arc<dyn Host>,
            Reach::Ssh(ssh) => Arc::new(SshHost::new(layout, host, ssh, &settings)) as Arc<dyn Host>,
        })
        .collect()
}

/// Begins to log in on these hosts, which changes nothing there.
pub fn log_in_early(layout: &Layout, settings: &Settings, names: &[&str]) {
    let places = Arc::new(Semaphore::new(settings.parallel));
    for host in hosts(layout, settings).into_iter().filter(|host| names.contains(&host.name())) {
        host.log_in_early(places.clone());
    }
}

/// What must be true of a host's agent for a session to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It runs already; nothing on the host is changed.
    Running,
    /// It is started if its program is there.
    Started,
    /// This program is brought to the host if it is missing; the agent is started, or replaced if it is of another
    /// program or gives no sign of life. Its nodes run on meanwhile.
    Installed(Binary),
    /// It is started if its program is there, and replaced if it gives no sign of life.
    Revived,
}

impl Presence {
    /// Whether an agent that gives no sign of life makes room for another one.
    pub(super) fn replaces_hung(&self) -> bool {
        matches!(self, Presence::Installed(_) | Presence::Revived)
    }
}

/// A program file and its hash. Clones share its packed forms.
#[derive(Clone, Debug)]
pub struct Binary {
    /// On this machine.
    pub path: PathBuf,
    /// SHA-256 of its content, lower-case hex.
    pub hash: String,
    packed: Arc<PackedForms>,
}

impl PartialEq for Binary {
    fn eq(&self, other: &Binary) -> bool {
        (&self.path, &self.hash) == (&other.path, &other.hash)
    }
}

impl Eq for Binary {}

impl Binary {
    /// The program that runs now. Reads it whole, the first time.
    ///
    /// # Errors
    /// When `/proc/self/exe` cannot be read.
    pub fn own() -> io::Result<Binary> {
        static OWN: OnceLock<Binary> = OnceLock::new();
        if let Some(own) = OWN.get() {
            return Ok(own.clone());
        }
        let running = Binary::own_path();
        let own = Binary::read(running)?;
        Ok(OWN.get_or_init(|| own).clone())
    }

    /// A program file, which is read whole.
    pub(super) fn read(path: &Path) -> io::Result<Binary> {
        Ok(Binary { path: path.to_owned(), hash: hash_of(path)?, packed: Arc::default() })
    }

    /// Its form for a host that unpacks `packing`; made on another thread, for whoever comes first.
    pub(super) async fn packed(&self, packing: Packing) -> io::Result<Packed> {
        let (forms, path) = (self.packed.clone(), self.path.clone());
        tokio::task::spawn_blocking(move || forms.get(&path, packing)).await.map_err(io::Error::other)?
    }

    /// Where the program that runs now is read: the link rather than its target, which still opens when the file was
    /// replaced meanwhile.
    pub(super) fn own_path() -> &'static Path {
        Path::new("/proc/self/exe")
    }
}

/// SHA-256 of a file, lower-case hex.
pub(super) fn hash_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An open way to one host's agent. Dropping it closes the way; agent and nodes run on.
pub struct Session {
    pub(super) host: String,
    pub(super) dir: ClusterDir,
    pub(super) agent: AgentClient,
    pub(super) status: Option<AgentStatus>,
    pub(super) ground: Arc<dyn Ground>,
}

impl Session {
    /// The host's name in the layout.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The cluster's folder on the host.
    pub fn dir(&self) -> &ClusterDir {
        &self.dir
    }

    /// The agent of the host; several requests may be under way at once.
    pub fn agent(&self) -> &AgentClient {
        &self.agent
    }

    /// What the agent says of its host: what it said when the session was opened, where it was asked then.
    ///
    /// # Errors
    /// Those of [`AgentClient::status`], where the agent has to be asked.
    pub async fn first_status(&self) -> Result<AgentStatus, ClientError> {
        match &self.status {
            Some(status) => Ok(status.clone()),
            None => self.agent.status().await,
        }
    }

    /// Runs a command on the host, its arguments passed as they are, its standard input empty. A status other than 0 is
    /// not an error here. Of each output stream the first MiB is kept.
    ///
    /// # Errors
    /// [`ReachError`] when the command cannot be started, the way to the host breaks, or the deadline passes
    /// ([`ReachKind::TimedOut`](super::ReachKind::TimedOut)).
    pub async fn exec(&self, argv: &[String], deadline: Duration) -> Result<ExecOutput, ReachError> {
        self.ground.exec(argv, deadline).await
    }

    /// Why the way to the host is gone, when it is: explains an error of [`Session::agent`].
    pub fn broken(&self) -> Option<ReachError> {
        self.ground.broken()
    }
}

/// What a command on a host left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// The signal's name without `SIG`, when one ended it.
    pub signal: Option<String>,
    /// Standard output, at most [`ExecOutput::LIMIT`] bytes.
    pub stdout: Vec<u8>,
    /// Standard error, at most [`ExecOutput::LIMIT`] bytes.
    pub stderr: Vec<u8>,
    /// Whether a stream was longer than what was kept.
    pub truncated: bool,
}

impl ExecOutput {
    /// How much of each stream is kept, bytes.
    pub const LIMIT: usize = 1 << 20;

    /// Whether it ended with status 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// The last line of standard error that says something, trimmed; bounded to 500 characters.
    pub fn last_error_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.stderr);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().take(500).collect())
    }
}

/// What lies below a session: this machine, or an SSH session.
pub(super) trait Ground: Send + Sync {
    fn exec<'a>(&'a self, argv: &'a [String], deadline: Duration) -> BoxFuture<'a, Result<ExecOutput, ReachError>>;
    /// See [`Shell::run`].
    fn run<'a>(
        &'a self,
        argv: &'a [String],
        deadline: Duration,
        said: mpsc::Sender<Piece>,
    ) -> BoxFuture<'a, Result<Ended, ReachError>>;
    fn broken(&self) -> Option<ReachError>;
}
