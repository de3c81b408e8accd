//! The `ssh` that logs in and stays, and the processes that go through it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::admission::{Admission, BANNER_ATTEMPTS, pause_before};
use super::super::error::Step;
use super::super::fault::{Fault, Progress};
use super::super::keys::KeyFile;
use super::super::private;
use super::super::reasons;
use super::super::settings::Settings;
use super::arguments::{self, Destination};
use super::askpass::{self, Answering};
use super::lines::Lines;
use super::words::{Heard, Retry, Story, Whom};

/// How long the last words of an `ssh` that ended are waited for: a ProxyCommand may hold its standard error open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long an `ssh` that was told to end is waited for before it is told again: one that was just about to wait for the
/// network sees a signal only when something else wakes it.
const ENDS_WITHIN: Duration = Duration::from_millis(200);

/// How often it is told to. On SIGTERM `ssh` also ends what its ProxyCommand started; at last it is killed.
const TOLD_TO_END: usize = 25;

/// How often it is looked whether a clock that stands still goes on.
const TYPING_POLL: Duration = Duration::from_millis(200);

/// How a master is logged in.
pub(super) struct Opening<'a> {
    pub to: &'a Destination,
    pub whom: Whom,
    pub settings: &'a Arc<Settings>,
    pub progress: Arc<Progress>,
    /// For the login after the key exchange.
    pub step: Duration,
    pub gate: Option<Arc<Master>>,
}

impl Opening<'_> {
    /// The operator's SSH agent, unless it hangs: `ssh` would wait for it as long as it may, and key files go without it.
    async fn agent(&self) -> Option<PathBuf> {
        let socket = self.settings.ssh_agent.clone()?;
        let (progress, agents, asked) = (self.progress.clone(), self.settings.agents.clone(), socket.clone());
        let check = tokio::task::spawn_blocking(move || progress.paused(|| agents.check(&asked)));
        check.await.is_ok_and(|answer| answer.is_ok()).then_some(socket)
    }
}

/// Lines of known_hosts files that revoke keys.
fn revoked_lines(files: &[PathBuf]) -> Vec<u8> {
    let mut lines = Vec::new();
    // One that cannot be read says nothing to `ssh` either.
    for text in files.iter().filter_map(|file| fs::read(file).ok()) {
        for line in text.split(|&c| c == b'\n') {
            if line.trim_ascii_start().starts_with(b"@revoked") {
                lines.extend_from_slice(line);
                lines.push(b'\n');
            }
        }
    }
    lines
}

/// An `ssh` that is logged in and waits. Ends with its value, and with this process.
pub(super) struct Master {
    process: Process,
    control: PathBuf,
    /// Of the machine, as the processes that go through it call it.
    name: String,
    ended: watch::Receiver<Option<Fault>>,
    // Dropped in this order: the socket's folder and the gate are needed until the end.
    _answering: Option<Answering>,
    folder: TempDir,
    _gate: Option<Arc<Master>>,
}

/// A process that is told to end with this value.
struct Process(Arc<OwnedFd>);

impl Drop for Process {
    fn drop(&mut self) {
        tell(&self.0, Signal::TERM);
    }
}

fn tell(process: &OwnedFd, signal: Signal) {
    // It may have ended by itself.
    let _ = pidfd_send_signal(process, signal);
}

impl Master {
    /// Logs in; a server that refuses at random is tried again.
    pub async fn open(opening: &Opening<'_>) -> Result<Master, Fault> {
        let address = format!("{}:{}", opening.whom.address, opening.whom.port);
        // Not the host's time: others of this command are ahead in the queue.
        let (progress, waiting) = (opening.progress.clone(), move || Admission::to(address));
        let admitted = tokio::task::spawn_blocking(move || progress.paused(waiting)).await;
        let _admitted = admitted.map_err(|error| here(&io::Error::other(error)))?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Master::try_open(opening).await {
                Ok(master) => return Ok(master),
                Err((fault, Retry::Yes)) if attempt < BANNER_ATTEMPTS => {
                    let pause = pause_before(attempt);
                    if pause >= opening.progress.remaining() {
                        return Err(fault);
                    }
                    tokio::time::sleep(pause).await;
                }
                Err((fault, _)) => return Err(fault),
            }
        }
    }

    async fn try_open(opening: &Opening<'_>) -> Result<Master, (Fault, Retry)> {
        let here = |error: io::Error| (here(&error), Retry::No);
        let folder = private::folder().map_err(here)?;
        let control = folder.path().join("c");
        let through = opening.gate.as_ref().map(|gate| (gate.control.as_path(), gate.name.as_str()));
        if !opening.to.known_hosts.is_empty() {
            let revoked = revoked_lines(&opening.to.revoking);
            fs::write(folder.path().join(arguments::REVOKED), revoked).map_err(here)?;
        }
        let mut command = Command::new("ssh");
        command.args(arguments::of_master(opening.to, opening.settings, &control, through));
        // Ctrl-C is for this process, which finishes its step through the others.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        match opening.agent().await {
            Some(agent) => command.env("SSH_AUTH_SOCK", agent),
            None => command.env_remove("SSH_AUTH_SOCK"),
        };
        let answering =
            askpass::bring_here(&mut command, folder.path(), opening.settings, &opening.progress).map_err(here)?;
        die_with_parent(&mut command);
        let mut child = command.spawn().map_err(|error| (cannot_start(&error), Retry::No))?;
        let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or_else(|| here(io::Error::other("ssh ended at once")))?;
        // Until it is waited for its number is nobody else's.
        let process = Arc::new(pidfd_open(pid, PidfdFlags::empty()).map_err(|error| here(error.into()))?);
        let (process, told) = (Process(process.clone()), process);
        let stderr = child.stderr.take().ok_or_else(|| here(io::Error::other("ssh has no standard error")))?;
        let mut lines = Lines::new(stderr);
        let mut story = Story::new(opening.whom.clone());
        log_in(opening, &mut child, &mut lines, &mut story).await?;
        let (ending, ended) = watch::channel(None);
        tokio::spawn(async move {
            let mut watching = pin!(watch_over(child, lines, story));
            let end = tokio::select! {
                end = &mut watching => end,
                // The value was dropped, and nobody asks any more.
                () = ending.closed() => return see_to_the_end(watching, &told).await,
            };
            let _ = ending.send(Some(end));
        });
        Ok(Master {
            process,
            control,
            name: opening.to.name.clone(),
            ended,
            _answering: answering,
            folder,
            _gate: opening.gate.clone(),
        })
    }

    /// A process that goes through this one and runs a command there. Killed with its value.
    pub fn client(&self, remote: &str) -> Command {
        let mut command = Command::new("ssh");
        command.args(arguments::of_client(&self.control, &["--", &self.name, remote]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        command
    }

    /// The folder for sockets of this session.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Why it ended, when it did.
    pub fn ended(&self) -> Option<Fault> {
        self.ended.borrow().clone()
    }

    /// The same for whoever saw a process of it fail, which is a moment earlier.
    pub async fn ends_within(&self, limit: Duration) -> Option<Fault> {
        let mut ended = self.ended.clone();
        let seen = timeout(limit, ended.wait_for(Option::is_some)).await;
        seen.ok()?.ok()?.clone()
    }

    /// Whether it is of use.
    pub fn lives(&self) -> bool {
        self.ended.borrow().is_none()
    }
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Master({}, {:?})", self.name, self.process.0)
    }
}

/// Follows what `ssh` says until it is ready, each step within its deadline.
async fn log_in(
    opening: &Opening<'_>,
    child: &mut Child,
    lines: &mut Lines<ChildStderr>,
    story: &mut Story,
) -> Result<(), (Fault, Retry)> {
    let progress = &opening.progress;
    loop {
        let (_, until) = progress.now();
        // With the clock stopped there is no telling when it goes on.
        let until = until.unwrap_or_else(|| Instant::now() + TYPING_POLL);
        tokio::select! {
            biased;
            Some(line) = lines.next() => if hear(opening, story, &line) {
                return Ok(());
            },
            _ = child.wait() => {
                while let Ok(Some(line)) = timeout(LAST_WORDS, lines.next()).await {
                    story.hear(&line);
                }
                let (mut fault, retry) = story.fault();
                if fault.step == Step::Auth && !opening.settings.can_ask_for_ssh() {
                    name_locked(&mut fault, &opening.to.identity_files);
                }
                return Err((fault, retry));
            }
            () = tokio::time::sleep_until(until.into()) => if progress.is_over() {
                return Err((story.late(), Retry::No));
            },
        }
    }
}

/// Says which of the keys nobody could be asked the passphrase of.
fn name_locked(fault: &mut Fault, files: &[PathBuf]) {
    for file in files.iter().filter(|file| KeyFile::read(file).is_ok_and(|key| key.encrypted)) {
        fault.what.push_str(&format!("; {} needs a passphrase and there is nobody to ask", file.display()));
        fault.hint = Some(reasons::unlock(file));
    }
}

/// Whether this line says that it is ready.
fn hear(opening: &Opening<'_>, story: &mut Story, line: &str) -> bool {
    let progress = &opening.progress;
    let before = story.step();
    let heard = story.hear(line);
    match (before, story.step()) {
        (Step::Auth, _) => {}
        (_, Step::Auth) => progress.begin(Step::Auth, Instant::now() + opening.step),
        (_, step) => progress.enter(step),
    }
    match heard {
        Heard::Passed(step, what) => progress.passed(step, what),
        // It may log in somewhere else first.
        Heard::Proxy => progress.begin(Step::Connect, Instant::now() + opening.to.connect + opening.step),
        Heard::Ready => return true,
        Heard::Nothing => tracing::trace!(host = opening.to.name, "ssh: {line}"),
    }
    false
}

/// Tells a process to end until it has.
async fn see_to_the_end(mut watching: Pin<&mut impl Future<Output = Fault>>, process: &OwnedFd) {
    for _ in 0..TOLD_TO_END {
        if timeout(ENDS_WITHIN, &mut watching).await.is_ok() {
            return;
        }
        tell(process, Signal::TERM);
    }
    tell(process, Signal::KILL);
    watching.await;
}

/// Reads what it says, and waits for its end.
async fn watch_over(mut child: Child, mut lines: Lines<ChildStderr>, mut story: Story) -> Fault {
    let mut speaks = true;
    loop {
        tokio::select! {
            line = lines.next(), if speaks => match line {
                Some(line) => drop(story.hear(&line)),
                None => speaks = false,
            },
            _ = child.wait() => break,
        }
    }
    while let Ok(Some(line)) = timeout(LAST_WORDS, lines.next()).await {
        story.hear(&line);
    }
    story.end()
}

/// This machine cannot start it.
pub(in super::super) fn cannot_start(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => Fault::failed(Step::Connect, "there is no program `ssh` on this machine")
            .hint("install OpenSSH's client (openssh-client), or leave out --ssh system and `client: system`"),
        _ => here(error),
    }
}

/// This machine lacks something else that it takes.
fn here(error: &io::Error) -> Fault {
    Fault::failed(Step::Connect, format!("ssh cannot be started: {error}"))
        .hint("too many files or processes? see: ulimit -a; fewer at once: --parallel")
}

/// The kernel ends the child when the thread that started it does, so that none is left of a control that was killed. The
/// runtime of control has one thread, and that ends with the process.
fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let in_child = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        // The parent may have died before the line above.
        match rustix::process::getppid() {
            Some(now) if now == parent => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    // SAFETY: between fork and exec the closure only makes system calls; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(in_child) };
}
