//! `agent keep`: the parent of an agent in the background. It starts the agent again when that dies, with growing pauses
//! and for as long as the cluster's folder is there.
//!
//! It holds no state and opens no file, so there is little that could end it; nodes do not depend on it. A service manager
//! that runs `agent run` does the same, and then there is no keeper.
//! Failure: when the first agent ends before it listens, the keeper ends with it, as its starter waits for the reason. Later
//! it ends only when the agent was told to end (status 0), when another agent has the folder's lock, or on SIGTERM and
//! SIGINT, which it passes on.

use std::env;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use super::detach::{READY, READY_FD_VARIABLE, Ready, START_DEADLINE, announce_to, is_locked, wait_until_ready};
use super::run::{AgentError, system, take_ready_fd};
use crate::api::paths::ClusterDir;

/// Pause before the first start again; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An agent that ran for so long starts over with the first pause.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// How a keeper ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeeperEnd {
    /// The agent was told to end, or another one has its place.
    NotNeeded,
    /// The first agent ended before it listened, with this exit status; it said why.
    NeverListened {
        /// Exit status; 128 and the number of the signal that ended it.
        status: u8,
    },
}

/// Runs `agent run --dir DIR` with this program, and runs it again until it is told to end. Blocks.
///
/// # Errors
/// [`AgentError::System`] when the system refuses processes or signals.
pub fn keep(dir: &ClusterDir) -> Result<KeeperEnd, AgentError> {
    let starter = take_ready_fd();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the agent's keeper"))?;
    runtime.block_on(async { Keeper::new(dir)?.work(starter).await })
}

struct Keeper {
    dir: ClusterDir,
    program: PathBuf,
    terminate: Signals,
    interrupt: Signals,
}

impl Keeper {
    fn new(dir: &ClusterDir) -> Result<Keeper, AgentError> {
        Ok(Keeper {
            dir: dir.clone(),
            program: env::current_exe().map_err(system("find its own program"))?,
            terminate: signal(SignalKind::terminate()).map_err(system("listen for SIGTERM"))?,
            interrupt: signal(SignalKind::interrupt()).map_err(system("listen for SIGINT"))?,
        })
    }

    async fn work(mut self, starter: Option<File>) -> Result<KeeperEnd, AgentError> {
        let mut agent = match self.first(starter).await? {
            First::Listens(agent) => agent,
            First::Ended(ended) => return Ok(KeeperEnd::NeverListened { status: code(ended) }),
        };
        let mut pauses = Pauses::default();
        loop {
            let began = Instant::now();
            let ended = tokio::select! {
                ended = agent.wait() => ended.map_err(system("wait for the agent"))?,
                () = self.told_to_end() => {
                    tell_to_end(agent).await?;
                    return Ok(KeeperEnd::NotNeeded);
                }
            };
            if ended.success() {
                return Ok(KeeperEnd::NotNeeded);
            }
            match self.again(&mut pauses, began.elapsed(), format!("the agent {}", in_words(ended))).await {
                Some(next) => agent = next,
                None => return Ok(KeeperEnd::NotNeeded),
            }
        }
    }

    /// The first agent, when it listens; its starter is told then.
    async fn first(&self, starter: Option<File>) -> Result<First, AgentError> {
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (ready, tell) = pipe.map_err(|error| system("make a pipe")(error.into()))?;
        let mut command = self.command();
        announce_to(command.as_std_mut(), tell);
        let mut agent = command.spawn().map_err(system("start the agent"))?;
        // It holds the pipe's other end, which has to be the agent's alone.
        drop(command);
        let waited = tokio::task::spawn_blocking(move || wait_until_ready(&ready, START_DEADLINE)).await;
        if matches!(waited, Ok(Ready::Ended)) {
            return agent.wait().await.map(First::Ended).map_err(system("wait for the agent"));
        }
        if let (Ok(Ready::Yes), Some(mut starter)) = (waited, starter) {
            // A starter that no longer waits is no reason to end.
            let _left = starter.write_all(READY);
        }
        Ok(First::Listens(agent))
    }

    /// The next agent, after a pause; none when none is needed any more.
    async fn again(&mut self, pauses: &mut Pauses, ran: Duration, mut why: String) -> Option<Child> {
        let mut pause = pauses.after(ran);
        while self.is_needed() {
            tracing::error!(pause_s = pause.as_secs(), "{why}; it is started again after a pause");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.told_to_end() => return None,
            }
            if !self.is_needed() {
                return None;
            }
            match self.command().spawn() {
                Ok(agent) => return Some(agent),
                Err(error) => why = format!("the agent cannot be started: {error}"),
            }
            pause = pauses.after(Duration::ZERO);
        }
        None
    }

    /// Whether the folder is there and no other agent serves it.
    fn is_needed(&self) -> bool {
        self.dir.path().exists() && !is_locked(&self.dir)
    }

    async fn told_to_end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["agent", "run", "--dir"]).arg(self.dir.path()).env_remove(READY_FD_VARIABLE);
        command
    }
}

enum First {
    /// Or is slow; then its starter gives up by itself.
    Listens(Child),
    Ended(ExitStatus),
}

/// SIGTERM to the agent, and waits for its end.
async fn tell_to_end(mut agent: Child) -> Result<(), AgentError> {
    if let Some(pid) = agent.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        // Until it is waited for, its number is nobody else's; that it has ended is as good.
        let _ended = rustix::process::kill_process(pid, Signal::TERM);
    }
    agent.wait().await.map(drop).map_err(system("wait for the agent"))
}

fn code(ended: ExitStatus) -> u8 {
    let number = ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap_or_default());
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn in_words(ended: ExitStatus) -> String {
    match (ended.code(), ended.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// How long to wait before the next start.
#[derive(Debug, Default)]
struct Pauses {
    in_a_row: u32,
}

impl Pauses {
    /// After an agent that ran for so long.
    fn after(&mut self, ran: Duration) -> Duration {
        if ran >= STABLE_AFTER {
            self.in_a_row = 0;
        }
        let doubled = 1u32.checked_shl(self.in_a_row.min(16)).unwrap_or(u32::MAX);
        self.in_a_row += 1;
        FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_start_over_after_a_minute_of_work() {
        let mut pauses = Pauses::default();
        let after = |pauses: &mut Pauses, ran: u64| pauses.after(Duration::from_secs(ran)).as_secs();
        let grown: Vec<u64> = (0..8).map(|_| after(&mut pauses, 0)).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(after(&mut pauses, 60), 1);
        assert_eq!(after(&mut pauses, 59), 2);
    }
}
