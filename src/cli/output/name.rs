//! Names only, one a line.

use std::io::{self, Write};

use super::record::Record;

/// Writes the name of one row.
pub fn write<R: Record>(out: &mut dyn Write, row: &R) -> io::Result<()> {
    writeln!(out, "{}", row.name())
}
