//! Tab-separated columns without a header line, so that `cut`, `sort` and `awk` see data alone. A tab, line end or
//! backslash within a column is written as `\t`, `\n`, `\\`; an unset column as `-`.

use std::io::{self, Write};

use super::record::Record;

/// Writes one row.
pub fn write<R: Record>(out: &mut dyn Write, row: &R) -> io::Result<()> {
    let columns: Vec<String> = row.fields().iter().map(|field| escaped(field)).collect();
    writeln!(out, "{}", columns.join("\t"))
}

fn escaped(field: &str) -> String {
    match field {
        "" => "-".to_owned(),
        _ => field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_never_breaks_its_line() {
        assert_eq!(escaped("a\tb\nc\\"), "a\\tb\\nc\\\\");
        assert_eq!(escaped(""), "-");
    }
}
