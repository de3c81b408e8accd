//! The part of libzmq 4.3.5's C interface that we use; `build.rs` links it. Names and values as in its `zmq.h`.

use std::ffi::{c_char, c_int, c_long, c_short, c_void};

/// `zmq_msg_t`: 64 octets that libzmq itself moves by copying.
#[repr(C, align(8))]
pub(super) struct Msg(pub(super) [u8; 64]);

/// `zmq_pollitem_t`.
#[repr(C)]
pub(super) struct PollItem {
    pub(super) socket: *mut c_void,
    pub(super) fd: c_int,
    pub(super) events: c_short,
    pub(super) revents: c_short,
}

pub(super) const IO_THREADS: c_int = 1;
pub(super) const CONTEXT_BLOCKY: c_int = 70;

pub(super) const PAIR: c_int = 0;
pub(super) const REP: c_int = 4;
pub(super) const PULL: c_int = 7;
pub(super) const PUSH: c_int = 8;
pub(super) const XPUB: c_int = 9;
pub(super) const XSUB: c_int = 10;

pub(super) const SNDBUF: c_int = 11;
pub(super) const RCVBUF: c_int = 12;
pub(super) const LINGER: c_int = 17;
pub(super) const RECONNECT_IVL: c_int = 18;
pub(super) const RECONNECT_IVL_MAX: c_int = 21;
pub(super) const MAXMSGSIZE: c_int = 22;
pub(super) const SNDHWM: c_int = 23;
pub(super) const RCVHWM: c_int = 24;
pub(super) const LAST_ENDPOINT: c_int = 32;
pub(super) const TCP_KEEPALIVE: c_int = 34;
pub(super) const TCP_KEEPALIVE_CNT: c_int = 35;
pub(super) const TCP_KEEPALIVE_IDLE: c_int = 36;
pub(super) const TCP_KEEPALIVE_INTVL: c_int = 37;
pub(super) const IMMEDIATE: c_int = 39;
pub(super) const XPUB_VERBOSE: c_int = 40;
pub(super) const IPV6: c_int = 42;
pub(super) const CURVE_SERVER: c_int = 47;
pub(super) const CURVE_PUBLICKEY: c_int = 48;
pub(super) const CURVE_SECRETKEY: c_int = 49;
pub(super) const CURVE_SERVERKEY: c_int = 50;
pub(super) const ZAP_DOMAIN: c_int = 55;
pub(super) const HANDSHAKE_IVL: c_int = 66;
pub(super) const XPUB_NODROP: c_int = 69;
pub(super) const HEARTBEAT_IVL: c_int = 75;
pub(super) const HEARTBEAT_TTL: c_int = 76;
pub(super) const HEARTBEAT_TIMEOUT: c_int = 77;
pub(super) const XPUB_VERBOSER: c_int = 78;

pub(super) const POLLIN: c_short = 1;
pub(super) const DONTWAIT: c_int = 1;
pub(super) const SNDMORE: c_int = 2;

pub(super) const EVENT_ALL: c_int = 0xffff;
/// The descriptor that a message came from, as text; a private property that `ZMQ_SRCFD` reads.
pub(super) const PROPERTY_FD: &std::ffi::CStr = c"__fd";
/// The name that the ZAP handler gave the connection of a message.
pub(super) const PROPERTY_USER: &std::ffi::CStr = c"User-Id";

#[link(name = "zmq", kind = "static")]
unsafe extern "C" {
    pub(super) fn zmq_errno() -> c_int;
    pub(super) fn zmq_strerror(errnum: c_int) -> *const c_char;

    pub(super) fn zmq_ctx_new() -> *mut c_void;
    pub(super) fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int;
    pub(super) fn zmq_ctx_term(context: *mut c_void) -> c_int;

    pub(super) fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    pub(super) fn zmq_close(socket: *mut c_void) -> c_int;
    pub(super) fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, length: usize) -> c_int;
    pub(super) fn zmq_getsockopt(socket: *mut c_void, option: c_int, value: *mut c_void, length: *mut usize) -> c_int;
    pub(super) fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(super) fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(super) fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    pub(super) fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int) -> c_int;

    pub(super) fn zmq_msg_init(message: *mut Msg) -> c_int;
    pub(super) fn zmq_msg_init_size(message: *mut Msg, size: usize) -> c_int;
    pub(super) fn zmq_msg_init_data(
        message: *mut Msg,
        data: *mut c_void,
        size: usize,
        free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
        hint: *mut c_void,
    ) -> c_int;
    pub(super) fn zmq_msg_send(message: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int;
    pub(super) fn zmq_msg_recv(message: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int;
    pub(super) fn zmq_msg_close(message: *mut Msg) -> c_int;
    pub(super) fn zmq_msg_data(message: *mut Msg) -> *mut c_void;
    pub(super) fn zmq_msg_size(message: *const Msg) -> usize;
    pub(super) fn zmq_msg_more(message: *const Msg) -> c_int;
    pub(super) fn zmq_msg_gets(message: *const Msg, property: *const c_char) -> *const c_char;

    pub(super) fn zmq_poll(items: *mut PollItem, count: c_int, timeout_ms: c_long) -> c_int;

    pub(super) fn zmq_z85_decode(to: *mut u8, text: *const c_char) -> *mut u8;
    #[cfg(test)]
    pub(super) fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int;
}
