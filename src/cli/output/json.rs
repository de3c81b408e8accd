//! One JSON document.

use std::io::{self, Write};

use serde::Serialize;

/// Writes a value, indented, with a line end.
pub fn write<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}
