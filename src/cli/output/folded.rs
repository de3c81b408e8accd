//! What many hosts said, equal answers together: each once, below the folded names of those who gave it.

use std::io::{self, Write};

use similar::TextDiff;

use crate::deploy::ExecRow;
use crate::layout::nodeset;

/// Hosts with the same answer.
struct Group<'a> {
    rows: Vec<&'a ExecRow>,
}

impl Group<'_> {
    fn names(&self) -> String {
        nodeset::fold(self.rows.iter().map(|row| row.outcome.host.as_str()))
    }

    /// `sensor-[1-3] (3 hosts): exit status 1`.
    fn title(&self) -> String {
        let count = match self.rows.len() {
            1 => String::new(),
            count => format!(" ({count} hosts)"),
        };
        let end = self.rows[0].outcome.error.as_ref().map(|error| format!(": {}", error.what)).unwrap_or_default();
        format!("{}{count}{end}", self.names())
    }

    /// Standard output, then standard error with its name before each line.
    fn text(&self) -> Vec<u8> {
        let row = self.rows[0];
        let mut text = row.stdout.clone().unwrap_or_default();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        for line in row.stderr.as_deref().unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            text.extend_from_slice(b"stderr: ");
            text.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            text.push(b'\n');
        }
        text
    }
}

/// The groups of those that answered, each where its first host stands. What never ran has said nothing.
fn groups(rows: &[ExecRow]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let ran = |row: &&ExecRow| row.status.is_some() || row.signal.is_some() || has_spoken(row);
    for row in rows.iter().filter(ran) {
        let answer = |row: &ExecRow| (row.status, row.signal.clone(), row.stdout.clone(), row.stderr.clone());
        match groups.iter_mut().find(|group| answer(group.rows[0]) == answer(row)) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { rows: vec![row] }),
        }
    }
    groups
}

fn has_spoken(row: &ExecRow) -> bool {
    [&row.stdout, &row.stderr].into_iter().flatten().any(|bytes| !bytes.is_empty())
}

/// Writes each answer below a line with the names; `bold` where the terminal can.
pub fn write(out: &mut dyn Write, rows: &[ExecRow], bold: bool) -> io::Result<()> {
    for group in groups(rows) {
        title(out, &group.title(), bold)?;
        out.write_all(&group.text())?;
    }
    Ok(())
}

/// Writes the answer of most hosts, and of each other group what differs from it.
pub fn write_differences(out: &mut dyn Write, rows: &[ExecRow], bold: bool) -> io::Result<()> {
    let groups = groups(rows);
    // Of equally large ones the first.
    let Some(most) = groups.iter().rev().max_by_key(|group| group.rows.len()) else { return Ok(()) };
    title(out, &most.title(), bold)?;
    let expected = most.text();
    out.write_all(&expected)?;
    for group in groups.iter().filter(|group| group.rows[0].outcome.host != most.rows[0].outcome.host) {
        title(out, &format!("{} differs from {}", group.title(), most.names()), bold)?;
        let (old, new) = (String::from_utf8_lossy(&expected).into_owned(), group.text());
        let new = String::from_utf8_lossy(&new).into_owned();
        let diff = TextDiff::from_lines(&old, &new);
        write!(out, "{}", diff.unified_diff().header(&most.names(), &group.names()))?;
    }
    Ok(())
}

fn title(out: &mut dyn Write, text: &str, bold: bool) -> io::Result<()> {
    match bold {
        true => writeln!(out, "\x1b[1m==== {text}\x1b[0m"),
        false => writeln!(out, "==== {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::outcome::{ErrorInfo, Kind, Outcome};

    fn row(host: &str, status: Option<i32>, stdout: &str, stderr: &str) -> ExecRow {
        let what = status.map_or("no answer".to_owned(), |status| format!("exit status {status}"));
        let outcome = Outcome {
            target: host.into(),
            host: host.into(),
            kind: if status == Some(0) { Kind::Ok } else { Kind::Failed },
            step: "run".into(),
            elapsed_ms: 1,
            error: (status != Some(0)).then_some(ErrorInfo { what, hint: None }),
        };
        let (stdout, stderr) = (Some(stdout.as_bytes().to_vec()), Some(stderr.as_bytes().to_vec()));
        ExecRow { outcome, status, signal: None, stdout, stderr, cut: false }
    }

    fn rows() -> [ExecRow; 5] {
        [
            row("head", Some(0), "a\nb\n", ""),
            row("sensor-1", Some(0), "a\nc", ""),
            row("sensor-2", Some(0), "a\nc", ""),
            row("sensor-3", Some(1), "", "no\nway"),
            row("sensor-4", None, "", ""),
        ]
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn equal_answers_are_shown_once() {
        let shown = text(|out| write(out, &rows(), false));
        let expected = "==== head\na\nb\n==== sensor-[1-2] (2 hosts)\na\nc\n\
                        ==== sensor-3: exit status 1\nstderr: no\nstderr: way\n";
        assert_eq!(shown, expected);
        assert!(text(|out| write(out, &rows(), true)).starts_with("\x1b[1m==== head\x1b[0m\n"));
    }

    #[test]
    fn others_are_compared_with_what_most_say() {
        let shown = text(|out| write_differences(out, &rows()[..3], false));
        let expected = "==== sensor-[1-2] (2 hosts)\na\nc\n==== head differs from sensor-[1-2]\n\
                        --- sensor-[1-2]\n+++ head\n@@ -1,2 +1,2 @@\n a\n-c\n+b\n";
        assert_eq!(shown, expected);
        assert_eq!(text(|out| write_differences(out, &[], false)), "");
    }
}
