//! Aligned columns for eyes. A row is one line on every terminal of [`MIN_WIDTH`] columns or more: columns give way by
//! importance, then long cells are cut. What explains a row stands at its end, or below it where it does not fit.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, presets};
use unicode_width::UnicodeWidthStr;

use super::record::{Column, Place, Record};
use super::wording::Wording;

/// A table is laid out for so many columns at least; a narrower terminal wraps it.
const MIN_WIDTH: usize = 60;

/// Columns that give way with this number or a higher one do so before any cell is cut.
const DETAIL: u8 = 5;

/// Blanks between two columns.
const GAP: usize = 2;

/// No cell is cut to less.
const MIN_CELL: usize = 8;

/// Stands before what is below its row.
const INDENT: &str = "    ";

/// Where a table is shown.
pub struct Screen<'a> {
    /// Columns of the terminal; none where there is none.
    pub width: Option<u16>,
    /// Completes the commands in what explains a row.
    pub wording: &'a Wording,
}

/// Writes rows below their headings. Returns the widths of the columns, for [`write_more`].
pub fn write<R: Record>(out: &mut dyn Write, rows: &[R], screen: &Screen) -> io::Result<Vec<usize>> {
    let mut widths: Vec<usize> = R::COLUMNS.iter().map(|column| column.heading.width()).collect();
    let cells = screen.cells(rows);
    widen(&mut widths, &cells);
    write_lines(out, &Table::fit(R::COLUMNS, &widths, screen.room()).with_headings(&cells))?;
    Ok(widths)
}

/// Writes further rows without headings, below those of a table with columns of those widths; they grow where a cell needs
/// more.
pub fn write_more<R: Record>(out: &mut dyn Write, rows: &[R], widths: &mut [usize], screen: &Screen) -> io::Result<()> {
    let cells = screen.cells(rows);
    widen(widths, &cells);
    let table = Table::fit(R::COLUMNS, widths, screen.room());
    table.rows(&cells).iter().try_for_each(|row| write_lines(out, &row.lines))
}

/// Writes a row of a stream, whose columns are of no known width: cells separated by two blanks; what explains it stands below
/// where all of it does not fit into one line.
pub fn write_alone<R: Record>(out: &mut dyn Write, row: &R, screen: &Screen) -> io::Result<()> {
    let cells = row.cells();
    let line = cells.join("  ");
    let Some(room) = screen.room().filter(|room| line.width() > *room) else { return write_lines(out, &[line]) };
    let columns = || R::COLUMNS.iter().zip(&cells);
    let head: Vec<&str> = columns().filter(|(column, _)| !column.explains()).map(|(_, cell)| cell.as_str()).collect();
    let head = head.join("  ");
    if head.width() > room {
        return write_lines(out, &folded(&line, room));
    }
    let mut lines = vec![head];
    for (_, text) in columns().filter(|(column, _)| column.explains()) {
        lines.extend(below(text, Some(room)));
    }
    write_lines(out, &lines)
}

impl Screen<'_> {
    fn room(&self) -> Option<usize> {
        self.width.map(|width| usize::from(width).max(MIN_WIDTH))
    }

    fn cells<R: Record>(&self, rows: &[R]) -> Vec<Vec<String>> {
        let mut cells: Vec<Vec<String>> = rows.iter().map(Record::cells).collect();
        for (column, cell) in cells.iter_mut().flat_map(|row| R::COLUMNS.iter().zip(row)) {
            if column.explains() {
                *cell = self.wording.complete(cell);
            }
        }
        cells
    }
}

/// `widths` become those of the widest cells.
fn widen(widths: &mut [usize], rows: &[Vec<String>]) {
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
}

/// The columns that are shown.
struct Table<'a> {
    columns: &'a [Column],
    /// Index and width of each column that is aligned.
    shown: Vec<(usize, usize)>,
    /// Columns of the terminal.
    room: Option<usize>,
}

/// What is written for a row.
struct Row {
    lines: Vec<String>,
    /// Whether something explains it in its own line.
    beside: bool,
}

impl<'a> Table<'a> {
    /// Chooses columns and their widths; all of them, as wide as they are, where there is no terminal.
    fn fit(columns: &'a [Column], widths: &[usize], room: Option<usize>) -> Table<'a> {
        let aligned = columns.iter().enumerate().filter(|(_, column)| !column.explains());
        let shown = aligned.map(|(index, _)| (index, widths.get(index).copied().unwrap_or_default())).collect();
        let mut table = Table { columns, shown, room };
        if let Some(room) = room.filter(|room| table.width() > *room) {
            table.leave_out(room, DETAIL);
            if table.width() > room {
                table.cut(room, widths);
            }
        }
        table
    }

    /// What the aligned columns take.
    fn width(&self) -> usize {
        let gaps = GAP * self.shown.len().saturating_sub(1);
        self.shown.iter().map(|(_, width)| width).sum::<usize>() + gaps
    }

    /// Leaves out columns, the least important one first, until the others fit; none below the number `least`.
    fn leave_out(&mut self, room: usize, least: u8) {
        while self.width() > room {
            let gives = |(at, (index, _)): (usize, &(usize, usize))| match self.columns[*index].place {
                Place::Gives(number) if number >= least => Some((number, at)),
                _ => None,
            };
            let Some((_, at)) = self.shown.iter().enumerate().filter_map(gives).max() else { return };
            self.shown.remove(at);
        }
    }

    /// Makes long cells shorter: first to a third of the room, then, when more columns were left out, as far as it takes.
    /// What is left over goes to them again.
    fn cut(&mut self, room: usize, widths: &[usize]) {
        for (index, width) in &mut self.shown {
            *width = (*width).min((room / 3).max(self.columns[*index].heading.width()));
        }
        self.leave_out(room, 0);
        while self.width() > room {
            let widest = self.shown.iter_mut().map(|(_, width)| width).max().filter(|width| **width > MIN_CELL);
            match widest {
                Some(width) => *width -= 1,
                None => return,
            }
        }
        let mut left = room - self.width();
        for (index, width) in &mut self.shown {
            let more = left.min(widths[*index].saturating_sub(*width));
            *width += more;
            left -= more;
        }
    }

    fn with_headings(&self, rows: &[Vec<String>]) -> Vec<String> {
        let rows = self.rows(rows);
        let mut headings: Vec<String> = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        // On a terminal a heading belongs to what stands below it.
        if self.room.is_some() && !rows.is_empty() && !rows.iter().any(|row| row.beside) {
            self.columns.iter().zip(&mut headings).filter(|(column, _)| column.explains()).for_each(|(_, h)| h.clear());
        }
        let headings = self.rows(&[headings]).into_iter().flat_map(|row| row.lines.into_iter().take(1));
        headings.chain(rows.into_iter().flat_map(|row| row.lines)).collect()
    }

    fn rows(&self, rows: &[Vec<String>]) -> Vec<Row> {
        let lines = self.aligned(rows).into_iter().zip(rows);
        let explained = lines.map(|(line, cells)| {
            let mut row = Row { lines: vec![line], beside: false };
            for (column, text) in self.columns.iter().zip(cells) {
                if column.explains() && !text.is_empty() {
                    self.explain(column, text, &mut row);
                }
            }
            row
        });
        explained.collect()
    }

    /// The aligned columns, a line for each row.
    fn aligned(&self, rows: &[Vec<String>]) -> Vec<String> {
        if self.shown.is_empty() {
            return vec![String::new(); rows.len()];
        }
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        for cells in rows {
            table.add_row(self.shown.iter().map(|(index, width)| {
                let text = cells.get(*index).map(|text| cut(&text.replace('\n', " "), *width)).unwrap_or_default();
                format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
            }));
        }
        let last = self.shown.len() - 1;
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if at < last { GAP as u16 } else { 0 }));
        }
        table.lines().collect()
    }

    fn explain(&self, column: &Column, text: &str, row: &mut Row) {
        let is_first = row.lines.len() == 1;
        let taken = row.lines[0].width() + if self.shown.is_empty() && !row.beside { 0 } else { GAP };
        let fits = !text.contains('\n') && self.room.is_none_or(|room| taken + text.width() <= room);
        match column.place {
            Place::Note if self.shown.is_empty() && !row.beside => {
                row.lines = text.split('\n').map(str::to_owned).collect()
            }
            Place::Note if fits && is_first => row.lines[0].push_str(&format!("  {text}")),
            _ => {
                row.lines.extend(below(text, self.room));
                return;
            }
        }
        row.beside = true;
    }
}

/// Lines that stand below a row.
fn below(text: &str, room: Option<usize>) -> Vec<String> {
    let lines = folded(text, room.map_or(usize::MAX, |room| room - INDENT.len()));
    lines.into_iter().map(|line| format!("{INDENT}{line}")).collect()
}

/// Lines broken between words only: a path or an address that is too long stays whole.
fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if !line.is_empty() && line.width() + word.trim_end().width() > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The beginning and the end of a text that is too wide: names of nodes and hosts often differ in their ends only.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 2;
    let head = width.saturating_sub(1) - tail;
    format!("{}…{}", first(text.chars(), head), first(text.chars().rev(), tail).chars().rev().collect::<String>())
}

/// As many characters as have that width together.
fn first(text: impl Iterator<Item = char>, width: usize) -> String {
    let mut taken = String::new();
    for character in text {
        taken.push(character);
        if taken.width() > width {
            taken.pop();
            break;
        }
    }
    taken
}

fn write_lines(out: &mut dyn Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::stays("NODE"),
        Column::gives("TYPE", 6),
        Column::gives("HOST", 2),
        Column::stays("STATE"),
        Column::gives("PID", 7),
        Column::gives("RELEASE", 8),
        Column::note("NOTE"),
        Column::below("NEXT"),
    ];

    fn table(width: usize, rows: &[[&str; 8]]) -> Vec<String> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        let mut widths: Vec<usize> = COLUMNS.iter().map(|column| column.heading.width()).collect();
        widen(&mut widths, &rows);
        let lines = Table::fit(COLUMNS, &widths, Some(width)).with_headings(&rows);
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }

    const HEALTHY: [&str; 8] = ["worker-1", "worker", "localhost", "running", "23559", "5d6c1129c5b3", "", ""];

    #[test]
    fn columns_give_way_by_importance_and_a_healthy_row_is_one_line() {
        assert_eq!(
            table(80, &[HEALTHY]),
            [
                "NODE      TYPE    HOST       STATE    PID    RELEASE",
                "worker-1  worker  localhost  running  23559  5d6c1129c5b3"
            ]
        );
        let wide = ["worker-1", "worker", "sensor-1.example.net", "running", "23559", "5d6c1129c5b3", "", ""];
        assert_eq!(
            table(60, &[wide]),
            [
                "NODE      TYPE    HOST                  STATE    PID",
                "worker-1  worker  sensor-1.example.net  running  23559"
            ]
        );
    }

    #[test]
    fn a_note_stands_beside_its_row_or_below_it_in_whole_words() {
        let ill = |why| ["worker-1", "worker", "localhost", "failing", "-", "5d6c1129c5b3", why, ""];
        let long =
            "it ended 5 times; cannot open /var/lib/a-very-long-path/that-nobody-should-break/into-pieces/whatever";
        let row = "worker-1  worker  localhost  failing  -    5d6c1129c5b3";
        assert_eq!(
            table(60, &[ill("no manager"), ill(long)]),
            [
                "NODE      TYPE    HOST       STATE    PID  RELEASE",
                row,
                "    no manager",
                row,
                "    it ended 5 times; cannot open",
                "    /var/lib/a-very-long-path/that-nobody-should-break/into-pieces/whatever",
            ]
        );
        let beside = table(80, &[HEALTHY, ill("no manager")]);
        assert_eq!(beside[0], "NODE      TYPE    HOST       STATE    PID    RELEASE       NOTE");
        assert_eq!(beside[2], "worker-1  worker  localhost  failing  -      5d6c1129c5b3  no manager");
        let remedy = ["worker-1", "worker", "localhost", "failing", "-", "5d6c1129c5b3", "ended", "zeek-cluster start"];
        assert_eq!(table(100, &[remedy])[2], "    zeek-cluster start");
    }

    #[test]
    fn long_names_are_cut_in_the_middle_and_nothing_is_wider_than_the_terminal() {
        let name = |n| format!("worker-of-the-sensor-in-the-northern-building-{n}");
        let (first, second) = (name(1), name(2));
        let row =
            |node| [node, "worker", "sensor-in-the-northern-building.example.net", "running", "23559", "5d6", "", ""];
        for width in [60, 80, 100, 132] {
            let lines = table(width, &[row(&first), row(&second)]);
            assert_eq!(lines.len(), 3, "{lines:#?}");
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:#?}");
            assert!(lines[1].contains("ng-1 ") && lines[2].contains("ng-2 "), "they are told apart: {lines:#?}");
            assert!(lines[1].contains("running"), "{lines:#?}");
        }
        assert!(table(132, &[row(&first)])[1].contains(&first), "what fits is whole");
    }

    #[test]
    fn characters_of_two_columns_count_twice() {
        let lines = table(60, &[["节点", "worker", "h", "running", "1", "r", "", ""], HEALTHY]);
        assert!(lines[1].starts_with("节点      worker"), "{lines:#?}");
        assert_eq!(cut("节点节点节点", 6), "节…点");
    }
}
