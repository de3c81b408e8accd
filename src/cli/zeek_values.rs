//! Values of Zeek's types as an operator types them (`count:5`, `addr:192.0.2.1`, JSON) and reads them.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::data::{Data, Port, Protocol, Real, Subnet};
use crate::node;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

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
    if let Some(number) = integer_beyond_64_bits(text) {
        return Err(format!(
            "`{number}` is beyond 64 bits; expected {} to {}, or a number with a point such as {number}.0",
            i64::MIN,
            u64::MAX
        ));
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
        "time" => Data::Timestamp(time(value)?),
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

/// Nanoseconds since the epoch, exactly: of a number of seconds (also behind `@`), or of a date, which is local time where it
/// names no zone.
fn time(text: &str) -> Option<i64> {
    if let Some(ns) = scaled(text.strip_prefix('@').unwrap_or(text), SECOND) {
        return Some(ns);
    }
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?.timestamp(),
    };
    i64::try_from(at.as_nanosecond()).ok()
}

/// Nanoseconds, exactly: a number of seconds, or numbers with their units; a minus may stand before them.
fn interval(text: &str) -> Option<i64> {
    let text = text.replace(' ', "");
    if let Some(ns) = scaled(&text, SECOND) {
        return Some(ns);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, &text[..]),
    };
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let letters = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - digits);
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        total = total.checked_add(scaled(number, unit_ns(unit)?)?)?;
        rest = &rest[digits + letters..];
    }
    (text.len() > 1).then_some(sign * total)
}

/// Nanoseconds of a unit.
fn unit_ns(name: &str) -> Option<i64> {
    Some(match name {
        "us" | "usec" | "usecs" => 1_000,
        "ms" | "msec" | "msecs" => 1_000_000,
        "s" | "sec" | "secs" => SECOND,
        "m" | "min" | "mins" => 60 * SECOND,
        "h" | "hr" | "hrs" => 3_600 * SECOND,
        "d" | "day" | "days" => 86_400 * SECOND,
        _ => return None,
    })
}

/// A decimal number times a unit; none unless that is a whole number of 64 bits.
fn scaled(text: &str, unit: i64) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|octet| octet.is_ascii_digit());
    // Twenty digits behind the point are more than any unit has nanoseconds for.
    if whole.is_empty() || !all_digits || whole.len() > 19 || fraction.len() > 18 {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = mantissa.checked_mul(i128::from(unit))?;
    let value = (scaled % scale == 0).then_some(scaled / scale)?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// The first integer in a JSON text that neither a count nor an int can hold; a JSON parser would make a real of it.
fn integer_beyond_64_bits(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = &text[end_of_text(text)..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let number = &rest[..end];
        let is_integer = !number.contains(['.', 'e', 'E']);
        if is_integer && number.parse::<u64>().is_err() && number.parse::<i64>().is_err() {
            return Some(number);
        }
        rest = &rest[end..];
    }
    None
}

/// Where a JSON string ends, behind its closing quote.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// JSON without integers that it cannot hold.
fn parsed(json: &str) -> Option<Value> {
    match integer_beyond_64_bits(json) {
        Some(_) => None,
        None => serde_json::from_str(json).ok(),
    }
}

fn elements(json: &str) -> Option<Vec<Data>> {
    let Value::Array(elements) = parsed(json)? else { return None };
    elements.iter().map(|element| from_json(element).ok()).collect()
}

/// An object, whose keys are strings, or a list of pairs.
fn table(json: &str) -> Option<Data> {
    let pair = |key: Data, value: &Value| Some((key, from_json(value).ok()?));
    let pairs: Option<_> = match parsed(json)? {
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
        Data::Timestamp(ns) => seconds(*ns, 6),
        Data::Timespan(ns) => format!("{}sec", seconds(*ns, 1)),
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

/// Nanoseconds as seconds, exactly, with at least so many digits behind the point.
fn seconds(ns: i64, digits: usize) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let (whole, fraction) = (ns.unsigned_abs() / SECOND as u64, ns.unsigned_abs() % SECOND as u64);
    let fraction = format!("{fraction:09}");
    let kept = fraction.trim_end_matches('0').len().max(digits);
    format!("{sign}{whole}.{}", &fraction[..kept])
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
    fn times_are_exact_to_the_nanosecond_and_never_wrap() {
        assert_eq!(read("time:2024-01-01T12:00:00.123Z"), Ok(Data::Timestamp(1_704_110_400_123_000_000)));
        assert_eq!(read("time:1704110400.001"), Ok(Data::Timestamp(1_704_110_400_001_000_000)));
        assert_eq!(read("time:1704110400.123456789"), Ok(Data::Timestamp(1_704_110_400_123_456_789)));
        assert_eq!(read("time:@1.5"), Ok(Data::Timestamp(1_500_000_000)));
        assert_eq!(read("time:-1.5"), Ok(Data::Timestamp(-1_500_000_000)));
        assert_eq!(read("interval:1usec"), Ok(Data::Timespan(1_000)));
        assert_eq!(read("interval:-1hr 1msec"), Ok(Data::Timespan(-3_600_001_000_000)));
        assert_eq!(read("interval:0.1"), Ok(Data::Timespan(100_000_000)));
        for text in ["time:99999999999", "time:1e400", "time:0.0000000001", "time:9999-12-31T23:59:59Z", "time:"] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["interval:300000days", "interval:9223372037", "interval:-", "interval:", "interval:1x"] {
            assert!(read(text).is_err(), "{text}");
        }
        check("time:1704110400.123456789", "timestamp 1704110400.123456789");
        check("interval:1usec", "timespan 0.000001sec");
    }

    #[test]
    fn integers_beyond_64_bits_are_refused() {
        check("18446744073709551615", "count 18446744073709551615");
        check("-9223372036854775808", "integer -9223372036854775808");
        for text in ["18446744073709551616", "[1, -9223372036854775809]", "{\"a\": 99999999999999999999}"] {
            assert!(read(text).expect_err(text).contains("is beyond 64 bits"), "{text}");
        }
        assert!(read("vector:[18446744073709551616]").is_err());
        check("1e30", "real 1000000000000000019884624838656.000000");
        check("\"18446744073709551616\"", "string \"18446744073709551616\"");
        check("[\"a\\\"1\", 2]", "vector [\"a\\\"1\", 2]");
    }

    #[test]
    fn octets_that_a_terminal_would_obey_are_escaped() {
        assert_eq!(show(&Data::String(b"a\x1b[2J\n\xff\\".to_vec())), r#""a\x1b[2J\n\xff\\""#);
    }
}
