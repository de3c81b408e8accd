//! The lines of `zeek.conf` as Zeek 9 reads them: sections, options, and values over several lines. Source: Zeek 9.0.0-rc1,
//! `tools/systemd-generator/src/zeek-cluster-config.cc`, `parse_ini_like`.
//!
//! Compatibility: a comment begins in the first column. An indented line is one more value of the option above it, also when
//! it looks like a comment. Names of options begin with a lower-case letter, a digit or `_`. There is no interpolation.

use crate::layout::problem::{Problems, Report, Span, Spanned};
use crate::layout::tree::{MAX_BYTES, shorten};

/// A section; the one without a name holds what stands above all headings.
#[derive(Debug)]
pub(super) struct ConfSection {
    pub(super) name: Spanned<String>,
    pub(super) options: Vec<ConfOption>,
}

/// An option in lower case with at least one value.
#[derive(Debug)]
pub(super) struct ConfOption {
    pub(super) key: Spanned<String>,
    pub(super) values: Vec<Spanned<String>>,
}

impl ConfOption {
    /// The values with blanks between them.
    pub(super) fn joined(&self) -> String {
        let values: Vec<&str> =
            self.values.iter().map(|value| value.value.as_str()).filter(|v| !v.is_empty()).collect();
        values.join(" ")
    }

    /// Where its first value stands.
    pub(super) fn span(&self) -> Span {
        self.values.first().map_or(self.key.span, |value| value.span)
    }
}

/// ` in section 'zeek'`, or nothing for the section without a name.
pub(super) fn of_section(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" in section '{name}'") }
}

/// Reads a text that is number `source` of the sources. None when it is refused; the reasons have been reported.
pub(super) fn read(text: &str, source: usize, problems: &mut Problems) -> Option<Vec<ConfSection>> {
    let start = Span { source, start: 0, end: 0 };
    if text.len() > MAX_BYTES {
        problems.push(Report::new(start, "the file is too large").expected("at most 1 MiB"));
        return None;
    }
    let mut reader = Reader {
        sections: Vec::new(),
        current: ConfSection { name: Spanned::new(String::new(), start), options: Vec::new() },
        wrong: Vec::new(),
    };
    let mut at = 0;
    for line in text.split('\n') {
        let trimmed = line.trim_end_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
        reader.line(trimmed, Span { source, start: at, end: at + trimmed.len() });
        at += line.len() + 1;
    }
    reader.finish_section();
    match reader.wrong.is_empty() {
        true => Some(reader.sections),
        false => {
            reader.wrong.into_iter().for_each(|report| problems.push(report));
            None
        }
    }
}

struct Reader {
    sections: Vec<ConfSection>,
    current: ConfSection,
    wrong: Vec<Report>,
}

impl Reader {
    fn line(&mut self, line: &str, span: Span) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|n| !n.is_empty()) {
            self.section(Spanned::new(name.to_owned(), Span { start: span.start + 1, end: span.end - 1, ..span }));
            return;
        }
        let begins_option = |c: char| c == '_' || c.is_ascii_digit() || c.is_ascii_lowercase();
        if let (true, Some((key, value))) = (line.starts_with(begins_option), line.split_once('=')) {
            self.option(key, value, span);
        } else if line.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.more(line, span);
        } else {
            let message = format!("invalid line '{}'{}", shorten(line), of_section(&self.current.name.value));
            let report = Report::new(span, message).expected("`option = value` or `[interface NAME]`");
            self.wrong.push(match line.starts_with('\u{feff}') {
                true => report.hint("the file begins with a byte order mark (BOM): save it as UTF-8 without BOM"),
                false => report,
            });
        }
    }

    fn section(&mut self, name: Spanned<String>) {
        if self.sections.iter().any(|known| known.name.value == name.value) || self.current.name.value == name.value {
            self.wrong.push(Report::new(name.span, format!("duplicate section '{}'", name.value)));
        }
        self.finish_section();
        self.current = ConfSection { name, options: Vec::new() };
    }

    fn finish_section(&mut self) {
        let nothing = ConfSection { name: Spanned::new(String::new(), self.current.name.span), options: Vec::new() };
        let done = std::mem::replace(&mut self.current, nothing);
        if !done.options.is_empty() || !done.name.value.is_empty() {
            self.sections.push(done);
        }
    }

    fn option(&mut self, key: &str, value: &str, span: Span) {
        let written = key.trim();
        let key = Spanned::new(written.to_lowercase(), Span { end: span.start + written.len(), ..span });
        if self.current.options.iter().any(|option| option.key.value == key.value) {
            let message = format!("duplicate option '{}'{}", key.value, of_section(&self.current.name.value));
            self.wrong.push(Report::new(key.span, message).expected("each option once"));
            return;
        }
        let start = span.end - value.trim_start().len();
        let value = value.trim();
        let value = Spanned::new(value.to_owned(), Span { start, end: start + value.len(), ..span });
        self.current.options.push(ConfOption { key, values: vec![value] });
    }

    fn more(&mut self, line: &str, span: Span) {
        let value = line.trim_start();
        let section = of_section(&self.current.name.value);
        let place = Span { start: span.end - value.len(), ..span };
        match self.current.options.last_mut() {
            Some(option) => option.values.push(Spanned::new(value.to_owned(), place)),
            None => {
                let message = format!("unexpected continuation line '{}'{section}", shorten(line));
                self.wrong.push(Report::new(place, message).expected("an option that begins in the first column"));
            }
        }
    }
}
