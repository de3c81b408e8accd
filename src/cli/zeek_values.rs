//! Values of Zeek's types as an operator types them (`count:5`, `addr:192.0.2.1`, JSON) and reads them.

use std::net::IpAddr;

use serde_json::Value;

use super::values;
use crate::data::{Data, Port, Protocol, Real, Subnet, ns_from_seconds, seconds_from_ns};
use crate::node;

/// The types that may stand before the colon, with an example each: what a refusal shows.
const TYPES: [(&str, &str); 15] = [
    ("bool", "bool:T"),
    ("count", "count:5"),
    ("int", "int:-1"),
    ("real", "real:1.5"),
    ("double", "double:1.5"),
    ("string", "string:text"),
    ("addr", "addr:192.0.2.1"),
    ("subnet", "subnet:10.0.0.0/8"),
    ("port", "port:80/tcp"),
    ("time", "time:1772366400.5"),
    ("interval", "interval:5s"),
    ("enum", "enum:Notice::LOG"),
    ("set", "set:[1,2]"),
    ("vector", "vector:[1,2]"),
    ("table", r#"table:{"a":1}"#),
];

/// Reads one argument of an event: `type:value`, or JSON. Plain JSON has no types of Zeek's: `5` is a count, `-5` an int,
/// `1.5` a real, `"x"` a string, `[…]` a vector, `null` an unset value; for all others there is broker-json-v1, such as
/// `{"@data-type":"address","data":"192.0.2.1"}`.
pub fn read(text: &str) -> Result<Data, String> {
    if let Some((name, value)) = text.split_once(':')
        && let Some((_, example)) = TYPES.iter().find(|(known, _)| *known == name)
    {
        return typed(name, value).ok_or_else(|| format!("`{value}` is no {name}; expected such as {example}"));
    }
    match serde_json::from_str(text) {
        Ok(json) => from_json(&json),
        Err(_) => Err(format!(
            "`{text}` is neither TYPE:VALUE nor JSON; expected such as string:{text} or count:5; the types are {}",
            TYPES.map(|(name, _)| name).join(", ")
        )),
    }
}

/// The value of a type that is one of [`TYPES`].
fn typed(name: &str, value: &str) -> Option<Data> {
    Some(match name {
        "bool" => Data::Boolean(match value {
            "T" | "true" | "1" => true,
            "F" | "false" | "0" => false,
            _ => return None,
        }),
        "count" => Data::Count(value.parse().ok()?),
        "int" => Data::Integer(value.parse().ok()?),
        "real" | "double" => Data::Real(Real(value.parse().ok()?)),
        "string" => Data::string(value),
        "addr" => Data::address(value.trim_matches(['[', ']']).parse().ok()?),
        "subnet" => Data::Subnet(subnet(value)?),
        "port" => Data::Port(port(value)?),
        "time" => Data::Timestamp(ns_from_seconds(time(value)?)),
        "interval" => Data::Timespan(interval(value)?),
        "enum" => Data::enumerator(value),
        "set" => Data::Set(elements(value)?.into_iter().collect()),
        "vector" => Data::Vector(elements(value)?),
        "table" => table(value)?,
        _ => return None,
    })
}

fn subnet(text: &str) -> Option<Subnet> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    Subnet::new(address, length.parse().ok()?)
}

fn port(text: &str) -> Option<Port> {
    let (number, protocol) = text.split_once('/')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        "unknown" | "?" => Protocol::Unknown,
        _ => return None,
    };
    Some(Port { number: number.parse().ok()?, protocol })
}

/// Seconds since the epoch: as a number, or as a date.
fn time(text: &str) -> Option<f64> {
    match text.parse::<f64>() {
        Ok(seconds) => seconds.is_finite().then_some(seconds),
        Err(_) => match values::when(text) {
            Ok(values::When::At(seconds)) => Some(seconds),
            _ => None,
        },
    }
}

/// Nanoseconds; a minus may stand before it.
fn interval(text: &str) -> Option<i64> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text),
    };
    let length = values::duration(&length.replace(' ', "")).ok()?;
    i64::try_from(length.as_nanos()).ok().map(|ns| sign * ns)
}

fn elements(json: &str) -> Option<Vec<Data>> {
    let Value::Array(elements) = serde_json::from_str(json).ok()? else { return None };
    elements.iter().map(|element| from_json(element).ok()).collect()
}

/// An object, whose keys are strings, or a list of pairs.
fn table(json: &str) -> Option<Data> {
    let pair = |key: Data, value: &Value| Some((key, from_json(value).ok()?));
    let pairs: Option<_> = match serde_json::from_str(json).ok()? {
        Value::Object(members) => members.iter().map(|(key, value)| pair(Data::string(key), value)).collect(),
        Value::Array(pairs) => pairs
            .iter()
            .map(|each| match each.as_array().map(Vec::as_slice) {
                Some([key, value]) => pair(from_json(key).ok()?, value),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    pairs.map(Data::Table)
}

/// Plain JSON, with values of broker-json-v1 wherever an object stands.
fn from_json(json: &Value) -> Result<Data, String> {
    Ok(match json {
        Value::Null => Data::None,
        Value::Bool(is) => Data::Boolean(*is),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(count), _) => Data::Count(count),
            (None, Some(int)) => Data::Integer(int),
            (None, None) => Data::Real(Real(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Data::string(text),
        Value::Array(elements) => Data::Vector(elements.iter().map(from_json).collect::<Result<_, _>>()?),
        Value::Object(_) => node::value_from_json(&json.to_string()).map_err(|error| {
            format!(
                "this object is no value of broker-json-v1: {error}; expected {{\"@data-type\":…,\"data\":…}}, or table:{{…}}"
            )
        })?,
    })
}

/// A value as Zeek's scripts write it: strings in quotes, `T`, `80/tcp`, `5.0sec`, `{…}` for sets, `[…]` for vectors and
/// records, `-` for what is unset. Always one line.
pub fn show(value: &Data) -> String {
    match value {
        Data::None => "-".to_owned(),
        Data::String(octets) => format!("\"{}\"", escaped(octets)),
        Data::Timestamp(ns) => format!("{:.6}", seconds_from_ns(*ns)),
        Data::Timespan(ns) => format!("{:?}sec", seconds_from_ns(*ns)),
        Data::Set(elements) => format!("{{{}}}", list(elements)),
        Data::Vector(elements) => format!("[{}]", list(elements)),
        Data::Table(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("[{}] = {}", show(key), show(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Data::Enum(name) => escaped(name),
        plain => plain.to_string(),
    }
}

/// Values, with commas between them.
pub fn list<'a>(values: impl IntoIterator<Item = &'a Data>) -> String {
    values.into_iter().map(show).collect::<Vec<_>>().join(", ")
}

/// Octets as text of one line; whatever a terminal could take for a command is written `\xNN`.
pub fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                c if c.is_control() => text.extend(c.to_string().bytes().map(|b| format!("\\x{b:02x}"))),
                c => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        let value = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format!("{} {}", value.type_name(), show(&value)), shown, "{text}");
    }

    #[test]
    fn typed_values_are_of_their_type() {
        check("count:5", "count 5");
        check("int:-1", "integer -1");
        check("bool:T", "boolean T");
        check("real:1.5", "real 1.500000");
        check("addr:1.2.3.4", "address 1.2.3.4");
        check("addr:[2001:db8::1]", "address 2001:db8::1");
        check("subnet:10.0.0.0/8", "subnet 10.0.0.0/8");
        check("port:80/tcp", "port 80/tcp");
        check("interval:5s", "timespan 5.0sec");
        check("interval:-1.5min", "timespan -90.0sec");
        check("time:1772366400.5", "timestamp 1772366400.500000");
        check("time:2026-03-01T12:00:00Z", "timestamp 1772366400.000000");
        check("enum:Notice::LOG", "enum_value Notice::LOG");
        check("string:a:b \"c\"", r#"string "a:b \"c\"""#);
        check("set:[2,1,2]", "set {1, 2}");
        check("vector:[\"a\",null]", r#"vector ["a", -]"#);
        check(r#"table:{"a":1}"#, r#"table {["a"] = 1}"#);
        check(r#"table:[[{"@data-type":"address","data":"1.2.3.4"},true]]"#, "table {[1.2.3.4] = T}");
    }

    #[test]
    fn json_is_read_plain_and_with_types() {
        check("5", "count 5");
        check("-5", "integer -5");
        check("0.5", "real 0.500000");
        check("true", "boolean T");
        check("\"x\"", "string \"x\"");
        check("[1,[2]]", "vector [1, [2]]");
        check(r#"{"@data-type":"port","data":"53/udp"}"#, "port 53/udp");
    }

    #[test]
    fn what_is_neither_is_refused_with_an_example() {
        let refused = |text: &str| read(text).expect_err(text);
        assert_eq!(refused("count:x"), "`x` is no count; expected such as count:5");
        assert_eq!(refused("subnet:10.0.0.0/33"), "`10.0.0.0/33` is no subnet; expected such as subnet:10.0.0.0/8");
        assert!(refused("hello").starts_with("`hello` is neither TYPE:VALUE nor JSON; expected such as string:hello"));
        assert!(refused(r#"{"a":1}"#).contains("broker-json-v1"));
        for text in ["count:-1", "bool:x", "addr:1.2.3", "port:80", "time:nan", "interval:x", "set:1", "table:[[1]]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn octets_that_a_terminal_would_obey_are_escaped() {
        assert_eq!(show(&Data::String(b"a\x1b[2J\n\xff\\".to_vec())), r#""a\x1b[2J\n\xff\\""#);
    }
}
