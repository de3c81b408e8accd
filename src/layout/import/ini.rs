//! INI files as Python's `configparser` reads them, in the dialect of zeekctl's `node.cfg`: `ConfigParser()` with its
//! defaults.
//!
//! Compatibility: sections and options are strict (each once), keys are lower-cased, `=` and `:` separate, `#` and `;`
//! begin a comment only where nothing stands before them, an indented line continues a value, empty lines belong to the
//! value around them, `[DEFAULT]` gives its keys to all sections, and `%(key)s` and `%%` are interpolated. Source: CPython
//! 3.11, `Lib/configparser.py`, and zeekctl 2.6.0-67 reading the same files.

use std::collections::HashSet;

use crate::layout::problem::{Problems, Report, Span, Spanned};
use crate::layout::tree::{MAX_BYTES, shorten};

/// The section whose keys all others have.
const DEFAULT: &str = "DEFAULT";
/// References inside of references that are followed. Source: `configparser.MAX_INTERPOLATION_DEPTH`.
const MAX_DEPTH: usize = 10;
/// Most text that one value may become: a chain of references doubles with each step.
const MAX_VALUE: usize = 64 * 1024;

/// All sections of a file but `[DEFAULT]`, in its order.
#[derive(Debug, Default)]
pub(super) struct Ini {
    pub(super) sections: Vec<Section>,
}

/// A section with its own keys and those of `[DEFAULT]`.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: Spanned<String>,
    /// Keys of `[DEFAULT]` first. Values are not interpolated.
    keys: Vec<Setting>,
}

/// A key, in lower case, and its value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: Spanned<String>,
    pub(super) value: Spanned<String>,
}

impl Section {
    /// All keys with their values, references filled in.
    ///
    /// # Errors
    /// The first reference that cannot be filled in.
    pub(super) fn settings(&self) -> Result<Vec<Setting>, Report> {
        let fill = |setting: &Setting| {
            let mut text = String::new();
            self.fill(setting, &setting.value.value, 1, &mut text)?;
            let value = Spanned::new(text, setting.value.span);
            Ok(Setting { key: setting.key.clone(), value })
        };
        self.keys.iter().map(fill).collect()
    }

    /// `raw` with what `%(key)s` and `%%` stand for, at the end of `text`.
    fn fill(&self, of: &Setting, raw: &str, depth: usize, text: &mut String) -> Result<(), Report> {
        let wrong = |message: String| Report::new(of.value.span, message);
        if depth > MAX_DEPTH {
            return Err(wrong(format!("option '{}' refers to itself over more than {MAX_DEPTH} steps", of.key.value)));
        }
        let mut rest = raw;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let after = &rest[1..];
            if let Some(tail) = after.strip_prefix('%') {
                text.push('%');
                rest = tail;
                continue;
            }
            let Some(inside) = after.strip_prefix('(') else {
                let found = shorten(rest);
                let report = wrong(format!("'%' must be followed by '%' or '(', found: '{found}'"));
                return Err(report.hint("in node.cfg a percent sign is written `%%`"));
            };
            let name = inside.split_once(")s").filter(|(name, _)| !name.is_empty() && !name.contains(')'));
            let Some((name, tail)) = name else {
                return Err(wrong(format!("bad interpolation variable reference '{}'", shorten(rest))));
            };
            let name = name.to_lowercase();
            let Some(found) = self.keys.iter().rev().find(|setting| setting.key.value == name) else {
                let message = format!(
                    "bad value substitution: option '{}' in section '{}' refers to '{name}', which is not set there",
                    of.key.value, self.name.value
                );
                return Err(wrong(message).hint("in node.cfg a percent sign is written `%%`"));
            };
            self.fill(of, &found.value.value, depth + 1, text)?;
            rest = tail;
        }
        text.push_str(rest);
        match text.len() > MAX_VALUE {
            true => Err(wrong(format!("the value of option '{}' is too large", of.key.value))),
            false => Ok(()),
        }
    }
}

/// Reads a text that is number `source` of the sources. None when it is refused; the reasons have been reported.
pub(super) fn read(text: &str, source: usize, problems: &mut Problems) -> Option<Ini> {
    if text.len() > MAX_BYTES {
        let report = Report::new(Span { source, start: 0, end: 0 }, "the file is too large");
        problems.push(report.expected("at most 1 MiB"));
        return None;
    }
    let mut reader = Reader { source, ..Reader::default() };
    for line in Lines::of(text) {
        if let Err(report) = reader.line(&line) {
            problems.push(report);
            return None;
        }
    }
    match reader.unreadable.is_empty() {
        true => Some(reader.finish()),
        false => {
            reader.unreadable.into_iter().for_each(|report| problems.push(report));
            None
        }
    }
}

/// A line without its end, and where it begins.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

/// Lines as Python's text files have them: ended by `\n`, `\r\n` or `\r`.
pub(super) struct Lines<'a> {
    rest: &'a str,
    start: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Lines<'a> {
        Lines { rest: text, start: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let ending = match &self.rest[end..] {
            tail if tail.starts_with("\r\n") => 2,
            "" => 0,
            _ => 1,
        };
        let line = Line { text: &self.rest[..end], start: self.start };
        self.start += end + ending;
        self.rest = &self.rest[end + ending..];
        Some(line)
    }
}

/// What Python's `str.strip` takes away.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A text without blanks at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

#[derive(Debug, Default)]
struct Reader {
    source: usize,
    defaults: Vec<Setting>,
    sections: Vec<Section>,
    /// Where keys go: none before the first section.
    current: Option<Place>,
    /// Whether the last line that was no comment belongs to a value.
    in_value: bool,
    indent: usize,
    seen: HashSet<(String, String)>,
    unreadable: Vec<Report>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Defaults,
    Section(usize),
}

impl Reader {
    fn line(&mut self, line: &Line<'_>) -> Result<(), Report> {
        let value = trim(line.text);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            if self.in_value
                && let Some(setting) = self.keys().and_then(|keys| keys.last_mut())
            {
                setting.value.value.push('\n');
            }
            return Ok(());
        }
        let before = line.text.len() - line.text.trim_start_matches(is_blank).len();
        let at = line.start + before;
        let indent = line.text[..before].chars().count();
        if self.in_value && indent > self.indent {
            if let Some(setting) = self.keys().and_then(|keys| keys.last_mut()) {
                setting.value.value.push('\n');
                setting.value.value.push_str(value);
            }
            return Ok(());
        }
        self.indent = indent;
        match section_name(value) {
            Some(name) => self.section(name, at + 1),
            None => self.setting(value, at),
        }
    }

    fn span(&self, start: usize, length: usize) -> Span {
        Span { source: self.source, start, end: start + length }
    }

    fn section(&mut self, name: &str, at: usize) -> Result<(), Report> {
        self.in_value = false;
        let name = Spanned::new(name.to_owned(), self.span(at, name.len()));
        if name.value == DEFAULT {
            self.current = Some(Place::Defaults);
            return Ok(());
        }
        if self.sections.iter().any(|known| known.name.value == name.value) {
            let report = Report::new(name.span, format!("section '{}' already exists", name.value));
            return Err(report.expected("each node once"));
        }
        self.sections.push(Section { name, keys: Vec::new() });
        self.current = Some(Place::Section(self.sections.len() - 1));
        Ok(())
    }

    fn keys(&mut self) -> Option<&mut Vec<Setting>> {
        match self.current? {
            Place::Defaults => Some(&mut self.defaults),
            Place::Section(at) => self.sections.get_mut(at).map(|section| &mut section.keys),
        }
    }

    fn setting(&mut self, line: &str, at: usize) -> Result<(), Report> {
        let whole = self.span(at, line.len());
        let section = match self.current {
            None => return Err(no_section(whole, line)),
            Some(Place::Defaults) => DEFAULT.to_owned(),
            Some(Place::Section(at)) => self.sections[at].name.value.clone(),
        };
        let Some(sign) = line.find(['=', ':']).filter(|sign| *sign > 0) else {
            let message = format!("this line cannot be parsed: '{}'", shorten(line));
            self.unreadable.push(Report::new(whole, message).expected("`key = value`"));
            return Ok(());
        };
        let (written, value) = (line[..sign].trim_end_matches(is_blank), trim(&line[sign + 1..]));
        let offset = line.len() - line[sign + 1..].trim_start_matches(is_blank).len();
        let key = Spanned::new(written.to_lowercase(), self.span(at, written.len()));
        if !self.seen.insert((section.clone(), key.value.clone())) {
            let message = format!("option '{}' in section '{section}' already exists", key.value);
            return Err(Report::new(key.span, message).expected("each key once"));
        }
        let value = Spanned::new(value.to_owned(), self.span(at + offset, value.len()));
        if let Some(keys) = self.keys() {
            keys.push(Setting { key, value });
        }
        self.in_value = true;
        Ok(())
    }

    /// Gives each section the keys of `[DEFAULT]` that it does not have itself.
    fn finish(mut self) -> Ini {
        let tidy = |setting: &mut Setting| {
            let length = setting.value.value.trim_end_matches(is_blank).len();
            setting.value.value.truncate(length);
        };
        self.defaults.iter_mut().for_each(tidy);
        for section in &mut self.sections {
            section.keys.iter_mut().for_each(tidy);
            let own: HashSet<&str> = section.keys.iter().map(|setting| setting.key.value.as_str()).collect();
            let inherited = self.defaults.iter().filter(|setting| !own.contains(setting.key.value.as_str()));
            let mut keys: Vec<Setting> = inherited.cloned().collect();
            keys.append(&mut section.keys);
            section.keys = keys;
        }
        Ini { sections: self.sections }
    }
}

/// What stands between the first bracket and the last one; words behind it are ignored.
fn section_name(line: &str) -> Option<&str> {
    let inside = line.strip_prefix('[')?;
    inside.rfind(']').filter(|end| *end > 0).map(|end| &inside[..end])
}

fn no_section(span: Span, line: &str) -> Report {
    let report = Report::new(span, format!("File contains no section headers: '{}'", shorten(line)));
    match line.strip_prefix('\u{feff}') {
        Some(_) => report.hint(
            "the file begins with a byte order mark (BOM), which zeekctl takes for a part of its first line: save the file \
             as UTF-8 without BOM",
        ),
        None => report.expected("`[node-name]` above it"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::layout::problem::Sources;

    type Read = Vec<(String, Vec<(String, String)>)>;

    fn read_all(text: &str) -> Result<Read, String> {
        let mut sources = Sources::default();
        let source = sources.add(Path::new("node.cfg"), text);
        let mut problems = Problems::default();
        let ini = read(text, source, &mut problems);
        let (found, _) = problems.finish(&sources);
        let shown = |problems: &[crate::layout::Problem]| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let Some(ini) = ini else { return Err(shown(&found)) };
        let pairs = |section: &Section| {
            let settings = section.settings().map_err(|report| {
                let mut problems = Problems::default();
                problems.push(report);
                shown(&problems.finish(&sources).0)
            })?;
            let pairs = settings.into_iter().map(|setting| (setting.key.value, setting.value.value)).collect();
            Ok((section.name.value.clone(), pairs))
        };
        ini.sections.iter().map(pairs).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &[(&str, &str)])]) {
        let owned = |(name, keys): &(&str, &[(&str, &str)])| {
            ((*name).to_owned(), keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(read_all(text), Ok(expected.iter().map(owned).collect::<Read>()), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(read_all(text).expect_err(text), expected);
    }

    #[test]
    fn keys_values_and_comments_are_configparsers() {
        check("[a]\nType=x\n# c\n; c\nHOST : y # kept\n", &[("a", &[("type", "x"), ("host", "y # kept")])]);
        check("[a]\r\nk = v\r\rl=\r\n", &[("a", &[("k", "v"), ("l", "")])]);
        check("[a]\nk = a=b:c\n", &[("a", &[("k", "a=b:c")])]);
        check("  [a]\n  k=v\n  l=w\n", &[("a", &[("k", "v"), ("l", "w")])]);
        check("[a] # words\nk=v\n[b] ; k=[x]\n", &[("a", &[("k", "v")]), ("b] ; k=[x", &[])]);
    }

    #[test]
    fn an_indented_line_continues_a_value() {
        check("[a]\nk = 1,\n  2,\n\t3\n\n\nl=2\n", &[("a", &[("k", "1,\n2,\n3"), ("l", "2")])]);
        check("[a]\nk = 1\n# comment\n  2\n", &[("a", &[("k", "1\n2")])]);
        check("[a]\nk = 1\n\n  2\n", &[("a", &[("k", "1\n\n2")])]);
        check("[a]\n  k = 1\n l = 2\n", &[("a", &[("k", "1"), ("l", "2")])]);
    }

    #[test]
    fn defaults_and_references_are_filled_in() {
        let text = "[DEFAULT]\nhost=h\n[a]\nk=%(HOST)s-%%d\n[b]\nhost=g\nk=%(host)s\n";
        check(text, &[("a", &[("host", "h"), ("k", "h-%d")]), ("b", &[("host", "g"), ("k", "g")])]);
        refused(
            "[a]\nk=%x\n",
            "node.cfg:2:3: '%' must be followed by '%' or '(', found: '%x'; in node.cfg a percent sign is written `%%`",
        );
        refused("[a]\nk=%(x\n", "node.cfg:2:3: bad interpolation variable reference '%(x'");
        assert!(read_all("[a]\nk=%(x)s\n").expect_err("unknown").contains("refers to 'x'"));
        assert!(read_all("[a]\nk=%(k)s\n").expect_err("a loop").contains("refers to itself"));
    }

    #[test]
    fn what_configparser_refuses_is_refused_at_its_line() {
        refused("[a]\nk=1\nK=2\n", "node.cfg:3:1: option 'k' in section 'a' already exists; expected each key once");
        refused("[a]\n[b]\n[a]\n", "node.cfg:3:2: section 'a' already exists; expected each node once");
        refused("k=1\n", "node.cfg:1:1: File contains no section headers: 'k=1'; expected `[node-name]` above it");
        assert!(read_all("\u{feff}[a]\n").expect_err("a BOM").contains("byte order mark"));
        refused(
            "[a]\nword\nk=1\n=x\n",
            "node.cfg:2:1: this line cannot be parsed: 'word'; expected `key = value`\n\
             node.cfg:4:1: this line cannot be parsed: '=x'; expected `key = value`",
        );
    }
}
