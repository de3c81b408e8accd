//! This machine: the agent's socket is opened directly, and nothing needs root.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};

use super::command::{Ended, Piece, Shell, Source};
use super::error::{ReachError, Step};
use super::exam::{Answer, Exam, Sockets};
use super::fault::{Fault, Reached};
use super::host::{Binary, ExecOutput, Ground, Host, Presence, Session, hash_of};
use super::presence::{self, Settled, Site};
use super::probe::{self, Place, Probe};
use super::settings::{Deadlines, Settings};
use crate::api::paths::ClusterDir;
use crate::layout;

/// How long an agent may take until it listens.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long a look around may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// A host of the layout that is this machine.
#[derive(Clone)]
pub(super) struct LocalHost {
    name: String,
    place: Place,
    settings: Arc<Settings>,
}

impl LocalHost {
    pub(super) fn new(layout: &layout::Layout, host: &layout::Host, settings: &Arc<Settings>) -> LocalHost {
        let base = layout.base_dir.as_ref().map(|base| base.to_string_lossy().into_owned());
        let place = Place { base, cluster: layout.name.clone() };
        LocalHost { name: host.name.clone(), place, settings: settings.clone() }
    }

    fn dir(&self) -> ClusterDir {
        self.place.dir_at(rustix::process::geteuid().is_root(), &self.settings.home)
    }

    fn reached(&self) -> Reached {
        Reached { host: self.name.clone(), address: self.place(), port: 0, since: Instant::now() }
    }
}

impl Host for LocalHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> String {
        "this machine".to_owned()
    }

    fn open(&self, presence: Presence, deadlines: Deadlines) -> BoxFuture<'_, Result<Session, ReachError>> {
        Box::pin(async move {
            let reached = self.reached();
            let settled = presence::settle(self, &presence, deadlines).await;
            let Settled { dir, agent, status } = settled.map_err(|fault| reached.error(fault))?;
            let agent = self.settings.sign(agent);
            Ok(Session { host: self.name.clone(), dir, agent, status, ground: Arc::new(self.clone()) })
        })
    }

    fn examine<'a>(&'a self, script: &'a str, deadlines: Deadlines) -> BoxFuture<'a, Exam> {
        Box::pin(async move {
            let reached = self.reached();
            let answer = self.ask(script, deadlines.step).await.map_err(|fault| reached.error(fault));
            Exam { settings: Vec::new(), way: Vec::new(), answer }
        })
    }

    fn log_in_early(self: Arc<Self>, _: Arc<Semaphore>) {}

    fn log_in(&self, _: Deadlines) -> BoxFuture<'_, Result<Shell, ReachError>> {
        Box::pin(async { Ok(Shell { ground: Arc::new(self.clone()) }) })
    }
}

impl LocalHost {
    async fn ask(&self, script: &str, deadline: Duration) -> Result<Answer, Fault> {
        let probe = self.probe(None).await?;
        let script = probe::with_magic(&format!("dir={}\n{script}", probe::quote(&probe.dir)));
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(String::from_utf8_lossy(&script).as_ref()).env("HOME", &self.settings.home);
        let asked = SystemTime::now();
        let mut output = run(command, deadline).await.map_err(|e| refused(Step::Channel, "/bin/sh", &e))?;
        let answered = SystemTime::now();
        output.stdout = probe::after_magic(&output.stdout).unwrap_or_default().to_vec();
        let program = probe::check_program(&probe, Binary::own_path()).await.map_err(|fault| fault.info());
        Ok(Answer { output, asked, answered, program, sockets: Sockets::NotNeeded })
    }
}

impl Site for LocalHost {
    fn known_dir(&self) -> Option<ClusterDir> {
        Some(self.dir())
    }

    fn probe<'a>(&'a self, hash: Option<&'a str>) -> BoxFuture<'a, Result<Probe, Fault>> {
        Box::pin(async move {
            let script = probe::with_magic(&probe::script(&self.place, hash));
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(String::from_utf8_lossy(&script).as_ref()).env("HOME", &self.settings.home);
            let output = run(command, PROBE_DEADLINE).await.map_err(|e| refused(Step::Channel, "/bin/sh", &e))?;
            let told = probe::after_magic(&output.stdout);
            told.map(probe::parse).ok_or_else(|| Fault::failed(Step::Channel, "/bin/sh gave no answer"))
        })
    }

    fn way<'a>(&'a self, dir: &'a ClusterDir, _: Option<&'a Path>) -> BoxFuture<'a, Result<PathBuf, Fault>> {
        Box::pin(async move {
            let socket = dir.agent_socket();
            match UnixStream::connect(&socket) {
                Ok(_) => Ok(socket),
                Err(error) => Err(refused(Step::Agent, &socket.display().to_string(), &error)),
            }
        })
    }

    fn install<'a>(
        &'a self,
        binary: &'a Binary,
        _: &'a Probe,
        dir: &'a ClusterDir,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        let (binary, dir) = (binary.clone(), dir.clone());
        Box::pin(async move {
            let target = dir.binary(&binary.hash);
            let copied =
                tokio::task::spawn_blocking(move || copy_program(&binary, &dir)).await.map_err(io::Error::other);
            copied.and_then(|done| done).map_err(|e| refused(Step::Upload, &target.display().to_string(), &e))
        })
    }

    fn start<'a>(
        &'a self,
        dir: &'a ClusterDir,
        program: &'a Path,
        presence: &'a Presence,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let words = presence::start_words(dir, program, presence);
            let mut command = Command::new(program);
            command.args(&words[1..]);
            let name = program.display().to_string();
            let output = run(command, START_DEADLINE).await.map_err(|error| refused(Step::Agent, &name, &error))?;
            if output.success() { Ok(()) } else { Err(presence::not_started(dir, &output)) }
        })
    }

    fn lacks_program(&self, dir: &ClusterDir, binary: &Binary) -> bool {
        !dir.binary(&binary.hash).is_file()
    }
}

impl Ground for LocalHost {
    fn exec<'a>(&'a self, argv: &'a [String], deadline: Duration) -> BoxFuture<'a, Result<ExecOutput, ReachError>> {
        Box::pin(async move {
            let reached = self.reached();
            let Some((program, arguments)) = argv.split_first() else {
                return Err(reached.error(Fault::failed(Step::Channel, "no command was given")));
            };
            let mut command = Command::new(program);
            command.args(arguments);
            run(command, deadline).await.map_err(|error| reached.error(refused(Step::Channel, program, &error)))
        })
    }

    fn run<'a>(
        &'a self,
        argv: &'a [String],
        deadline: Duration,
        said: mpsc::Sender<Piece>,
    ) -> BoxFuture<'a, Result<Ended, ReachError>> {
        Box::pin(async move {
            let reached = self.reached();
            let Some((program, arguments)) = argv.split_first() else {
                return Err(reached.error(Fault::failed(Step::Channel, "no command was given")));
            };
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&self.settings.home);
            let done = run_heard(command, deadline, said).await;
            done.map_err(|error| reached.error(refused(Step::Channel, program, &error)))
        })
    }

    fn broken(&self) -> Option<ReachError> {
        None
    }
}

/// Runs a command to its end or its deadline; then it is killed.
async fn run(mut command: Command, deadline: Duration) -> io::Result<ExecOutput> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let ((stdout, cut_out), (stderr, cut_err)) = tokio::try_join!(collect(stdout), collect(stderr))?;
        let status = child.wait().await?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(signal_name);
        Ok(ExecOutput { status: status.code(), signal, stdout, stderr, truncated: cut_out || cut_err })
    };
    match tokio::time::timeout(deadline, work).await {
        Ok(done) => done,
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no end within {:.1} s", deadline.as_secs_f64())))
        }
    }
}

/// The same, with what it says handed on as it comes; at the deadline its process group is ended.
async fn run_heard(mut command: Command, deadline: Duration, said: mpsc::Sender<Piece>) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
    let mut child = command.spawn()?;
    let mut group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        // The child is awaited last: until then its number is nobody else's.
        let (out, err) = (forward(stdout, Source::Stdout, &said), forward(stderr, Source::Stderr, &said));
        futures_util::try_join!(out, err)?;
        child.wait().await
    };
    let Ok(ended) = tokio::time::timeout(deadline, work).await else {
        group.end();
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no end within {:.1} s", deadline.as_secs_f64())));
    };
    group.leave();
    let status = ended?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(signal_name);
    Ok(Ended { status: status.code(), signal })
}

/// The process group of a command; ended with the value, unless it was left before.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Group {
        Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn leave(&mut self) {
        self.0 = None;
    }

    fn end(&mut self) {
        if let Some(leader) = self.0.take() {
            // It may have ended meanwhile.
            let _ = kill_process_group(leader, Signal::TERM);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hands on what comes until the end; whoever leaves early leaves the rest unheard.
async fn forward(stream: Option<impl AsyncRead + Unpin>, source: Source, said: &mpsc::Sender<Piece>) -> io::Result<()> {
    let Some(mut stream) = stream else { return Ok(()) };
    loop {
        let mut bytes = vec![0; 32 << 10];
        let count = stream.read(&mut bytes).await?;
        bytes.truncate(count);
        if count == 0 || said.send(Piece { source, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

/// A signal as SSH names it (RFC 4254, section 6.10), else its number.
fn signal_name(number: i32) -> String {
    const NAMES: [(i32, &str); 11] = [
        (libc::SIGABRT, "ABRT"),
        (libc::SIGALRM, "ALRM"),
        (libc::SIGFPE, "FPE"),
        (libc::SIGHUP, "HUP"),
        (libc::SIGILL, "ILL"),
        (libc::SIGINT, "INT"),
        (libc::SIGKILL, "KILL"),
        (libc::SIGPIPE, "PIPE"),
        (libc::SIGQUIT, "QUIT"),
        (libc::SIGSEGV, "SEGV"),
        (libc::SIGTERM, "TERM"),
    ];
    let known = NAMES.iter().find(|(value, _)| *value == number);
    known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The first [`ExecOutput::LIMIT`] bytes of a stream that is read to its end, and whether there were more.
async fn collect(stream: Option<impl AsyncRead + Unpin>) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok((kept, false)) };
    (&mut stream).take(ExecOutput::LIMIT as u64).read_to_end(&mut kept).await?;
    let more = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok((kept, more > 0))
}

/// Copies the program into `bin/` under a name that tells its content; on disk before the name exists.
fn copy_program(binary: &Binary, dir: &ClusterDir) -> io::Result<()> {
    let target = dir.binary(&binary.hash);
    let bin = target.parent().expect("a program lies in bin/");
    if let Some(base) = dir.path().parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(base)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(bin)?;
    let temporary = tempfile::Builder::new().prefix(&format!(".upload-{}-", binary.hash)).tempfile_in(bin)?;
    io::copy(&mut File::open(&binary.path)?, &mut temporary.as_file())?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
    temporary.as_file().sync_all()?;
    if hash_of(temporary.path())? != binary.hash {
        return Err(io::Error::other(format!("{} changed while it was copied", binary.path.display())));
    }
    // `persist` renames; a file that is being written must not be executed, so it is closed first.
    let temporary = temporary.into_temp_path();
    temporary.persist(&target).map_err(|error| error.error)?;
    File::open(bin)?.sync_all()
}

fn refused(step: Step, what: &str, error: &io::Error) -> Fault {
    let text = format!("{what}: {error}");
    match error.kind() {
        io::ErrorKind::TimedOut => Fault::timed_out(step, text),
        _ => Fault::failed(step, text),
    }
}
