//! The `zeek` process: dies with its parent, its standard error is passed on and its end remembered.

use std::collections::VecDeque;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child as Process, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::ZeekError;
use super::hints::{fatal_line, hint};
use super::launch::{Launch, Purpose};
use crate::kernel_log;
use crate::node::child::{die_with_parent, in_words};
use crate::processes::MARK_VARIABLE;

/// How much of standard error is remembered.
const REMEMBERED: usize = 64 << 10;
/// How long what Zeek left running (archiving its last logs) may go on writing after its end.
const AFTERMATH: Duration = Duration::from_secs(5);

/// A running Zeek. Killed when dropped.
pub(super) struct Child {
    process: Process,
    pub(super) pid: u32,
    /// Since boot.
    started: Duration,
    stderr: JoinHandle<VecDeque<u8>>,
}

impl Child {
    /// Starts Zeek in the parent's process group, so that a signal to the node reaches both.
    pub(super) fn start(launch: &Launch<'_>) -> Result<Child, ZeekError> {
        let zeek = &launch.install.zeek;
        let failed = |source| ZeekError::Start { zeek: zeek.clone(), source };
        let mut command = Command::new(zeek);
        command
            .args(launch.arguments(Purpose::Run))
            .envs(launch.environment(Purpose::Run, &|name| env::var_os(name)))
            .env(MARK_VARIABLE, launch.dir.node(&launch.config.name))
            .current_dir(&launch.places.work)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        die_with_parent(command.as_std_mut());
        let started = kernel_log::since_boot();
        let mut process = command.spawn().map_err(failed)?;
        let pid = process.id().unwrap_or_default();
        let stderr = process.stderr.take().expect("standard error is piped");
        Ok(Child { process, pid, started, stderr: tokio::spawn(pass_on(stderr)) })
    }

    /// SIGTERM; Zeek then finishes its work. That it ended meanwhile is no error.
    pub(super) fn terminate(&self) {
        if let Some(pid) = self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // Until it is waited for, its number is nobody else's.
            let _ended = rustix::process::kill_process(pid, Signal::TERM);
        }
    }

    /// Waits until it ended. Cancel safe.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Why it ended, after it did.
    pub(super) async fn why(mut self, status: ExitStatus) -> ZeekError {
        let starved = status.signal() == Some(9) && kernel_log::was_out_of_memory(self.pid, self.started);
        let line = match starved {
            true => Some(kernel_log::OUT_OF_MEMORY.to_owned()),
            false => fatal_line(&self.last_words().await),
        };
        ZeekError::Ended { how: how(status), hint: line.as_deref().and_then(hint), line }
    }

    /// What it wrote last to standard error, when all that it started has ended too.
    pub(super) async fn last_words(&mut self) -> String {
        match timeout(AFTERMATH, &mut self.stderr).await {
            Ok(Ok(mut tail)) => String::from_utf8_lossy(tail.make_contiguous()).into_owned(),
            _ => String::new(),
        }
    }
}

/// How a Zeek that nobody stopped ended.
fn how(status: ExitStatus) -> String {
    if status.success() { "ended although nobody stopped it".to_owned() } else { in_words(status) }
}

/// Copies a stream to this process's standard error and keeps its end.
async fn pass_on(mut stream: impl AsyncRead + Unpin) -> VecDeque<u8> {
    let mut tail = VecDeque::new();
    let mut out = tokio::io::stderr();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        tail.extend(&chunk[..count]);
        let surplus = tail.len().saturating_sub(REMEMBERED);
        tail.drain(..surplus);
        // Where standard error is gone there is nobody to tell.
        let _ = out.write_all(&chunk[..count]).await;
    }
    let _ = out.flush().await;
    tail
}
