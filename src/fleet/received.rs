//! How much libssh2 has read from the socket of a session.
//!
//! Whatever libssh2 is asked, it reads all packets that are there and keeps those of other channels. Of these the socket tells
//! nothing any more: whoever waits for it has to know that something was read since it last looked.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;

use libssh2_sys::LIBSSH2_SESSION;
use ssh2::Session;

/// `LIBSSH2_CALLBACK_RECV` (libssh2.h).
const CALLBACK_RECV: c_int = 6;

unsafe extern "C" {
    /// Of libssh2 1.11.1; `libssh2_sys` does not declare it.
    fn libssh2_session_callback_set2(
        session: *mut LIBSSH2_SESSION,
        kind: c_int,
        callback: unsafe extern "C" fn(c_int, *mut c_void, libc::size_t, c_int, *mut *mut c_void) -> libc::ssize_t,
    ) -> *mut c_void;
}

thread_local! {
    static READS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what the session reads from now on, on the thread that reads.
pub(super) fn count(session: &Session) {
    let mut raw = session.raw();
    // SAFETY: the session lives and is locked, and the callback is of the type that this kind takes (LIBSSH2_RECV_FUNC).
    unsafe { libssh2_session_callback_set2(&raw mut *raw, CALLBACK_RECV, receive) };
}

/// How often a session of this thread read anything.
pub(super) fn reads() -> u64 {
    READS.with(Cell::get)
}

/// What libssh2 does itself where it is told nothing else.
unsafe extern "C" fn receive(
    socket: c_int,
    buffer: *mut c_void,
    length: libc::size_t,
    flags: c_int,
    _: *mut *mut c_void,
) -> libc::ssize_t {
    // SAFETY: libssh2 gives its own socket and a buffer of that length.
    let read = unsafe { libc::recv(socket, buffer, length, flags) };
    if read > 0 {
        // At the end of the thread nobody asks any more.
        let _gone = READS.try_with(|reads| reads.set(reads.get() + 1));
    }
    if read >= 0 {
        return read;
    }
    let error = io::Error::last_os_error();
    let again = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
    -(if again { libc::EAGAIN } else { error.raw_os_error().unwrap_or(libc::EIO) } as libc::ssize_t)
}
