//! Records as one JSON object a line, byte for byte as Zeek's `formatter::JSON` with RapidJSON.
//!
//! Source: `protocol/cluster.md` 2.4; Zeek 9.0 `threading/formatters/JSON.cc`, `util.cc` (`escape_utf8`,
//! `escape_string_for_json`).

use std::io::Write;

use super::ascii::{AsciiOptions, JsonStringEscapes, JsonTimestamps, hex_escape, hide_meta_prefix, is_shown_as_is};
use super::grisu;
use super::number::{HEX, push_addr, push_i64, push_subnet, push_u64};
use super::tsv::Escaper;
use crate::wire::log_batch::{BatchError, BatchReader, Column, Elements, Field, ValueRef};

/// Control characters that JSON has a short escape for; `escape_utf8` leaves them alone.
const SHORT_CONTROLS: &[u8] = b"\x08\x0c\n\r\t";

/// Writes lines.
#[derive(Clone, Debug)]
pub(super) struct Json {
    timestamps: JsonTimestamps,
    include_unset: bool,
    meta_prefix: Vec<u8>,
    escapes: Escapes,
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
}

/// [`JsonStringEscapes`] with what it takes.
#[derive(Clone, Debug)]
enum Escapes {
    Hex,
    Pua,
    Tsv(Box<Escaper>),
}

impl Json {
    pub(super) fn new(options: &AsciiOptions, fields: &[Field]) -> Json {
        Json {
            timestamps: options.json_timestamps,
            include_unset: options.json_include_unset_fields,
            meta_prefix: options.meta_prefix.clone(),
            escapes: match options.json_string_escape_policy {
                JsonStringEscapes::Hex => Escapes::Hex,
                JsonStringEscapes::Pua => Escapes::Pua,
                JsonStringEscapes::Tsv => Escapes::Tsv(Box::new(Escaper::of_backslashes())),
            },
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
            ValueRef::String(text) => self.string(out, text),
            ValueRef::Enum(text) | ValueRef::Func(text) | ValueRef::File(text) => push_string(out, text),
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

    #[inline]
    fn string(&self, out: &mut Vec<u8>, text: &[u8]) {
        match &self.escapes {
            Escapes::Hex => push_string(out, text),
            // What every policy shows as it is.
            _ if !is_suspect(text) => quoted(out, |out| out.extend_from_slice(text)),
            Escapes::Pua => quoted(out, |out| push_private_use(out, text)),
            Escapes::Tsv(escaper) => {
                let mut tsv = Vec::with_capacity(text.len());
                escaper.push(&mut tsv, text);
                quoted(out, |out| push_json_text(out, &tsv));
            }
        }
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

/// UTC with six decimals. The fraction is rounded by itself, so that it can come out as `.1000000`, as in Zeek; where
/// `gmtime` fails, Zeek writes a time without a `Z`.
fn push_iso8601(out: &mut Vec<u8>, seconds: f64) {
    let Some(time) = Utc::from_seconds(truncated(seconds.floor())) else {
        out.extend_from_slice(b"\"2000-01-01T00:00:00.000000\"");
        return;
    };
    let fraction = seconds - seconds.trunc();
    let fraction = if fraction < 0.0 { fraction + 1.0 } else { fraction };
    let micros = (fraction * 1e6).round_ties_even() as u32;
    let Utc { year, month, day, second } = time;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(out, "\"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z\"")
        .expect("a Vec takes everything");
}

/// A second of the Gregorian calendar, in the range of C's `gmtime`, which goes far beyond year 9999.
struct Utc {
    /// As `strftime` prints it: the last of them have overflown.
    year: i32,
    month: i64,
    day: i64,
    /// Of the day.
    second: i64,
}

impl Utc {
    /// None where the year does not fit a `struct tm`.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    fn from_seconds(seconds: i64) -> Option<Utc> {
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days since 0000-03-01, so that a leap day ends its year.
        let days = days + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let year = i32::try_from(year - 1900).ok()?.wrapping_add(1900);
        Some(Utc { year, month, day, second })
    }
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
fn is_suspect(text: &[u8]) -> bool {
    text.iter().any(|octet| SUSPECT[usize::from(*octet)])
}

#[inline]
fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if is_suspect(text) {
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

/// Characters that `check_ok_utf8` allows as they are, every other octet as a character of plane 15.
#[cold]
fn push_private_use(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut octets = [0; 4];
            let octets = c.encode_utf8(&mut octets).as_bytes();
            match short_escape(octets[0]) {
                Some(letter) => out.extend_from_slice(&[b'\\', letter]),
                None if is_shown_as_is(octets, b"") => out.extend_from_slice(octets),
                None => octets.iter().for_each(|octet| push_private_octet(out, *octet)),
            }
        }
        chunk.invalid().iter().for_each(|octet| push_private_octet(out, *octet));
    }
}

fn push_private_octet(out: &mut Vec<u8>, octet: u8) {
    out.extend_from_slice(b"\\udb80\\udc");
    out.extend_from_slice(&[HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
}

/// Valid text as RapidJSON writes it.
fn push_json_text(out: &mut Vec<u8>, text: &[u8]) {
    for octet in text {
        match short_escape(*octet) {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None => out.push(*octet),
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
        check_time(JsonTimestamps::Iso8601, f64::NAN, "\"2000-01-01T00:00:00.000000\"");
    }

    /// As `gmtime_r` and `strftime` of glibc have them.
    #[test]
    fn times_of_certificates_that_never_expire_are_what_they_are() {
        let check = |seconds: f64, expected: &str| {
            check_time(JsonTimestamps::Iso8601, seconds, &format!("\"{expected}Z\""));
        };
        check(253_402_300_799.0, "9999-12-31T23:59:59.000000");
        check(253_402_300_800.0, "10000-01-01T00:00:00.000000");
        check(1e12, "33658-09-27T01:46:40.000000");
        check(67_767_976_233_532_792.0, "2147483647-12-31T23:59:52.000000");
        // The year overflows in strftime.
        check(67_768_036_191_676_792.0, "-2147481749-12-31T23:59:52.000000");
        check(-1e12, "-29719-04-05T22:13:20.000000");
        check(951_782_400.0, "2000-02-29T00:00:00.000000");
        check(4_107_542_400.0, "2100-03-01T00:00:00.000000");
        check(-62_135_596_801.0, "0-12-31T23:59:59.000000");
        check_time(JsonTimestamps::Iso8601, 1e17, "\"2000-01-01T00:00:00.000000\"");
    }

    #[track_caller]
    fn check_policy(policy: JsonStringEscapes, text: &[u8], expected: &str) {
        let options = AsciiOptions { json_string_escape_policy: policy, ..options() };
        let cells = [(Field::new("s", TypeTag::String), LogValue::String(text.to_vec()))];
        assert_eq!(line(&options, &cells), format!("{{\"s\":\"{expected}\"}}\n"), "{policy:?}");
    }

    #[test]
    fn octets_that_are_no_text_can_be_characters_of_a_private_use_area() {
        let check = |text: &[u8], expected| check_policy(JsonStringEscapes::Pua, text, expected);
        check(b"", "");
        check(b"plain", "plain");
        check(b"\"\\\x08\x0c\n\r\t/", r#"\"\\\b\f\n\r\t/"#);
        check("zoë 漢 😀".as_bytes(), "zoë 漢 😀");
        check(b"\x07\x7f", r"\udb80\udc07\udb80\udc7f");
        // Characters beside an octet that is none stay as they are.
        check(b"zo\xc3\xab\xff", r"zoë\udb80\udcff");
        check(b"\xc3", r"\udb80\udcc3");
        check(b"\xe2\x82\x28", r"\udb80\udce2\udb80\udc82(");
        check("\u{85}".as_bytes(), r"\udb80\udcc2\udb80\udc85");
        check("\u{e000}".as_bytes(), r"\udb80\udcee\udb80\udc80\udb80\udc80");
        check("\u{fffd}".as_bytes(), r"\udb80\udcef\udb80\udcbf\udb80\udcbd");
        check(b"\xed\xa0\x80", r"\udb80\udced\udb80\udca0\udb80\udc80");
    }

    #[test]
    fn strings_can_be_those_of_tsv_files() {
        let check = |text: &[u8], expected| check_policy(JsonStringEscapes::Tsv, text, expected);
        check(b"", "");
        check(b"-", "-");
        check(b"a\nb\x00\x7f", r"a\\x0ab\\x00\\x7f");
        check(br"\x07", r"\\\\x07");
        check(b"\"", r#"\""#);
        check("zoë".as_bytes(), "zoë");
        check(b"zo\xc3\xab\xff", r"zo\\xc3\\xab\\xff");
        // A backslash ends the segment in which one octet hides all others.
        check(b"\xc3\xab\\\xff", r"ë\\\\\\xff");
    }

    #[test]
    fn only_strings_have_a_policy() {
        let fields = [(TypeTag::Enum, "e"), (TypeTag::File, "f"), (TypeTag::Func, "g")];
        let values = [LogValue::Enum(b"\x07".into()), LogValue::File(b"\x07".into()), LogValue::Func(b"\x07".into())];
        let cells: Vec<(Field, LogValue)> =
            fields.iter().zip(values).map(|((tag, name), value)| (Field::new(name, *tag), value)).collect();
        for policy in [JsonStringEscapes::Pua, JsonStringEscapes::Tsv] {
            let options = AsciiOptions { json_string_escape_policy: policy, ..options() };
            assert_eq!(line(&options, &cells), "{\"e\":\"\\\\x07\",\"f\":\"\\\\x07\",\"g\":\"\\\\x07\"}\n");
        }
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
