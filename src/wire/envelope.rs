//! An event as one value: `vector[count 1, count 1, vector[name, args, metadata]]`. Source: `formats.md` 2.4.

use super::codec::{DecodeError, Fault};
use crate::data::{Data, Event};

/// Broker's protocol version.
pub(super) const VERSION: u64 = 1;
/// Broker's message type of an event; the others never leave the native Broker backend.
pub(super) const TYPE_EVENT: u64 = 1;

/// The event in a decoded value. Stricter than Zeek, which checks nothing here and reads out of bounds: version and type
/// have to be 1, the three parts have to have their types. Surplus elements at the end of either vector are ignored.
pub(super) fn open(value: Data) -> Result<Event, DecodeError> {
    let mut outer = vector(value, "an event's envelope, a vector")?.into_iter();
    constant(outer.next(), VERSION, "protocol version 1")?;
    constant(outer.next(), TYPE_EVENT, "message type 1, an event")?;
    let mut inner = vector(outer.next().unwrap_or(Data::None), "a vector of name, arguments and metadata")?.into_iter();
    let Some(Data::String(name)) = inner.next() else {
        return Err(refuse("the event's name, a string"));
    };
    let args = vector(inner.next().unwrap_or(Data::None), "the event's arguments, a vector")?;
    let metadata = match inner.next() {
        None => Vec::new(),
        Some(entries) => {
            vector(entries, "the event's metadata, a vector")?.into_iter().map(entry).collect::<Result<_, _>>()?
        }
    };
    Ok(Event { name, args, metadata })
}

fn entry(value: Data) -> Result<(u64, Data), DecodeError> {
    let parts = <[Data; 2]>::try_from(vector(value, "a metadata entry, a vector")?);
    match parts {
        Ok([Data::Count(id), value]) => Ok((id, value)),
        _ => Err(refuse("a metadata entry of a count and a value")),
    }
}

fn vector(value: Data, expected: &'static str) -> Result<Vec<Data>, DecodeError> {
    match value {
        Data::Vector(elements) => Ok(elements),
        _ => Err(refuse(expected)),
    }
}

fn constant(value: Option<Data>, wanted: u64, expected: &'static str) -> Result<(), DecodeError> {
    match value {
        Some(Data::Count(found)) if found == wanted => Ok(()),
        Some(Data::Count(found)) => Err(DecodeError { offset: 0, fault: Fault::Unknown { expected, found } }),
        _ => Err(refuse(expected)),
    }
}

/// The bytes were well-formed; it is the message as a whole that is refused.
fn refuse(expected: &'static str) -> DecodeError {
    DecodeError { offset: 0, fault: Fault::Expected(expected) }
}
