//! Records as one JSON object a line, byte for byte as Zeek's `formatter::JSON` with RapidJSON.
//!
//! Source: `protocol/cluster.md` 2.4; Zeek 8.2.2 `threading/formatters/JSON.cc`, `util.cc` (`escape_utf8`).

use std::io::Write;

use super::ascii::{AsciiOptions, JsonTimestamps, hex_escape, hide_meta_prefix, is_shown_as_is};
use super::grisu;
use super::number::{push_addr, push_i64, push_subnet, push_u64};
use crate::wire::log_batch::{BatchError, BatchReader, Column, Elements, Field, ValueRef};

/// Control characters that JSON has a short escape for; `escape_utf8` leaves them alone.
const SHORT_CONTROLS: &[u8] = b"\x08\x0c\n\r\t";

/// Writes lines.
#[derive(Clone, Debug)]
pub(super) struct Json {
    timestamps: JsonTimestamps,
    include_unset: bool,
    meta_prefix: Vec<u8>,
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
}

impl Json {
    pub(super) fn new(options: &AsciiOptions, fields: &[Field]) -> Json {
        Json {
            timestamps: options.json_timestamps,
            include_unset: options.json_include_unset_fields,
            meta_prefix: options.meta_prefix.clone(),
            keys: fields.iter().map(|field| key(&field.name)).collect(),
        }
    }

    pub(super) fn record(
        &self,
        out: &mut Vec<u8>,
        batch: &mut BatchReader<'_>,
        columns: &[Column],
    ) -> Result<(), BatchError> {
        let line = out.len();
        out.push(b'{');
        let mut first = true;
        batch.record(columns, |index, value| {
            if matches!(value, ValueRef::Unset) && !self.include_unset {
                return;
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(&self.keys[index]);
            self.value(out, value);
        })?;
        out.extend_from_slice(b"}\n");
        hide_meta_prefix(out, line, &self.meta_prefix);
        Ok(())
    }

    #[inline]
    fn value(&self, out: &mut Vec<u8>, value: ValueRef<'_>) {
        match value {
            ValueRef::Unset => out.extend_from_slice(b"null"),
            ValueRef::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            ValueRef::Int(value) => push_i64(out, value),
            ValueRef::Count(value) | ValueRef::Port(value, _) => push_u64(out, value),
            ValueRef::Double(value) | ValueRef::Interval(value) => push_real(out, value),
            ValueRef::Time(value) => self.time(out, value),
            ValueRef::String(text) | ValueRef::Enum(text) | ValueRef::Func(text) | ValueRef::File(text) => {
                push_string(out, text);
            }
            ValueRef::Addr(addr) => quoted(out, |out| push_addr(out, addr)),
            ValueRef::Subnet(network, length) => quoted(out, |out| push_subnet(out, network, length)),
            ValueRef::Set(elements) | ValueRef::Vector(elements) => self.elements(out, elements),
        }
    }

    fn elements(&self, out: &mut Vec<u8>, elements: Elements<'_>) {
        out.push(b'[');
        for (index, element) in elements.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.value(out, element);
        }
        out.push(b']');
    }

    fn time(&self, out: &mut Vec<u8>, seconds: f64) {
        match self.timestamps {
            JsonTimestamps::Epoch => push_real(out, seconds),
            JsonTimestamps::Millis => push_i64(out, truncated(seconds * 1000.0)),
            JsonTimestamps::MillisUnsigned => push_u64(out, truncated(seconds * 1000.0) as u64),
            JsonTimestamps::Iso8601 => push_iso8601(out, seconds),
        }
    }
}

fn push_real(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        grisu::push(out, value);
    } else {
        out.extend_from_slice(b"null");
    }
}

/// A conversion as the processors that Zeek runs on do it: out of range is the smallest number.
fn truncated(value: f64) -> i64 {
    if (-(2f64.powi(63))..2f64.powi(63)).contains(&value) { value as i64 } else { i64::MIN }
}

/// UTC with six decimals. The fraction is rounded by itself, so that it can come out as `.1000000`, as in Zeek.
fn push_iso8601(out: &mut Vec<u8>, seconds: f64) {
    let Ok(second) = jiff::Timestamp::from_second(truncated(seconds.floor())) else {
        out.extend_from_slice(b"\"2000-01-01T00:00:00.000000\"");
        return;
    };
    let utc = jiff::tz::Offset::UTC.to_datetime(second);
    let fraction = seconds - seconds.trunc();
    let fraction = if fraction < 0.0 { fraction + 1.0 } else { fraction };
    let micros = (fraction * 1e6).round_ties_even() as u32;
    let (date, time) = (utc.date(), utc.time());
    write!(
        out,
        "\"{}-{:02}-{:02}T{:02}:{:02}:{:02}.{micros:06}Z\"",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
    .expect("a Vec takes everything");
}

fn quoted(out: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    push(out);
    out.push(b'"');
}

/// Octets that a string cannot show as they are without a second look.
const SUSPECT: [bool; 256] = {
    let mut suspect = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        suspect[octet] = octet < 0x20 || octet > 0x7e || octet == b'"' as usize || octet == b'\\' as usize;
        octet += 1;
    }
    suspect
};

#[inline]
fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if text.iter().any(|octet| SUSPECT[usize::from(*octet)]) {
        push_escaped(out, text);
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

#[cold]
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let as_is = is_shown_as_is(text, SHORT_CONTROLS);
    for octet in text {
        match short_escape(*octet) {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None if as_is || matches!(octet, 0x20..=0x7e) => out.push(*octet),
            None => {
                out.push(b'\\');
                out.extend_from_slice(&hex_escape(*octet));
            }
        }
    }
}

fn short_escape(octet: u8) -> Option<u8> {
    Some(match octet {
        b'"' | b'\\' => octet,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => return None,
    })
}

/// `"name":`; here control characters are `\u00NN`.
fn key(name: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for octet in name {
        match short_escape(*octet) {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None if *octet < 0x20 => write!(out, "\\u{octet:04X}").expect("a Vec takes everything"),
            None => out.push(*octet),
        }
    }
    out.extend_from_slice(b"\":");
    out
}

#[cfg(test)]
mod tests {
    use super::super::tsv::tests::line;
    use super::*;
    use crate::wire::log_batch::{LogValue, TypeTag};

    fn options() -> AsciiOptions {
        AsciiOptions { use_json: true, ..AsciiOptions::default() }
    }

    #[track_caller]
    fn check(text: &[u8], expected: &str) {
        let cells = [(Field::new("s", TypeTag::String), LogValue::String(text.to_vec()))];
        assert_eq!(line(&options(), &cells), format!("{{\"s\":{expected}}}\n"));
    }

    #[test]
    fn strings_are_escaped_as_by_zeek() {
        check(b"", r#""""#);
        check(b"-", r#""-""#);
        check(b"\"\\/", r#""\"\\/""#);
        check(b"\x08\x0c\n\r\t", r#""\b\f\n\r\t""#);
        check("zoë\n".as_bytes(), "\"zoë\\n\"");
        check(b"\x07", r#""\\x07""#);
        check(b"\x7f", r#""\\x7f""#);
        check(b"zo\xc3\xab\x07", r#""zo\\xc3\\xab\\x07""#);
        check(b"\xff\n", r#""\\xff\n""#);
    }

    #[track_caller]
    fn check_time(timestamps: JsonTimestamps, seconds: f64, expected: &str) {
        let options = AsciiOptions { json_timestamps: timestamps, ..options() };
        let cells = [(Field::new("t", TypeTag::Time), LogValue::Time(seconds))];
        assert_eq!(line(&options, &cells), format!("{{\"t\":{expected}}}\n"));
    }

    #[test]
    fn times_have_four_forms() {
        let ts = 1_769_864_722.104_518;
        check_time(JsonTimestamps::Epoch, ts, "1769864722.104518");
        check_time(JsonTimestamps::Epoch, f64::NAN, "null");
        check_time(JsonTimestamps::Millis, ts, "1769864722104");
        check_time(JsonTimestamps::Millis, -1.5, "-1500");
        check_time(JsonTimestamps::MillisUnsigned, -1.5, "18446744073709550116");
        check_time(JsonTimestamps::Iso8601, ts, "\"2026-01-31T13:05:22.104518Z\"");
        check_time(JsonTimestamps::Iso8601, -0.25, "\"1969-12-31T23:59:59.750000Z\"");
        check_time(JsonTimestamps::Iso8601, 0.999_999_9, "\"1970-01-01T00:00:00.1000000Z\"");
        check_time(JsonTimestamps::Iso8601, 1e300, "\"2000-01-01T00:00:00.000000\"");
    }

    #[test]
    fn unset_columns_are_left_out_or_null() {
        let cells = [
            (Field::new("a", TypeTag::Count), LogValue::Unset),
            (Field::new("b", TypeTag::Count), LogValue::Count(1)),
            (
                Field::container("c", TypeTag::Vector, TypeTag::Subnet),
                LogValue::Vector(vec![LogValue::Subnet("10.0.0.0".parse().unwrap(), 104), LogValue::Unset]),
            ),
        ];
        assert_eq!(line(&options(), &cells), "{\"b\":1,\"c\":[\"10.0.0.0/8\",null]}\n");
        let all = AsciiOptions { json_include_unset_fields: true, ..options() };
        assert_eq!(line(&all, &cells), "{\"a\":null,\"b\":1,\"c\":[\"10.0.0.0/8\",null]}\n");
    }
}
