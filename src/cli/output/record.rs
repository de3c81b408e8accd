//! What a report's rows must be able to say, so that each format can write them.

use serde::Serialize;

/// One row of an answer. Its JSON is its `Serialize`.
pub trait Record: Serialize {
    /// The columns of the table.
    const COLUMNS: &'static [Column];

    /// The cells of the table, for eyes: as many as [`Record::COLUMNS`].
    fn cells(&self) -> Vec<String>;

    /// The columns of `tsv`, for programs; an unset one is `-`.
    fn fields(&self) -> Vec<String>;

    /// What `-o name` writes.
    fn name(&self) -> &str;
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading, in capitals.
    pub heading: &'static str,
    /// What becomes of it on a narrow terminal.
    pub place: Place,
}

/// What becomes of a column on a narrow terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is always there; its cells are cut when nothing else can give way.
    Stays,
    /// It is left out, those with the highest number first; below 5 long cells are cut before that.
    Gives(u8),
    /// It explains the row: at its end, or below it where it does not fit.
    Note,
    /// It stands below the row, where there is anything to say.
    Below,
}

impl Column {
    /// One that is always there.
    pub const fn stays(heading: &'static str) -> Column {
        Column { heading, place: Place::Stays }
    }

    /// One that is left out on a narrow terminal, those with the highest number first.
    pub const fn gives(heading: &'static str, number: u8) -> Column {
        Column { heading, place: Place::Gives(number) }
    }

    /// One that explains the row.
    pub const fn note(heading: &'static str) -> Column {
        Column { heading, place: Place::Note }
    }

    /// One that stands below the row.
    pub const fn below(heading: &'static str) -> Column {
        Column { heading, place: Place::Below }
    }

    /// Whether it is not aligned with the cells above and below it.
    pub fn explains(&self) -> bool {
        matches!(self.place, Place::Note | Place::Below)
    }
}

/// A column that may be unset.
pub fn shown(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
