//! Records as tab-separated lines, byte for byte as Zeek's `formatter::Ascii` with `ODesc`.
//!
//! Source: `protocol/cluster.md` 2.3; Zeek 9.0 `threading/formatters/Ascii.cc`, `Desc.cc`.

use super::ascii::{AsciiOptions, hex_escape, hide_meta_prefix, is_shown_as_is};
use super::number::{push_addr, push_double, push_fixed6, push_i64, push_subnet, push_u64};
use crate::wire::log_batch::{BatchError, BatchReader, Column, Elements, ValueRef};

/// Writes lines.
#[derive(Clone, Debug)]
pub(super) struct Tsv {
    options: AsciiOptions,
    /// Escaping between columns.
    outside: Escaper,
    /// Escaping inside of sets and vectors, where the set separator is hidden too.
    inside: Escaper,
}

impl Tsv {
    pub(super) fn new(options: &AsciiOptions) -> Tsv {
        let between = vec![options.separator.clone()];
        let mut within = vec![options.separator.clone(), options.set_separator.clone()];
        within.sort();
        Tsv { options: options.clone(), outside: Escaper::new(between, options), inside: Escaper::new(within, options) }
    }

    pub(super) fn record(
        &self,
        out: &mut Vec<u8>,
        batch: &mut BatchReader<'_>,
        columns: &[Column],
    ) -> Result<(), BatchError> {
        let line = out.len();
        batch.record(columns, |index, value| {
            if index > 0 {
                out.extend_from_slice(&self.options.separator);
            }
            self.value(out, value, &self.outside);
        })?;
        out.push(b'\n');
        hide_meta_prefix(out, line, &self.options.meta_prefix);
        Ok(())
    }

    #[inline]
    fn value(&self, out: &mut Vec<u8>, value: ValueRef<'_>, escaper: &Escaper) {
        match value {
            ValueRef::Unset => out.extend_from_slice(&escaper.unset),
            ValueRef::String(text) | ValueRef::Enum(text) | ValueRef::Func(text) | ValueRef::File(text) => {
                self.text(out, text, escaper);
            }
            ValueRef::Set(elements) | ValueRef::Vector(elements) => self.elements(out, elements),
            _ if escaper.plain_numbers => push_plain(out, value),
            _ => {
                let mut plain = Vec::new();
                push_plain(&mut plain, value);
                escaper.push(out, &plain);
            }
        }
    }

    #[inline]
    fn text(&self, out: &mut Vec<u8>, text: &[u8], escaper: &Escaper) {
        if text.is_empty() {
            out.extend_from_slice(&escaper.empty);
        } else if text == self.options.unset_field || text == self.options.empty_field {
            out.extend_from_slice(&hex_escape(text[0]));
            escaper.push(out, &text[1..]);
        } else {
            escaper.push(out, text);
        }
    }

    fn elements(&self, out: &mut Vec<u8>, elements: Elements<'_>) {
        if elements.len() == 0 {
            out.extend_from_slice(&self.outside.empty);
        }
        for (index, element) in elements.enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.options.set_separator);
            }
            self.value(out, element, &self.inside);
        }
    }
}

/// Everything but text and containers.
#[inline]
fn push_plain(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Bool(value) => out.push(if value { b'T' } else { b'F' }),
        ValueRef::Int(value) => push_i64(out, value),
        ValueRef::Count(value) | ValueRef::Port(value, _) => push_u64(out, value),
        ValueRef::Double(value) => push_double(out, value),
        ValueRef::Time(value) | ValueRef::Interval(value) => push_fixed6(out, value),
        ValueRef::Addr(addr) => push_addr(out, addr),
        ValueRef::Subnet(network, length) => push_subnet(out, network, length),
        _ => {}
    }
}

/// Hides what has a meaning in a line.
#[derive(Clone, Debug)]
pub(super) struct Escaper {
    /// Sequences to hide, in the order in which Zeek tries them.
    hidden: Vec<Vec<u8>>,
    utf8: bool,
    /// Octets that need a second look: anything but printable ASCII, the backslash, and the first of each sequence.
    suspect: Box<[bool; 256]>,
    /// No number, address or bool can contain a hidden sequence.
    plain_numbers: bool,
    /// `LogAscii::unset_field`, escaped.
    unset: Vec<u8>,
    /// `LogAscii::empty_field`, escaped.
    empty: Vec<u8>,
}

impl Escaper {
    fn new(hidden: Vec<Vec<u8>>, options: &AsciiOptions) -> Escaper {
        let hidden: Vec<Vec<u8>> = hidden.into_iter().filter(|sequence| !sequence.is_empty()).collect();
        let mut suspect = Box::new([false; 256]);
        for octet in 0..=255u8 {
            let first = hidden.iter().any(|sequence| sequence[0] == octet);
            suspect[usize::from(octet)] = first || octet == b'\\' || !is_printable(octet);
        }
        let plain_numbers = !b"0123456789abcdefinTF.:-/".iter().any(|octet| suspect[usize::from(*octet)]);
        let mut escaper =
            Escaper { hidden, utf8: options.enable_utf_8, suspect, plain_numbers, unset: vec![], empty: vec![] };
        let escaped = |text: &[u8]| {
            let mut out = Vec::new();
            escaper.push(&mut out, text);
            out
        };
        (escaper.unset, escaper.empty) = (escaped(&options.unset_field), escaped(&options.empty_field));
        escaper
    }

    /// Hides backslashes and what is no text, as an `ODesc` without sequences.
    pub(super) fn of_backslashes() -> Escaper {
        Escaper::new(Vec::new(), &AsciiOptions::default())
    }

    #[inline]
    pub(super) fn push(&self, out: &mut Vec<u8>, text: &[u8]) {
        // Almost no text is suspect: looking at every octet without a branch is faster than stopping at the first.
        if text.iter().fold(false, |found, octet| found | self.suspect[usize::from(*octet)]) {
            self.push_escaped(out, text);
        } else {
            out.extend_from_slice(text);
        }
    }

    #[cold]
    fn push_escaped(&self, out: &mut Vec<u8>, text: &[u8]) {
        let mut start = 0;
        let mut at = 0;
        while at < text.len() {
            match self.hidden_at(&text[at..]) {
                0 => at += 1,
                length => {
                    self.push_segment(out, &text[start..at]);
                    for octet in &text[at..at + length] {
                        match octet {
                            b'\\' => out.extend_from_slice(b"\\\\"),
                            octet => out.extend_from_slice(&hex_escape(*octet)),
                        }
                    }
                    at += length;
                    start = at;
                }
            }
        }
        self.push_segment(out, &text[start..]);
    }

    /// How many octets have to be hidden here.
    fn hidden_at(&self, text: &[u8]) -> usize {
        if text[0] == b'\\' || (!self.utf8 && !is_printable(text[0])) {
            return 1;
        }
        self.hidden.iter().find(|sequence| text.starts_with(sequence)).map_or(0, Vec::len)
    }

    /// What stands between hidden octets. One octet that cannot be shown hides everything beyond ASCII in its segment.
    fn push_segment(&self, out: &mut Vec<u8>, text: &[u8]) {
        if !self.utf8 || is_shown_as_is(text, b"") {
            out.extend_from_slice(text);
            return;
        }
        for octet in text {
            if is_printable(*octet) {
                out.push(*octet);
            } else {
                out.extend_from_slice(&hex_escape(*octet));
            }
        }
    }
}

/// As C's `isprint` in the C locale.
fn is_printable(octet: u8) -> bool {
    matches!(octet, 0x20..=0x7e)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::wire::log_batch::{Field, LogBatch, LogValue, TypeTag, WRITER_ASCII};

    /// The line of a record with these columns and values.
    pub(in crate::logs) fn line(options: &AsciiOptions, cells: &[(Field, LogValue)]) -> String {
        let batch = LogBatch {
            stream: b"X::LOG".to_vec(),
            writer: WRITER_ASCII.into(),
            filter: b"default".to_vec(),
            path: b"x".to_vec(),
            fields: cells.iter().map(|(field, _)| field.clone()).collect(),
            records: vec![cells.iter().map(|(_, value)| value.clone()).collect()],
        };
        let payload = batch.encode().unwrap();
        let mut reader = BatchReader::new(&payload).unwrap();
        let columns: Vec<Column> = reader.fields().map(|field| field.column()).collect();
        let mut out = Vec::new();
        let formatter = super::super::ascii::Formatter::new(options, &batch.fields);
        formatter.record(&mut out, &mut reader, &columns).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn string(text: &[u8]) -> (Field, LogValue) {
        (Field::new("s", TypeTag::String), LogValue::String(text.to_vec()))
    }

    #[track_caller]
    fn check(text: &[u8], expected: &str) {
        assert_eq!(line(&AsciiOptions::default(), &[string(text)]), format!("{expected}\n"));
    }

    #[test]
    fn reserved_words_are_hidden() {
        check(b"", "(empty)");
        check(b"-", "\\x2d");
        check(b"--", "--");
        check(b"(empty)", "\\x28empty)");
        check(b"#close", "\\x23close");
        check(b"a,b", "a,b");
    }

    #[test]
    fn separators_controls_and_backslashes_are_hidden() {
        check(b"a\tb", "a\\x09b");
        check(b"a\\b", "a\\\\b");
        check(b"a\nb\x00\x7f", "a\\x0ab\\x00\\x7f");
    }

    #[test]
    fn utf8_is_shown_unless_something_beside_it_cannot_be() {
        check("zoë".as_bytes(), "zoë");
        check(b"zo\xc3\xab\x07", "zo\\xc3\\xab\\x07");
        check(b"zo\xc3\xab\xff", "zo\\xc3\\xab\\xff");
        // A separator is no control character, and segments stand for themselves.
        check(b"\xc3\xab\t\xc3\xab", "ë\\x09ë");
        check(b"\xc3\xab\\\xff", "ë\\\\\\xff");
        check("\u{e000}".as_bytes(), "\\xee\\x80\\x80");
        check("\u{85}".as_bytes(), "\\xc2\\x85");
        let ascii = AsciiOptions { enable_utf_8: false, ..AsciiOptions::default() };
        assert_eq!(line(&ascii, &[string("zoë".as_bytes())]), "zo\\xc3\\xab\n");
    }

    #[test]
    fn containers_hide_their_separator_and_show_holes() {
        let texts = |texts: &[&str]| texts.iter().map(|text| LogValue::String((*text).into())).collect();
        let mut elements: Vec<LogValue> = texts(&["a,b", "", "-"]);
        elements.push(LogValue::Unset);
        let field = Field::container("v", TypeTag::Vector, TypeTag::String);
        let cells = [
            (field.clone(), LogValue::Vector(elements)),
            (field.clone(), LogValue::Vector(vec![])),
            (field, LogValue::Unset),
        ];
        assert_eq!(line(&AsciiOptions::default(), &cells), "a\\x2cb,(empty),\\x2d,-\t(empty)\t-\n");
    }

    #[test]
    fn other_separators_hide_what_they_are_in_numbers_too() {
        let options = AsciiOptions { separator: b".".to_vec(), ..AsciiOptions::default() };
        let cells = [
            (Field::new("t", TypeTag::Time), LogValue::Time(1.5)),
            (Field::new("n", TypeTag::Count), LogValue::Count(7)),
        ];
        assert_eq!(line(&options, &cells), "1\\x2e500000.7\n");
    }
}
