//! Safe owners of libzmq's contexts, sockets and messages. All `unsafe` of the transport is here and in `ffi.rs`.

use std::ffi::{CStr, CString, c_int, c_void};
use std::fmt;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::ffi;
use crate::transport::MAX_PART;

/// Parts up to this size are copied. libzmq receives small messages into shared buffers of 8192 octets, which a
/// part that is only borrowed would keep alive as a whole. Source: `in_batch_size` in libzmq 4.3.5 `src/config.hpp`.
const COPY_BELOW: usize = 8192;

/// Room for copied parts, which share a buffer: that of a dozen ordinary events. One that is kept keeps as much.
const COPY_ROOM: usize = 4096;

/// Parts above this size have a buffer of their own.
const COPY_TOGETHER: usize = 1024;

/// Parts up to this size are copied when sent: cheaper than a reference that has to be counted and freed.
const COPY_SENT_BELOW: usize = 1024;

/// Time that a peer has for its handshake.
const HANDSHAKE_MS: i32 = 5000;

/// Octets that CURVE and ZMTP commands add to a part.
const OVERHEAD: usize = 1024;

/// An error number of libzmq with its words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(c_int);

impl Errno {
    fn last() -> Errno {
        // SAFETY: reads a thread-local number.
        Errno(unsafe { ffi::zmq_errno() })
    }

    /// The socket has no room, or nothing to read.
    pub(super) fn is_again(self) -> bool {
        self.0 == libc::EAGAIN
    }

    fn is_interrupted(self) -> bool {
        self.0 == libc::EINTR
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: libzmq answers a static text for every number.
        let words = unsafe { CStr::from_ptr(ffi::zmq_strerror(self.0)) };
        f.write_str(&words.to_string_lossy())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self, self.0)
    }
}

fn check(code: c_int) -> Result<(), Errno> {
    if code == -1 { Err(Errno::last()) } else { Ok(()) }
}

/// A context; ends, after the linger time of its sockets, when it and the last socket are gone.
#[derive(Clone)]
pub(super) struct Context(Arc<ContextOwner>);

struct ContextOwner(*mut c_void);

// SAFETY: libzmq documents contexts as thread safe.
unsafe impl Send for ContextOwner {}
// SAFETY: as above.
unsafe impl Sync for ContextOwner {}

impl Drop for ContextOwner {
    fn drop(&mut self) {
        // SAFETY: made by zmq_ctx_new, ended once; every socket holds a reference to it, so none is open any more.
        while unsafe { ffi::zmq_ctx_term(self.0) } == -1 && Errno::last().is_interrupted() {}
    }
}

/// Which socket to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Xpub,
    Xsub,
    Push,
    Pull,
    /// For monitors.
    Pair,
    /// For the ZAP handler.
    Rep,
}

impl Kind {
    fn number(self) -> c_int {
        match self {
            Kind::Xpub => ffi::XPUB,
            Kind::Xsub => ffi::XSUB,
            Kind::Push => ffi::PUSH,
            Kind::Pull => ffi::PULL,
            Kind::Pair => ffi::PAIR,
            Kind::Rep => ffi::REP,
        }
    }

    /// As operators know it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Xpub => "XPUB",
            Kind::Xsub => "XSUB",
            Kind::Push => "PUSH",
            Kind::Pull => "PULL",
            Kind::Pair => "PAIR",
            Kind::Rep => "REP",
        }
    }
}

/// What sockets of a context share.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContextOptions {
    pub(super) io_threads: i32,
    pub(super) ipv6: bool,
}

impl Context {
    pub(super) fn new(options: ContextOptions) -> Result<Context, Errno> {
        // SAFETY: no preconditions.
        let context = unsafe { ffi::zmq_ctx_new() };
        if context.is_null() {
            return Err(Errno::last());
        }
        let context = Context(Arc::new(ContextOwner(context)));
        context.set(ffi::IO_THREADS, options.io_threads)?;
        context.set(ffi::IPV6, options.ipv6.into())?;
        // Sockets that set no linger time themselves (monitors) must not hold up the end.
        context.set(ffi::CONTEXT_BLOCKY, 0)?;
        Ok(context)
    }

    fn set(&self, option: c_int, value: c_int) -> Result<(), Errno> {
        // SAFETY: the context lives as long as `self`.
        check(unsafe { ffi::zmq_ctx_set(self.0.0, option, value) })
    }

    pub(super) fn socket(&self, kind: Kind) -> Result<Socket, Errno> {
        // SAFETY: the context lives as long as `self`.
        let socket = unsafe { ffi::zmq_socket(self.0.0, kind.number()) };
        if socket.is_null() {
            return Err(Errno::last());
        }
        let socket = Socket { socket, kind, _context: self.clone() };
        if !matches!(kind, Kind::Pair | Kind::Rep) {
            socket.set(Opt::HandshakeIvl, HANDSHAKE_MS)?;
            socket.set_max_part(MAX_PART + OVERHEAD)?;
        }
        Ok(socket)
    }
}

/// A socket; closed when dropped. May move between threads, is never shared.
pub(super) struct Socket {
    socket: *mut c_void,
    kind: Kind,
    _context: Context,
}

// SAFETY: libzmq allows a socket to migrate between threads with a full fence, which every hand-over in Rust is. It is not
// `Sync`, so two threads never use it at once.
unsafe impl Send for Socket {}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: made by zmq_socket, closed once. The only error, a socket that is none, cannot happen.
        unsafe { ffi::zmq_close(self.socket) };
    }
}

/// A secret or public key of CURVE, for [`Socket::set_key`].
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyOption {
    Public,
    Secret,
    Server,
}

/// A numeric socket option.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opt {
    Sndbuf,
    Rcvbuf,
    Linger,
    ReconnectIvl,
    ReconnectIvlMax,
    Sndhwm,
    Rcvhwm,
    Immediate,
    HandshakeIvl,
    XpubVerbose,
    XpubVerboser,
    XpubNodrop,
    CurveServer,
}

impl Opt {
    fn number(self) -> c_int {
        match self {
            Opt::Sndbuf => ffi::SNDBUF,
            Opt::Rcvbuf => ffi::RCVBUF,
            Opt::Linger => ffi::LINGER,
            Opt::ReconnectIvl => ffi::RECONNECT_IVL,
            Opt::ReconnectIvlMax => ffi::RECONNECT_IVL_MAX,
            Opt::Sndhwm => ffi::SNDHWM,
            Opt::Rcvhwm => ffi::RCVHWM,
            Opt::Immediate => ffi::IMMEDIATE,
            Opt::HandshakeIvl => ffi::HANDSHAKE_IVL,
            Opt::XpubVerbose => ffi::XPUB_VERBOSE,
            Opt::XpubVerboser => ffi::XPUB_VERBOSER,
            Opt::XpubNodrop => ffi::XPUB_NODROP,
            Opt::CurveServer => ffi::CURVE_SERVER,
        }
    }
}

impl Socket {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn set(&self, option: Opt, value: i32) -> Result<(), Errno> {
        self.set_number(option.number(), value)
    }

    fn set_number(&self, option: c_int, value: c_int) -> Result<(), Errno> {
        let value = ptr::from_ref(&value).cast();
        // SAFETY: `value` points to a C int for the length of the call.
        check(unsafe { ffi::zmq_setsockopt(self.socket, option, value, size_of::<c_int>()) })
    }

    /// The largest part that a peer may send; libzmq ends the connection of one that announces more.
    pub(super) fn set_max_part(&self, octets: usize) -> Result<(), Errno> {
        let octets = i64::try_from(octets).map_err(|_| Errno(libc::EINVAL))?;
        let value = ptr::from_ref(&octets).cast();
        // SAFETY: `value` points to the 64-bit integer that this option takes, for the length of the call.
        check(unsafe { ffi::zmq_setsockopt(self.socket, ffi::MAXMSGSIZE, value, size_of::<i64>()) })
    }

    /// Has libzmq ask the ZAP handler about each client, also without CURVE.
    pub(super) fn set_zap_domain(&self, domain: &str) -> Result<(), Errno> {
        // SAFETY: `domain` has the octets that are named.
        check(unsafe { ffi::zmq_setsockopt(self.socket, ffi::ZAP_DOMAIN, domain.as_ptr().cast(), domain.len()) })
    }

    /// Sets a CURVE key, in Z85.
    pub(super) fn set_key(&self, key: KeyOption, z85: &str) -> Result<(), Errno> {
        let option = match key {
            KeyOption::Public => ffi::CURVE_PUBLICKEY,
            KeyOption::Secret => ffi::CURVE_SECRETKEY,
            KeyOption::Server => ffi::CURVE_SERVERKEY,
        };
        let raw = z85_decode(z85).ok_or(Errno(libc::EINVAL))?;
        // SAFETY: `raw` holds the 32 octets that are named.
        check(unsafe { ffi::zmq_setsockopt(self.socket, option, raw.as_ptr().cast(), raw.len()) })
    }

    /// Turns on ZMTP heartbeats; the peer gets the same limit to notice our end.
    pub(super) fn set_heartbeat(&self, interval: Duration, timeout: Duration) -> Result<(), Errno> {
        self.set_number(ffi::HEARTBEAT_IVL, millis(interval))?;
        self.set_number(ffi::HEARTBEAT_TIMEOUT, millis(timeout))?;
        self.set_number(ffi::HEARTBEAT_TTL, millis(interval + timeout))
    }

    /// Lets the kernel probe idle connections: after 5 s, every 3 s, three times.
    pub(super) fn set_keepalive(&self) -> Result<(), Errno> {
        self.set_number(ffi::TCP_KEEPALIVE, 1)?;
        self.set_number(ffi::TCP_KEEPALIVE_IDLE, 5)?;
        self.set_number(ffi::TCP_KEEPALIVE_INTVL, 3)?;
        self.set_number(ffi::TCP_KEEPALIVE_CNT, 3)
    }

    pub(super) fn bind(&self, endpoint: &str) -> Result<(), Errno> {
        let endpoint = c_string(endpoint)?;
        // SAFETY: `endpoint` is a C string for the length of the call.
        check(unsafe { ffi::zmq_bind(self.socket, endpoint.as_ptr()) })
    }

    pub(super) fn connect(&self, endpoint: &str) -> Result<(), Errno> {
        let endpoint = c_string(endpoint)?;
        // SAFETY: as in `bind`.
        check(unsafe { ffi::zmq_connect(self.socket, endpoint.as_ptr()) })
    }

    pub(super) fn disconnect(&self, endpoint: &str) -> Result<(), Errno> {
        let endpoint = c_string(endpoint)?;
        // SAFETY: as in `bind`.
        check(unsafe { ffi::zmq_disconnect(self.socket, endpoint.as_ptr()) })
    }

    /// The address of the last `bind`, with the port that the system chose.
    pub(super) fn last_endpoint(&self) -> Result<String, Errno> {
        let mut text = [0u8; 256];
        let mut length = text.len();
        // SAFETY: `text` has the `length` octets that are named.
        check(unsafe {
            ffi::zmq_getsockopt(self.socket, ffi::LAST_ENDPOINT, text.as_mut_ptr().cast(), ptr::from_mut(&mut length))
        })?;
        let text = CStr::from_bytes_until_nul(&text).map_err(|_| Errno(libc::EINVAL))?;
        Ok(text.to_string_lossy().into_owned())
    }

    /// A socket that tells everything that happens to this one's connections.
    pub(super) fn monitor(&self, context: &Context, name: &str) -> Result<Socket, Errno> {
        let endpoint = format!("inproc://monitor-{name}");
        let c_endpoint = c_string(&endpoint)?;
        // SAFETY: as in `bind`.
        check(unsafe { ffi::zmq_socket_monitor(self.socket, c_endpoint.as_ptr(), ffi::EVENT_ALL) })?;
        let monitor = context.socket(Kind::Pair)?;
        monitor.set(Opt::Linger, 0)?;
        monitor.connect(&endpoint)?;
        Ok(monitor)
    }

    /// Sends one part without waiting. On error the part is still whole and can be sent again.
    pub(super) fn send_part(&self, part: &mut Message, more: More) -> Result<(), Errno> {
        let flags = ffi::DONTWAIT | if more == More::Yes { ffi::SNDMORE } else { 0 };
        loop {
            // SAFETY: `part` is an initialised message; after success libzmq has left an empty one in its place.
            let sent = check(unsafe { ffi::zmq_msg_send(&mut part.0, self.socket, flags) });
            match sent {
                Err(errno) if errno.is_interrupted() => continue,
                sent => return sent,
            }
        }
    }

    /// Sends a whole message without waiting: all of it or, if there is no room, nothing.
    pub(super) fn send<const N: usize>(&self, parts: [Bytes; N]) -> Result<(), Errno> {
        let last = N - 1;
        for (index, part) in parts.into_iter().enumerate() {
            let more = if index < last { More::Yes } else { More::No };
            // Only the first part can find no room: libzmq counts whole messages.
            self.send_part(&mut Message::from_bytes(part), more)?;
        }
        Ok(())
    }

    /// Takes one part without waiting.
    pub(super) fn receive_part(&self) -> Result<Message, Errno> {
        let mut part = Message::empty();
        loop {
            // SAFETY: `part` is an initialised message.
            match check(unsafe { ffi::zmq_msg_recv(&mut part.0, self.socket, ffi::DONTWAIT) }) {
                Ok(()) => return Ok(part),
                Err(errno) if errno.is_interrupted() => continue,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Takes a whole message without waiting. Of more than `limit` parts the rest is thrown away; only their count stays
    /// true.
    pub(super) fn receive(&self, limit: usize, copies: &mut Copies) -> Result<Received, Errno> {
        let mut part = self.receive_part()?;
        let mut received = Received { parts: Vec::with_capacity(4), count: 0 };
        loop {
            let more = part.more();
            received.count += 1;
            if received.parts.len() < limit {
                received.parts.push(part.into_bytes(copies));
            }
            if more == More::No {
                return Ok(received);
            }
            // The others are there already: libzmq delivers messages whole.
            part = self.receive_part()?;
        }
    }
}

/// Where small parts are copied to, those of several messages into one buffer: a buffer for each would be freed by another
/// thread than had made it, which takes longer than the copy.
#[derive(Default)]
pub(super) struct Copies(BytesMut);

impl Copies {
    fn copy(&mut self, octets: &[u8]) -> Bytes {
        if octets.len() > COPY_TOGETHER {
            return Bytes::copy_from_slice(octets);
        }
        if self.0.capacity() < octets.len() {
            self.0 = BytesMut::with_capacity(COPY_ROOM);
        }
        self.0.extend_from_slice(octets);
        self.0.split().freeze()
    }
}

/// A received message.
pub(super) struct Received {
    /// The first parts.
    pub(super) parts: Vec<Bytes>,
    /// How many parts there were.
    pub(super) count: usize,
}

/// The connection that a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Its number, which the ZAP handler gave it; never used again.
    pub(super) connection: u64,
    /// Its descriptor, which the system uses again when the connection is closed.
    pub(super) fd: RawFd,
}

/// Whether further parts follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

/// One part of a message.
pub(super) struct Message(ffi::Msg);

// SAFETY: a part is plain data with an atomically counted buffer; libzmq hands them between threads itself.
unsafe impl Send for Message {}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: initialised by every constructor, closed once.
        unsafe { ffi::zmq_msg_close(&mut self.0) };
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        let size = self.len();
        if size == 0 {
            return &[];
        }
        // SAFETY: libzmq's buffer has `size` octets and lives, at this place, as long as the message. `zmq_msg_data` takes a
        // mutable pointer but changes nothing.
        unsafe { std::slice::from_raw_parts(ffi::zmq_msg_data(ptr::from_ref(&self.0).cast_mut()).cast(), size) }
    }
}

impl Message {
    fn empty() -> Message {
        let mut message = Message(ffi::Msg([0; 64]));
        // SAFETY: initialises the 64 octets; cannot fail.
        unsafe { ffi::zmq_msg_init(&mut message.0) };
        message
    }

    pub(super) fn len(&self) -> usize {
        // SAFETY: the message is initialised.
        unsafe { ffi::zmq_msg_size(&self.0) }
    }

    pub(super) fn more(&self) -> More {
        // SAFETY: the message is initialised.
        if unsafe { ffi::zmq_msg_more(&self.0) } == 1 { More::Yes } else { More::No }
    }

    /// The connection that a received message came from; none for one that libzmq made up itself.
    pub(super) fn source(&self) -> Option<Source> {
        Some(Source {
            connection: self.property(ffi::PROPERTY_USER)?.parse().ok()?,
            fd: self.property(ffi::PROPERTY_FD)?.parse().ok()?,
        })
    }

    fn property(&self, name: &CStr) -> Option<&str> {
        // SAFETY: the message is initialised; the answer is null or a C string that lives as long as it.
        let text = unsafe {
            let text = ffi::zmq_msg_gets(&self.0, name.as_ptr());
            if text.is_null() {
                return None;
            }
            CStr::from_ptr(text)
        };
        text.to_str().ok()
    }

    pub(super) fn copied(octets: &[u8]) -> Message {
        let mut message = Message(ffi::Msg([0; 64]));
        // SAFETY: initialises the message with room for `octets`, to which they are then copied. Failure means that there is
        // no memory, where Rust's own allocations abort too.
        unsafe {
            let code = ffi::zmq_msg_init_size(&mut message.0, octets.len());
            assert_eq!(code, 0, "no memory for a message of {} octets", octets.len());
            ptr::copy_nonoverlapping(octets.as_ptr(), ffi::zmq_msg_data(&mut message.0).cast(), octets.len());
        }
        message
    }

    fn from_bytes(bytes: Bytes) -> Message {
        if bytes.len() < COPY_SENT_BELOW {
            return Message::copied(&bytes);
        }
        let owner = Box::new(bytes);
        let (data, size) = (owner.as_ptr(), owner.len());
        let mut message = Message(ffi::Msg([0; 64]));
        // SAFETY: the data lives until `release` frees its owner, which libzmq calls once when the last reference is gone.
        // libzmq never writes to the data of a message.
        let code = unsafe {
            let hint = Box::into_raw(owner).cast();
            ffi::zmq_msg_init_data(&mut message.0, data.cast_mut().cast(), size, Some(release), hint)
        };
        assert_eq!(code, 0, "no memory for a message of {size} octets");
        message
    }

    /// The octets, of a small part copied.
    fn into_bytes(self, copies: &mut Copies) -> Bytes {
        if self.len() >= COPY_BELOW { Bytes::from_owner(self) } else { copies.copy(self.as_ref()) }
    }
}

unsafe extern "C" fn release(_data: *mut c_void, owner: *mut c_void) {
    // SAFETY: `owner` is the box that `from_bytes` gave away.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

/// Something to wait for.
pub(super) enum Pollable<'a> {
    Socket(&'a Socket),
    Fd(BorrowedFd<'a>),
}

/// Which of the things that were polled can be read, in their order.
pub(super) struct Ready(Vec<bool>);

impl Ready {
    /// Whether any of these can.
    pub(super) fn any(&self, mut which: Range<usize>) -> bool {
        which.any(|index| self.0[index])
    }
}

/// Waits until one of them can be read, or the time is over. Spurious wake-ups happen.
pub(super) fn poll(items: &[Pollable<'_>], timeout: Option<Duration>) -> Result<Ready, Errno> {
    let mut raw: Vec<ffi::PollItem> = items
        .iter()
        .map(|item| {
            let (socket, fd) = match item {
                Pollable::Socket(socket) => (socket.socket, -1),
                Pollable::Fd(fd) => (ptr::null_mut(), fd.as_raw_fd()),
            };
            ffi::PollItem { socket, fd, events: ffi::POLLIN, revents: 0 }
        })
        .collect();
    let timeout = timeout.map_or(-1, |timeout| millis(timeout).into());
    let count = c_int::try_from(raw.len()).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: `raw` has `count` items; the sockets and descriptors are borrowed for the call.
    match check(unsafe { ffi::zmq_poll(raw.as_mut_ptr(), count, timeout) }) {
        Err(errno) if !errno.is_interrupted() => Err(errno),
        _ => Ok(Ready(raw.iter().map(|item| item.revents != 0).collect())),
    }
}

/// Octets that the kernel holds for a peer which has not taken them; none if that is no connected socket.
pub(super) fn unsent(fd: RawFd) -> Option<usize> {
    let mut octets: c_int = 0;
    // SAFETY: TIOCOUTQ writes one C int. libzmq may have closed the descriptor meanwhile; the worst answer is then an error or
    // another socket's figure, which only serves to name a suspect.
    let code = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, ptr::from_mut(&mut octets)) };
    if code == 0 { usize::try_from(octets).ok() } else { None }
}

/// The address at the other end of a connection, as text.
pub(super) fn peer_address(fd: RawFd) -> Option<String> {
    // SAFETY: borrowed for one call that fails cleanly should libzmq have closed it meanwhile.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let address = rustix::net::getpeername(fd).ok()??;
    std::net::SocketAddr::try_from(address).ok().map(|address| address.to_string())
}

/// Ends the connection of that descriptor if it still is the one to that address; libzmq notices and cleans up.
pub(super) fn hang_up(fd: RawFd, address: &str) {
    if peer_address(fd).as_deref() != Some(address) {
        return;
    }
    // SAFETY: borrowed for one call that fails cleanly should libzmq have closed it meanwhile.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    // It may have ended by itself.
    let _ended = rustix::net::shutdown(fd, rustix::net::Shutdown::Both);
}

/// The 32 octets of a Z85 key; none unless it is one.
pub(super) fn z85_decode(text: &str) -> Option<[u8; 32]> {
    if text.len() != 40 {
        return None;
    }
    let text = CString::new(text).ok()?;
    let mut raw = [0; 32];
    // SAFETY: 40 characters decode to the 32 octets that `raw` has room for.
    let decoded = unsafe { ffi::zmq_z85_decode(raw.as_mut_ptr(), text.as_ptr()) };
    (!decoded.is_null()).then_some(raw)
}

/// A new key pair `(public, secret)` in Z85.
#[cfg(test)]
pub(super) fn keypair() -> (String, String) {
    let (mut public, mut secret) = ([0u8; 41], [0u8; 41]);
    // SAFETY: both have room for 40 characters and the NUL.
    let code = unsafe { ffi::zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) };
    assert_eq!(code, 0, "libzmq was built without CURVE");
    let text = |key: [u8; 41]| String::from_utf8_lossy(&key[..40]).into_owned();
    (text(public), text(secret))
}

fn c_string(text: &str) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| Errno(libc::EINVAL))
}

pub(super) fn millis(duration: Duration) -> c_int {
    c_int::try_from(duration.as_millis()).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_many_parts_stay_what_they_were() {
        let mut copies = Copies::default();
        let sizes = [0, 1, 45, 200, COPY_TOGETHER, COPY_TOGETHER + 1, COPY_ROOM, COPY_BELOW];
        let parts: Vec<Vec<u8>> = (0..100).map(|number| vec![number as u8; sizes[number % sizes.len()]]).collect();
        let copied: Vec<Bytes> = parts.iter().map(|part| copies.copy(part)).collect();
        assert_eq!(copied, parts);
    }
}
