//! WebSocket frames (RFC 6455, 5): octets of a stranger to messages, messages to octets.
//!
//! Written here and not taken from a library because the answers to violations are Zeek's (`websocket.md` 5): unmasked
//! frames are accepted, text and binary are alike, and each violation has its code and reason. No memory is taken for
//! what a header announces, only for what came.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::close::Close;

/// Most octets of a message, in one frame or several.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Messages of this size and above are sent in several frames. Source: `websocket.md` 5.
const FRAGMENT_FROM: usize = 65_536;
/// Octets of each of these frames but the last.
const FRAGMENT: usize = 32_768;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A whole message; valid UTF-8 unless it came as binary.
    Message(Bytes),
    /// To be answered with the same payload.
    Ping(Bytes),
    Pong,
    /// What its Close says.
    Close(Close),
}

/// Takes frames out of what was read.
pub(super) struct Decoder {
    buffer: BytesMut,
    /// The frames of a message whose last one is missing, and whether it is text.
    begun: Option<(BytesMut, bool)>,
}

/// The beginning of a frame.
struct Header {
    last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    /// Of the header itself.
    octets: usize,
    payload: usize,
}

impl Decoder {
    /// Begins with what was read behind the request.
    pub(super) fn new(read: BytesMut) -> Decoder {
        Decoder { buffer: read, begun: None }
    }

    /// Octets that are kept of what has not come to its end.
    pub(super) fn held(&self) -> usize {
        self.buffer.len() + self.begun.as_ref().map_or(0, |(message, _)| message.len())
    }

    /// Where what is read goes.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next thing; none when more has to be read, and why to close when the client broke the protocol.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Close> {
        while let Some(header) = self.header()? {
            if self.buffer.len() - header.octets < header.payload {
                break;
            }
            self.buffer.advance(header.octets);
            let mut payload = self.buffer.split_to(header.payload);
            if let Some(mask) = header.mask {
                unmask(&mut payload, mask);
            }
            if let Some(incoming) = self.frame(&header, payload)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    /// The header at the beginning of the buffer, when it is there.
    fn header(&self) -> Result<Option<Header>, Close> {
        let mut rest = &self.buffer[..];
        let [first, second, ..] = *rest else { return Ok(None) };
        rest.advance(2);
        let (last, opcode, length) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
        self.check(first, length)?;
        let payload = match length {
            126 if rest.len() < 2 => return Ok(None),
            126 => u64::from(rest.get_u16()),
            127 if rest.len() < 8 => return Ok(None),
            127 => rest.get_u64(),
            short => u64::from(short),
        };
        let before = if opcode < CLOSE { self.begun.as_ref().map_or(0, |(begun, _)| begun.len()) } else { 0 };
        let payload = usize::try_from(payload).ok().filter(|payload| *payload <= MAX_MESSAGE - before);
        let payload = payload.ok_or(Close::TOO_BIG)?;
        let mask = match second & 0x80 != 0 {
            false => None,
            true if rest.len() < 4 => return Ok(None),
            true => Some(rest.get_u32().to_be_bytes()),
        };
        Ok(Some(Header { last, opcode, mask, octets: self.buffer.len() - rest.len(), payload }))
    }

    /// What the first two octets must not be.
    fn check(&self, first: u8, length: u8) -> Result<(), Close> {
        let violation = |reason| Err(Close::violation(reason));
        if first & 0x70 != 0 {
            return violation("Reserved bit used");
        }
        let last = first & 0x80 != 0;
        match first & 0x0f {
            CONTINUATION if self.begun.is_none() => violation("Fragmentation: continuation opcode out of sequence"),
            TEXT | BINARY if self.begun.is_some() => violation("Fragmentation: data message out of sequence"),
            CLOSE | PING | PONG if !last => violation("Control message fragmented"),
            PING if length > 125 => violation("Ping reason control frame with payload length > 125 octets"),
            CLOSE | PONG if length > 125 => violation("Protocol error"),
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG => Ok(()),
            _ => violation("Protocol error"),
        }
    }

    fn frame(&mut self, header: &Header, payload: BytesMut) -> Result<Option<Incoming>, Close> {
        match header.opcode {
            PING => Ok(Some(Incoming::Ping(payload.freeze()))),
            PONG => Ok(Some(Incoming::Pong)),
            CLOSE => Ok(Some(Incoming::Close(Close::read(&payload)))),
            opcode => self.data(opcode == TEXT, header.last, payload),
        }
    }

    fn data(&mut self, text: bool, last: bool, payload: BytesMut) -> Result<Option<Incoming>, Close> {
        let (message, text) = match self.begun.take() {
            Some((mut begun, text)) => {
                begun.extend_from_slice(&payload);
                (begun, text)
            }
            None => (payload, text),
        };
        if !last {
            self.begun = Some((message, text));
            return Ok(None);
        }
        if text && std::str::from_utf8(&message).is_err() {
            return Err(Close::BAD_PAYLOAD);
        }
        Ok(Some(Incoming::Message(message.freeze())))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for chunk in payload.chunks_mut(4) {
        chunk.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    }
}

/// Appends a text message.
pub(super) fn put_text(out: &mut BytesMut, text: &[u8]) {
    let mut frames = if text.len() < FRAGMENT_FROM { 1 } else { text.len() / FRAGMENT };
    let (mut opcode, mut rest) = (TEXT, text);
    out.reserve(text.len() + 10 * frames);
    while frames > 1 {
        let (fragment, behind) = rest.split_at(FRAGMENT);
        put_frame(out, opcode, fragment);
        (opcode, rest, frames) = (CONTINUATION, behind, frames - 1);
    }
    put_frame(out, opcode | 0x80, rest);
}

/// Appends a ping; at most 125 octets.
pub(super) fn put_ping(out: &mut BytesMut, payload: &[u8]) {
    put_frame(out, PING | 0x80, payload);
}

/// Appends the answer to a ping.
pub(super) fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    put_frame(out, PONG | 0x80, payload);
}

/// Appends a Close.
pub(super) fn put_close(out: &mut BytesMut, close: &Close) {
    put_frame(out, CLOSE | 0x80, &close.payload());
}

fn put_frame(out: &mut BytesMut, first: u8, payload: &[u8]) {
    out.put_u8(first);
    match payload.len() {
        length @ 0..126 => out.put_u8(length as u8),
        length @ 126..FRAGMENT_FROM => {
            out.put_u8(126);
            out.put_u16(length as u16);
        }
        length => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::invariants::read;

    /// A frame as a client sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_frame(&mut out, first, payload);
        let length = out.len() - payload.len();
        let mut frame = out[..length].to_vec();
        frame[1] |= 0x80;
        let mask = [1, 2, 250, 4];
        frame.extend(mask);
        frame.extend(payload.iter().enumerate().map(|(at, octet)| octet ^ mask[at % 4]));
        frame
    }

    fn message(text: &'static str) -> Incoming {
        Incoming::Message(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn messages_arrive_in_one_frame_or_several_masked_or_not_with_control_frames_between() {
        let mut octets = masked(0x81, b"[]");
        octets.extend(masked(0x01, b"one "));
        octets.extend(masked(0x89, b"are you there"));
        octets.extend(masked(0x00, b"two "));
        octets.extend(masked(0x8a, b""));
        octets.extend(masked(0x80, b"three"));
        octets.extend([0x82, 2, 0xff, 0xfe]);
        octets.extend(masked(0x88, b"\x03\xe8bye"));
        let expected = [
            message("[]"),
            Incoming::Ping(Bytes::from_static(b"are you there")),
            Incoming::Pong,
            message("one two three"),
            Incoming::Message(Bytes::from_static(b"\xff\xfe")),
            Incoming::Close(Close { code: 1000, reason: "bye".into() }),
        ];
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(read(&octets, piece), (expected.to_vec(), None), "pieces of {piece}");
        }
    }

    #[test]
    fn each_violation_has_its_code_and_reason() {
        let cases: [(Vec<u8>, u16, &str); 11] = [
            (masked(0xc1, b"x"), 1002, "Reserved bit used"),
            (masked(0x83, b"x"), 1002, "Protocol error"),
            (masked(0x8b, b"x"), 1002, "Protocol error"),
            (masked(0x89, &[0; 126]), 1002, "Ping reason control frame with payload length > 125 octets"),
            (masked(0x8a, &[0; 126]), 1002, "Protocol error"),
            (masked(0x09, b""), 1002, "Control message fragmented"),
            (masked(0x80, b"x"), 1002, "Fragmentation: continuation opcode out of sequence"),
            ([masked(0x01, b"x"), masked(0x81, b"y")].concat(), 1002, "Fragmentation: data message out of sequence"),
            (masked(0x81, b"\xff"), 1007, "Invalid frame payload data"),
            ([masked(0x01, b"\xc3"), masked(0x80, b"x")].concat(), 1007, "Invalid frame payload data"),
            (
                vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                1009,
                "Message of more than 16777216 octets",
            ),
        ];
        for (octets, code, reason) in cases {
            let (found, close) = read(&octets, 4096);
            let close = close.unwrap_or_else(|| panic!("{reason}: {found:?}"));
            assert_eq!((close.code, &*close.reason, found.len()), (code, reason, 0));
        }
    }

    #[test]
    fn a_message_s_size_is_limited_over_all_its_frames_before_they_come() {
        let half = vec![b'x'; MAX_MESSAGE / 2];
        let whole = [masked(0x02, &half), masked(0x80, &half)].concat();
        assert!(matches!(&read(&whole, 1 << 20).0[..], [Incoming::Message(message)] if message.len() == MAX_MESSAGE));
        let mut more = [masked(0x02, &half), masked(0x00, &half)].concat();
        more.extend([0x80, 0x81]);
        assert_eq!(read(&more, 1 << 20), (Vec::new(), Some(Close::TOO_BIG)));
    }

    #[test]
    fn large_messages_are_sent_in_frames_of_the_reference_s_sizes() {
        for (size, frames) in [
            (0, vec![0]),
            (125, vec![125]),
            (65_535, vec![65_535]),
            (65_536, vec![32_768, 32_768]),
            (100_000, vec![32_768, 32_768, 34_464]),
        ] {
            let (mut out, text) = (BytesMut::new(), vec![b'x'; size]);
            put_text(&mut out, &text);
            let decoder = Decoder::new(out.clone());
            assert_eq!(decoder.header().unwrap().unwrap().payload, frames[0]);
            let headers: usize = frames
                .iter()
                .map(|length| {
                    if *length < 126 {
                        2
                    } else if *length < 65_536 {
                        4
                    } else {
                        10
                    }
                })
                .sum();
            assert_eq!(out.len(), size + headers);
            assert_eq!(read(&out, 10_000), (vec![Incoming::Message(text.into())], None));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_stranger_sends_panics_or_depends_on_how_it_is_cut(
            octets in proptest::collection::vec(any::<u8>(), 0..400),
            piece in 1usize..40,
        ) {
            prop_assert_eq!(read(&octets, piece), read(&octets, usize::MAX));
        }

        #[test]
        fn every_message_comes_out_as_it_went_in(text in ".{0,300}", piece in 1usize..40) {
            let octets = masked(0x81, text.as_bytes());
            prop_assert_eq!(read(&octets, piece), (vec![Incoming::Message(text.into_bytes().into())], None));
        }
    }
}
