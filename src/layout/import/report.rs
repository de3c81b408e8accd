//! What became of each setting of another tool's files: one line for each, so that nothing is dropped in silence.

use super::super::problem::{Sources, Span};

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It says here what it said there.
    Kept,
    /// Another key of the layout says the same.
    Translated,
    /// Nothing here needs it.
    NotNeeded,
    /// It has an effect there, and nothing here does the same.
    NotTakenOver,
}

impl Fate {
    /// The words of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Kept => "kept",
            Fate::Translated => "translated",
            Fate::NotNeeded => "not needed",
            Fate::NotTakenOver => "not taken over",
        }
    }
}

/// What became of one setting.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReportLine {
    /// The file as it was named.
    pub file: String,
    /// Line of the file, from 1.
    pub line: u32,
    /// Such as `worker-1.interface` or `LogDir`.
    pub setting: String,
    /// As written, cut to 60 characters.
    pub value: String,
    /// What became of it.
    pub fate: Fate,
    /// Where it stands now, or why it does not.
    pub reason: String,
}

/// A [`ReportLine`] before its place is known as a line.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) span: Span,
    pub(super) setting: String,
    pub(super) value: String,
    pub(super) fate: Fate,
    pub(super) reason: String,
}

/// Collects what became of settings, in the order in which they are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    pub(super) fn add(
        &mut self,
        span: Span,
        setting: impl Into<String>,
        value: &str,
        fate: Fate,
        reason: impl Into<String>,
    ) {
        let value = super::super::tree::shorten(value);
        self.0.push(Note { span, setting: setting.into(), value, fate, reason: reason.into() });
    }

    /// With places, in the order of the files.
    pub(super) fn lines(&self, sources: &Sources) -> Vec<ReportLine> {
        let mut notes: Vec<&Note> = self.0.iter().collect();
        notes.sort_by_key(|note| note.span);
        let line = |note: &&Note| ReportLine {
            file: sources.name(note.span),
            line: sources.line(note.span),
            setting: note.setting.clone(),
            value: note.value.clone(),
            fate: note.fate,
            reason: note.reason.clone(),
        };
        notes.iter().map(line).collect()
    }
}
