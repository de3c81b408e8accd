//! The thread that owns one SSH session: commands, the tunnel to the agent's socket, jumps.
//!
//! A blocking read on one channel stalls every other call on its session, so nothing here blocks but `poll`: in each
//! round every channel is moved as far as it goes, and when nothing moves the thread waits for the socket (in the
//! directions that libssh2 asks for), the local ends, the mailbox or the next deadline.
//!
//! What holds:
//! - Whatever is asked of libssh2, it reads what has come for all channels. It is waited for the socket only after a round in
//!   which nothing moved and nothing was read: else something may lie in the queue of a channel that was looked at before.
//! - One channel is being opened at a time: libssh2 keeps the state of an opening in the session.
//! - An operation that would block is repeated with the same buffer until it is through; libssh2 refuses to send
//!   anything else before.
//! - A channel is dropped only when it is closed on both ends, or with the whole session.
//! - Every buffer is bounded; a full one stops the reading that would fill it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use ssh2::{BlockDirections, Channel, Error, Session};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::channel::{Job, Moved, STALL, State, Stream, is_fatal, lost, timespec, would_block};
use super::command::Piece;
use super::error::Step;
use super::fault::Fault;
use super::host::ExecOutput;
use super::link::{Input, PROCESSES, Target};
use super::login::LoggedIn;
use super::mailbox::{Dialled, Inbox, Patience, Reply, Request};
use super::private;
use super::reasons;
use super::received;

/// Streams at once; more wait in the listener's backlog. `direct-streamlocal` does not count against MaxSessions.
const STREAMS: usize = 64;

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

/// Serves requests until the mailbox is dropped or the session breaks.
pub(super) fn serve(logged_in: LoggedIn, inbox: Inbox) {
    let LoggedIn { session, socket } = logged_in;
    session.set_blocking(false);
    session.set_keepalive(true, KEEPALIVE.as_secs() as u32);
    received::count(&session);
    let mut reactor = Reactor {
        session,
        socket,
        inbox,
        opening: None,
        waiting: VecDeque::new(),
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
        input: Input,
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

impl Reactor {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.take_requests();
            if self.finished {
                return Ok(());
            }
            loop {
                let before = received::reads();
                if self.round()? == Moved::No && received::reads() == before {
                    break;
                }
            }
            self.expire(Instant::now())?;
            self.wait()?;
        }
    }

    fn take_requests(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.inbox.wake, &mut count);
        loop {
            match self.inbox.requests.try_recv() {
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
        let mut moved = Moved::No;
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
            Err(error) if is_fatal(&error) => {
                // Dropped with the others: whoever waits for it finds the reason then.
                self.opening = Some(opening);
                Err(lost(&error))
            }
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
                self.jobs.push(Job::new(channel, input, said, until, reply))
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
                let fault = reasons::not_behind(&error.message());
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
        if self.jobs.iter().any(|job| job.stalls_at().is_some_and(|at| at <= now)) {
            let what = format!("nothing was acknowledged for {} s", STALL.as_secs());
            return Err(Fault::timed_out(Step::Channel, what));
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
        let jobs = self.jobs.iter().map(|job| job.stalls_at().map_or(job.until, |at| at.min(job.until)));
        let openings = self.waiting.iter().chain(&self.opening).map(|opening| opening.until);
        let life = awaits.then(|| self.heard.max(self.asked) + KEEPALIVE);
        let is_stuck = self.inbox.shared.stuck.load(Ordering::Relaxed);
        let jump = self.opening.as_ref().filter(|opening| matches!(opening.purpose, Purpose::Dial { .. }));
        let patience = jump.map(|opening| opening.began + JUMP_PATIENCE).filter(|_| !is_stuck || self.has_impatient());
        jobs.chain(openings).chain(patience).chain(life).min()
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
        let folder = private::folder()?;
        let path = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok((Tunnel { listener, target, spare }, folder, path))
    }
}

/// A pair of sockets, both for use without blocking.
fn socket_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (near, far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    Ok((near, far))
}
