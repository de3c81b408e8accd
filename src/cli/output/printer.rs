//! The printer: which format, how loud, and the four voices of standard error.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde::Serialize;

use super::progress::{self, Bar};
use super::record::Record;
use super::table::Screen;
use super::wording::Wording;
use super::{folded, json, name, outcomes, problems, table, tsv};
use crate::api::outcome::{ErrorInfo, Outcome};
use crate::cli::args::Format;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{ExecRow, Question, Typed};
use crate::layout::{Node, Problem, nodeset};
use crate::query::Silent;

/// Whether colours may be used at all: not with `NO_COLOR`, not on a terminal that calls itself dumb.
pub fn colour_allowed() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && !is_dumb()
}

/// Whether the terminal says that it understands no cursor movement.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The end of a command without an answer. This is its JSON.
#[derive(Serialize)]
struct End {
    exit_status: u8,
    error: Option<ErrorInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// Writes answers and speaks with the operator.
pub struct Printer {
    format: Format,
    quiet: bool,
    /// Whether standard error is a terminal that understands cursor movement.
    lively: bool,
    colour: bool,
    wording: Wording,
    /// Whether anything was written to standard output.
    answered: AtomicBool,
}

impl Printer {
    /// The printer of one command; without a format it is a table on a terminal, else tsv.
    pub fn new(format: Option<Format>, quiet: bool, wording: Wording) -> Printer {
        let chosen = match io::stdout().is_terminal() {
            true => Format::Table,
            false => Format::Tsv,
        };
        let terminal = io::stderr().is_terminal();
        Printer {
            format: format.unwrap_or(chosen),
            quiet,
            lively: terminal && !is_dumb() && !quiet,
            colour: terminal && colour_allowed(),
            wording,
            answered: AtomicBool::new(false),
        }
    }

    /// The format in force.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether somebody reads standard error on a terminal.
    pub fn is_lively(&self) -> bool {
        self.lively
    }

    /// Whether somebody looks at a table on a terminal.
    pub fn is_watched(&self) -> bool {
        self.format == Format::Table && io::stdout().is_terminal() && !is_dumb()
    }

    /// Standard output, for an answer.
    fn out(&self) -> BufWriter<StdoutLock<'static>> {
        self.answered.store(true, Ordering::Relaxed);
        BufWriter::new(io::stdout().lock())
    }

    /// Writes rows in the format in force.
    pub fn records<R: Record>(&self, rows: &[R]) -> io::Result<()> {
        let mut out = self.out();
        match self.format {
            Format::Table => drop(table::write(&mut out, rows, &self.screen())?),
            Format::Json => json::array(&mut out, rows)?,
            _ => {
                for row in rows {
                    write_row(&mut out, self.format, row)?;
                }
            }
        }
        out.flush()
    }

    /// Writes one row at once, as a stream does: see [`table::write_alone`].
    pub fn row<R: Record>(&self, row: &R) -> io::Result<()> {
        let mut out = self.out();
        self.write_line(&mut out, row)?;
        out.flush()
    }

    /// Writes rows one after the other, each as [`Printer::row`] does.
    pub fn lines<R: Record>(&self, rows: &[R]) -> io::Result<()> {
        let mut out = self.out();
        rows.iter().try_for_each(|row| self.write_line(&mut out, row))?;
        out.flush()
    }

    /// Writes one JSON document that has a schema of its own, or is a single value.
    pub fn json<T: Serialize + ?Sized>(&self, value: &T) -> io::Result<()> {
        let mut out = self.out();
        json::write(&mut out, value)?;
        out.flush()
    }

    /// Writes one JSON object.
    pub fn object<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut out = self.out();
        json::object(&mut out, value)?;
        out.flush()
    }

    /// Writes an array of JSON objects.
    pub fn array<T: Serialize>(&self, values: &[T]) -> io::Result<()> {
        let mut out = self.out();
        json::array(&mut out, values)?;
        out.flush()
    }

    /// Writes one JSON object as one line.
    pub fn jsonl<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut out = self.out();
        json::line(&mut out, value)?;
        out.flush()
    }

    /// Writes text as it is, with a line end.
    pub fn text(&self, text: &str) -> io::Result<()> {
        let mut out = self.out();
        writeln!(out, "{}", text.trim_end_matches('\n'))?;
        out.flush()
    }

    /// Writes names, one a line.
    pub fn names<'n>(&self, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
        let mut out = self.out();
        names.into_iter().try_for_each(|name| writeln!(out, "{name}"))?;
        out.flush()
    }

    /// Writes a line of a stream at once, and as it is.
    pub fn text_line(&self, line: &str) -> io::Result<()> {
        let mut out = self.out();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// What many hosts said, equal answers together.
    pub fn folded(&self, rows: &[ExecRow]) -> io::Result<()> {
        let mut out = self.out();
        folded::write(&mut out, rows, headings_are_bold())?;
        out.flush()
    }

    /// What most hosts said, and how the others differ from it.
    pub fn differences(&self, rows: &[ExecRow]) -> io::Result<()> {
        let mut out = self.out();
        folded::write_differences(&mut out, rows, headings_are_bold())?;
        out.flush()
    }

    /// Writes bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self.out();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Rows that come in parts.
    pub fn parts(&self) -> Parts<'_> {
        Parts { printer: self, widths: None }
    }

    /// Rows that are shown again and again.
    pub fn live(&self) -> Live<'_> {
        Live { printer: self, in_place: self.is_watched() }
    }

    /// What a verb did to each target: rows for programs, the reasons and the folded line on standard error. Returns the
    /// exit status that they amount to.
    pub fn outcomes(&self, all: &[Outcome]) -> io::Result<Status> {
        if self.format != Format::Table {
            self.records(all)?;
        }
        Ok(self.verdict(all))
    }

    /// The reasons and the folded line on standard error alone, and the exit status.
    pub fn verdict(&self, all: &[Outcome]) -> Status {
        for (targets, what, hint) in outcomes::failures(all) {
            // What is about a host begins with the host's name already.
            match what.starts_with(&targets) {
                true => self.error(&what),
                false => self.error(&format!("{targets}: {what}")),
            }
            if let Some(hint) = hint {
                self.hint(&hint);
            }
        }
        let status = outcomes::exit_status(all);
        if !all.is_empty() && (!self.quiet || status != Status::Done) {
            self.say("", "", &outcomes::summary(all));
        }
        status
    }

    /// Hosts that gave no answer, each with its reason, and the folded line of what that means for the nodes that were asked
    /// for; nothing when every host answered. Hosts without anything deployed are one line, and no answer is missed there.
    /// Returns what that amounts to: 0 when every host answered, 4 when none of these nodes' hosts was reached, else 1.
    pub fn silent_hosts(&self, hosts: &[Silent], nodes: &[&Node]) -> Status {
        let (absent, silent): (Vec<&Silent>, Vec<&Silent>) = hosts.iter().partition(|silent| silent.is_not_deployed());
        if let Some(first) = absent.first() {
            let names = nodeset::fold(absent.iter().map(|silent| silent.host.as_str()));
            self.error(&format!("not deployed on {names}"));
            first.error.hint.iter().for_each(|hint| self.hint(hint));
        }
        let mut hinted: Option<&String> = None;
        for silent in &silent {
            self.error(&silent.error.what);
            let hint = silent.error.hint.as_ref();
            hint.filter(|hint| hinted != Some(*hint)).inspect(|hint| self.hint(hint));
            hinted = hint.or(hinted);
        }
        if !silent.is_empty() && !nodes.is_empty() {
            self.say("", "", &outcomes::summary(&outcomes::of_nodes(nodes, hosts)));
        }
        let is_unreached = |node: &&Node| hosts.iter().any(|host| host.host == node.host && host.is_unreached());
        match () {
            () if hosts.is_empty() => Status::Done,
            () if !nodes.is_empty() && nodes.iter().all(is_unreached) => Status::Unreachable,
            () => Status::Failed,
        }
    }

    /// The progress of a verb: a line on a terminal, one line a phase elsewhere, nothing with `--quiet`.
    pub fn progress(&self) -> Bar {
        match (self.lively, self.quiet) {
            (true, _) => Bar::shown(say_aside),
            (_, true) => Bar::hidden(),
            (false, false) => Bar::said(say_aside),
        }
    }

    /// The same for a verb of one phase: nothing where there is no terminal.
    pub fn brief_progress(&self) -> Bar {
        if self.lively { Bar::shown(say_aside) } else { Bar::hidden() }
    }

    /// What somebody else says on standard error.
    pub fn aloud(&self, text: &str) {
        self.say("", "", text);
    }

    /// Something that went as it should.
    pub fn status(&self, text: &str) {
        if !self.quiet {
            self.say("", "", text);
        }
    }

    /// Something that may be worth a look.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            self.say("warning: ", "33", text);
        }
    }

    /// What to do about it.
    pub fn hint(&self, text: &str) {
        if !self.quiet {
            self.say("hint: ", "36", text);
        }
    }

    /// Something that did not go as it should.
    pub fn error(&self, text: &str) {
        self.say("error: ", "31", text);
    }

    /// A command that ended without an answer.
    pub fn failure(&self, failure: &Failure) {
        match failure {
            Failure::ReaderLeft | Failure::Ended => {}
            Failure::Layout(found) => self.problems(found, "error"),
            other => {
                self.error(&other.to_string());
                if let Some(hint) = other.hint() {
                    self.hint(hint);
                }
            }
        }
    }

    /// Makes `-o json` one document for a command that had no answer to write: its exit status, and why it failed if it did.
    pub fn close(&self, status: Status, failure: Option<&Failure>) -> io::Result<()> {
        let is_told = self.format != Format::Json || self.answered.load(Ordering::Relaxed);
        if is_told || matches!(failure, Some(Failure::ReaderLeft)) {
            return Ok(());
        }
        self.object(&End {
            exit_status: status.code(),
            error: failure
                .map(|failure| ErrorInfo { what: failure.to_string(), hint: failure.hint().map(str::to_owned) }),
            problems: match failure {
                Some(Failure::Layout(problems)) => problems.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            },
        })
    }

    /// Problems of a layout, drawn with their lines.
    pub fn problems(&self, found: &[Problem], level: &str) {
        if self.quiet && level != "error" {
            return;
        }
        let text = problems::draw(found, level, self.colour);
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Whether there is somebody who can be asked.
    pub fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a question on the terminal; none where nobody can be asked.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !self.is_interactive() {
            return None;
        }
        write!(io::stderr().lock(), "{question} ").ok()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }

    fn screen(&self) -> Screen<'_> {
        Screen { width: terminal_width(), wording: &self.wording }
    }

    /// A row of a stream: no column knows how wide the others will be.
    fn write_line<R: Record>(&self, out: &mut dyn Write, row: &R) -> io::Result<()> {
        match self.format {
            Format::Table => table::write_alone(out, row, &self.screen()),
            Format::Json => json::line(out, row),
            format => write_row(out, format, row),
        }
    }

    fn say(&self, label: &str, colour: &str, text: &str) {
        let text = self.wording.complete(text);
        let mut err = io::stderr().lock();
        // Nobody is left to be told that standard error is closed.
        let _ = match self.colour && !label.is_empty() {
            true => writeln!(err, "\x1b[1;{colour}m{label}\x1b[0m{text}"),
            false => writeln!(err, "{label}{text}"),
        };
    }
}

fn headings_are_bold() -> bool {
    io::stdout().is_terminal() && colour_allowed()
}

/// Asks for what only the operator knows, such as the passphrase of a key; what is typed is shown only when it may be.
pub fn ask_secret(question: Question<'_>) -> Option<String> {
    progress::undrawn(|| answer_to(question))
}

fn answer_to(question: Question<'_>) -> Option<String> {
    match question.answer {
        Typed::Hidden => {
            let _unseen = Unseen::begin().ok()?;
            write!(io::stderr().lock(), "{}", question.text).ok()?;
            return rpassword::read_password().ok();
        }
        Typed::Shown => write!(io::stderr().lock(), "{}", question.text).ok()?,
        Typed::Nothing => {
            writeln!(io::stderr().lock(), "{}", question.text).ok()?;
            return None;
        }
    }
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// Keeps the terminal from showing what is typed, until dropped. Begun before the question is shown: who answers at once
/// would be shown otherwise.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn begin() -> io::Result<Unseen> {
        let terminal = File::open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut during = before.clone();
        during.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &during)?;
        Ok(Unseen { terminal, before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // The terminal may have gone away.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

fn write_row<R: Record>(out: &mut dyn Write, format: Format, row: &R) -> io::Result<()> {
    match format {
        Format::Jsonl => json::line(out, row),
        Format::Name => name::write(out, row),
        _ => tsv::write(out, row),
    }
}

/// Columns of the terminal behind standard output; none where it is none.
fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Rows that come in parts: each part is written when it is there, a JSON document when all are.
pub struct Parts<'a> {
    printer: &'a Printer,
    widths: Option<Vec<usize>>,
}

impl Parts<'_> {
    /// Writes some rows; the first ones with the headings of the table.
    pub fn show<R: Record>(&mut self, rows: &[R]) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        match (self.printer.format, &mut self.widths) {
            (_, _) if rows.is_empty() => {}
            (Format::Json, _) => {}
            (Format::Table, None) => self.widths = Some(table::write(&mut out, rows, &self.printer.screen())?),
            (Format::Table, Some(widths)) => table::write_more(&mut out, rows, widths, &self.printer.screen())?,
            (format, _) => rows.iter().try_for_each(|row| write_row(&mut out, format, row))?,
        }
        out.flush()
    }

    /// All rows, for formats that are one document.
    pub fn finish<R: Record>(&self, rows: &[R]) -> io::Result<()> {
        match self.printer.format {
            Format::Json => self.printer.array(rows),
            _ => Ok(()),
        }
    }
}

/// A table that is drawn anew in place on a terminal, and appended elsewhere.
pub struct Live<'a> {
    printer: &'a Printer,
    in_place: bool,
}

impl Live<'_> {
    /// Clears the screen where it is drawn in place.
    pub fn begin(&mut self) -> io::Result<()> {
        match self.in_place {
            // Home, and clear from there to the end of the screen.
            true => io::stdout().lock().write_all(b"\x1b[H\x1b[J"),
            false => Ok(()),
        }
    }

    /// Shows the rows as they are now.
    pub fn show<R: Record>(&mut self, rows: &[R]) -> io::Result<()> {
        self.begin()?;
        match self.printer.format {
            Format::Json => rows.iter().try_for_each(|row| self.printer.jsonl(row)),
            _ => self.printer.records(rows),
        }
    }
}

/// Writes a line to standard error; a reader that left has no use for an error.
fn say_aside(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
