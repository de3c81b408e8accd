//! One JSON object a line.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one value as one line.
pub fn write<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
