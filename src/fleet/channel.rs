//! What goes through one channel of a libssh2 session: a command under way, or a stream between a local socket and the
//! other side. Both are moved as far as they go, and never wait.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFlags, Timespec};
use ssh2::{Channel, Error, Session};
use tokio::sync::mpsc;

use super::command::{Piece, Source};
use super::error::Step;
use super::fault::Fault;
use super::host::ExecOutput;
use super::link::{Input, NOISE_LIMIT};
use super::login::code;
use super::mailbox::Reply;
use crate::agent::CONNECT_MAGIC;

/// Bytes under way in each direction of a stream, each between a read and a write.
const BUFFER: usize = 64 << 10;

/// A server that takes nothing of a file for so long is taken for gone.
pub(super) const STALL: Duration = Duration::from_secs(15);

/// Whether a round moved anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Yes,
    No,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Going,
    Done,
}

/// A command under way.
pub(super) struct Job {
    pub channel: Channel,
    input: Input,
    /// Of the bytes of `input`.
    written: usize,
    /// Whether these bytes are of its file.
    of_file: bool,
    input_ended: bool,
    /// When the server last took anything of the input.
    took: Instant,
    pub output: ExecOutput,
    output_ended: bool,
    /// Hears the output instead of [`Job::output`]. When it is full the command waits.
    said: Option<mpsc::Sender<Piece>>,
    pub until: Instant,
    pub reply: Reply<ExecOutput>,
}

impl Job {
    pub fn new(
        channel: Channel,
        input: Input,
        said: Option<mpsc::Sender<Piece>>,
        until: Instant,
        reply: Reply<ExecOutput>,
    ) -> Job {
        Job {
            channel,
            input,
            written: 0,
            of_file: false,
            input_ended: false,
            took: Instant::now(),
            output: ExecOutput::default(),
            output_ended: false,
            said,
            until,
            reply,
        }
    }

    /// When a server that takes nothing more of a file is taken for gone.
    pub fn stalls_at(&self) -> Option<Instant> {
        (self.input.rest.is_some() && !self.input_ended).then(|| self.took + STALL)
    }

    /// Whether what comes from the server can be taken.
    pub fn has_room(&self) -> bool {
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

    /// Hands on what the command reads, one piece of a file at most.
    fn feed(&mut self, session: &Session) -> Result<Moved, Fault> {
        let mut moved = Moved::No;
        if self.written == self.input.bytes.len()
            && let Some(rest) = &mut self.input.rest
        {
            // What cannot be read is missing over there, and said there.
            if rest.piece(&mut self.input.bytes).is_err() || self.input.bytes.is_empty() {
                self.input.rest = None;
            }
            (self.written, self.of_file, moved) = (0, true, Moved::Yes);
        }
        while !self.input_ended && self.written < self.input.bytes.len() {
            match self.channel.write(&self.input.bytes[self.written..]) {
                Ok(count) => {
                    (self.written, self.took, moved) = (self.written + count, Instant::now(), Moved::Yes);
                    if let Some(rest) = self.input.rest.as_ref().filter(|_| self.of_file) {
                        rest.note_sent(count);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The command ended without reading it all: its output and status tell.
                Err(_) => self.input_ended = fatal_or(session, true)?,
            }
        }
        Ok(moved)
    }

    pub fn pump(&mut self, session: &Session) -> Result<(Moved, State), Fault> {
        let mut moved = self.feed(session)?;
        if !self.input_ended && self.written == self.input.bytes.len() && self.input.rest.is_none() {
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
pub(super) struct Stream {
    pub channel: Channel,
    pub local: UnixStream,
    up: Buffer,
    pub down: Buffer,
    /// Noise so far, until the magic line came; none where none is expected or it has come.
    pub magic: Option<Vec<u8>>,
    /// What a command said on standard error, its beginning.
    pub complaint: Vec<u8>,
    pub has_process: bool,
    local_ended: bool,
    end_sent: bool,
    remote_ended: bool,
    local_shut: bool,
    dead: bool,
}

impl Stream {
    pub fn new(channel: Channel, local: UnixStream, magic: Option<Vec<u8>>) -> Stream {
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
    pub fn wanted(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.local_ended && self.magic.is_none() && self.up.has_room());
        flags.set(PollFlags::OUT, !self.down.is_empty());
        flags
    }

    pub fn pump(&mut self, session: &Session) -> Result<(Moved, State), Fault> {
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
pub(super) struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn has_room(&self) -> bool {
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

pub(super) fn would_block(error: &Error) -> bool {
    code(error) == libssh2_sys::LIBSSH2_ERROR_EAGAIN
}

/// Whether the error is the session's, not only a channel's.
pub(super) fn is_fatal(error: &Error) -> bool {
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

pub(super) fn lost(error: &Error) -> Fault {
    Fault::unreachable(Step::Channel, format!("the SSH session broke: {}", error.message()))
        .hint("was the host restarted, or the link cut? run the command again")
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    // A millisecond more: poll must not return just before the deadline it was given.
    Timespec::try_from(duration + Duration::from_millis(1)).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 })
}
