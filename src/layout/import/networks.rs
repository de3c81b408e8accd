//! `networks.cfg`: one network a line, then what it is called. Source: `zeekctl.md` 8.

use super::ini::{Lines, trim};
use super::report::{Fate, Notes};
use crate::layout::model::Network;
use crate::layout::problem::{Problems, Report, Span, Spanned};
use crate::layout::schema;
use crate::layout::tree::{MAX_BYTES, shorten};

/// Reads the file's text, number `source` of the sources. Brackets around an IPv6 address are what Zeek's scripts have, and
/// are taken.
pub(super) fn read(text: &str, source: usize, notes: &mut Notes, problems: &mut Problems) -> Vec<Spanned<Network>> {
    let mut networks = Vec::new();
    if text.len() > MAX_BYTES {
        let report = Report::new(Span { source, start: 0, end: 0 }, "the file is too large");
        problems.push(report.expected("at most 1 MiB"));
        return networks;
    }
    for line in Lines::of(text) {
        let trimmed = trim(line.text);
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let start = line.start + line.text.find(trimmed).unwrap_or(0);
        let span = Span { source, start, end: start + trimmed.len() };
        match schema::network(&without_brackets(trimmed)) {
            Some((prefix, description)) => {
                notes.add(span, prefix.clone(), trimmed, Fate::Kept, "networks");
                networks.push(Spanned::new(Network { prefix, description }, span));
            }
            None => problems.push(refused(span, trimmed)),
        }
    }
    networks
}

fn without_brackets(line: &str) -> String {
    let inside = line.strip_prefix('[').and_then(|rest| rest.split_once("]/"));
    inside.map_or_else(|| line.to_owned(), |(address, rest)| format!("{address}/{rest}"))
}

fn refused(span: Span, line: &str) -> Report {
    let report = match line.split_whitespace().next() {
        Some(prefix) if prefix.contains(':') && !prefix.contains('/') => {
            Report::new(span, format!("invalid CIDR notation in file: `{}`", shorten(line)))
        }
        _ => Report::new(span, format!("`{}` is no network", shorten(line))),
    };
    let report = report.expected("a prefix such as `10.0.0.0/8`, then what it is called");
    match line.contains("${") || line.contains("{{") {
        true => report.hint("this is a template whose values have not been filled in"),
        false => report,
    }
}
