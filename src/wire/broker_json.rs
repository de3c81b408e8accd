//! `broker-json-v1`: Broker's JSON, between nodes and for WebSocket clients. Source: `formats.md` chapter 3.
//!
//! Compatibility: reads what Zeek 8.2 reads (its grammar is not RFC 8259's, so `serde_json` cannot) and refuses what
//! Zeek refuses. Writes Zeek's text, except where Zeek's is not JSON or not the value:
//! - control octets are written `\u00XX`, never raw or `\v`;
//! - a real that six decimals do not hold, or that Zeek could not read back, is written in the shortest form that
//!   does: `1e-7`, `1e300`; the infinities as `±1e309`, which every reader takes for them;
//! - NaN, for which JSON has nothing, is written as `none`;
//! - octets that are not UTF-8 become U+FFFD in [`encode`] and [`encode_event`], whose texts have to be fit for a
//!   WebSocket frame; [`encode_event_octets`] keeps them, as Zeek does.
//!
//! Performance: one pass over the text and no tree in between; only an object that names its type after its data is
//! read twice.

mod read;
mod text;

use std::io::Write as _;

use super::codec::DecodeError;
use super::envelope::{self, TYPE_EVENT, VERSION};
use crate::data::{Data, Event, Real};

/// The format's name on the wire.
pub const NAME: &str = "broker-json-v1";

/// How many objects and arrays may enclose each other; a container of the data model takes two. Source: `formats.md` 3.3.
pub const MAX_DEPTH: usize = 128;

/// The text of one value: always JSON, always UTF-8.
pub fn encode(value: &Data) -> String {
    let mut out = Writer::new(Octets::Substitute);
    out.value(value);
    out.into_text()
}

/// The one value that `text` holds. Members other than `@data-type` and `data` are ignored, as in a WebSocket message.
///
/// # Errors
/// [`Fault::Expected`](super::codec::Fault::Expected) for text that is not of the grammar, `TooDeep` for nesting beyond
/// [`MAX_DEPTH`], `Duplicate` for an element or a key that occurs twice, `Trailing` for text after the value.
pub fn decode(text: &[u8]) -> Result<Data, DecodeError> {
    read::value(text)
}

/// The text of an event in its envelope: always JSON, always UTF-8.
pub fn encode_event(event: &Event) -> String {
    let mut out = Writer::new(Octets::Substitute);
    out.event(event);
    out.into_text()
}

/// The text of an event with its octets as they are, UTF-8 or not: what a Zeek node sends to a Zeek node.
pub fn encode_event_octets(event: &Event) -> Vec<u8> {
    let mut out = Writer::new(Octets::Keep);
    out.event(event);
    out.out
}

/// The event that `text` holds. Version and type have to be 1; surplus elements of the envelope are ignored.
///
/// # Errors
/// As [`decode`]; and [`Fault::Unknown`](super::codec::Fault::Unknown) for another version or type, `Expected` for an
/// envelope that is not made of the vectors, the name and the metadata of an event. The latter two are told at offset
/// 0.
pub fn decode_event(text: &[u8]) -> Result<Event, DecodeError> {
    envelope::open(decode(text)?)
}

/// What a WebSocket client sends and receives: an event's envelope with a topic beside it. Source: `websocket.md` 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataMessage {
    /// The member `topic`; none when it is missing or not a string. The member `type` is not looked at, as in Zeek.
    pub topic: Option<Vec<u8>>,
    /// The value, of which nothing but its grammar was checked.
    pub value: Data,
}

impl DataMessage {
    /// The event in its value, checked as by [`decode_event`].
    ///
    /// # Errors
    /// [`Fault::Unknown`](super::codec::Fault::Unknown) or `Expected` when the value is no event, at offset 0.
    pub fn into_event(self) -> Result<Event, DecodeError> {
        envelope::open(self.value)
    }
}

/// The data message that `text` holds. A missing topic is no error here: Zeek checks the value first and answers with
/// another message.
///
/// # Errors
/// As [`decode`].
///
/// ```
/// use zeek_cluster::Data;
/// use zeek_cluster::wire::broker_json::decode_data_message;
///
/// let text = r#"{"type": "data-message", "topic": "my.topic", "@data-type": "count", "data": 3}"#;
/// let message = decode_data_message(text.as_bytes()).unwrap();
/// assert_eq!(message.topic.as_deref(), Some(&b"my.topic"[..]));
/// assert_eq!(message.value, Data::Count(3));
/// ```
pub fn decode_data_message(text: &[u8]) -> Result<DataMessage, DecodeError> {
    let value = decode(text)?;
    Ok(DataMessage { topic: read::string_member(text, b"topic"), value })
}

/// The data message for a client: always JSON, always UTF-8, members in Zeek's order.
pub fn encode_data_message(topic: &str, event: &Event) -> String {
    let mut out = Writer::new(Octets::Substitute);
    out.raw("{\"type\":\"data-message\",\"topic\":");
    out.string(topic.as_bytes());
    out.raw(",");
    out.members("vector", |out| out.envelope(event));
    out.into_text()
}

/// `text` as a JSON string with its quotes, escaped as in this format; octets that are not UTF-8 become U+FFFD.
pub fn quote(text: &[u8]) -> String {
    let mut out = Writer::new(Octets::Substitute);
    out.string(text);
    out.into_text()
}

/// What to do with octets that are not UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Octets {
    /// Write U+FFFD.
    Substitute,
    /// Write them raw.
    Keep,
}

struct Writer {
    out: Vec<u8>,
    octets: Octets,
}

impl Writer {
    fn new(octets: Octets) -> Writer {
        Writer { out: Vec::with_capacity(256), octets }
    }

    fn into_text(self) -> String {
        String::from_utf8(self.out).expect("the writer that substitutes writes UTF-8 only")
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn event(&mut self, event: &Event) {
        self.typed("vector", |out| out.envelope(event));
    }

    fn envelope(&mut self, event: &Event) {
        self.raw("[");
        self.count(VERSION);
        self.raw(",");
        self.count(TYPE_EVENT);
        self.raw(",");
        self.typed("vector", |out| out.event_parts(event));
        self.raw("]");
    }

    fn event_parts(&mut self, event: &Event) {
        self.raw("[");
        self.typed("string", |out| out.string(&event.name));
        self.raw(",");
        self.typed("vector", |out| out.list(&event.args, Writer::value));
        if !event.metadata.is_empty() {
            self.raw(",");
            self.typed("vector", |out| out.list(&event.metadata, Writer::metadata_entry));
        }
        self.raw("]");
    }

    fn metadata_entry(&mut self, (id, value): &(u64, Data)) {
        self.typed("vector", |out| {
            out.raw("[");
            out.count(*id);
            out.raw(",");
            out.value(value);
            out.raw("]");
        });
    }

    fn count(&mut self, count: u64) {
        self.typed("count", |out| out.display(count));
    }

    fn value(&mut self, value: &Data) {
        match value {
            Data::None => self.none(),
            Data::Boolean(is) => self.typed("boolean", |out| out.raw(if *is { "true" } else { "false" })),
            Data::Count(n) => self.count(*n),
            Data::Integer(n) => self.typed("integer", |out| out.display(n)),
            Data::Real(Real(x)) if x.is_nan() => self.none(),
            Data::Real(Real(x)) => self.typed("real", |out| out.raw(&text::of_real(*x))),
            Data::String(octets) => self.typed("string", |out| out.string(octets)),
            Data::Address(ip) => self.quoted("address", text::of_address(*ip)),
            Data::Subnet(subnet) => self.quoted("subnet", subnet),
            Data::Port(port) => self.quoted("port", port),
            Data::Timestamp(ns) => self.quoted("timestamp", text::of_timestamp(*ns)),
            Data::Timespan(ns) => self.quoted("timespan", text::of_timespan(*ns)),
            Data::Enum(name) => self.typed("enum-value", |out| out.string(name)),
            Data::Set(elements) => self.typed("set", |out| out.list(elements, Writer::value)),
            Data::Table(pairs) => self.typed("table", |out| out.list(pairs, Writer::pair)),
            Data::Vector(elements) => self.typed("vector", |out| out.list(elements, Writer::value)),
        }
    }

    fn none(&mut self) {
        self.typed("none", |out| out.raw("{}"));
    }

    fn typed(&mut self, data_type: &str, data: impl FnOnce(&mut Writer)) {
        self.raw("{");
        self.members(data_type, data);
    }

    /// The two members of a value and the end of its object.
    fn members(&mut self, data_type: &str, data: impl FnOnce(&mut Writer)) {
        self.raw("\"@data-type\":\"");
        self.raw(data_type);
        self.raw("\",\"data\":");
        data(self);
        self.raw("}");
    }

    fn pair(&mut self, (key, value): (&Data, &Data)) {
        self.raw("{\"key\":");
        self.value(key);
        self.raw(",\"value\":");
        self.value(value);
        self.raw("}");
    }

    fn list<I: IntoIterator>(&mut self, items: I, mut write: impl FnMut(&mut Writer, I::Item)) {
        self.raw("[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }

    fn display(&mut self, shown: impl std::fmt::Display) {
        write!(self.out, "{shown}").expect("writing to memory does not fail");
    }

    /// For texts that need no escape.
    fn quoted(&mut self, data_type: &str, shown: impl std::fmt::Display) {
        self.typed(data_type, |out| {
            out.raw("\"");
            out.display(shown);
            out.raw("\"");
        });
    }

    fn string(&mut self, octets: &[u8]) {
        self.raw("\"");
        match self.octets {
            Octets::Keep => self.escaped(octets),
            Octets::Substitute => self.escaped(String::from_utf8_lossy(octets).as_bytes()),
        }
        self.raw("\"");
    }

    fn escaped(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some(at) = rest.iter().position(|octet| matches!(octet, b'"' | b'\\' | 0..0x20)) {
            self.out.extend_from_slice(&rest[..at]);
            match rest[at] {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                0x08 => self.raw("\\b"),
                0x0c => self.raw("\\f"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                b'\t' => self.raw("\\t"),
                control => self.display(format_args!("\\u{control:04x}")),
            }
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests;
