//! What is wrong with a layout, and where: positions, words, and the nearest thing that would have been right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// More problems than this are not collected: whoever mends a hundred will run it again.
const MAX_PROBLEMS: usize = 100;
/// Longer lines are cut in [`Problem::line_text`].
const MAX_LINE_CHARS: usize = 1000;

/// One thing that is wrong, or worth a warning, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named.
    pub file: PathBuf,
    /// From 1; 0 when the problem has no place, and then there is no span either.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// What to underline, as bytes of the file; may be empty at the end of a line.
    pub span: Range<usize>,
    /// What to underline, in characters of [`Problem::line_text`]; at least 1.
    pub length: u32,
    /// The line itself, without its end, at most 1,000 characters of it.
    pub line_text: String,
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// What would have been right.
    pub expected: Option<String>,
    /// How to mend it, such as the nearest known key.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    /// One line: `cluster.yaml:3:5: unknown key \`hsot\`; expected …; did you mean \`host\`?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A place in one of the [`Sources`], in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) source: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// The texts that a layout is read from: one for YAML, up to three for zeekctl's files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    text: String,
    /// Byte offset of each line's beginning.
    lines: Vec<usize>,
}

impl Sources {
    /// Adds a text; its number goes into the spans.
    pub(crate) fn add(&mut self, path: &Path, text: &str) -> usize {
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        self.files.push(Source { path: path.to_owned(), text: text.to_owned(), lines });
        self.files.len() - 1
    }

    /// Line of a span's beginning, from 1; 0 for a source that is not there.
    pub(crate) fn line(&self, span: Span) -> u32 {
        let line = self.files.get(span.source).map_or(0, |s| s.lines.partition_point(|&start| start <= span.start));
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// The file that a span is in, as it was named; empty for a source that is not there.
    pub(crate) fn name(&self, span: Span) -> String {
        self.files.get(span.source).map(|source| source.path.display().to_string()).unwrap_or_default()
    }

    fn locate(&self, report: Report) -> Problem {
        let mut problem = Problem {
            file: PathBuf::new(),
            line: 0,
            column: 0,
            span: report.span.start..report.span.end,
            length: 1,
            line_text: String::new(),
            message: report.message,
            expected: report.expected,
            hint: report.hint,
        };
        let Some(source) = self.files.get(report.span.source) else { return problem };
        problem.file.clone_from(&source.path);
        problem.line = self.line(report.span);
        let begin = source.lines.get(problem.line.saturating_sub(1) as usize).copied().unwrap_or(0);
        let line = source.text.get(begin..).unwrap_or("").lines().next().unwrap_or("");
        let within = |byte: usize| line.char_indices().take_while(|(at, _)| begin + at < byte).count();
        let (from, to) = (within(report.span.start), within(report.span.end.max(report.span.start)));
        problem.column = u32::try_from(from + 1).unwrap_or(u32::MAX);
        problem.length = u32::try_from((to - from).max(1)).unwrap_or(u32::MAX);
        problem.line_text = line.chars().take(MAX_LINE_CHARS).collect();
        problem
    }
}

/// A problem before its place is known as line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    span: Span,
    message: String,
    expected: Option<String>,
    hint: Option<String>,
}

impl Report {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Report {
        Report { span, message: message.into(), expected: None, hint: None }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Report {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Report {
        self.hint = Some(hint.into());
        self
    }

    /// Suggests the candidate nearest to what was written, when one is near.
    pub(crate) fn nearest<'a>(self, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Report {
        match super::suggest::nearest(written, candidates) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// Collects problems and warnings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    problems: Vec<Report>,
    warnings: Vec<Report>,
}

impl Problems {
    /// Whether there is a problem that is no warning.
    pub(crate) fn any(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(crate) fn push(&mut self, report: Report) {
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&report) {
            self.problems.push(report);
        }
    }

    pub(crate) fn warn(&mut self, report: Report) {
        if self.warnings.len() < MAX_PROBLEMS && !self.warnings.contains(&report) {
            self.warnings.push(report);
        }
    }

    /// Problems and warnings in the order of the file.
    pub(crate) fn finish(mut self, sources: &Sources) -> (Vec<Problem>, Vec<Problem>) {
        self.problems.sort_by_key(|r| r.span);
        self.warnings.sort_by_key(|r| r.span);
        let locate = |reports: Vec<Report>| reports.into_iter().map(|r| sources.locate(r)).collect();
        (locate(self.problems), locate(self.warnings))
    }
}
