//! Highest random weight hashing, as Zeek's `HashHRW` does it: the same key chooses the same node in every process.
//!
//! Pure arithmetic; no seed takes part. Source: `protocol/cluster.md` 1.12, live digests of Zeek 8.2.2 in
//! `tests/vectors/pools/hrw.jsonl`.

use std::net::{IpAddr, Ipv6Addr};

use crate::data::{Data, Port, Protocol, Subnet, TextAddress, seconds_from_ns};

/// FNV-1a with 32 bits, Zeek's `fnv1a32` over octets.
pub fn fnv1a32(octets: &[u8]) -> u32 {
    octets.iter().fold(2_166_136_261, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(16_777_619))
}

/// The site id of an alias such as `proxy-1.0`.
pub fn site_id(alias: &str) -> u32 {
    fnv1a32(alias.as_bytes())
}

/// The weight of a key at a site; 31 bits.
pub fn weight(key: Key, site_id: u32) -> u32 {
    const MULTIPLIER: u32 = 1_103_515_245;
    const INCREMENT: u32 = 12_345;
    const BITS: u32 = 0x7fff_ffff;
    let step = |x: u32| x.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
    step(step(site_id) ^ (key.0 & BITS)) & BITS
}

/// The site of `sites` with the greatest weight for the key; of equal ones the greater id. None when there are no sites.
pub fn choose(key: Key, sites: impl IntoIterator<Item = u32>) -> Option<u32> {
    sites.into_iter().max_by_key(|&site| (weight(key, site), site))
}

/// A key's digest.
///
/// ```
/// use zeek_cluster::{Data, Key, KeyType};
///
/// // In Zeek the type is part of the key.
/// assert_ne!(Key::from(80u64), Key::from("80"));
/// assert_eq!(Key::typed(&KeyType::Count, &Data::Count(80)), Ok(Key::from(80u64)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

impl Key {
    /// A key of type string: its octets as they are.
    pub fn string(octets: impl AsRef<[u8]>) -> Key {
        Key(fnv1a32(octets.as_ref()))
    }

    /// A key of any type of Zeek's scripts, from the value as it travels.
    ///
    /// Sets and tables are described in Broker's order. Zeek takes its own, which for more than one element depends on
    /// its hash table, so that such keys need not choose the same node; nor do they between two Zeeks.
    ///
    /// # Errors
    /// [`KeyError`] when the value, or a part of it, is not of the type that is named.
    pub fn typed(key_type: &KeyType, value: &Data) -> Result<Key, KeyError> {
        match (key_type, value) {
            (KeyType::String, Data::String(octets)) => Ok(Key::string(octets)),
            _ => {
                let mut out = Vec::with_capacity(64);
                describe(&mut out, key_type, value)?;
                Ok(Key(fnv1a32(&out)))
            }
        }
    }

    fn plain(key_type: KeyType, value: impl Into<Data>) -> Key {
        Key::typed(&key_type, &value.into()).expect("a plain value is of its own type")
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Key {
        Key::string(key)
    }
}

impl From<bool> for Key {
    fn from(key: bool) -> Key {
        Key::plain(KeyType::Bool, key)
    }
}

impl From<u64> for Key {
    /// A key of type count.
    fn from(key: u64) -> Key {
        Key::plain(KeyType::Count, key)
    }
}

impl From<i64> for Key {
    /// A key of type int.
    fn from(key: i64) -> Key {
        Key::plain(KeyType::Int, key)
    }
}

impl From<f64> for Key {
    /// A key of type double.
    fn from(key: f64) -> Key {
        Key::plain(KeyType::Double, key)
    }
}

impl From<IpAddr> for Key {
    fn from(key: IpAddr) -> Key {
        Key::plain(KeyType::Addr, key)
    }
}

impl From<Subnet> for Key {
    fn from(key: Subnet) -> Key {
        Key::plain(KeyType::Subnet, key)
    }
}

impl From<Port> for Key {
    fn from(key: Port) -> Key {
        Key::plain(KeyType::Port, key)
    }
}

/// A type of Zeek's scripts, which a digest depends on and a value on the wire does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `count`.
    Count,
    /// `double`.
    Double,
    /// `time`; the value may also be a real, in seconds.
    Time,
    /// `interval`; the value may also be a real, in seconds.
    Interval,
    /// `string`.
    String,
    /// `pattern`; the value is its two texts, as it travels.
    Pattern,
    /// An enum with its type's full name, such as `Cluster::NodeType`.
    Enum(String),
    /// `port`.
    Port,
    /// `addr`.
    Addr,
    /// `subnet`.
    Subnet,
    /// `set[…]`: the types of its index.
    Set(Vec<KeyType>),
    /// `table[…] of …`: the types of its index, and of what it yields.
    Table(Vec<KeyType>, Box<KeyType>),
    /// A record: its fields' names and types in order.
    Record(Vec<(String, KeyType)>),
    /// `vector of …`.
    Vector(Box<KeyType>),
}

/// A value that is not of the type that was named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("digest a key: expected {expected}, found {found}")]
pub struct KeyError {
    /// The type that was named.
    pub expected: &'static str,
    /// The value's own type.
    pub found: &'static str,
}

impl KeyType {
    /// Zeek's `TypeTag`.
    fn tag(&self) -> i32 {
        match self {
            KeyType::Bool => 1,
            KeyType::Int => 2,
            KeyType::Count => 3,
            KeyType::Double => 4,
            KeyType::Time => 5,
            KeyType::Interval => 6,
            KeyType::String => 7,
            KeyType::Pattern => 8,
            KeyType::Enum(_) => 9,
            KeyType::Port => 10,
            KeyType::Addr => 11,
            KeyType::Subnet => 12,
            KeyType::Set(_) | KeyType::Table(..) => 14,
            KeyType::Record(_) => 15,
            KeyType::Vector(_) => 19,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            KeyType::Bool => "bool",
            KeyType::Int => "int",
            KeyType::Count => "count",
            KeyType::Double => "double",
            KeyType::Time => "time",
            KeyType::Interval => "interval",
            KeyType::String => "string",
            KeyType::Pattern => "pattern",
            KeyType::Enum(_) => "enum",
            KeyType::Port => "port",
            KeyType::Addr => "addr",
            KeyType::Subnet => "subnet",
            KeyType::Set(_) => "set",
            KeyType::Table(..) => "table",
            KeyType::Record(_) => "record",
            KeyType::Vector(_) => "vector",
        }
    }

    /// What Zeek writes for the type, before a value and inside of other types.
    fn describe(&self, out: &mut Vec<u8>) {
        put_i32(out, self.tag());
        match self {
            KeyType::Enum(name) => out.extend_from_slice(name.as_bytes()),
            KeyType::Vector(element) => element.describe(out),
            KeyType::Set(index) => index.iter().for_each(|part| part.describe(out)),
            KeyType::Table(index, yields) => {
                index.iter().for_each(|part| part.describe(out));
                yields.describe(out);
            }
            KeyType::Record(fields) => {
                put_u64(out, 0);
                put_u64(out, fields.len() as u64);
                for (name, field) in fields {
                    put_text(out, name);
                    field.describe(out);
                }
            }
            _ => {}
        }
    }
}

/// Zeek's binary description: the type, then the value, in the byte order of all common platforms.
fn describe(out: &mut Vec<u8>, key_type: &KeyType, value: &Data) -> Result<(), KeyError> {
    key_type.describe(out);
    match (key_type, value) {
        (KeyType::Bool, Data::Boolean(is)) => put_u64(out, u64::from(*is)),
        (KeyType::Int, Data::Integer(n)) => put_u64(out, *n as u64),
        (KeyType::Count, Data::Count(n)) => put_u64(out, *n),
        (KeyType::Double | KeyType::Time, Data::Real(real)) => put_f64(out, real.0),
        (KeyType::Time, Data::Timestamp(ns)) => put_f64(out, seconds_from_ns(*ns)),
        (KeyType::Interval, Data::Real(real)) => put_interval(out, real.0),
        (KeyType::Interval, Data::Timespan(ns)) => put_interval(out, seconds_from_ns(*ns)),
        (KeyType::String, Data::String(octets)) => {
            put_i32(out, octets.len() as i32);
            out.extend_from_slice(octets);
        }
        (KeyType::Enum(_), Data::Enum(name)) => {
            out.extend_from_slice(name);
            out.push(0);
        }
        (KeyType::Port, Data::Port(port)) => put_port(out, *port),
        (KeyType::Addr, Data::Address(ip)) => put_text(out, &address_text(*ip)),
        (KeyType::Subnet, Data::Subnet(subnet)) => {
            put_text(out, &format!("{}/{}", address_text(subnet.network), subnet.family_length()));
        }
        (KeyType::Pattern, Data::Vector(texts)) => put_pattern(out, texts)?,
        (KeyType::Vector(element), Data::Vector(elements)) => put_vector(out, element, elements)?,
        (KeyType::Record(fields), Data::Vector(values)) => put_record(out, fields, values)?,
        (KeyType::Set(index), Data::Set(elements)) => {
            put_i32(out, elements.len() as i32);
            elements.iter().try_for_each(|element| put_index(out, index, element))?;
        }
        (KeyType::Table(index, yields), Data::Table(pairs)) => {
            put_i32(out, pairs.len() as i32);
            for (key, value) in pairs {
                put_index(out, index, key)?;
                describe(out, yields, value)?;
            }
        }
        _ => return Err(KeyError { expected: key_type.name(), found: value.type_name() }),
    }
    Ok(())
}

fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend(value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend(value.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn put_port(out: &mut Vec<u8>, port: Port) {
    out.extend(u32::from(port.number).to_le_bytes());
    put_text(out, "/");
    let protocol = match port.protocol {
        Protocol::Unknown => "unknown",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
    };
    out.extend_from_slice(protocol.as_bytes());
}

/// As the C library prints it, which is Broker's text but for the dotted tail of an IPv4-compatible address.
fn address_text(ip: Ipv6Addr) -> String {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => TextAddress(ip).to_string(),
    }
}

fn put_pattern(out: &mut Vec<u8>, texts: &[Data]) -> Result<(), KeyError> {
    let [Data::String(exact), Data::String(_anywhere)] = texts else {
        return Err(KeyError { expected: "pattern, a vector of two strings", found: "vector" });
    };
    put_text(out, "/");
    out.extend_from_slice(exact);
    out.push(0);
    put_text(out, "/");
    Ok(())
}

fn put_vector(out: &mut Vec<u8>, element_type: &KeyType, elements: &[Data]) -> Result<(), KeyError> {
    put_text(out, "[");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            put_text(out, ", ");
        }
        describe(out, element_type, element)?;
    }
    put_text(out, "]");
    Ok(())
}

fn put_record(out: &mut Vec<u8>, fields: &[(String, KeyType)], values: &[Data]) -> Result<(), KeyError> {
    put_u64(out, fields.len() as u64);
    if values.len() < fields.len() {
        return Err(KeyError { expected: "record with all its fields", found: "shorter vector" });
    }
    for ((name, field), value) in fields.iter().zip(values) {
        put_text(out, name);
        match value {
            Data::None => put_text(out, "<uninitialized>"),
            value => describe(out, field, value)?,
        }
    }
    Ok(())
}

/// One index of a set or table: a list of its parts. A single part stands for itself, more are a vector.
fn put_index(out: &mut Vec<u8>, index: &[KeyType], value: &Data) -> Result<(), KeyError> {
    const LIST_TAG: i32 = 16;
    const NOT_PURE: i32 = 0;
    let parts = match (index, value) {
        ([_], value) => std::slice::from_ref(value),
        (_, Data::Vector(parts)) if parts.len() == index.len() => parts,
        _ => {
            return Err(KeyError { expected: "a vector with one value for each index type", found: value.type_name() });
        }
    };
    put_i32(out, parts.len() as i32);
    put_i32(out, LIST_TAG);
    put_i32(out, NOT_PURE);
    put_u64(out, index.len() as u64);
    index.iter().for_each(|part| part.describe(out));
    put_u64(out, parts.len() as u64);
    index.iter().zip(parts).try_for_each(|(part, value)| describe(out, part, value))
}

/// In units from days to microseconds, as Zeek prints an interval, each number a double; the last one keeps the rest.
fn put_interval(out: &mut Vec<u8>, seconds: f64) {
    const UNITS: [(f64, &str); 5] = [(86400.0, "day"), (3600.0, "hr"), (60.0, "min"), (1.0, "sec"), (1e-3, "msec")];
    const LAST_UNIT: (f64, &str) = (1e-6, "usec");
    let mut rest = seconds;
    let mut any = false;
    for (unit, word) in UNITS {
        let number = (rest / unit).trunc();
        if number == 0.0 {
            continue;
        }
        any = true;
        rest -= number * unit;
        put_number(out, number, word);
    }
    let number = rest / LAST_UNIT.0;
    if !is_near(number, 0.0) {
        put_number(out, number, LAST_UNIT.1);
    } else if !any {
        put_text(out, "0 secs");
    }
}

fn put_number(out: &mut Vec<u8>, number: f64, word: &str) {
    put_f64(out, number);
    put_text(out, word);
    if !is_near(number, 1.0) {
        put_text(out, "s");
    }
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[cfg(test)]
mod tests;
