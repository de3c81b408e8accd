//! `broker-bin-v1`: Broker's binary format. Source: `formats.md` chapter 2.
//!
//! Compatibility: what Zeek 8.2 sends decodes, and encodes to the same octets again. Two liberties that Zeek takes are
//! not taken: lengths of more than five octets are refused, and so are values nested deeper than [`MAX_DEPTH`].
//!
//! Performance: encoding appends to one buffer; decoding copies strings and nothing else. Containers reserve what they
//! announce, which [`Cursor::claim`] bounds by the input, and what a message becomes in memory is bounded by
//! [`memory_limit`]: sets of one element would take 130 octets for each of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::codec::{Cursor, DecodeError, Fault, put_varbyte};
use super::envelope::{self, TYPE_EVENT, VERSION};
use crate::data::{Data, Event, Port, Protocol, Real, Subnet};

/// The format's name on the wire.
pub const NAME: &str = "broker-bin-v1";

/// How many containers may enclose each other. Zeek has no limit; it recurses until its stack ends.
pub const MAX_DEPTH: usize = 128;

/// The most memory that a message of so many octets may become: forty octets for each of its own, which sets of one count
/// take; at least 64 KiB, so that nothing small is refused, and at most 64 MiB.
pub fn memory_limit(octets: usize) -> usize {
    octets.saturating_mul(40).clamp(64 << 10, 64 << 20)
}

/// Octets of a value in a container.
const SLOT: usize = size_of::<Data>();
/// Overhead of an allocation in octets.
const ALLOCATION: usize = 16;
/// Values of a leaf of a B-tree, and how many of them are in use where elements come in their order.
const LEAF: usize = 11;
const LEAF_USED: usize = 6;

mod tag {
    pub const NONE: u8 = 0;
    pub const BOOLEAN: u8 = 1;
    pub const COUNT: u8 = 2;
    pub const INTEGER: u8 = 3;
    pub const REAL: u8 = 4;
    pub const STRING: u8 = 5;
    pub const ADDRESS: u8 = 6;
    pub const SUBNET: u8 = 7;
    pub const PORT: u8 = 8;
    pub const TIMESTAMP: u8 = 9;
    pub const TIMESPAN: u8 = 10;
    pub const ENUM: u8 = 11;
    pub const SET: u8 = 12;
    pub const TABLE: u8 = 13;
    pub const VECTOR: u8 = 14;
}

/// The octets of one value.
pub fn encode(value: &Data) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    put(&mut out, value);
    out
}

/// The one value that `octets` hold; nothing may follow it.
///
/// # Errors
/// [`Fault`] says which: the input ends too early or announces more than it holds, a type tag or a protocol that there
/// is not, a length of more than five octets, nesting beyond [`MAX_DEPTH`], memory beyond [`memory_limit`], an element or a
/// key that occurs twice, octets after the value.
///
/// ```
/// use zeek_cluster::Data;
/// use zeek_cluster::wire::broker_bin;
///
/// let octets = broker_bin::encode(&Data::from("hi"));
/// assert_eq!(octets, [5, 2, b'h', b'i']);
/// assert_eq!(broker_bin::decode(&octets), Ok(Data::from("hi")));
/// let refused = broker_bin::decode(&octets[..3]).unwrap_err();
/// assert_eq!(refused.to_string(), "decode octet 2: a string needs 2 octets, 1 are left");
/// ```
pub fn decode(octets: &[u8]) -> Result<Data, DecodeError> {
    let mut cursor = Cursor::new(octets, MAX_DEPTH).with_memory(memory_limit(octets.len()));
    let value = get(&mut cursor)?;
    cursor.finish()?;
    Ok(value)
}

/// The octets of an event in its envelope: a third element only if there is metadata, as Zeek's serializer does it.
pub fn encode_event(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    put_list(&mut out, tag::VECTOR, 3);
    put_u64(&mut out, tag::COUNT, VERSION);
    put_u64(&mut out, tag::COUNT, TYPE_EVENT);
    put_list(&mut out, tag::VECTOR, if event.metadata.is_empty() { 2 } else { 3 });
    put_octets(&mut out, tag::STRING, &event.name);
    put_vector(&mut out, &event.args);
    if !event.metadata.is_empty() {
        put_list(&mut out, tag::VECTOR, event.metadata.len());
        for (id, value) in &event.metadata {
            put_list(&mut out, tag::VECTOR, 2);
            put_u64(&mut out, tag::COUNT, *id);
            put(&mut out, value);
        }
    }
    out
}

/// The event that `octets` hold. Version and type have to be 1; surplus elements of the envelope are ignored.
///
/// # Errors
/// As [`decode`]; and [`Fault::Unknown`] for another version or type, [`Fault::Expected`] for an envelope that is not
/// made of the vectors, the name and the metadata of an event. The latter two are told at offset 0.
pub fn decode_event(octets: &[u8]) -> Result<Event, DecodeError> {
    envelope::open(decode(octets)?)
}

/// The name of the event that `octets` hold. The rest is looked at, and nothing is made of it.
///
/// # Errors
/// As [`decode_event`], but for elements and keys that occur twice, metadata of a wrong type, and memory.
pub fn event_name(octets: &[u8]) -> Result<&[u8], DecodeError> {
    let mut cursor = Cursor::new(octets, MAX_DEPTH);
    let outer = open_vector(&mut cursor, 3, "an event's envelope, a vector")?;
    for constant in [VERSION, TYPE_EVENT] {
        match get(&mut cursor)? {
            Data::Count(found) if found == constant => {}
            _ => return Err(cursor.error(Fault::Expected("version 1 and type 1 of an event"))),
        }
    }
    let inner = open_vector(&mut cursor, 2, "a vector of name, arguments and metadata")?;
    if cursor.u8("the event's name")? != tag::STRING {
        return Err(cursor.error(Fault::Expected("the event's name, a string")));
    }
    let length = cursor.varbyte("the event's name")?;
    let name = cursor.octets(length, "the event's name")?;
    let arguments = open_vector(&mut cursor, 0, "the event's arguments, a vector")?;
    for _ in 0..arguments + (inner - 2) + (outer - 3) {
        skip(&mut cursor)?;
    }
    cursor.finish()?;
    Ok(name)
}

/// The number of elements of the vector that follows.
fn open_vector(cursor: &mut Cursor, least: u64, what: &'static str) -> Result<u64, DecodeError> {
    if cursor.u8(what)? != tag::VECTOR {
        return Err(cursor.error(Fault::Expected(what)));
    }
    let count = cursor.varbyte(what)?;
    if count < least {
        return Err(cursor.error(Fault::Expected(what)));
    }
    Ok(count)
}

/// Passes over a value.
fn skip(cursor: &mut Cursor) -> Result<(), DecodeError> {
    let start = cursor.offset();
    let tag = cursor.u8("a value")?;
    let elements = match tag {
        tag::SET | tag::VECTOR => cursor.varbyte("a container")?,
        tag::TABLE => cursor.varbyte("a table")?.saturating_mul(2),
        _ => return skip_flat(cursor, start, tag),
    };
    cursor.descend()?;
    for _ in 0..elements {
        skip(cursor)?;
    }
    cursor.ascend();
    Ok(())
}

fn skip_flat(cursor: &mut Cursor, start: usize, tag: u8) -> Result<(), DecodeError> {
    let octets = match tag {
        tag::NONE => 0,
        tag::BOOLEAN => 1,
        tag::COUNT | tag::INTEGER | tag::REAL | tag::TIMESTAMP | tag::TIMESPAN => 8,
        tag::ADDRESS => 16,
        tag::SUBNET => 17,
        tag::PORT => {
            cursor.u16("a port")?;
            return get_protocol(cursor).map(drop);
        }
        tag::STRING | tag::ENUM => cursor.varbyte("a string")?,
        other => {
            let fault = Fault::Unknown { expected: "a type tag from 0 to 14", found: u64::from(other) };
            return Err(DecodeError { offset: start, fault });
        }
    };
    cursor.octets(octets, "a value").map(drop)
}

fn put(out: &mut Vec<u8>, value: &Data) {
    match value {
        Data::None => out.push(tag::NONE),
        Data::Boolean(is) => out.extend([tag::BOOLEAN, u8::from(*is)]),
        Data::Count(n) => put_u64(out, tag::COUNT, *n),
        Data::Integer(n) => put_u64(out, tag::INTEGER, *n as u64),
        Data::Real(Real(x)) => put_u64(out, tag::REAL, pack_real(*x)),
        Data::String(octets) => put_octets(out, tag::STRING, octets),
        Data::Address(ip) => {
            out.push(tag::ADDRESS);
            out.extend(ip.octets());
        }
        Data::Subnet(subnet) => {
            out.push(tag::SUBNET);
            out.extend(subnet.network.octets());
            out.push(subnet.length);
        }
        Data::Port(port) => {
            out.push(tag::PORT);
            out.extend(port.number.to_be_bytes());
            out.push(port.protocol as u8);
        }
        Data::Timestamp(ns) => put_u64(out, tag::TIMESTAMP, *ns as u64),
        Data::Timespan(ns) => put_u64(out, tag::TIMESPAN, *ns as u64),
        Data::Enum(name) => put_octets(out, tag::ENUM, name),
        Data::Set(elements) => {
            put_list(out, tag::SET, elements.len());
            elements.iter().for_each(|element| put(out, element));
        }
        Data::Table(pairs) => {
            put_list(out, tag::TABLE, pairs.len());
            for (key, value) in pairs {
                put(out, key);
                put(out, value);
            }
        }
        Data::Vector(elements) => put_vector(out, elements),
    }
}

fn put_u64(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    out.extend(value.to_be_bytes());
}

fn put_list(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    put_varbyte(out, len);
}

fn put_octets(out: &mut Vec<u8>, tag: u8, octets: &[u8]) {
    put_list(out, tag, octets.len());
    out.extend_from_slice(octets);
}

fn put_vector(out: &mut Vec<u8>, elements: &[Data]) {
    put_list(out, tag::VECTOR, elements.len());
    elements.iter().for_each(|element| put(out, element));
}

fn get(cursor: &mut Cursor) -> Result<Data, DecodeError> {
    let start = cursor.offset();
    Ok(match cursor.u8("a value")? {
        tag::NONE => Data::None,
        tag::BOOLEAN => Data::Boolean(cursor.u8("a boolean")? != 0),
        tag::COUNT => Data::Count(cursor.u64("a count")?),
        tag::INTEGER => Data::Integer(cursor.i64("an integer")?),
        tag::REAL => Data::Real(Real(unpack_real(cursor.u64("a real")?))),
        tag::STRING => Data::String(get_octets(cursor, "a string")?),
        tag::ADDRESS => Data::Address(Ipv6Addr::from(cursor.array::<16>("an address")?)),
        tag::SUBNET => Data::Subnet(Subnet {
            network: Ipv6Addr::from(cursor.array::<16>("a subnet")?),
            length: cursor.u8("a subnet's length")?,
        }),
        tag::PORT => Data::Port(Port { number: cursor.u16("a port")?, protocol: get_protocol(cursor)? }),
        tag::TIMESTAMP => Data::Timestamp(cursor.i64("a timestamp")?),
        tag::TIMESPAN => Data::Timespan(cursor.i64("a timespan")?),
        tag::ENUM => Data::Enum(get_octets(cursor, "an enum value")?),
        tag::SET => nested(cursor, get_set)?,
        tag::TABLE => nested(cursor, get_table)?,
        tag::VECTOR => nested(cursor, get_vector)?,
        other => {
            let fault = Fault::Unknown { expected: "a type tag from 0 to 14", found: u64::from(other) };
            return Err(DecodeError { offset: start, fault });
        }
    })
}

fn nested(cursor: &mut Cursor, read: fn(&mut Cursor) -> Result<Data, DecodeError>) -> Result<Data, DecodeError> {
    cursor.descend()?;
    let value = read(cursor)?;
    cursor.ascend();
    Ok(value)
}

fn get_octets(cursor: &mut Cursor, what: &'static str) -> Result<Vec<u8>, DecodeError> {
    let length = cursor.varbyte(what)?;
    let octets = cursor.octets(length, what)?;
    cursor.charge(octets.len() + ALLOCATION)?;
    Ok(octets.to_vec())
}

fn get_protocol(cursor: &mut Cursor) -> Result<Protocol, DecodeError> {
    let start = cursor.offset();
    let code = cursor.u8("a port's protocol")?;
    Protocol::try_from(code).map_err(|_| DecodeError {
        offset: start,
        fault: Fault::Unknown { expected: "a protocol from 0 to 3", found: u64::from(code) },
    })
}

fn get_set(cursor: &mut Cursor) -> Result<Data, DecodeError> {
    let announced = cursor.varbyte("a set")?;
    let count = cursor.claim(announced, 1, "a set's elements")?;
    cursor.charge(tree(count, SLOT))?;
    let mut elements = BTreeSet::new();
    for _ in 0..count {
        cursor.redeem(1);
        let start = cursor.offset();
        if !elements.insert(get(cursor)?) {
            return Err(DecodeError { offset: start, fault: Fault::Duplicate("a set's element") });
        }
    }
    Ok(Data::Set(elements))
}

fn get_table(cursor: &mut Cursor) -> Result<Data, DecodeError> {
    let announced = cursor.varbyte("a table")?;
    let count = cursor.claim(announced, 2, "a table's pairs")?;
    cursor.charge(tree(count, 2 * SLOT))?;
    let mut pairs = BTreeMap::new();
    for _ in 0..count {
        cursor.redeem(1);
        let start = cursor.offset();
        let key = get(cursor)?;
        cursor.redeem(1);
        if pairs.insert(key, get(cursor)?).is_some() {
            return Err(DecodeError { offset: start, fault: Fault::Duplicate("a table's key") });
        }
    }
    Ok(Data::Table(pairs))
}

/// Octets of a B-tree of so many elements.
fn tree(count: usize, element: usize) -> usize {
    count.div_ceil(LEAF_USED).saturating_mul(LEAF * element + ALLOCATION)
}

fn get_vector(cursor: &mut Cursor) -> Result<Data, DecodeError> {
    let announced = cursor.varbyte("a vector")?;
    let count = cursor.claim(announced, 1, "a vector's elements")?;
    cursor.charge(count.saturating_mul(SLOT))?;
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        cursor.redeem(1);
        elements.push(get(cursor)?);
    }
    Ok(Data::Vector(elements))
}

// Broker packs reals by hand, and gives the infinities each other's patterns. Source: `formats.md` 2.3.
const PLUS_INFINITY: u64 = 0xfff0_0000_0000_0000;
const MINUS_INFINITY: u64 = 0x7ff0_0000_0000_0000;
const NOT_A_NUMBER: u64 = u64::MAX;
const SIGN: u64 = 1 << 63;
const FRACTION_BITS: u32 = 52;
const EXPONENT_ALL_ONES: u64 = 0x7ff;

fn pack_real(x: f64) -> u64 {
    if x.is_nan() {
        NOT_A_NUMBER
    } else if x.is_infinite() {
        if x > 0.0 { PLUS_INFINITY } else { MINUS_INFINITY }
    } else if x.is_subnormal() {
        // Broker would write garbage that reads as another number.
        x.to_bits() & SIGN
    } else {
        x.to_bits()
    }
}

fn unpack_real(bits: u64) -> f64 {
    let exponent = (bits & !SIGN) >> FRACTION_BITS;
    let sign = if bits & SIGN == 0 { 1.0 } else { -1.0 };
    match bits {
        PLUS_INFINITY => f64::INFINITY,
        MINUS_INFINITY => f64::NEG_INFINITY,
        NOT_A_NUMBER => f64::NAN,
        _ if exponent == EXPONENT_ALL_ONES => sign * f64::INFINITY,
        // Broker's reader knows no subnormals and takes them for other tiny numbers; nobody sends them. As they are
        // written as zero they are read as zero, so that what came from the wire can be sent on unchanged.
        _ if exponent == 0 => sign * 0.0,
        _ => f64::from_bits(bits),
    }
}

#[cfg(test)]
pub(super) mod tests;
