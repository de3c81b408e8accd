//! Starting a node's process, and the descriptor that tells when it ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::unix::AsyncFd;

use super::limits::{self, AtStart, Given};
use super::output;
use super::process::{HASH_VARIABLE, Header, Process, boot_id, open_pidfd, read_record};
use super::saved::Spec;
use crate::agent::detach::READY_FD_VARIABLE;
use crate::agent::service_manager;
use crate::api::node::{OPEN_FILES_VARIABLE, RESTARTS_VARIABLE};
use crate::api::paths::ClusterDir;
use crate::processes::MARK_VARIABLE;

/// `run/NODE/pid`: see [`process`](super::process).
pub fn record_path(dir: &ClusterDir, node: &str) -> std::path::PathBuf {
    dir.node(node).join("pid")
}

/// A process and the descriptor that becomes readable when it ends.
#[derive(Debug)]
pub struct Running {
    /// Who it is.
    pub process: Process,
    pidfd: Watched,
}

/// How often a process is looked at whose descriptor the runtime does not take (`fs.epoll.max_user_watches`).
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug)]
enum Watched {
    /// The runtime tells when it is readable.
    Woken(AsyncFd<OwnedFd>),
    /// It is looked at from time to time.
    Polled(OwnedFd),
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Watched::Woken(fd) => fd.as_fd(),
            Watched::Polled(fd) => fd.as_fd(),
        }
    }
}

/// A node that was started.
#[derive(Debug)]
pub struct Spawned {
    /// Who it is.
    pub process: Process,
    /// Becomes readable when it ends.
    pub pidfd: OwnedFd,
    /// The limits that it has.
    pub given: Given,
}

/// Starts a node: a session of its own, no standard input, output and error appended to files, nothing else inherited.
/// It is told how often the agent had to start it again. The error is a sentence for operators.
pub fn spawn(dir: &ClusterDir, spec: &Spec, restarts: u64) -> Result<Spawned, String> {
    let node = &spec.node.name;
    let folder = dir.node(node);
    let in_folder = |error: io::Error| format!("cannot write into {}: {error}", folder.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(in_folder)?;
    let stdout = output::open(&dir.node_stdout(node)).map_err(in_folder)?;
    let stderr = output::open(&dir.node_stderr(node)).map_err(in_folder)?;
    let header = Header {
        boot_id: boot_id().to_owned(),
        started_at: seconds_since_epoch(),
        hash: spec.node.hash.clone(),
        stderr_from: stderr.metadata().map_err(in_folder)?.len(),
    };
    let record_path = record_path(dir, node);
    let record = begin_record(&record_path, &header).map_err(in_folder)?;
    let mut command = command(dir, spec);
    command.env(RESTARTS_VARIABLE, restarts.to_string()).env(HASH_VARIABLE, &spec.node.hash);
    command.current_dir(&folder).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let (at_start, heard) = limits::prepare(&spec.node).map_err(|error| format!("cannot limit {node}: {error}"))?;
    become_a_node(&mut command, record, limits::cpus(&spec.node), at_start);
    let mut child = command.spawn().map_err(|error| spawn_error(&command, spec, &error))?;
    // The child is not reaped before `Running::reap`, so its pid cannot be anyone else's here.
    let pidfd = open_pidfd(child.id()).map_err(|error| {
        // What cannot be watched must not run; it is our child and a moment old, so neither can fail in a way that matters.
        let _ = child.kill().and_then(|()| child.wait());
        format!("cannot watch process {}: {error}", child.id())
    })?;
    // With it goes this side's end of the pipe on which the child told what was refused.
    drop(command);
    let given = heard.given();
    let process = match read_record(&record_path) {
        Some(process) if process.pid == child.id() => Process { adopted: false, ..process },
        _ => Process { pid: child.id(), start_ticks: 0, header, adopted: false },
    };
    Ok(Spawned { process, pidfd, given })
}

fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn begin_record(path: &Path, header: &Header) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut line = serde_json::to_vec(header)?;
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(file)
}

fn command(dir: &ClusterDir, spec: &Spec) -> Command {
    let mut command = match spec.node.command.as_deref() {
        Some([program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        _ => {
            let mut command = Command::new(dir.binary(&spec.binary));
            command.args(["node", "run", &spec.node.name, "--dir"]).arg(dir.path());
            command
        }
    };
    command.env_remove(READY_FD_VARIABLE);
    service_manager::keep_from(&mut command);
    match spec.node.limits.open_files {
        Some(files) => command.env(OPEN_FILES_VARIABLE, files.to_string()),
        None => command.env_remove(OPEN_FILES_VARIABLE),
    };
    command.envs(&spec.node.env).env(MARK_VARIABLE, dir.node(&spec.node.name));
    command
}

fn become_a_node(command: &mut Command, record: File, cpus: Option<CpuSet>, mut at_start: AtStart) {
    let in_child = move || {
        rustix::process::setsid()?;
        // Before the limits: the agent may have more files open than the node may.
        let stat = rustix::fs::open(c"/proc/self/stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        at_start.take();
        if let Some(cpus) = &cpus {
            sched_setaffinity(None, cpus)?;
        }
        let mut buffer = [0; 1024];
        let length = rustix::io::read(&stat, &mut buffer)?;
        rustix::io::write(record.as_fd(), &buffer[..length])?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(in_child) };
}

fn spawn_error(command: &Command, spec: &Spec, error: &io::Error) -> String {
    let program = Path::new(command.get_program()).display();
    let wanted = match (spec.node.pin_cpus.as_slice(), spec.node.limits.words().remove("cpu_set")) {
        ([], Some(words)) => Some(format!("{words} of cpu_set")),
        ([], None) => None,
        (pinned, _) => Some(format!("{pinned:?} of pin_cpus")),
    };
    if let Some(wanted) = wanted.filter(|_| error.raw_os_error() == Some(libc::EINVAL)) {
        return format!("cannot start {program}: none of the CPUs {wanted} is on this host");
    }
    format!("cannot start {program}: {error}")
}

impl Running {
    /// Must be called within a runtime.
    pub fn new(process: Process, pidfd: OwnedFd) -> Running {
        // SAFETY: an `OwnedFd` stays open and keeps its number as long as it lives, which is as long as the `AsyncFd`.
        let registered = unsafe { AsyncFd::register_with_interest(pidfd, tokio::io::Interest::READABLE) };
        let pidfd = match registered {
            Ok(fd) => Watched::Woken(fd),
            Err(refused) => {
                let (pidfd, error) = refused.into_parts();
                tracing::warn!(pid = process.pid, %error, "its end cannot be waited for; it is looked at twice a second");
                Watched::Polled(pidfd)
            }
        };
        Running { process, pidfd }
    }

    /// Waits until it ended. Cancel safe.
    pub async fn ended(&self) -> io::Result<()> {
        if let Watched::Woken(fd) = &self.pidfd
            && let Ok(mut ready) = fd.readable().await
        {
            ready.retain_ready();
            return Ok(());
        }
        while !self.has_ended()? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// How it ended, in words; call after [`Running::ended`].
    pub fn reap(&self) -> String {
        if self.process.adopted {
            return "exit status unknown (adopted)".into();
        }
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exited with status {code}"),
                (None, Some(signal)) => format!("killed by signal {signal}{}", signal_name(signal)),
                (None, None) => "exit status unknown".into(),
            },
            _ => "exit status unknown".into(),
        }
    }

    /// Sends a signal to its process group; that it ended meanwhile is no error.
    ///
    /// A pid is free for reuse when its process was reaped: for a child of ours that is our doing, for an adopted one the
    /// descriptor is asked right before.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        if self.process.adopted && self.has_ended()? {
            return Ok(());
        }
        let Some(group) = i32::try_from(self.process.pid).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        match kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn has_ended(&self) -> io::Result<bool> {
        let mut ended = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
        Ok(poll(&mut ended, Some(&Timespec::default()))? > 0)
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGXFSZ => " (SIGXFSZ)",
        _ => "",
    }
}
