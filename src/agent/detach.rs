//! Starting an agent that outlives its starter.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::folder::{self, program_of};
use super::foreground;
use super::run::last_log_line;
use super::supervise::open_output;
use super::systemd::Unit;
use crate::api::paths::ClusterDir;
use crate::processes::{self, MARK_VARIABLE};
use crate::socket;

/// How long an agent may take until it listens.
pub const START_DEADLINE: Duration = Duration::from_secs(20);

/// Names the descriptor on which the agent says that it listens.
pub const READY_FD_VARIABLE: &str = "ZEEK_CLUSTER_READY_FD";

/// How often whoever starts agents is asked again: the one before may have needed its time to end.
const NUDGE_EVERY: Duration = Duration::from_secs(4);

/// How often an agent that another process starts is looked for.
const LISTEN_POLL: Duration = Duration::from_millis(20);

/// What it says.
pub const READY: &[u8] = b"ready\n";

/// How long an agent that runs may take to give a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// How long one whose socket was deleted may take to make it again.
const SOCKET_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Between SIGTERM and SIGKILL for an agent that hangs.
const HUNG_GRACE: Duration = Duration::from_secs(2);

/// What becomes of an agent of the folder that runs and gives no sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hung {
    /// It is left alone, and no other one is started.
    Leave,
    /// It is ended; its nodes run on, and the new one adopts them.
    Replace,
}

/// An agent that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// It was started.
    Started {
        /// The process that was started: the agent's keeper.
        pid: u32,
    },
    /// Another one was there already, or was faster.
    AlreadyRunning,
}

/// Why no agent listens.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// The cluster's folder or the agent's log could not be made.
    #[error("cannot prepare {}", path.display())]
    Prepare {
        /// What could not be made.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// An agent has the folder and gives no sign of life.
    #[error("the agent{} does not answer; zeek-cluster doctor --fix ends it and starts a new one; nodes run on",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Hung {
        /// Its process, where that can be told.
        pid: Option<u32>,
    },
    /// The program could not be started.
    #[error("cannot start {}", binary.display())]
    Spawn {
        /// The program.
        binary: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It ended before it listened.
    #[error("the agent ended before it listened: {last_line}")]
    Ended {
        /// The line of its log that tells why.
        last_line: String,
    },
    /// It still does not listen.
    #[error("the agent does not listen after {:.0} s: {last_line}", after.as_secs_f64())]
    TimedOut {
        /// The deadline.
        after: Duration,
        /// The line of its log that tells why.
        last_line: String,
    },
}

/// Runs `BINARY agent keep --dir DIR` in a session of its own, its standard streams in `run/agent.log`, and returns when
/// the agent that this keeps up listens. Blocks up to [`START_DEADLINE`].
///
/// Where a unit of systemd or the parent of a container starts the agents of this folder, it is pointed at `binary` and
/// starts it; an agent of another program gives way. When two start one at the same time, one of the two agents ends at
/// once, and both starters find the other.
///
/// # Errors
/// [`DetachError::Prepare`] when folder or log cannot be made, [`DetachError::Spawn`] when `binary` cannot be run,
/// [`DetachError::Ended`] when the agent ended before it listened and no other one took its place,
/// [`DetachError::TimedOut`] after [`START_DEADLINE`], [`DetachError::Hung`] when an agent has the folder, gives no sign of
/// life, and is to be left or does not end.
pub fn start_detached(dir: &ClusterDir, binary: &Path, hung: Hung) -> Result<Detached, DetachError> {
    let dir = ClusterDir::new(std::path::absolute(dir.path()).map_err(prepare(dir.path()))?);
    let found = in_the_way(&dir);
    match found {
        Found::Silent(pid) if hung == Hung::Leave => return Err(DetachError::Hung { pid }),
        Found::Silent(pid) => end_hung(&dir, pid)?,
        Found::Nobody | Found::Alive => {}
    }
    if let Some(starter) = Starter::of(&dir) {
        return start_by(&starter, &dir, binary);
    }
    if matches!(found, Found::Alive) {
        return Ok(Detached::AlreadyRunning);
    }
    let (log, log_from) = open_log(&dir)?;
    // What an init script would start; without one it only has to be there when that comes.
    if let Err(error) = foreground::point_at(&dir, binary) {
        tracing::warn!(link = %dir.boot_program().display(), %error, "cannot be pointed at the agent's program");
    }
    let spawn = |source| DetachError::Spawn { binary: binary.to_owned(), source };
    let (ready, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| spawn(e.into()))?;
    let mut child = command(&dir, binary, log, tell).map_err(spawn)?.spawn().map_err(spawn)?;
    match wait_until_ready(&ready, START_DEADLINE) {
        Ready::Yes => Ok(Detached::Started { pid: child.id() }),
        Ready::Ended => ended(&dir, &mut child, log_from),
        Ready::NotYet => Err(DetachError::TimedOut { after: START_DEADLINE, last_line: last_log_line(&dir, log_from) }),
    }
}

/// Who starts the agents of a folder, where that is not whoever asks for one.
enum Starter {
    /// The parent of a container's agent.
    Parent(Pid),
    /// systemd, by this unit.
    Unit(Unit),
}

impl Starter {
    fn of(dir: &ClusterDir) -> Option<Starter> {
        let parent = foreground::keeper(dir).map(Starter::Parent);
        parent.or_else(|| Unit::installed(dir).map(Starter::Unit))
    }

    /// Has the agent replaced by what `bin/agent` points at, or started. An agent that ends leaves its nodes, and its
    /// starter starts the next one.
    fn nudge(&self, dir: &ClusterDir) -> Result<(), String> {
        match (self, folder::holder(dir)) {
            (Starter::Parent(parent), _) => {
                kill_process(*parent, Signal::HUP).map_err(|error| format!("process {}: {error}", pid(*parent)))
            }
            (Starter::Unit(_), Some(agent)) => {
                kill_process(agent, Signal::HUP).map_err(|error| format!("process {}: {error}", pid(agent)))
            }
            (Starter::Unit(unit), None) => unit.systemctl("start"),
        }
    }
}

fn pid(process: Pid) -> u32 {
    process.as_raw_nonzero().get().unsigned_abs()
}

/// Where something else starts the agents, that one does it, and the agent that there is gives way to `binary`.
fn start_by(starter: &Starter, dir: &ClusterDir, binary: &Path) -> Result<Detached, DetachError> {
    let spawn = |source| DetachError::Spawn { binary: binary.to_owned(), source };
    let wanted = fs::canonicalize(binary).map_err(spawn)?;
    let link = dir.boot_program();
    foreground::point_at(dir, binary).map_err(prepare(&link))?;
    let right = || {
        let agent = folder::holder(dir).filter(|agent| program_of(*agent).as_ref() == Some(&wanted));
        agent.filter(|_| listens(dir))
    };
    if right().is_some() {
        return Ok(Detached::AlreadyRunning);
    }
    let end = Instant::now() + START_DEADLINE;
    let mut said = None;
    while Instant::now() < end {
        said = starter.nudge(dir).err().or(said);
        let again = Instant::now() + NUDGE_EVERY;
        while Instant::now() < again {
            if let Some(agent) = right() {
                return Ok(Detached::Started { pid: pid(agent) });
            }
            std::thread::sleep(LISTEN_POLL);
        }
    }
    let last_line = said.unwrap_or_else(|| last_log_line(dir, 0));
    Err(DetachError::TimedOut { after: START_DEADLINE, last_line })
}

fn prepare(path: &Path) -> impl FnOnce(io::Error) -> DetachError + '_ {
    move |source| DetachError::Prepare { path: path.to_owned(), source }
}

/// Who has the folder.
enum Found {
    Nobody,
    Alive,
    /// Its process, where that can be told.
    Silent(Option<u32>),
}

fn in_the_way(dir: &ClusterDir) -> Found {
    let socket = dir.agent_socket();
    let end = Instant::now() + SOCKET_BACK_WITHIN;
    // Who holds the lock and listens nowhere was just started, is about to end, or lost its socket and makes it again.
    while !listens(dir) {
        if !is_locked(dir) {
            return Found::Nobody;
        }
        if Instant::now() >= end {
            return folder::holder(dir).map_or(Found::Nobody, |agent| Found::Silent(Some(pid(agent))));
        }
        std::thread::sleep(LISTEN_POLL);
    }
    match gives_sign_of_life(&socket) {
        true => Found::Alive,
        false => Found::Silent(folder::holder(dir).map(pid).or_else(|| socket::listening_process(&socket))),
    }
}

fn listens(dir: &ClusterDir) -> bool {
    socket::answers(&dir.agent_socket())
}

/// Any answer will do.
fn gives_sign_of_life(socket: &Path) -> bool {
    let ask = || -> io::Result<usize> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(SIGN_OF_LIFE))?;
        stream.set_write_timeout(Some(SIGN_OF_LIFE))?;
        stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")?;
        stream.read(&mut [0])
    };
    ask().is_ok_and(|octets| octets > 0)
}

fn end_hung(dir: &ClusterDir, pid: Option<u32>) -> Result<(), DetachError> {
    let agent = pid.and_then(|pid| processes::hold(pid, |pid| processes::agents(dir).contains(&pid)));
    let Some(agent) = agent else { return Err(DetachError::Hung { pid }) };
    match processes::end(vec![agent], HUNG_GRACE).is_empty() {
        true => Ok(()),
        false => Err(DetachError::Hung { pid }),
    }
}

/// The log, and where this agent's part of it begins.
fn open_log(dir: &ClusterDir) -> Result<(File, u64), DetachError> {
    let path = dir.agent_log();
    let folder = path.parent().expect("a file in a folder has a parent");
    DirBuilder::new().recursive(true).mode(0o755).create(dir.path()).map_err(prepare(dir.path()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(prepare(folder))?;
    let log = open_output(&path).map_err(prepare(&path))?;
    let from = fs::metadata(&path).map_err(prepare(&path))?.len();
    Ok((log, from))
}

/// `tell` lives in the command, so that when the command is gone only the keeper holds it.
fn command(dir: &ClusterDir, binary: &Path, log: File, tell: OwnedFd) -> io::Result<Command> {
    let mut command = Command::new(binary);
    command.args(["agent", "keep", "--dir"]).arg(dir.path());
    command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    announce_to(&mut command, tell);
    super::service_manager::keep_from(&mut command);
    // Started by the program of a node, it must not end with that.
    command.env_remove(MARK_VARIABLE);
    let in_child = || rustix::process::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec the closure only makes system calls; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(in_child) };
    Ok(command)
}

/// Makes a program say on `tell` that it listens. The descriptor lives as long as the command.
pub(super) fn announce_to(command: &mut Command, tell: OwnedFd) {
    command.env(READY_FD_VARIABLE, tell.as_raw_fd().to_string());
    let in_child = move || Ok(rustix::io::fcntl_setfd(&tell, rustix::io::FdFlags::empty())?);
    // SAFETY: between fork and exec the closure only makes a system call; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(in_child) };
}

/// What came of waiting for an agent.
pub(super) enum Ready {
    Yes,
    Ended,
    NotYet,
}

/// The pipe is written when the agent listens, and closed by the system when it ends.
pub(super) fn wait_until_ready(ready: &OwnedFd, deadline: Duration) -> Ready {
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(ready, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ready::NotYet,
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Ready::Ended,
        }
    }
    let mut byte = [0; READY.len()];
    match rustix::io::read(ready, &mut byte) {
        Ok(n) if n > 0 => Ready::Yes,
        _ => Ready::Ended,
    }
}

fn ended(dir: &ClusterDir, child: &mut Child, log_from: u64) -> Result<Detached, DetachError> {
    // It closed the pipe, which it only does by ending; waiting for it leaves no zombie.
    let _ = child.wait();
    if is_locked(dir) && becomes_reachable(dir) {
        return Ok(Detached::AlreadyRunning);
    }
    Err(DetachError::Ended { last_line: last_log_line(dir, log_from) })
}

/// Whether an agent serves the folder, or is about to.
pub(super) fn is_locked(dir: &ClusterDir) -> bool {
    File::open(dir.agent_lock()).is_ok_and(|file| file.try_lock_shared().is_err())
}

/// The agent that was faster has the lock and is about to listen.
fn becomes_reachable(dir: &ClusterDir) -> bool {
    let end = Instant::now() + SOCKET_BACK_WITHIN;
    while !listens(dir) {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LISTEN_POLL);
    }
    true
}
