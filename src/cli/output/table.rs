//! Aligned columns for eyes.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::record::Record;

/// Narrower than this no terminal gets its cells wrapped into columns of single letters.
const MIN_WIDTH: u16 = 60;

/// Writes rows below their headings; `width` is that of the terminal, none where there is none. Returns the widths of the
/// columns, for [`write_more`].
pub fn write<R: Record>(out: &mut dyn Write, rows: &[R], width: Option<u16>) -> io::Result<Vec<usize>> {
    let cells: Vec<Vec<String>> = rows.iter().map(Record::cells).collect();
    let widths = widths(R::HEADINGS, &cells);
    write_lines(out, &table(Some(R::HEADINGS), &cells, &widths, width))?;
    Ok(widths)
}

/// Writes further rows without headings, below those of a table with columns of those widths.
pub fn write_more<R: Record>(out: &mut dyn Write, rows: &[R], widths: &[usize], width: Option<u16>) -> io::Result<()> {
    let cells: Vec<Vec<String>> = rows.iter().map(Record::cells).collect();
    write_lines(out, &table(None, &cells, widths, width))
}

/// The widest cell of each column, its heading included.
fn widths(headings: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn table(headings: Option<&[&str]>, rows: &[Vec<String>], widths: &[usize], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width.max(MIN_WIDTH));
    }
    if let Some(headings) = headings {
        table.set_header(headings.iter().copied());
    }
    table.add_rows(rows.iter().cloned());
    // All but the last column keep their words whole: the last one, which explains, is wrapped.
    let last = widths.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if let (true, Some(width)) = (index < last, widths.get(index)) {
            let padded = u16::try_from(width + 2).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(padded)));
        }
    }
    table
}

fn write_lines(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
