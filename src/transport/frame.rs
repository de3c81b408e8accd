//! The multipart messages of `zeromq.md` chapter 2, and their bytes on a connection.

use bytes::{BufMut, Bytes, BytesMut};

use super::{EventFrame, LogFrame, MAX_PART};

/// Part 0 of every log batch; receivers do not check it. Source: `zeromq.md` 2.3.
pub(super) const LOG_WRITE: &[u8] = b"log-write";

/// First byte of a message on XSUB/XPUB. Source: `zeromq.md` 2.4.
const SUBSCRIBE: u8 = 1;
const UNSUBSCRIBE: u8 = 0;

/// ZMTP frame flags. Source: RFC 37, `zeromq.md` 2.5.
const MORE: u8 = 0x01;
const LONG: u8 = 0x02;

/// A message that a node must not have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} parts, have {have}")]
pub(super) struct PartCount {
    expected: usize,
    have: usize,
}

/// What a message on XSUB/XPUB asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest<'a> {
    /// Somebody subscribed to that prefix.
    Subscribe(&'a [u8]),
    /// The last subscriber of that prefix left.
    Unsubscribe(&'a [u8]),
}

impl<'a> Interest<'a> {
    /// The one part of the message.
    pub(super) fn encode(self) -> Vec<u8> {
        let (flag, topic) = match self {
            Interest::Subscribe(topic) => (SUBSCRIBE, topic),
            Interest::Unsubscribe(topic) => (UNSUBSCRIBE, topic),
        };
        let mut part = Vec::with_capacity(topic.len() + 1);
        part.push(flag);
        part.extend_from_slice(topic);
        part
    }

    /// Reads the one part; nothing for an empty message or another first byte, which are to be ignored.
    pub(super) fn decode(part: &'a [u8]) -> Option<Interest<'a>> {
        match part.split_first()? {
            (&SUBSCRIBE, topic) => Some(Interest::Subscribe(topic)),
            (&UNSUBSCRIBE, topic) => Some(Interest::Unsubscribe(topic)),
            _ => None,
        }
    }
}

impl EventFrame {
    /// Whether peers take a message of this size.
    pub(super) fn fits(&self) -> bool {
        self.topic.len() <= MAX_PART && self.payload.len() <= MAX_PART
    }

    pub(super) fn into_parts(self) -> [Bytes; 4] {
        [self.topic, self.sender, self.format, self.payload]
    }

    pub(super) fn from_parts(parts: Vec<Bytes>) -> Result<EventFrame, PartCount> {
        let [topic, sender, format, payload] = four(parts)?;
        Ok(EventFrame { topic, sender, format, payload })
    }
}

impl LogFrame {
    /// Whether peers take a message of this size.
    pub(super) fn fits(&self) -> bool {
        self.payload.len() <= MAX_PART
    }

    pub(super) fn into_parts(self) -> [Bytes; 4] {
        [Bytes::from_static(LOG_WRITE), self.sender, self.format, self.payload]
    }

    pub(super) fn from_parts(parts: Vec<Bytes>) -> Result<LogFrame, PartCount> {
        let [_, sender, format, payload] = four(parts)?;
        Ok(LogFrame { sender, format, payload })
    }
}

fn four(parts: Vec<Bytes>) -> Result<[Bytes; 4], PartCount> {
    parts.try_into().map_err(|parts: Vec<Bytes>| PartCount { expected: 4, have: parts.len() })
}

/// A message as ZMTP frames (NULL mechanism), as it would stand on a TCP connection.
pub(super) fn to_wire(parts: &[Bytes]) -> Bytes {
    let mut wire = BytesMut::with_capacity(parts.iter().map(|part| part.len() + 9).sum());
    for (index, part) in parts.iter().enumerate() {
        let more = if index + 1 < parts.len() { MORE } else { 0 };
        match u8::try_from(part.len()) {
            Ok(length) => {
                wire.put_u8(more);
                wire.put_u8(length);
            }
            Err(_) => {
                wire.put_u8(more | LONG);
                wire.put_u64(part.len() as u64);
            }
        }
        wire.put_slice(part);
    }
    wire.freeze()
}

/// The parts of one message; nothing if the bytes are not exactly one whole message.
pub(super) fn from_wire(mut wire: Bytes) -> Option<Vec<Bytes>> {
    let mut parts = Vec::new();
    loop {
        let flags = *wire.first()?;
        let (length, header) = if flags & LONG == 0 {
            (usize::from(*wire.get(1)?), 2)
        } else {
            (usize::try_from(u64::from_be_bytes(wire.get(1..9)?.try_into().ok()?)).ok()?, 9)
        };
        let _header = wire.split_to(header);
        if length > wire.len() {
            return None;
        }
        parts.push(wire.split_to(length));
        if flags & MORE == 0 {
            return wire.is_empty().then_some(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(texts: &[&str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
    }

    #[test]
    fn a_subscription_is_the_golden_frame_of_the_protocol_page() {
        let topic = b"zeek.cluster.nodeid.zeromq_worker-1_hostb_4242_Nk3Jd81aQ7xPz0mT2b9.";
        let wire = to_wire(&[Interest::Subscribe(topic).encode().into()]);
        assert_eq!(&wire[..3], [0x00, 0x44, 0x01]);
        assert_eq!(&wire[3..], topic);
    }

    #[test]
    fn the_parts_of_an_event_are_the_golden_headers_of_the_protocol_page() {
        let wire = to_wire(&parts(&["t", "s", "broker-bin-v1", &"p".repeat(300)]));
        assert_eq!(&wire[..8], [1, 1, b't', 1, 1, b's', 1, 13]);
        assert_eq!(&wire[21..30], [2, 0, 0, 0, 0, 0, 0, 1, 44]);
        assert_eq!(from_wire(wire).expect("whole").len(), 4);
    }

    #[test]
    fn truncated_and_trailing_bytes_are_no_message() {
        let wire = to_wire(&parts(&["topic", "sender", "format", &"p".repeat(300)]));
        for length in 0..wire.len() {
            assert_eq!(from_wire(wire.slice(..length)), None, "{length} octets");
        }
        let mut longer = wire.to_vec();
        longer.push(0);
        assert_eq!(from_wire(longer.into()), None);
        assert_eq!(from_wire(Bytes::from_static(&[2, 255, 255, 255, 255, 255, 255, 255, 255, 0])), None);
    }

    #[test]
    fn other_part_counts_are_refused_with_the_count() {
        let error = EventFrame::from_parts(parts(&["a", "b", "c"])).expect_err("three parts");
        assert_eq!(error.to_string(), "expected 4 parts, have 3");
        assert!(LogFrame::from_parts(parts(&["a", "b", "c", "d", "e"])).is_err());
    }

    #[test]
    fn other_first_bytes_and_empty_messages_are_ignored() {
        assert_eq!(Interest::decode(b"\x02x"), None);
        assert_eq!(Interest::decode(b""), None);
        assert_eq!(Interest::decode(b"\x00"), Some(Interest::Unsubscribe(b"")));
    }
}
