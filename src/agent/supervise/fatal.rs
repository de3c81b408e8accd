//! The line of a standard error that tells why a process ended.

/// Longer lines are cut.
const MAX_CHARS: usize = 400;

/// The last line that calls itself an error or worse; else the last that is not empty, unless it reports ordinary work, which
/// tells nothing about an end. Without colours, cut at [`MAX_CHARS`]. Of a panic it is the place and the message, which is on
/// the line after.
pub fn fatal_line(text: &str) -> Option<String> {
    let plain = without_colours(text);
    let lines: Vec<&str> = plain.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let at = lines.iter().rposition(|line| is_fatal(line));
    let chosen = match at {
        Some(at) if lines[at].contains("panicked at") => lines[at..lines.len().min(at + 2)].join(" "),
        Some(at) => lines[at].to_owned(),
        None => lines.last().filter(|line| !is_routine(line)).map(|line| (*line).to_owned())?,
    };
    Some(cut(&chosen))
}

fn is_fatal(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "ERROR" || word.eq_ignore_ascii_case("fatal"))
        || line.starts_with("error:")
        || line.starts_with("Error:")
        || line.contains("panicked at")
}

/// A line of this program's log about what goes well: `2026-03-01T12:00:00.000000Z  INFO node up`.
fn is_routine(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let begins = words.next().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('Z'));
    begins && words.next().is_some_and(|level| ["TRACE", "DEBUG", "INFO"].contains(&level))
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

/// Leaves out escape sequences (`ESC [ … letter`) and other control characters.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next_if_eq(&'[').is_some() {
                while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
        } else if !c.is_control() || c == '\n' || c == '\t' {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(fatal_line(text).as_deref(), expected);
    }

    #[test]
    fn the_last_error_wins_over_what_follows_it() {
        check("INFO up\nERROR cannot bind 127.0.0.1:9990\nINFO bye\n", Some("ERROR cannot bind 127.0.0.1:9990"));
        check(
            "fatal error: problem with interface eth9 (no such device)\n",
            Some("fatal error: problem with interface eth9 (no such device)"),
        );
        check("error: a\nError: b\n\n", Some("Error: b"));
    }

    #[test]
    fn without_an_error_it_is_the_last_line() {
        check("listening\nbye\n\n", Some("bye"));
        check("\n \n", None);
    }

    #[test]
    fn a_report_of_ordinary_work_is_no_reason() {
        check("2026-03-01T12:00:00.168734Z  INFO zeek_cluster::node: node up peer=worker-2\n", None);
        check("listening on lo\n2026-03-01T12:00:00.168734Z  INFO zeek_cluster::node: node up\n", None);
        check("2026-03-01T12:00:00Z  WARN the disk is full\n", Some("2026-03-01T12:00:00Z  WARN the disk is full"));
        check("2026-03-01 INFO of another program\n", Some("2026-03-01 INFO of another program"));
    }

    #[test]
    fn a_panic_has_two_lines() {
        check(
            "thread 'main' panicked at src/x.rs:1:2:\nno hub\nnote: run with `RUST_BACKTRACE=1`\n",
            Some("thread 'main' panicked at src/x.rs:1:2: no hub"),
        );
    }

    #[test]
    fn colours_and_length_are_cut() {
        check("\u{1b}[31mERROR\u{1b}[0m x\n", Some("ERROR x"));
        assert_eq!(fatal_line(&"x".repeat(5000)).map(|line| line.chars().count()), Some(MAX_CHARS + 1));
    }
}
