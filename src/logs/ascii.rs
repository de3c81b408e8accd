//! Zeek's ASCII writer: its options, and what TSV and JSON have in common.
//!
//! Source: `protocol/cluster.md` 2.3; Zeek 9.0 `logging/writers/ascii/Ascii.cc`, `util.cc`.

use super::json::Json;
use super::number::HEX;
use super::tsv::Tsv;
use crate::wire::log_batch::{BatchError, BatchReader, Column, Field};

/// `LogAscii::…` (Zeek 9.0, `scripts/base/frameworks/logging/writers/ascii.zeek`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsciiOptions {
    /// `LogAscii::use_json`: one JSON object a line, no header.
    pub use_json: bool,
    /// `LogAscii::json_timestamps`.
    pub json_timestamps: JsonTimestamps,
    /// `LogAscii::json_include_unset_fields`: unset columns as `null` instead of leaving them out.
    pub json_include_unset_fields: bool,
    /// `LogAscii::json_string_escape_policy`.
    pub json_string_escape_policy: JsonStringEscapes,
    /// `LogAscii::include_meta`: the header and `#close`.
    pub include_meta: bool,
    /// `LogAscii::meta_prefix`, `#`.
    pub meta_prefix: Vec<u8>,
    /// `LogAscii::separator`, a tab.
    pub separator: Vec<u8>,
    /// `LogAscii::set_separator`, a comma.
    pub set_separator: Vec<u8>,
    /// `LogAscii::empty_field`, `(empty)`.
    pub empty_field: Vec<u8>,
    /// `LogAscii::unset_field`, `-`.
    pub unset_field: Vec<u8>,
    /// `LogAscii::enable_utf_8`: valid UTF-8 is written as it is.
    pub enable_utf_8: bool,
    /// `LogAscii::gzip_level`, 0 to 9: above 0 files are compressed while they are written.
    pub gzip_level: u32,
    /// `LogAscii::gzip_file_extension`, `gz`.
    pub gzip_file_extension: String,
    /// A filter's `$config["tsv"]`: the names of the columns as the only line of the header.
    pub tsv: bool,
}

/// `LogAscii::json_timestamps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonTimestamps {
    /// `JSON::TS_EPOCH`: seconds as a real number.
    Epoch,
    /// `JSON::TS_MILLIS`: whole milliseconds, signed.
    Millis,
    /// `JSON::TS_MILLIS_UNSIGNED`: the same, before 1970 as huge numbers.
    MillisUnsigned,
    /// `JSON::TS_ISO8601`: UTC with six decimals.
    Iso8601,
}

/// `LogAscii::json_string_escape_policy`: how strings show octets that JSON cannot hold as they are. Values of type enum,
/// func and file are always written as with [`JsonStringEscapes::Hex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonStringEscapes {
    /// `JSON::STRING_ESCAPE_POLICY_HEX`: as the text `\xNN`; one such octet hides everything beyond ASCII in its string.
    Hex,
    /// `JSON::STRING_ESCAPE_POLICY_PUA`: octet by octet as a character of a private use area, `\udb80\udcNN`, so that a
    /// reader can tell it from text.
    Pua,
    /// `JSON::STRING_ESCAPE_POLICY_TSV`: as in TSV files, then escaped for JSON.
    Tsv,
}

impl Default for AsciiOptions {
    fn default() -> AsciiOptions {
        AsciiOptions {
            use_json: false,
            json_timestamps: JsonTimestamps::Epoch,
            json_include_unset_fields: false,
            json_string_escape_policy: JsonStringEscapes::Hex,
            include_meta: true,
            meta_prefix: b"#".to_vec(),
            separator: b"\t".to_vec(),
            set_separator: b",".to_vec(),
            empty_field: b"(empty)".to_vec(),
            unset_field: b"-".to_vec(),
            enable_utf_8: true,
            gzip_level: 0,
            gzip_file_extension: "gz".to_owned(),
            tsv: false,
        }
    }
}

impl AsciiOptions {
    /// What follows the path in a file's name: `log`, or `log.gz` when files are compressed while they are written.
    pub fn extension(&self) -> String {
        match self.gzip_level {
            0 => "log".to_owned(),
            _ => format!("log.{}", if self.gzip_file_extension.is_empty() { "gz" } else { &self.gzip_file_extension }),
        }
    }
}

/// How one file's records become text: one of the two formats.
#[derive(Clone, Debug)]
pub(super) enum Formatter {
    Tsv(Box<Tsv>),
    Json(Json),
}

impl Formatter {
    /// For files with these columns.
    pub(super) fn new(options: &AsciiOptions, fields: &[Field]) -> Formatter {
        if options.use_json {
            Formatter::Json(Json::new(options, fields))
        } else {
            Formatter::Tsv(Box::new(Tsv::new(options)))
        }
    }

    /// Appends the next record of a batch; on an error it leaves a part of it behind.
    pub(super) fn record(
        &self,
        out: &mut Vec<u8>,
        batch: &mut BatchReader<'_>,
        columns: &[Column],
    ) -> Result<(), BatchError> {
        match self {
            Formatter::Tsv(tsv) => tsv.record(out, batch, columns),
            Formatter::Json(json) => json.record(out, batch, columns),
        }
    }
}

/// Hides what would be taken for a meta line: the first octet of a line that begins with the prefix. An empty prefix
/// begins every line, as in Zeek.
pub(super) fn hide_meta_prefix(out: &mut Vec<u8>, line: usize, prefix: &[u8]) {
    if out[line..].starts_with(prefix) {
        let hidden = hex_escape(out[line]);
        out.splice(line..=line, hidden);
    }
}

/// `\xNN`.
pub(super) fn hex_escape(octet: u8) -> [u8; 4] {
    [b'\\', b'x', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]
}

/// Whether text can be shown as it is: valid UTF-8 without control characters (but those in `keep`), without the private
/// use area and the specials (`check_ok_utf8` in Zeek's `util.cc`).
pub(super) fn is_shown_as_is(text: &[u8], keep: &[u8]) -> bool {
    let fits = |c: char| match c as u32 {
        code @ (0..=0x1f | 0x7f) => keep.contains(&(code as u8)),
        0x80..=0x9f | 0xe000..=0xf8ff | 0xfff0..=0xffff => false,
        _ => true,
    };
    std::str::from_utf8(text).is_ok_and(|text| text.chars().all(fits))
}

/// Meta lines of Zeek's ASCII format.
pub(super) fn header(options: &AsciiOptions, path: &[u8], fields: &[Field], opened: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if options.use_json || !options.include_meta {
        return out;
    }
    let names = joined(fields, &options.separator, |field| field.name.clone());
    if options.tsv {
        out.extend_from_slice(&names);
        out.push(b'\n');
        return out;
    }
    out.extend_from_slice(&options.meta_prefix);
    out.extend_from_slice(b"separator ");
    out.extend_from_slice(&escaped(&options.separator));
    out.push(b'\n');
    meta_line(&mut out, options, "set_separator", &escaped(&options.set_separator));
    meta_line(&mut out, options, "empty_field", &escaped(&options.empty_field));
    meta_line(&mut out, options, "unset_field", &escaped(&options.unset_field));
    meta_line(&mut out, options, "path", &escaped(path));
    meta_line(&mut out, options, "open", opened.as_bytes());
    meta_line(&mut out, options, "fields", &names);
    meta_line(&mut out, options, "types", &joined(fields, &options.separator, type_name));
    out
}

/// What ends a file.
pub(super) fn footer(options: &AsciiOptions, closed: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if !options.use_json && options.include_meta && !options.tsv {
        meta_line(&mut out, options, "close", closed.as_bytes());
    }
    out
}

fn meta_line(out: &mut Vec<u8>, options: &AsciiOptions, key: &str, value: &[u8]) {
    out.extend_from_slice(&options.meta_prefix);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(&options.separator);
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn joined(fields: &[Field], separator: &[u8], text: impl Fn(&Field) -> Vec<u8>) -> Vec<u8> {
    let texts: Vec<Vec<u8>> = fields.iter().map(text).collect();
    texts.join(separator)
}

fn type_name(field: &Field) -> Vec<u8> {
    let name = field.tag.name();
    match field.element() {
        Some(element) => format!("{name}[{}]", element.name()).into_bytes(),
        None => name.as_bytes().to_vec(),
    }
}

/// Spaces and what cannot be printed as `\xNN` (`get_escaped_string` in Zeek's `util.cc`).
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for octet in text {
        if octet.is_ascii_graphic() {
            out.push(*octet);
        } else {
            out.extend_from_slice(&hex_escape(*octet));
        }
    }
    out
}
