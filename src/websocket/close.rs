//! Why a connection ends. Source: `websocket.md` 5 and 13.

use std::borrow::Cow;

/// A close code and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// As in RFC 6455, 7.4.
    pub code: u16,
    /// May be empty.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// The node ends.
    pub(super) const TERMINATING: Close = Close::fixed(1001, "Terminating");
    /// The client's Close had no code; never sent.
    pub(super) const NO_STATUS: Close = Close::fixed(1005, "No status code");
    /// The connection ended without a Close; never sent.
    pub(super) const ABNORMAL: Close = Close::fixed(1006, "Abnormal closure");
    /// The client takes nothing; never sent.
    pub(super) const SEND_TIMEOUT: Close = Close::fixed(1006, "Send timeout");
    pub(super) const BAD_PAYLOAD: Close = Close::fixed(1007, "Invalid frame payload data");
    pub(super) const TOO_BIG: Close = Close::fixed(1009, "Message of more than 16777216 octets");
    /// The client did not say within ten seconds what it wants to hear.
    pub(super) const NO_SUBSCRIPTIONS: Close = Close::policy("No subscriptions within 10 seconds");
    /// The client reads more slowly than its events come.
    pub(super) const BEHIND: Close = Close::policy("Too far behind: the backlog of events is full");
    /// All clients together have begun to send more than the server keeps.
    pub(super) const NO_ROOM: Close = Close::fixed(1013, "No room for a message of this size now");
    pub(super) const PING_TIMEOUT: Close = Close::fixed(1011, "Ping timeout");
    pub(super) const NOT_SUBSCRIBED: Close = Close::fixed(1011, "Could not subscribe. Something bad happened!");

    const fn fixed(code: u16, reason: &'static str) -> Close {
        Close { code, reason: Cow::Borrowed(reason) }
    }

    /// The client broke the protocol of frames.
    pub(super) const fn violation(reason: &'static str) -> Close {
        Close::fixed(1002, reason)
    }

    /// The client's request or first message is refused.
    pub(super) const fn policy(reason: &'static str) -> Close {
        Close::fixed(1008, reason)
    }

    /// What the payload of a client's Close says. As in Zeek, a payload of one octet counts as none.
    pub(super) fn read(payload: &[u8]) -> Close {
        let [high, low, reason @ ..] = payload else { return Close::NO_STATUS };
        let code = u16::from_be_bytes([*high, *low]);
        match std::str::from_utf8(reason) {
            _ if matches!(code, 0..1000 | 1004..=1006 | 1014..3000) => {
                Close { code: 1002, reason: format!("Invalid close code: {code}").into() }
            }
            Ok(reason) => Close { code, reason: reason.to_owned().into() },
            Err(_) => Close::BAD_PAYLOAD,
        }
    }

    /// The payload of the Close that says this; empty for codes that are never sent.
    pub(super) fn payload(&self) -> Vec<u8> {
        if matches!(self.code, 1005 | 1006) {
            return Vec::new();
        }
        [&self.code.to_be_bytes(), self.reason.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: u16, reason: &[u8]) -> (u16, String) {
        let close = Close::read(&[&code.to_be_bytes(), reason].concat());
        (close.code, close.reason.into_owned())
    }

    #[test]
    fn a_client_s_code_and_reason_are_taken_as_they_are() {
        assert_eq!(read(1000, b""), (1000, String::new()));
        assert_eq!(read(1001, "geht weg: für immer".as_bytes()), (1001, "geht weg: für immer".to_owned()));
        assert_eq!(read(3000, b"x"), (3000, "x".to_owned()));
        assert_eq!(read(65535, b""), (65535, String::new()));
        assert_eq!(Close::read(b""), Close::NO_STATUS);
        assert_eq!(Close::read(b"\x03"), Close::NO_STATUS);
    }

    #[test]
    fn codes_that_nobody_may_send_and_reasons_that_are_no_text_are_violations() {
        for code in [0, 999, 1004, 1005, 1006, 1014, 1015, 2999] {
            assert_eq!(read(code, b"why"), (1002, format!("Invalid close code: {code}")));
        }
        assert_eq!(read(1000, b"\xff"), (1007, "Invalid frame payload data".to_owned()));
    }

    #[test]
    fn what_is_never_sent_has_no_payload() {
        assert!(Close::NO_STATUS.payload().is_empty() && Close::SEND_TIMEOUT.payload().is_empty());
        assert_eq!(Close::TERMINATING.payload(), b"\x03\xe9Terminating");
        assert_eq!(Close::read(&Close::PING_TIMEOUT.payload()), Close::PING_TIMEOUT);
        assert!(Close::TOO_BIG.reason.contains(&crate::websocket::MAX_MESSAGE.to_string()));
    }
}
