//! Commands and streams through a master: each an `ssh` process of its own.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{timeout, timeout_at};

use super::super::command::{Piece, Source};
use super::super::error::Step;
use super::super::fault::Fault;
use super::super::host::ExecOutput;
use super::super::link::{Input, Link, NOISE_LIMIT, Target};
use super::super::probe;
use super::gates::{Lost, Way};
use super::master::{self, Master};
use crate::agent::CONNECT_MAGIC;

/// Streams at once; more wait in the listener's backlog. With the commands they stay below sshd's `MaxSessions 10`.
const STREAMS: usize = 7;

/// Commands at once; more wait for their turn.
const COMMANDS: usize = 2;

/// What `ssh` ends with when it is itself that failed (ssh(1)), and a command may as well.
const FAILED: i32 = 255;

/// How long the master's end is waited for after a process of it failed.
const MASTER_ENDS: Duration = Duration::from_millis(200);

/// What of a complaint is kept.
const COMPLAINT: usize = 1 << 10;

/// A session through the installed `ssh`.
pub(in super::super) struct System {
    tunnel: Mutex<Option<Listening>>,
    commands: Semaphore,
    streams: Arc<Semaphore>,
    refusal: Arc<Mutex<Option<String>>>,
    master: Arc<Master>,
}

/// The task that takes the connections of a tunnel.
struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl System {
    /// Logs in on the last machine of the way.
    pub async fn open(way: &Way) -> Result<System, Lost> {
        Ok(System {
            tunnel: Mutex::default(),
            commands: Semaphore::new(COMMANDS),
            streams: Arc::new(Semaphore::new(STREAMS)),
            refusal: Arc::default(),
            master: Arc::new(way.open().await?),
        })
    }

    async fn run(
        &self,
        command: &str,
        input: Input,
        said: Option<mpsc::Sender<Piece>>,
        until: Instant,
    ) -> Result<ExecOutput, Fault> {
        let late = |_| Fault::timed_out(Step::Channel, "no channel became free within the deadline");
        let _place = timeout_at(until.into(), self.commands.acquire()).await.map_err(late)?;
        if let Some(fault) = self.master.ended() {
            return Err(fault);
        }
        let spawned = self.master.client(command).spawn();
        let mut child = spawned.map_err(|error| Fault { step: Step::Channel, ..master::cannot_start(&error) })?;
        let late = |_| Fault::timed_out(Step::Channel, "the command did not end within its deadline");
        let output = timeout_at(until.into(), talk(&mut child, input, said)).await.map_err(late)?;
        let output = output.map_err(|error| Fault::failed(Step::Channel, format!("ssh: {error}")))?;
        if output.status == Some(FAILED) {
            self.why_failed(&output).await.map_or(Ok(()), Err)?;
        }
        Ok(output)
    }

    /// Why `ssh` itself failed; none where it was the command.
    async fn why_failed(&self, output: &ExecOutput) -> Option<Fault> {
        if let Some(fault) = self.master.ends_within(MASTER_ENDS).await {
            return Some(fault);
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let refused = text.lines().find_map(|line| line.split_once("session request failed: "));
        refused.map(|(_, why)| {
            Fault::failed(Step::Channel, format!("no further session can be opened: {}", why.trim()))
                .hint("see MaxSessions in its sshd_config")
        })
    }

    async fn tunnel_to(&self, command: String, until: Instant) -> Result<PathBuf, Fault> {
        let failed = |what: String| Fault::failed(Step::Channel, what);
        let joint = Joint {
            master: self.master.clone(),
            command,
            streams: self.streams.clone(),
            refusal: self.refusal.clone(),
        };
        // The first one is opened at once to see that it can be.
        let late = |_| Fault::timed_out(Step::Channel, "the server does not answer the request for a channel");
        let spare = timeout_at(until.into(), joint.open()).await.map_err(late)?;
        let spare = match spare {
            Ok(spare) => spare,
            Err(what) => return Err(self.master.ends_within(MASTER_ENDS).await.unwrap_or_else(|| failed(what))),
        };
        let no_socket = |error: io::Error| failed(format!("no socket for the tunnel can be made: {error}"));
        let path = self.master.folder().join("agent.sock");
        // Of the tunnel before, which ends.
        let mut tunnel = self.tunnel.lock().unwrap_or_else(PoisonError::into_inner);
        *tunnel = None;
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(no_socket)?;
        *tunnel = Some(Listening(tokio::spawn(joint.serve(listener, spare)).abort_handle()));
        Ok(path)
    }
}

impl Link for System {
    fn exec(&self, command: String, input: Input, until: Instant) -> BoxFuture<'_, Result<ExecOutput, Fault>> {
        // The status of the command, also when a signal ends it: `ssh` passes none on.
        Box::pin(async move { self.run(&kept_status(&command), input, None, until).await })
    }

    fn exec_heard(
        &self,
        command: String,
        input: Vec<u8>,
        said: mpsc::Sender<Piece>,
        until: Instant,
    ) -> BoxFuture<'_, Result<ExecOutput, Fault>> {
        Box::pin(async move { self.run(&kept_status(&command), input.into(), Some(said), until).await })
    }

    fn heard(&self) {}

    fn listen(&self, target: Target, until: Instant) -> BoxFuture<'_, Result<PathBuf, Fault>> {
        Box::pin(async move {
            match target {
                Target::Command(command) => self.tunnel_to(command, until).await,
                // Through a master `ssh` does not tell whether it came about.
                Target::Socket(_) => Err(Fault::failed(Step::Channel, "a process is started for it")),
            }
        })
    }

    fn broken(&self) -> Option<Fault> {
        self.master.ended()
    }

    fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The command under a shell that turns its end into a status (128 and the signal's number), where the login shell would
/// become the command.
fn kept_status(command: &str) -> String {
    format!("/bin/sh -c {}", probe::quote(&format!("{command}; exit $?")))
}

/// Talks with a process to its end.
async fn talk(child: &mut Child, input: Input, said: Option<mpsc::Sender<Piece>>) -> io::Result<ExecOutput> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = async {
        // A command that ends without reading it all: its output and status tell.
        let _ = feed(stdin, input).await;
        Ok(())
    };
    let out = take(stdout, Source::Stdout, said.as_ref());
    let err = take(stderr, Source::Stderr, said.as_ref());
    let ((), (stdout, cut_out), (stderr, cut_err)) = futures_util::try_join!(feeding, out, err)?;
    let status = child.wait().await?;
    Ok(ExecOutput { status: status.code(), signal: None, stdout, stderr, truncated: cut_out || cut_err })
}

async fn feed(stdin: Option<ChildStdin>, input: Input) -> io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    stdin.write_all(&input.bytes).await?;
    if let Some(mut rest) = input.rest {
        let mut piece = Vec::new();
        while rest.piece(&mut piece).is_ok() && !piece.is_empty() {
            stdin.write_all(&piece).await?;
            rest.note_sent(piece.len());
        }
    }
    stdin.shutdown().await
}

/// Reads a stream to its end: handed on where somebody hears it, else its beginning is kept.
async fn take(
    stream: Option<impl AsyncRead + Unpin>,
    source: Source,
    said: Option<&mpsc::Sender<Piece>>,
) -> io::Result<(Vec<u8>, bool)> {
    let (mut kept, mut cut) = (Vec::new(), false);
    let Some(mut stream) = stream else { return Ok((kept, cut)) };
    loop {
        let mut bytes = vec![0; 32 << 10];
        let count = stream.read(&mut bytes).await?;
        bytes.truncate(count);
        match said {
            _ if count == 0 => return Ok((kept, cut)),
            // Whoever leaves early leaves the rest unheard.
            Some(said) => drop(said.send(Piece { source, bytes }).await),
            None => {
                let room = ExecOutput::LIMIT - kept.len();
                kept.extend_from_slice(&bytes[..count.min(room)]);
                cut |= count > room;
            }
        }
    }
}

/// Joins the connections of a local socket to a command on the host.
#[derive(Clone)]
struct Joint {
    master: Arc<Master>,
    command: String,
    streams: Arc<Semaphore>,
    refusal: Arc<Mutex<Option<String>>>,
}

/// A command that is joined to the agent over there.
struct Joined {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// What came after [`CONNECT_MAGIC`] already.
    first: Vec<u8>,
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl Joint {
    /// Takes connections until aborted; with the task its streams end.
    async fn serve(self, listener: UnixListener, spare: Joined) {
        let mut spare = Some(spare);
        let mut streams = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = streams.join_next() => continue,
            };
            let Ok((local, _)) = accepted else { return };
            let (joint, ready) = (self.clone(), spare.take());
            streams.spawn(async move {
                let joined = match ready {
                    Some(joined) => Ok(joined),
                    None => joint.open().await,
                };
                match joined {
                    // How it ended the client sees.
                    Ok(joined) => drop(joined.carry(local).await),
                    // Dropping the local end is what the client sees.
                    Err(what) => *joint.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(what),
                }
            });
        }
    }

    /// Starts the command and waits until it is joined to the agent; else what it says.
    async fn open(&self) -> Result<Joined, String> {
        let place = self.streams.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        let mut child = self.master.client(&self.command).spawn().map_err(|error| error.to_string())?;
        let ends = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(mut output), Some(mut stderr)) = ends else { return Err("ssh has no ends".to_owned()) };
        let (mut heard, mut complaint) = (Vec::new(), Vec::new());
        let magic = CONNECT_MAGIC.as_bytes();
        let (mut piece, mut words) = ([0; 16 << 10], [0; 1 << 10]);
        let mut complains = true;
        let at = loop {
            if let Some(at) = heard.windows(magic.len()).position(|window| window == magic) {
                break Some(at + magic.len());
            }
            tokio::select! {
                read = output.read(&mut piece) => match read {
                    Ok(count) if count > 0 && heard.len() <= NOISE_LIMIT => heard.extend_from_slice(&piece[..count]),
                    _ => break None,
                },
                read = stderr.read(&mut words), if complains => match read {
                    Ok(count) if count > 0 => keep(&mut complaint, &words[..count]),
                    _ => complains = false,
                },
            }
        };
        let Some(at) = at else {
            while let Ok(Ok(count @ 1..)) = timeout(MASTER_ENDS, stderr.read(&mut words)).await {
                keep(&mut complaint, &words[..count]);
            }
            heard.truncate(COMPLAINT);
            let said = if complaint.is_empty() { heard } else { complaint };
            return Err(String::from_utf8_lossy(&said).trim().to_owned());
        };
        let first = heard.split_off(at);
        // It has said what matters; what else it says must not hold it up.
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        Ok(Joined { child, input, output, first, _place: place })
    }
}

fn keep(complaint: &mut Vec<u8>, words: &[u8]) {
    let room = COMPLAINT - complaint.len();
    complaint.extend_from_slice(&words[..words.len().min(room)]);
}

impl Joined {
    /// Carries one connection until the other side ends it.
    async fn carry(self, local: UnixStream) -> io::Result<()> {
        let Joined { mut child, input, mut output, first, _place } = self;
        let (mut read, mut write) = local.into_split();
        let up = async move {
            let mut input = input;
            copy(&mut read, &mut input).await?;
            input.shutdown().await?;
            drop(input);
            io::Result::Ok(())
        };
        let down = async {
            write.write_all(&first).await?;
            copy(&mut output, &mut write).await?;
            write.shutdown().await
        };
        let (mut up, mut down) = (pin!(up), pin!(down));
        tokio::select! {
            ended = &mut down => ended?,
            // Answers still come.
            ended = &mut up => { ended?; down.await? }
        }
        child.start_kill()?;
        child.wait().await.map(drop)
    }
}

/// At most 64 KiB under way.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece).await? {
            0 => return Ok(()),
            count => to.write_all(&piece[..count]).await?,
        }
    }
}
