//! The program's process: a group of its own, dies with its parent, its last words are remembered.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, getpgid, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::environment::Surroundings;
use crate::kernel_log;
use crate::node::child::die_with_parent;
use crate::processes::{self, Held, MARK_VARIABLE};

/// How much of standard error is remembered.
const REMEMBERED: usize = 4 << 10;
/// How much of one line of it is shown.
const SHOWN: usize = 300;
/// How long the last words may take to arrive; whoever left the group may hold the stream open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A running program. Killed with all that it started when dropped: its group, and whatever left that and carries the node's
/// mark in its environment.
pub(super) struct Child {
    process: Process,
    pid: Pid,
    /// Since boot.
    started: Duration,
    ended: AsyncFd<OwnedFd>,
    stderr: Option<Stderr>,
    /// The node's folder, see [`MARK_VARIABLE`]; none where only its group ends with it.
    mark: Option<PathBuf>,
    reaped: bool,
}

/// What is copied from the program's standard error.
struct Stderr {
    tail: Arc<Mutex<VecDeque<u8>>>,
    /// Answered when the last who could write to it is gone.
    closed: oneshot::Receiver<()>,
}

impl Child {
    /// Starts the program. Its standard output goes where the node's does; its standard error too, and its end is kept.
    /// Must be called within a runtime, on the thread that runs the node: the kernel ends the program with that thread.
    pub(super) fn start(command: &[String], surroundings: &Surroundings, folder: &Path) -> Result<Child, String> {
        let Some((program, arguments)) = command.split_first() else {
            return Err("could not be started: there is no command".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(surroundings.variables())
            .env(MARK_VARIABLE, folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        die_with_parent(&mut command);
        let process = command.spawn().map_err(|error| format!("could not be started: {program}: {error}"))?;
        Child::watch(process, folder).map_err(|error| format!("could not be watched: {program}: {error}"))
    }

    fn watch(mut process: Process, mark: &Path) -> io::Result<Child> {
        let pid = Pid::from_child(&process);
        let started = kernel_log::since_boot();
        let watched = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(io::Error::from);
        // SAFETY: an `OwnedFd` stays open and keeps its number as long as it lives, which is as long as the `AsyncFd`.
        let watched =
            watched.and_then(|pidfd| unsafe { Ok(AsyncFd::register_with_interest(pidfd, Interest::READABLE)?) });
        match watched {
            Ok(ended) => {
                let stderr = process.stderr.take().map(pass_on).transpose()?;
                Ok(Child { process, pid, started, ended, stderr, mark: Some(mark.to_owned()), reaped: false })
            }
            Err(error) => {
                // What cannot be watched must not run; it is our child and a moment old, so neither can fail.
                let _ended = process.kill().and_then(|()| process.wait());
                Err(error)
            }
        }
    }

    /// Ends nothing but its own group: what else carries the node's mark is another program's.
    pub(super) fn beside_another(mut self) -> Child {
        self.mark = None;
        self
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until it ended. Cancel safe.
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.ended.readable().await.map(|mut ready| ready.retain_ready())
    }

    /// SIGTERM to it and to all that it started.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL to it and to all that it started.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Ends what it left running, and says how it ended and what its last line was; only after [`Child::ended`].
    pub(super) async fn finish(mut self) -> io::Result<(ExitStatus, Option<String>)> {
        self.signal(Signal::KILL);
        let status = self.process.wait()?;
        self.reaped = true;
        if status.signal() == Some(9) && kernel_log::was_out_of_memory(self.pid(), self.started) {
            return Ok((status, Some(kernel_log::OUT_OF_MEMORY.to_owned())));
        }
        let Some(stderr) = self.stderr.take() else { return Ok((status, None)) };
        let _late = timeout(LAST_WORDS, stderr.closed).await;
        let mut tail = stderr.tail.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((status, last_line(tail.make_contiguous())))
    }

    /// Until it is waited for, the number of its group is nobody else's.
    fn signal(&self, signal: Signal) {
        let _nobody_left = kill_process_group(self.pid, signal);
        let Some(mark) = &self.mark else { return };
        // Twice would be more than once: some programs take a second SIGTERM for impatience.
        let left_group = |process: &Held| getpgid(Pid::from_raw(process.pid.cast_signed())) != Ok(self.pid);
        processes::marked(mark).iter().filter(|process| left_group(process)).for_each(|process| process.signal(signal));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            let _ended = self.process.wait();
        }
    }
}

/// The last line that says something, of bounded length.
fn last_line(octets: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(octets);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(SHOWN).collect())
}

/// Copies the stream to this process's standard error and keeps its end. A thread: writing may wait, and a full standard
/// error must hold up the program alone.
fn pass_on(mut stream: ChildStderr) -> io::Result<Stderr> {
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let (close, closed) = oneshot::channel();
    let kept = Arc::clone(&tail);
    let copy = move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            let mut tail = kept.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(&chunk[..count]);
            let surplus = tail.len().saturating_sub(REMEMBERED);
            tail.drain(..surplus);
            drop(tail);
            // Where standard error is gone there is nobody to tell.
            let _gone = io::stderr().write_all(&chunk[..count]);
        }
        let _nobody_waits = close.send(());
    };
    std::thread::Builder::new().name("program-stderr".to_owned()).spawn(copy)?;
    Ok(Stderr { tail, closed })
}
