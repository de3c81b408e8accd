//! The thread that owns one SSH session: commands, the tunnel to the agent's socket, jumps, uploads.
//!
//! A blocking read on one channel stalls every other call on its session, so nothing here blocks but `poll`: in each
//! round every channel is moved as far as it goes, and when nothing moves the thread waits for the socket (in the
//! directions that libssh2 asks for), the local ends, the mailbox or the next deadline.
//!
//! What holds:
//! - One channel is being opened at a time: libssh2 keeps the state of an opening in the session.
//! - An operation that would block is repeated with the same buffer until it is through; libssh2 refuses to send
//!   anything else before.
//! - A channel is dropped only when it is closed on both ends, or with the whole session.
//! - Every buffer is bounded; a full one stops the reading that would fill it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use ssh2::{BlockDirections, Channel, Error, Session};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::command::{Piece, Source};
use super::error::Step;
use super::fault::Fault;
use super::host::ExecOutput;
use super::login::{LoggedIn, code};
use super::upload::{self, Upload, Uploaded};
use crate::agent::CONNECT_MAGIC;

/// Requests that may wait for the thread; more wait in their callers.
const MAILBOX: usize = 16;

/// Bytes under way in each direction of a stream, each between a read and a write.
const BUFFER: usize = 64 << 10;

/// Streams at once; more wait in the listener's backlog. `direct-streamlocal` does not count against MaxSessions.
const STREAMS: usize = 64;

/// Channels with a process at once: below sshd's `MaxSessions 10`, with one to spare for SFTP.
const PROCESSES: usize = 8;

/// What may come before [`CONNECT_MAGIC`]: the output of start-up files.
const NOISE_LIMIT: usize = 64 << 10;

/// A jump that takes longer than that may be to a host that swallows packets. Twice the round trip of the farthest networks.
const JUMP_PATIENCE: Duration = Duration::from_millis(600);

/// How long sshd may take to give up a jump that nobody waits for any more; Linux sends SYN for 127 s (tcp(7)).
const JUMP_GIVEN_UP: Duration = Duration::from_secs(150);

/// For requests whose time begins when they are tried.
const LONG: Duration = Duration::from_secs(3600);

/// Silence after which the server is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Silence after which it is taken for gone, while something is awaited from it.
const SILENCE: Duration = Duration::from_secs(45);

/// The way to a session's thread. The thread ends when this is dropped.
pub(super) struct Mailbox {
    requests: Option<mpsc::Sender<Request>>,
    wake: Arc<OwnedFd>,
    shared: Arc<Shared>,
}

/// The thread's end of a [`Mailbox`].
pub(super) struct Inbox {
    requests: mpsc::Receiver<Request>,
    wake: Arc<OwnedFd>,
    shared: Arc<Shared>,
}

/// What the thread leaves for whoever asks.
#[derive(Default)]
struct Shared {
    /// Why the session is over.
    broken: OnceLock<Fault>,
    /// Why the last stream of a tunnel did not come about.
    refusal: Mutex<Option<String>>,
    /// Whether a jump has been waiting for longer than a moment.
    stuck: AtomicBool,
    /// Where the tunnel's socket lies. Here, so that it is removed at once with the mailbox, even when the process ends
    /// before the thread does.
    folder: Mutex<Option<TempDir>>,
}

impl Shared {
    fn set_folder(&self, folder: Option<TempDir>) {
        *self.folder.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = folder;
    }
}

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// What the thread can be asked for.
pub(super) enum Request {
    /// A command with its standard input. Where somebody hears what it says, the answer has only its end.
    Exec {
        command: String,
        input: Vec<u8>,
        said: Option<mpsc::Sender<Piece>>,
        until: Instant,
        reply: Reply<ExecOutput>,
    },
    /// A file to bring over. Blocks the session, so it is for the time before a tunnel is used.
    Upload { upload: Upload, until: Instant, reply: Reply<Uploaded> },
    /// A Unix socket on this machine whose connections go to `target`; the first is opened at once to see that it can be.
    Listen { target: Target, until: Instant, reply: Reply<PathBuf> },
    /// A stream to another machine, from that host. The time for it begins when it is tried.
    Dial { host: String, port: u16, within: Duration, patience: Patience, reply: Reply<Dialled> },
}

/// What came of a jump.
pub(super) enum Dialled {
    /// It is open.
    Stream(UnixStream),
    /// Another jump of this session waits for a host that does not answer; it was not tried.
    Busy,
}

/// How long a jump waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until one of them takes longer than a moment.
    Little,
    /// As long as it takes.
    All,
}

/// The far end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A Unix socket over there.
    Socket(String),
    /// A command whose standard input and output are joined to it, after [`CONNECT_MAGIC`].
    Command(String),
}

/// A mailbox and the thread's end of it.
pub(super) fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = mpsc::channel(MAILBOX);
    let mailbox = Mailbox { requests: Some(sender), wake: wake.clone(), shared: shared.clone() };
    Ok((mailbox, Inbox { requests: receiver, wake, shared }))
}

impl Mailbox {
    /// Asks and waits for the answer; the thread keeps the deadline that the request carries.
    pub async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        let sender = self.requests.as_ref().expect("taken only when dropped");
        if sender.send(request(reply)).await.is_ok() {
            wake(&self.wake);
            if let Ok(answer) = answer.await {
                return answer;
            }
        }
        Err(self.gone())
    }

    /// Why the session is over, when it is.
    pub fn broken(&self) -> Option<Fault> {
        self.shared.broken.get().cloned()
    }

    /// Whether a jump waits for a host that does not answer, so that others would wait as well.
    pub fn is_stuck(&self) -> bool {
        self.shared.stuck.load(Ordering::Relaxed)
    }

    /// Why the last stream of a tunnel did not come about, once.
    pub fn refusal(&self) -> Option<String> {
        self.shared.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }

    /// Tells the thread that there is room again for what a command says.
    pub fn heard(&self) {
        wake(&self.wake);
    }

    fn gone(&self) -> Fault {
        self.broken().unwrap_or_else(|| Fault::failed(Step::Channel, "the SSH session has ended"))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.requests = None;
        self.shared.set_folder(None);
        wake(&self.wake);
    }
}

fn wake(event: &OwnedFd) {
    // Only a counter at its limit refuses, and then the thread is awake.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}

/// Serves requests until the mailbox is dropped or the session breaks.
pub(super) fn serve(logged_in: LoggedIn, inbox: Inbox) {
    let LoggedIn { session, socket } = logged_in;
    session.set_blocking(false);
    session.set_keepalive(true, KEEPALIVE.as_secs() as u32);
    let mut reactor = Reactor {
        session,
        socket,
        inbox,
        opening: None,
        waiting: VecDeque::new(),
        uploads: VecDeque::new(),
        jobs: Vec::new(),
        streams: Vec::new(),
        closing: Vec::new(),
        tunnel: None,
        heard: Instant::now(),
        asked: Instant::now(),
        finished: false,
    };
    if let Err(fault) = reactor.run() {
        // Set before the replies are dropped: whoever waits for one finds the reason.
        let _ = reactor.inbox.shared.broken.set(fault);
    }
    reactor.end();
}

struct Reactor {
    session: Session,
    socket: OwnedFd,
    inbox: Inbox,
    opening: Option<Opening>,
    waiting: VecDeque<Opening>,
    uploads: VecDeque<(Upload, Instant, Reply<Uploaded>)>,
    jobs: Vec<Job>,
    streams: Vec<Stream>,
    closing: Vec<Channel>,
    tunnel: Option<Tunnel>,
    /// When the server last sent anything.
    heard: Instant,
    /// When it was last asked for a sign of life.
    asked: Instant,
    /// The mailbox was dropped.
    finished: bool,
}

/// A listening socket of our own.
struct Tunnel {
    listener: UnixListener,
    target: Target,
    /// The channel that was opened to see that it can be, for the first connection.
    spare: Option<Channel>,
}

/// A channel on its way.
struct Opening {
    purpose: Purpose,
    until: Instant,
    /// When it was first tried.
    began: Instant,
    /// Open, its command not yet under way.
    channel: Option<Channel>,
}

enum Purpose {
    /// Nobody waits for it any more when there is no reply.
    Exec {
        command: String,
        input: Vec<u8>,
        said: Option<mpsc::Sender<Piece>>,
        reply: Option<Reply<ExecOutput>>,
    },
    Listen {
        target: Target,
        reply: Reply<PathBuf>,
    },
    Stream {
        target: Target,
        local: UnixStream,
    },
    /// Nobody waits for it any more when there is no reply.
    Dial {
        host: String,
        port: u16,
        within: Duration,
        patience: Patience,
        reply: Option<Reply<Dialled>>,
    },
}

/// Whether a round moved anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

impl Reactor {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.take_requests();
            if self.finished {
                return Ok(());
            }
            while self.round()? == Moved::Yes {}
            self.expire(Instant::now())?;
            self.wait()?;
        }
    }

    fn take_requests(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.inbox.wake, &mut count);
        loop {
            match self.inbox.requests.try_recv() {
                Ok(Request::Upload { upload, until, reply }) => self.uploads.push_back((upload, until, reply)),
                Ok(Request::Exec { command, input, said, until, reply }) => {
                    self.queue(Purpose::Exec { command, input, said, reply: Some(reply) }, until)
                }
                Ok(Request::Dial { host, port, within, patience, reply }) => {
                    let purpose = Purpose::Dial { host, port, within, patience, reply: Some(reply) };
                    // Whoever is impatient is handed back in time.
                    let until = if patience == Patience::All { within } else { LONG };
                    self.queue(purpose, Instant::now() + until)
                }
                Ok(Request::Listen { target, until, reply }) => self.queue(Purpose::Listen { target, reply }, until),
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.finished = true;
                    return;
                }
            }
        }
    }

    fn queue(&mut self, purpose: Purpose, until: Instant) {
        self.waiting.push_back(Opening { purpose, until, began: Instant::now(), channel: None });
    }

    /// Moves everything as far as it goes without waiting.
    fn round(&mut self) -> Result<Moved, Fault> {
        let mut moved = self.upload()?;
        let mut note = |step: Moved| {
            if step == Moved::Yes {
                moved = Moved::Yes;
            }
        };
        note(self.accept());
        note(self.open()?);
        note(self.pump_jobs()?);
        note(self.pump_streams()?);
        note(self.close()?);
        Ok(moved)
    }

    /// Runs a waiting upload when nothing is half done on the session.
    fn upload(&mut self) -> Result<Moved, Fault> {
        let outbound = matches!(self.session.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
        if self.uploads.is_empty() || self.opening.is_some() || outbound {
            return Ok(Moved::No);
        }
        let Some((upload, until, reply)) = self.uploads.pop_front() else { return Ok(Moved::No) };
        let done = upload::run(&self.session, &self.socket, &upload, until);
        self.session.set_blocking(false);
        self.heard = Instant::now();
        let broken = match &done {
            Err(failed) if failed.session_lost => Some(failed.fault.clone()),
            _ => None,
        };
        // Whoever asked may have left; the file is complete or it is not there, either way.
        let _ = reply.send(done.map_err(|failed| failed.fault));
        broken.map_or(Ok(Moved::Yes), Err)
    }

    /// Takes connections of the tunnel.
    fn accept(&mut self) -> Moved {
        let Some(tunnel) = &mut self.tunnel else { return Moved::No };
        if self.streams.len() + self.waiting.len() >= STREAMS {
            return Moved::No;
        }
        let Ok((local, _)) = tunnel.listener.accept() else { return Moved::No };
        if local.set_nonblocking(true).is_err() {
            return Moved::Yes;
        }
        match tunnel.spare.take() {
            Some(channel) => self.streams.push(Stream::new(channel, local, None)),
            None => {
                let target = tunnel.target.clone();
                // The client has a deadline of its own; this one is for a server that answers nothing.
                self.queue(Purpose::Stream { target, local }, Instant::now() + SILENCE);
            }
        }
        Moved::Yes
    }

    fn open(&mut self) -> Result<Moved, Fault> {
        if self.opening.is_none() {
            let has_place = self.processes() < PROCESSES;
            let ready = self.waiting.iter().position(|next| has_place || !next.purpose.takes_process());
            self.opening = ready.and_then(|index| self.waiting.remove(index)).map(Opening::begun);
        }
        let Some(mut opening) = self.opening.take() else { return Ok(Moved::No) };
        let advanced = opening.advance(&self.session);
        if !matches!(&advanced, Err(error) if would_block(error)) {
            self.inbox.shared.stuck.store(false, Ordering::Relaxed);
        }
        match advanced {
            Ok(channel) => {
                self.opened(opening.purpose, opening.until, channel);
                Ok(Moved::Yes)
            }
            Err(error) if would_block(&error) => {
                self.opening = Some(opening);
                Ok(Moved::No)
            }
            Err(error) if is_fatal(&error) => Err(lost(&error)),
            Err(error) => {
                self.closing.extend(opening.channel.take());
                self.refused(opening.purpose, &error);
                Ok(Moved::Yes)
            }
        }
    }

    fn processes(&self) -> usize {
        self.jobs.len() + self.closing.len() + self.streams.iter().filter(|stream| stream.has_process).count()
    }

    fn opened(&mut self, purpose: Purpose, until: Instant, channel: Channel) {
        match purpose {
            Purpose::Exec { input, said, reply: Some(reply), .. } => {
                self.jobs.push(Job { said, ..Job::new(channel, input, until, reply) })
            }
            Purpose::Exec { reply: None, .. } => self.closing.push(channel),
            Purpose::Stream { target, local } => {
                let magic = matches!(target, Target::Command(_)).then(Vec::new);
                self.streams.push(Stream::new(channel, local, magic));
            }
            Purpose::Dial { reply: None, .. } => self.closing.push(channel),
            Purpose::Dial { reply: Some(reply), .. } => match socket_pair() {
                Ok((near, far)) => {
                    if reply.send(Ok(Dialled::Stream(near))).is_ok() {
                        self.streams.push(Stream::new(channel, far, None));
                    } else {
                        self.closing.push(channel);
                    }
                }
                Err(error) => {
                    self.closing.push(channel);
                    let _ = reply.send(Err(Fault::failed(Step::Channel, error.to_string())));
                }
            },
            Purpose::Listen { target, reply } => {
                let spare = match &target {
                    Target::Socket(_) => Some(channel),
                    Target::Command(_) => {
                        self.closing.push(channel);
                        None
                    }
                };
                self.listen(target, spare, reply);
            }
        }
    }

    fn listen(&mut self, target: Target, spare: Option<Channel>, reply: Reply<PathBuf>) {
        match Tunnel::new(target, spare) {
            Ok((tunnel, folder, path)) => {
                self.inbox.shared.set_folder(Some(folder));
                let before = self.tunnel.replace(tunnel);
                self.closing.extend(before.and_then(|tunnel| tunnel.spare));
                let _ = reply.send(Ok(path));
            }
            Err(error) => {
                let what = format!("no socket for the tunnel can be made: {error}");
                let _ = reply.send(Err(Fault::failed(Step::Channel, what)));
            }
        }
    }

    fn refused(&mut self, purpose: Purpose, error: &Error) {
        let fault = Fault::failed(Step::Channel, error.message());
        match purpose {
            Purpose::Exec { reply, .. } => drop(reply.map(|reply| reply.send(Err(fault)))),
            Purpose::Listen { reply, .. } => drop(reply.send(Err(fault))),
            Purpose::Dial { reply, .. } => {
                let what = format!("the jump host does not reach it: {}", error.message());
                let fault = Fault::unreachable(Step::Connect, what)
                    .hint("is it up, and does sshd of the jump host allow it (AllowTcpForwarding, PermitOpen)?");
                drop(reply.map(|reply| reply.send(Err(fault))));
            }
            // Dropping the local end is what the client sees.
            Purpose::Stream { .. } => self.note_refusal(error.message().to_owned()),
        }
    }

    fn note_refusal(&self, what: String) {
        *self.inbox.shared.refusal.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(what);
    }

    fn pump_jobs(&mut self) -> Result<Moved, Fault> {
        let mut moved = Moved::No;
        for index in (0..self.jobs.len()).rev() {
            let (step, state) = self.jobs[index].pump(&self.session)?;
            if step == Moved::Yes {
                moved = Moved::Yes;
            }
            if state == State::Done {
                let Job { channel, output, reply, .. } = self.jobs.swap_remove(index);
                self.closing.push(channel);
                let _ = reply.send(Ok(output));
            }
        }
        Ok(moved)
    }

    fn pump_streams(&mut self) -> Result<Moved, Fault> {
        let mut moved = Moved::No;
        for index in (0..self.streams.len()).rev() {
            let (step, state) = self.streams[index].pump(&self.session)?;
            if step == Moved::Yes {
                moved = Moved::Yes;
            }
            if state == State::Done {
                let stream = self.streams.swap_remove(index);
                if let Some(noise) = &stream.magic {
                    let said = if stream.complaint.is_empty() { noise } else { &stream.complaint };
                    self.note_refusal(String::from_utf8_lossy(said).trim().to_owned());
                }
                self.closing.push(stream.channel);
            }
        }
        Ok(moved)
    }

    fn close(&mut self) -> Result<Moved, Fault> {
        let mut moved = Moved::No;
        for index in (0..self.closing.len()).rev() {
            match self.closing[index].close() {
                Err(error) if would_block(&error) => {}
                Err(error) if is_fatal(&error) => return Err(lost(&error)),
                _ => {
                    self.closing.swap_remove(index);
                    moved = Moved::Yes;
                }
            }
        }
        Ok(moved)
    }

    fn expire(&mut self, now: Instant) -> Result<(), Fault> {
        for index in (0..self.jobs.len()).rev().filter(|&index| self.jobs[index].until <= now).collect::<Vec<_>>() {
            let Job { channel, reply, .. } = self.jobs.swap_remove(index);
            self.closing.push(channel);
            let _ = reply.send(Err(Fault::timed_out(Step::Channel, "the command did not end within its deadline")));
        }
        for index in (0..self.waiting.len()).rev().filter(|&index| self.waiting[index].until <= now).collect::<Vec<_>>()
        {
            if let Some(late) = self.waiting.remove(index) {
                late.purpose.give_up();
            }
        }
        while let Some(late) = self.uploads.iter().position(|(_, until, _)| *until <= now) {
            if let Some((.., reply)) = self.uploads.remove(late) {
                let _ = reply.send(Err(Fault::timed_out(Step::Upload, "the session was busy until the deadline")));
            }
        }
        self.hand_back_jumps(now);
        if let Some(opening) = self.opening.as_mut().filter(|opening| opening.until <= now) {
            let late = || Fault::timed_out(Step::Channel, "the server does not answer the request for a channel");
            // libssh2 cannot leave an opening half way. A command's caller may have had little patience, and a jump waits
            // for another host; whoever waits longer tells whether the session is of no more use.
            if !opening.purpose.give_up_first(late()) {
                return Err(late());
            }
            let jump = matches!(opening.purpose, Purpose::Dial { .. });
            opening.until = now + if jump { JUMP_GIVEN_UP } else { SILENCE };
        }
        if self.awaits_server() && now.duration_since(self.heard) >= SILENCE {
            let what = format!("no sign of life for {} s", SILENCE.as_secs());
            return Err(Fault::timed_out(Step::Channel, what));
        }
        Ok(())
    }

    /// Hands waiting jumps back when the one before them takes too long.
    fn hand_back_jumps(&mut self, now: Instant) {
        let Some(opening) = &self.opening else { return };
        if !matches!(opening.purpose, Purpose::Dial { .. }) || now < opening.began + JUMP_PATIENCE {
            return;
        }
        self.inbox.shared.stuck.store(true, Ordering::Relaxed);
        let (back, kept) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.purpose.is_impatient_jump());
        self.waiting = kept;
        let back: VecDeque<Opening> = back;
        for opening in back {
            if let Purpose::Dial { reply: Some(reply), .. } = opening.purpose {
                let _ = reply.send(Ok(Dialled::Busy));
            }
        }
    }

    /// Whether anything can come from the server that somebody would read.
    fn awaits_server(&self) -> bool {
        self.opening.is_some()
            || self.jobs.iter().any(Job::has_room)
            || !self.closing.is_empty()
            || self.streams.iter().any(|stream| stream.down.has_room())
    }

    fn wait(&mut self) -> Result<(), Fault> {
        let awaits = self.awaits_server();
        let mut server = PollFlags::RDHUP;
        // Without a reader the readiness of the socket would never end.
        server.set(PollFlags::IN, awaits);
        let outbound = matches!(self.session.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
        server.set(PollFlags::OUT, outbound);
        let mut polled = vec![PollFd::new(&self.inbox.wake, PollFlags::IN), PollFd::new(&self.socket, server)];
        if let Some(tunnel) = &self.tunnel
            && self.streams.len() + self.waiting.len() < STREAMS
        {
            polled.push(PollFd::new(&tunnel.listener, PollFlags::IN));
        }
        polled.extend(self.streams.iter().map(|stream| PollFd::new(&stream.local, stream.wanted())));
        let timeout = self.next_deadline(awaits).map(|at| timespec(at.saturating_duration_since(Instant::now())));
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Fault::failed(Step::Channel, format!("waiting: {error}"))),
        }
        let seen = polled[1].revents();
        drop(polled);
        if seen.contains(PollFlags::IN) {
            self.heard = Instant::now();
        }
        let ended = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL | PollFlags::RDHUP;
        if seen.intersects(ended) && !awaits {
            return Err(Fault::unreachable(Step::Channel, "the server closed the connection"));
        }
        if awaits && self.heard.max(self.asked).elapsed() >= KEEPALIVE {
            self.keep_alive();
        }
        Ok(())
    }

    fn next_deadline(&self, awaits: bool) -> Option<Instant> {
        let jobs = self.jobs.iter().map(|job| job.until);
        let openings = self.waiting.iter().chain(&self.opening).map(|opening| opening.until);
        let life = awaits.then(|| self.heard.max(self.asked) + KEEPALIVE);
        let uploads = self.uploads.iter().map(|(_, until, _)| *until);
        let is_stuck = self.inbox.shared.stuck.load(Ordering::Relaxed);
        let jump = self.opening.as_ref().filter(|opening| matches!(opening.purpose, Purpose::Dial { .. }));
        let patience = jump.map(|opening| opening.began + JUMP_PATIENCE).filter(|_| !is_stuck || self.has_impatient());
        jobs.chain(openings).chain(patience).chain(uploads).chain(life).min()
    }

    fn has_impatient(&self) -> bool {
        self.waiting.iter().any(|opening| opening.purpose.is_impatient_jump())
    }

    /// Asks the server for an answer that means nothing. Only into a socket with room: a keepalive that was sent in part
    /// can never be completed, because libssh2 builds it on its stack.
    fn keep_alive(&mut self) {
        self.asked = Instant::now();
        let mut socket = [PollFd::new(&self.socket, PollFlags::OUT)];
        let has_room = poll(&mut socket, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready == 1);
        if has_room && socket[0].revents() == PollFlags::OUT {
            // If it fails, the next operation says so.
            let _ = self.session.keepalive_send();
        }
    }

    /// Ends the session without waiting for anything: channels are freed only after the socket is shut, so that libssh2
    /// has nobody to wait for.
    fn end(self) {
        self.inbox.shared.set_folder(None);
        let _ = self.session.disconnect(None, "done", None);
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl Purpose {
    /// Whether its channel counts against sshd's MaxSessions.
    fn takes_process(&self) -> bool {
        match self {
            Purpose::Exec { .. } => true,
            Purpose::Stream { target, .. } => matches!(target, Target::Command(_)),
            Purpose::Listen { .. } | Purpose::Dial { .. } => false,
        }
    }

    fn is_impatient_jump(&self) -> bool {
        matches!(self, Purpose::Dial { patience: Patience::Little, .. })
    }

    /// Tells whoever waits that it is late; false where nobody waits any more, or nothing but the session can be late.
    fn give_up_first(&mut self, late: Fault) -> bool {
        match self {
            Purpose::Exec { reply, .. } => reply.take().is_some_and(|reply| {
                let _ = reply.send(Err(late));
                true
            }),
            Purpose::Dial { reply, .. } => reply.take().is_some_and(|reply| {
                let fault = Fault::timed_out(Step::Connect, "the jump host gets no answer from it");
                let _ = reply.send(Err(fault.hint("is the host up, and does a firewall drop the port?")));
                true
            }),
            Purpose::Listen { .. } | Purpose::Stream { .. } => false,
        }
    }

    fn give_up(self) {
        let fault = Fault::timed_out(Step::Channel, "no channel became free within the deadline");
        match self {
            Purpose::Exec { reply, .. } => drop(reply.map(|reply| reply.send(Err(fault)))),
            Purpose::Listen { reply, .. } => drop(reply.send(Err(fault))),
            Purpose::Dial { reply, .. } => drop(reply.map(|reply| reply.send(Err(fault)))),
            Purpose::Stream { local, .. } => drop(local),
        }
    }
}

impl Opening {
    /// Its turn has come.
    fn begun(mut self) -> Opening {
        self.began = Instant::now();
        if let Purpose::Dial { within, .. } = self.purpose {
            self.until = self.began + within;
        }
        self
    }

    /// Goes on with opening the channel, and with starting its command where it has one.
    fn advance(&mut self, session: &Session) -> Result<Channel, Error> {
        let command = match &self.purpose {
            Purpose::Dial { host, port, .. } => return session.channel_direct_tcpip(host, *port, None),
            Purpose::Listen { target: Target::Socket(path), .. }
            | Purpose::Stream { target: Target::Socket(path), .. } => {
                return session.channel_direct_streamlocal(path, None);
            }
            // Whether the command gets through shows with the first request; here it is only seen that one may be run.
            Purpose::Listen { target: Target::Command(_), .. } => return session.channel_session(),
            Purpose::Exec { command, .. } | Purpose::Stream { target: Target::Command(command), .. } => command,
        };
        if self.channel.is_none() {
            self.channel = Some(session.channel_session()?);
        }
        let channel = self.channel.as_mut().expect("opened above");
        channel.exec(command)?;
        Ok(self.channel.take().expect("opened above"))
    }
}

impl Tunnel {
    fn new(target: Target, spare: Option<Channel>) -> io::Result<(Tunnel, TempDir, PathBuf)> {
        // The folder has mode 0700, so nobody else can connect.
        let folder = tempfile::Builder::new().prefix("zc-").tempdir()?;
        let path = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok((Tunnel { listener, target, spare }, folder, path))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    Done,
}

/// A command under way.
struct Job {
    channel: Channel,
    input: Vec<u8>,
    written: usize,
    input_ended: bool,
    output: ExecOutput,
    output_ended: bool,
    /// Hears the output instead of [`Job::output`]. When it is full the command waits.
    said: Option<mpsc::Sender<Piece>>,
    until: Instant,
    reply: Reply<ExecOutput>,
}

impl Job {
    fn new(channel: Channel, input: Vec<u8>, until: Instant, reply: Reply<ExecOutput>) -> Job {
        let output = ExecOutput::default();
        Job { channel, input, written: 0, input_ended: false, output, output_ended: false, said: None, until, reply }
    }

    /// Whether what comes from the server can be taken.
    fn has_room(&self) -> bool {
        self.said.as_ref().is_none_or(|said| said.is_closed() || said.capacity() > 0)
    }

    fn take(&mut self, source: Source, piece: Vec<u8>) {
        if let Some(said) = &self.said {
            // There was room, or nobody listens any more.
            let _ = said.try_send(Piece { source, bytes: piece });
            return;
        }
        let kept = if source == Source::Stdout { &mut self.output.stdout } else { &mut self.output.stderr };
        let room = ExecOutput::LIMIT - kept.len();
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
        self.output.truncated |= piece.len() > room;
    }

    fn pump(&mut self, session: &Session) -> Result<(Moved, State), Fault> {
        let mut moved = Moved::No;
        if !self.input_ended && self.written < self.input.len() {
            match self.channel.write(&self.input[self.written..]) {
                Ok(count) => (self.written, moved) = (self.written + count, Moved::Yes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The command ended without reading it all: its output and status tell.
                Err(_) => self.input_ended = fatal_or(session, true)?,
            }
        }
        if !self.input_ended && self.written == self.input.len() {
            match self.channel.send_eof() {
                Err(error) if would_block(&error) => {}
                Err(error) if is_fatal(&error) => return Err(lost(&error)),
                _ => (self.input_ended, moved) = (true, Moved::Yes),
            }
        }
        // Both streams, or a command that fills one of them would wait for ever.
        for (stream, source) in [(0, Source::Stdout), (ssh2::EXTENDED_DATA_STDERR, Source::Stderr)] {
            while self.has_room()
                && let Some(piece) = read_piece(&mut self.channel.stream(stream), session)?
            {
                self.take(source, piece);
                moved = Moved::Yes;
            }
        }
        if !self.output_ended && self.channel.eof() {
            (self.output_ended, moved) = (true, Moved::Yes);
        }
        if !self.output_ended {
            return Ok((moved, State::Going));
        }
        // The status comes between the end of the output and the close.
        match self.channel.wait_close() {
            Err(error) if would_block(&error) => return Ok((moved, State::Going)),
            Err(error) if is_fatal(&error) => return Err(lost(&error)),
            _ => {}
        }
        self.output.signal = self.channel.exit_signal().ok().and_then(|signal| signal.exit_signal);
        self.output.status = if self.output.signal.is_none() { self.channel.exit_status().ok() } else { None };
        Ok((Moved::Yes, State::Done))
    }
}

/// A connection of the tunnel, or a jump: a local socket and a channel.
struct Stream {
    channel: Channel,
    local: UnixStream,
    up: Buffer,
    down: Buffer,
    /// Noise so far, until the magic line came; none where none is expected or it has come.
    magic: Option<Vec<u8>>,
    /// What a command said on standard error, its beginning.
    complaint: Vec<u8>,
    has_process: bool,
    local_ended: bool,
    end_sent: bool,
    remote_ended: bool,
    local_shut: bool,
    dead: bool,
}

impl Stream {
    fn new(channel: Channel, local: UnixStream, magic: Option<Vec<u8>>) -> Stream {
        Stream {
            channel,
            local,
            up: Buffer::default(),
            down: Buffer::default(),
            has_process: magic.is_some(),
            magic,
            complaint: Vec::new(),
            local_ended: false,
            end_sent: false,
            remote_ended: false,
            local_shut: false,
            dead: false,
        }
    }

    /// What the local socket is waited for.
    fn wanted(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.local_ended && self.magic.is_none() && self.up.has_room());
        flags.set(PollFlags::OUT, !self.down.is_empty());
        flags
    }

    fn pump(&mut self, session: &Session) -> Result<(Moved, State), Fault> {
        let mut moved = Moved::No;
        let mut note = |did: bool| {
            if did {
                moved = Moved::Yes;
            }
        };
        note(self.local_to_buffer());
        note(self.buffer_to_channel(session)?);
        note(self.channel_to_buffer(session)?);
        note(self.buffer_to_local());
        let both_ended = self.remote_ended && self.local_shut && (self.end_sent || self.has_process);
        let gave_up = self.remote_ended && self.magic.is_some();
        let state = if self.dead || gave_up || (both_ended && self.up.is_empty()) { State::Done } else { State::Going };
        Ok((moved, state))
    }

    fn local_to_buffer(&mut self) -> bool {
        if self.local_ended || self.dead || self.magic.is_some() || !self.up.has_room() {
            return false;
        }
        match self.up.fill(&mut self.local) {
            Ok(0) => self.local_ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => self.dead = true,
        }
        true
    }

    fn buffer_to_channel(&mut self, session: &Session) -> Result<bool, Fault> {
        if !self.up.is_empty() && !self.dead {
            return match self.up.drain(&mut self.channel) {
                Ok(count) => Ok(count > 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(_) => {
                    self.dead = fatal_or(session, true)?;
                    Ok(true)
                }
            };
        }
        if self.local_ended && !self.end_sent && !self.dead {
            match self.channel.send_eof() {
                Err(error) if would_block(&error) => return Ok(false),
                Err(error) if is_fatal(&error) => return Err(lost(&error)),
                _ => self.end_sent = true,
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn channel_to_buffer(&mut self, session: &Session) -> Result<bool, Fault> {
        let mut moved = false;
        if self.has_process {
            while let Some(piece) = read_piece(&mut self.channel.stderr(), session)? {
                let room = 1024 - self.complaint.len().min(1024);
                self.complaint.extend_from_slice(&piece[..piece.len().min(room)]);
                moved = true;
            }
        }
        if self.remote_ended || self.dead || !self.down.has_room() {
            return Ok(moved);
        }
        match self.down.fill(&mut self.channel) {
            Ok(0) if !self.channel.eof() => return Ok(moved),
            Ok(0) => self.remote_ended = true,
            Ok(_) => self.skip_noise(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(moved),
            Err(_) => self.remote_ended = fatal_or(session, true)?,
        }
        Ok(true)
    }

    /// Holds back what a login shell printed before the command's own first line.
    fn skip_noise(&mut self) {
        let Some(noise) = &mut self.magic else { return };
        noise.append(&mut self.down.bytes);
        let magic = CONNECT_MAGIC.as_bytes();
        if let Some(at) = noise.windows(magic.len()).position(|window| window == magic) {
            self.down.bytes = noise.split_off(at + magic.len());
            self.magic = None;
        } else if noise.len() > NOISE_LIMIT {
            noise.truncate(1024);
            self.dead = true;
        }
    }

    fn buffer_to_local(&mut self) -> bool {
        if self.dead {
            return false;
        }
        if !self.down.is_empty() {
            return match self.down.drain(&mut self.local) {
                Ok(count) => count > 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                Err(_) => {
                    self.dead = true;
                    true
                }
            };
        }
        if self.remote_ended && !self.local_shut {
            // It fails only when the other side has gone already.
            let _ = self.local.shutdown(Shutdown::Write);
            self.local_shut = true;
            return true;
        }
        false
    }
}

/// At most [`BUFFER`] bytes between a reader and a writer.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn has_room(&self) -> bool {
        self.bytes.len() < BUFFER
    }

    fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        let start = self.bytes.len();
        self.bytes.resize(BUFFER.max(start), 0);
        let read = from.read(&mut self.bytes[start..]);
        self.bytes.truncate(start + read.as_ref().copied().unwrap_or(0));
        read
    }

    fn drain(&mut self, to: &mut impl Write) -> io::Result<usize> {
        let written = to.write(&self.bytes)?;
        self.bytes.drain(..written);
        Ok(written)
    }
}

/// The next bytes of a stream; none when there are none now.
fn read_piece(stream: &mut ssh2::Stream, session: &Session) -> Result<Option<Vec<u8>>, Fault> {
    let mut piece = vec![0; 32 << 10];
    match stream.read(&mut piece) {
        Ok(0) => Ok(None),
        Ok(count) => {
            piece.truncate(count);
            Ok(Some(piece))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(_) => fatal_or(session, None),
    }
}

/// A pair of sockets, both for use without blocking.
fn socket_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (near, far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    Ok((near, far))
}

fn would_block(error: &Error) -> bool {
    code(error) == libssh2_sys::LIBSSH2_ERROR_EAGAIN
}

/// Whether the error is the session's, not only a channel's.
fn is_fatal(error: &Error) -> bool {
    let channel = libssh2_sys::LIBSSH2_ERROR_CHANNEL_EOF_SENT..=libssh2_sys::LIBSSH2_ERROR_CHANNEL_OUTOFORDER;
    let of_request = [libssh2_sys::LIBSSH2_ERROR_INVAL, libssh2_sys::LIBSSH2_ERROR_REQUEST_DENIED];
    !channel.contains(&code(error)) && !of_request.contains(&code(error)) && !would_block(error)
}

/// After a failed read or write, whose error lost its code on the way through `std::io`.
fn fatal_or<T>(session: &Session, otherwise: T) -> Result<T, Fault> {
    match Error::last_session_error(session) {
        Some(error) if is_fatal(&error) => Err(lost(&error)),
        _ => Ok(otherwise),
    }
}

fn lost(error: &Error) -> Fault {
    Fault::unreachable(Step::Channel, format!("the SSH session broke: {}", error.message()))
        .hint("was the host restarted, or the link cut? run the command again")
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    // A millisecond more: poll must not return just before the deadline it was given.
    Timespec::try_from(duration + Duration::from_millis(1)).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 })
}
