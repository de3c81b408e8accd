//! `agent run --foreground`: the process that a container, or any init that wants one process in the foreground, runs.
//!
//! It is a parent without threads of its own work: it starts the agent as its child, hands signals on, takes the exit
//! status of every orphan below it, and starts the agent again when that ends unexpectedly; the next agent adopts the
//! nodes. It ends when it was told to and the agent has stopped the nodes in order, or when the cluster was removed.
//!
//! Its lock, `run/keeper.lock`, tells `agent run --detach` that an agent here is started by asking this process: SIGHUP,
//! after `bin/agent` was pointed at the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, set_child_subreaper, wait};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use super::folder::{holder_of, lock_file, make_folders, program_of};
use super::run::{AgentError, lock_error, prepare, system};
use super::service_manager::{self, ServiceManager};
use crate::api::paths::ClusterDir;

/// An agent that ended this soon after the first start with an error will not do better the next time: the container
/// ends with its reason.
const FIRST_START: Duration = Duration::from_secs(5);

/// Pauses before the agent is started again: the first one, doubled up to the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// After this long the next pause is the first one again.
const STABLE: Duration = Duration::from_secs(60);

/// An agent that ended because a request said so is about to be replaced; whoever asked has so long to say by what.
const REPLACED_WITHIN: Duration = Duration::from_secs(10);

/// Why a parent of an agent ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ForegroundError {
    /// What keeps an agent from running keeps its parent too.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent ended with this at its first start; its reason stands on standard error above.
    #[error("the agent ended at its start: {how}")]
    Ended {
        /// Such as `exit status 1`.
        how: String,
    },
}

/// Runs the agent of `dir` below this process until SIGTERM or SIGINT; then the nodes are stopped in order. Blocks, and
/// builds its own runtime.
///
/// # Errors
/// [`ForegroundError::Agent`] when the folder cannot be made, another such process serves it, or the system refuses
/// what is needed; [`ForegroundError::Ended`] when the agent cannot run at all.
pub fn foreground(dir: &ClusterDir) -> Result<(), ForegroundError> {
    let dir = ClusterDir::new(std::path::absolute(dir.path()).map_err(prepare(dir.path()))?);
    make_folders(&dir).map_err(lock_error(&dir))?;
    let _lock = lock_file(&dir.keeper_lock()).map_err(lock_error(&dir))?;
    // As process 1 orphans come here anyway; elsewhere they are asked for, so that none stays behind unwaited for.
    set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| system("become the parent of orphans")(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start"))?;
    runtime.block_on(keep(&dir))
}

/// The process that keeps the agent of `dir` in its foreground, if one does that can be seen from here.
pub(super) fn keeper(dir: &ClusterDir) -> Option<Pid> {
    holder_of(&dir.keeper_lock())
}

/// The signals that are listened to.
struct Heard {
    children: Signals,
    terminate: Signals,
    interrupt: Signals,
    quit: Signals,
    start: Signals,
}

impl Heard {
    fn new() -> Result<Heard, AgentError> {
        let listen = |kind| signal(kind).map_err(system("listen for signals"));
        Ok(Heard {
            children: listen(SignalKind::child())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            start: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, start_at: Option<Instant>) -> Woken {
        let due = async {
            match start_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.children.recv() => Woken::Children,
            _ = self.terminate.recv() => Woken::End,
            _ = self.interrupt.recv() => Woken::End,
            _ = self.quit.recv() => Woken::End,
            _ = self.start.recv() => Woken::Start,
            () = due => Woken::Due,
        }
    }
}

enum Woken {
    Children,
    End,
    Start,
    Due,
}

/// What the parent knows of its agent.
struct Keeper<'a> {
    dir: &'a ClusterDir,
    program: PathBuf,
    agent: Option<Pid>,
    started: Instant,
    start_at: Option<Instant>,
    pause: Duration,
    is_first: bool,
    is_replacing: bool,
    is_ending: bool,
}

async fn keep(dir: &ClusterDir) -> Result<(), ForegroundError> {
    let mut heard = Heard::new()?;
    let manager = ServiceManager::from_environment();
    let program = std::env::current_exe().map_err(system("find its own program"))?;
    let mut keeper = Keeper {
        dir,
        program,
        agent: None,
        started: Instant::now(),
        start_at: None,
        pause: PAUSES[0],
        is_first: true,
        is_replacing: false,
        is_ending: false,
    };
    keeper.start()?;
    manager.ready("the agent was started");
    loop {
        match heard.next(keeper.start_at).await {
            Woken::Children => {
                if let Some(end) = keeper.reap() {
                    return end;
                }
            }
            Woken::End => {
                manager.stopping();
                if keeper.end() {
                    return Ok(());
                }
            }
            Woken::Start => keeper.replace()?,
            Woken::Due => keeper.start()?,
        }
    }
}

impl Keeper<'_> {
    fn start(&mut self) -> Result<(), AgentError> {
        self.start_at = None;
        if self.agent.is_some() {
            return Ok(());
        }
        let mut command = Command::new(&self.program);
        command.args(["agent", "run", "--stop-nodes", "--dir"]).arg(self.dir.path()).stdin(Stdio::null());
        service_manager::keep_from(&mut command);
        match command.spawn() {
            Ok(child) => {
                tracing::info!(pid = child.id(), program = %self.program.display(), "started the agent");
                self.agent = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                self.started = Instant::now();
            }
            Err(source) if self.is_first => return Err(AgentError::System { what: "start the agent", source }),
            Err(error) => {
                tracing::error!(program = %self.program.display(), %error, "cannot start the agent; trying again");
                self.start_later();
            }
        }
        Ok(())
    }

    /// `bin/agent` may point at another program: an agent that is not of it gives way.
    fn replace(&mut self) -> Result<(), AgentError> {
        if let Ok(program) = fs::canonicalize(self.dir.boot_program()) {
            self.program = program;
        }
        match self.agent {
            None => self.start()?,
            Some(agent) if program_of(agent).as_ref() != Some(&self.program) => {
                self.is_replacing = true;
                // It may have ended meanwhile: then its status is about to be taken.
                let _ = kill_process(agent, Signal::HUP);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Takes the status of everything that ended; tells the end of this process when the agent was it.
    fn reap(&mut self) -> Option<Result<(), ForegroundError>> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if self.agent == Some(pid) {
                self.agent = None;
                if let Some(end) = self.agent_ended(status) {
                    return Some(end);
                }
            }
        }
        None
    }

    fn agent_ended(&mut self, status: WaitStatus) -> Option<Result<(), ForegroundError>> {
        let how = in_words(status);
        // Whoever removes a cluster takes the lock's file along.
        let is_removed = status.exit_status() == Some(0) && !self.dir.agent_lock().exists();
        if self.is_ending || is_removed {
            tracing::info!("the agent ended: {how}");
            return Some(Ok(()));
        }
        let lived = self.started.elapsed();
        if self.is_first && lived < FIRST_START && status.exit_status().is_some_and(|code| code != 0) {
            return Some(Err(ForegroundError::Ended { how }));
        }
        self.is_first = false;
        let is_replacing = std::mem::take(&mut self.is_replacing);
        match status.exit_status() {
            Some(0) if is_replacing => self.start_at = Some(Instant::now()),
            Some(0) => {
                tracing::info!("the agent ended as it was asked to; the next one is awaited");
                self.start_at = Some(Instant::now() + REPLACED_WITHIN);
            }
            _ => {
                tracing::error!("the agent ended: {how}; it is started again, and adopts the nodes");
                if lived > STABLE {
                    self.pause = PAUSES[0];
                }
                self.start_later();
            }
        }
        None
    }

    fn start_later(&mut self) {
        self.start_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSES[1]);
    }

    /// Hands the signal on; true when there is no agent that could stop anything.
    fn end(&mut self) -> bool {
        self.is_ending = true;
        let Some(agent) = self.agent else { return true };
        // It may have ended meanwhile: then its status is about to be taken.
        let _ = kill_process(agent, Signal::TERM);
        false
    }
}

fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "without a status".to_owned(),
    }
}

/// Points `bin/agent` at a program, in one step.
pub(super) fn point_at(dir: &ClusterDir, program: &Path) -> io::Result<()> {
    let link = dir.boot_program();
    let folder = link.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // Within the folder by its name alone, so that the folder can be moved.
    let target = match program.parent() == Some(folder) {
        true => PathBuf::from(program.file_name().ok_or(io::ErrorKind::InvalidInput)?),
        false => program.to_owned(),
    };
    if fs::read_link(&link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let new = folder.join(format!(".agent-{}", std::process::id()));
    // A leftover of a process of this number.
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(&target, &new)?;
    fs::rename(&new, &link)
}
