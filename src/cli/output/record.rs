//! What a report's rows must be able to say, so that each format can write them.

use serde::Serialize;

/// One row of an answer. Its JSON is its `Serialize`.
pub trait Record: Serialize {
    /// Headings of the table, in capitals.
    const HEADINGS: &'static [&'static str];

    /// The cells of the table, for eyes: as many as [`Record::HEADINGS`].
    fn cells(&self) -> Vec<String>;

    /// The columns of `tsv`, for programs; an unset one is `-`.
    fn fields(&self) -> Vec<String>;

    /// What `-o name` writes.
    fn name(&self) -> &str;
}

/// A column that may be unset.
pub fn shown(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
