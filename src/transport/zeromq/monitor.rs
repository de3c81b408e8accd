//! What libzmq tells about connections, and what it means in words (`zeromq.md` 5.3).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::socket::{Copies, Socket};

/// Failed attempts in a row before a failure that libzmq gives no reason for is reported. One or two happen when the hub
/// restarts in the middle of a handshake (`zeromq.md` 4.9), and a mismatch of mechanisms shows its reason in one of the first
/// attempts (5.3).
const SILENT_FAILURES: u32 = 5;

/// The same refusal is repeated after this time, then after twice that, up to [`REPEAT_MAX`].
const REPEAT: Duration = Duration::from_secs(60);
const REPEAT_MAX: Duration = Duration::from_secs(3600);

/// Refusals that are remembered; beyond that the memory starts anew.
const REMEMBERED: usize = 1024;

/// Mechanism mismatch and failed decryption, of `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL`. Source: `zmq.h` of libzmq 4.3.5.
const MECHANISM_MISMATCH: u32 = 0x1100_0002;
const CRYPTOGRAPHIC: u32 = 0x1100_0001;

/// One event of a socket's monitor. Source of the numbers: `zmq.h` of libzmq 4.3.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    /// The endpoint as libzmq writes it.
    pub(super) address: String,
}

/// The kinds that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// The TCP connection stands.
    Connected,
    /// A listening socket could not take a connection, for that error number: the peer waits until it can.
    AcceptFailed(u32),
    /// The ZMTP handshake is done: messages flow.
    Ready,
    /// The connection, with that descriptor, is gone.
    Disconnected(i32),
    /// The handshake failed for an error number, without further detail.
    FailedSilently(u32),
    /// The handshake broke ZMTP's rules; libzmq does not try again.
    FailedProtocol(u32),
    /// A ZAP handler refused the client, with its status; libzmq does not try again.
    FailedAuth(u32),
    /// Anything else.
    Other,
}

/// Takes one event, if there is one.
pub(super) fn next(monitor: &Socket) -> Option<Event> {
    let message = monitor.receive(2, &mut Copies::default()).ok()?;
    let head = message.parts.first()?;
    let number = u16::from_ne_bytes(head.get(..2)?.try_into().ok()?);
    let value = u32::from_ne_bytes(head.get(2..6)?.try_into().ok()?);
    let kind = match number {
        0x0001 => EventKind::Connected,
        0x0040 => EventKind::AcceptFailed(value),
        0x1000 => EventKind::Ready,
        0x0200 => EventKind::Disconnected(value.cast_signed()),
        0x0800 => EventKind::FailedSilently(value),
        0x2000 => EventKind::FailedProtocol(value),
        0x4000 => EventKind::FailedAuth(value),
        _ => EventKind::Other,
    };
    let address = message.parts.get(1).map(|part| String::from_utf8_lossy(part).into_owned()).unwrap_or_default();
    Some(Event { kind, address })
}

/// Whether this process has CURVE keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    Plain,
    Curve,
}

/// One connection that this process dials, as its monitor shows it.
#[derive(Debug)]
pub(super) struct Dialled {
    security: Security,
    state: DialState,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DialState {
    Idle,
    Handshaking,
    Ready,
}

/// What an event means for a dialled connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Up,
    Down,
    /// Worth a report: the reason, in words, and whether libzmq keeps trying by itself.
    Refused {
        reason: String,
        retry: Retry,
    },
}

/// Who tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// libzmq does.
    Automatic,
    /// libzmq has given up on the endpoint; somebody has to dial it again.
    Redial,
}

impl Dialled {
    pub(super) fn new(security: Security) -> Dialled {
        Dialled { security, state: DialState::Idle, failures: 0 }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == DialState::Ready
    }

    pub(super) fn observe(&mut self, kind: EventKind) -> Change {
        match kind {
            EventKind::Connected => {
                self.state = DialState::Handshaking;
                Change::Nothing
            }
            EventKind::Ready => {
                self.state = DialState::Ready;
                self.failures = 0;
                Change::Up
            }
            EventKind::Disconnected(_) | EventKind::FailedSilently(_) => self.lost(kind),
            EventKind::FailedProtocol(code) => self.refused(protocol_reason(code, self.security)),
            EventKind::FailedAuth(status) => self.refused(format!(
                "it refuses this node's CURVE client key (ZAP status {status}): it admits another client key"
            )),
            EventKind::AcceptFailed(_) | EventKind::Other => Change::Nothing,
        }
    }

    fn lost(&mut self, kind: EventKind) -> Change {
        match std::mem::replace(&mut self.state, DialState::Idle) {
            DialState::Ready => Change::Down,
            DialState::Idle => Change::Nothing,
            DialState::Handshaking => match kind {
                EventKind::FailedSilently(_) => self.failed_silently(),
                _ => self.refused(WRONG_SOCKET.to_owned()),
            },
        }
    }

    fn failed_silently(&mut self) -> Change {
        self.failures += 1;
        if self.failures < SILENT_FAILURES {
            return Change::Nothing;
        }
        let reason = match self.security {
            Security::Curve => WRONG_SERVER_KEY,
            Security::Plain => NO_PEER,
        };
        Change::Refused { reason: reason.to_owned(), retry: Retry::Automatic }
    }

    fn refused(&mut self, reason: String) -> Change {
        self.state = DialState::Idle;
        Change::Refused { reason, retry: Retry::Redial }
    }
}

fn protocol_reason(code: u32, security: Security) -> String {
    match (code, security) {
        (MECHANISM_MISMATCH, Security::Curve) => "it speaks plain text, but this node has CURVE keys".to_owned(),
        (MECHANISM_MISMATCH, Security::Plain) => "it requires CURVE, but this node has no keys".to_owned(),
        (CRYPTOGRAPHIC, _) => "its CURVE handshake does not decrypt with this node's keys".to_owned(),
        (code, _) => format!("it breaks ZeroMQ's handshake (0x{code:08x}): is that the cluster's port?"),
    }
}

/// The server cannot decrypt what we send, and libzmq tells neither side more than that the connection ended. A plain server
/// that is quicker to hang up than we are to read its greeting looks the same.
const WRONG_SERVER_KEY: &str = "it breaks off the CURVE handshake without a word, again and again: the server public key is \
     not this endpoint's, or this node's client public and secret keys do not belong together, or it speaks plain text";

/// Something listens there that speaks another protocol, or closes at once.
const NO_PEER: &str =
    "it breaks off the handshake without a word, again and again: it is no ZeroMQ peer, or it requires CURVE";

/// A connection that ends after the greeting without any event of failure: libzmq found another type of socket there, and
/// does not try again. Source: measured with libzmq 4.3.5, 2026-11-22.
const WRONG_SOCKET: &str =
    "it is not the kind of socket expected there: are the XPUB and XSUB endpoints (or the log port) mixed up?";

/// What an event of a listening socket means; none if it is not worth a report.
pub(super) fn listener_reason(kind: EventKind, security: Security) -> Option<&'static str> {
    match (kind, security) {
        (EventKind::FailedProtocol(MECHANISM_MISMATCH), Security::Curve) => {
            Some("a peer without CURVE keys was turned away")
        }
        (EventKind::FailedProtocol(MECHANISM_MISMATCH), Security::Plain) => {
            Some("a peer that wants CURVE was turned away, as this cluster is not encrypted")
        }
        (EventKind::FailedProtocol(CRYPTOGRAPHIC), Security::Curve) => Some(
            "a peer was turned away that encrypts for another server key, or whose key pair does not belong together",
        ),
        // A peer without keys that hangs up first, which is up to chance: of the two, only it can tell why.
        (EventKind::FailedSilently(_), Security::Curve) => {
            Some("a peer broke off the handshake: it has no CURVE keys, or is no member of a cluster")
        }
        _ => None,
    }
}

/// Connections that the system does not accept; libzmq tries without a pause, and each attempt is an event.
#[derive(Debug, Default)]
pub(super) struct Unaccepted {
    told: Option<Instant>,
}

impl Unaccepted {
    /// Why connections are not accepted, when that is to be told now.
    pub(super) fn reason(&mut self, errno: u32, now: Instant) -> Option<&'static str> {
        let reason = accept_failure(errno)?;
        if self.told.is_some_and(|told| now.duration_since(told) < TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(reason)
    }
}

fn accept_failure(errno: u32) -> Option<&'static str> {
    match errno.cast_signed() {
        libc::EMFILE => Some(NO_DESCRIPTORS),
        libc::ENFILE => {
            Some("connections cannot be accepted: the system has no file descriptor left (sysctl fs.file-max)")
        }
        libc::ENOMEM | libc::ENOBUFS => Some("connections cannot be accepted: the system has no memory for them"),
        // The peer left before it was accepted.
        _ => None,
    }
}

/// Pause between two reports of one cause.
const TELL_EVERY: Duration = Duration::from_secs(10);

const NO_DESCRIPTORS: &str = "connections cannot be accepted: this node has no file descriptor left; raise the hard limit of \
     its agent (`ulimit -Hn`, or LimitNOFILE= of its systemd unit)";

/// Which refusals were reported when, so that a peer that fails nine times a second is reported once.
#[derive(Debug, Default)]
pub(super) struct Reports {
    seen: BTreeMap<(String, String), Reported>,
}

#[derive(Debug)]
struct Reported {
    at: Instant,
    quiet: Duration,
}

impl Reports {
    /// Whether to report it now; the time until the next report doubles each time.
    pub(super) fn is_due(&mut self, endpoint: &str, reason: &str, now: Instant) -> bool {
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        let key = (endpoint.to_owned(), reason.to_owned());
        match self.seen.get_mut(&key) {
            None => {
                self.seen.insert(key, Reported { at: now, quiet: REPEAT });
                true
            }
            Some(last) if now.duration_since(last.at) >= last.quiet => {
                *last = Reported { at: now, quiet: (last.quiet * 2).min(REPEAT_MAX) };
                true
            }
            Some(_) => false,
        }
    }

    /// Forgets an endpoint that has become well.
    pub(super) fn clear(&mut self, endpoint: &str) {
        self.seen.retain(|(known, _), _| known != endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_failure_is_reported_from_the_fifth_attempt_on() {
        let mut dialled = Dialled::new(Security::Curve);
        for attempt in 1..=5 {
            assert_eq!(dialled.observe(EventKind::Connected), Change::Nothing);
            let change = dialled.observe(EventKind::FailedSilently(32));
            assert_eq!(matches!(change, Change::Refused { retry: Retry::Automatic, .. }), attempt == 5, "{change:?}");
            assert_eq!(dialled.observe(EventKind::Disconnected(7)), Change::Nothing, "one attempt counts once");
        }
        assert_eq!(dialled.observe(EventKind::Connected), Change::Nothing);
        assert_eq!(dialled.observe(EventKind::Ready), Change::Up);
        assert_eq!(dialled.observe(EventKind::Disconnected(7)), Change::Down);
        assert_eq!(dialled.observe(EventKind::Connected), Change::Nothing);
        assert_eq!(dialled.observe(EventKind::FailedSilently(104)), Change::Nothing, "the count starts anew");
    }

    #[test]
    fn refusals_say_what_is_wrong_on_which_side() {
        let reason = |security, kind| match Dialled::new(security).observe(kind) {
            Change::Refused { reason, retry: Retry::Redial } => reason,
            other => panic!("{other:?}"),
        };
        let mismatch = EventKind::FailedProtocol(285_212_674);
        assert_eq!(reason(Security::Plain, mismatch), "it requires CURVE, but this node has no keys");
        assert_eq!(reason(Security::Curve, mismatch), "it speaks plain text, but this node has CURVE keys");
        assert!(reason(Security::Curve, EventKind::FailedAuth(400)).contains("client key"));
    }

    #[test]
    fn used_up_descriptors_are_told_every_ten_seconds() {
        let mut unaccepted = Unaccepted::default();
        let (start, emfile) = (Instant::now(), libc::EMFILE.cast_unsigned());
        let told = |second: &u64| unaccepted.reason(emfile, start + Duration::from_secs(*second)).is_some();
        assert_eq!((0..25).filter(told).collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!(Unaccepted::default().reason(libc::ECONNABORTED.cast_unsigned(), start), None);
    }

    #[test]
    fn a_report_is_repeated_with_growing_pauses() {
        let mut reports = Reports::default();
        let start = Instant::now();
        let due: Vec<u64> =
            (0..600).filter(|second| reports.is_due("e", "r", start + Duration::from_secs(*second))).collect();
        assert_eq!(due, [0, 60, 180, 420]);
        reports.clear("e");
        assert!(reports.is_due("e", "r", start));
    }
}
