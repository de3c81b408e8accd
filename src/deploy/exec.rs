//! `exec`: a command on many hosts. Needs SSH alone; what is installed there does not matter.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::progress::{Event, Progress};
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::fleet::{self, Deadlines, Host, Piece, ReachError, Settings, Source};
use crate::layout::{self, Layout};

/// How much of what one host says is kept, both streams together, in bytes.
pub const KEPT: usize = 1 << 20;
/// How long a command may take on a host, the login included, when nobody says otherwise.
pub const WITHIN: Duration = Duration::from_secs(60);

/// How long each step of the login may take.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// Pieces that wait to be kept or shown.
const PIECES: usize = 16;
/// A longer line is shown in several parts.
const LINE: usize = 64 << 10;

/// A command and how to run it.
pub struct ExecOptions<'a> {
    /// Program and arguments, as they are.
    pub argv: &'a [String],
    /// How long each host may take, the login included.
    pub within: Duration,
    /// Whether what is said is kept or told line by line.
    pub listen: Listen,
    /// Hears which hosts are late.
    pub progress: &'a dyn Progress,
}

/// What becomes of what a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Up to [`KEPT`] bytes are kept for the end.
    Keep,
    /// Each line is told as it comes, and none kept.
    Lines,
}

/// What there is to hear while a command runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard<'a> {
    /// A line without its end.
    Line {
        /// The host that said it.
        host: &'a str,
        /// Whether on standard error.
        on_stderr: bool,
        /// The line.
        line: &'a [u8],
    },
    /// A host is done.
    Done(&'a ExecRow),
}

/// What became of the command on one host. This is the JSON of `exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExecRow {
    /// How it ended; a status other than 0 is `failed`.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Its exit status; unset when it had none.
    pub status: Option<i32>,
    /// The signal's name without `SIG`, when one ended it.
    pub signal: Option<String>,
    /// What it said on standard output, as text; unset when it was told line by line.
    #[serde(serialize_with = "as_text")]
    pub stdout: Option<Vec<u8>>,
    /// What it said on standard error.
    #[serde(serialize_with = "as_text")]
    pub stderr: Option<Vec<u8>>,
    /// Whether it said more than what was kept.
    pub cut: bool,
}

fn as_text<S: serde::Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes)).serialize(serializer)
}

/// Runs a command on every host of `hosts`, all at once; one row per host, in their order. `heard` is told what happens as
/// it happens; when it fails, all is given up.
///
/// # Errors
/// The first error of `heard`, and nothing else: what goes wrong on a host is its row.
pub async fn exec<E>(
    layout: &Layout,
    hosts: &[&layout::Host],
    settings: &Settings,
    options: &ExecOptions<'_>,
    heard: impl FnMut(Heard<'_>) -> Result<(), E>,
) -> Result<Vec<ExecRow>, E> {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    options.progress.tell(Event::Phase { what: "running", targets: &names });
    let reached: Vec<Arc<dyn Host>> =
        fleet::hosts(layout, settings).into_iter().filter(|host| names.contains(&host.name())).collect();
    let heard = RefCell::new(heard);
    let work = fleet::each(&reached, settings.parallel, |host| one_host(host, options, &heard));
    let mut work = pin!(work);
    let mut rows = Vec::new();
    while let Some((host, row)) = work.next().await {
        let row = row?;
        options.progress.tell(Event::Done { target: host.name() });
        (heard.borrow_mut())(Heard::Done(&row))?;
        rows.push(row);
    }
    rows.sort_by_key(|row| names.iter().position(|name| *name == row.outcome.host));
    Ok(rows)
}

async fn one_host<E>(
    host: Arc<dyn Host>,
    options: &ExecOptions<'_>,
    heard: &RefCell<impl FnMut(Heard<'_>) -> Result<(), E>>,
) -> Result<ExecRow, E> {
    let started = Instant::now();
    let deadlines = Deadlines { step: STEP_WITHIN.min(options.within), ..Deadlines::default() };
    let shell = match timeout(options.within, host.log_in(deadlines)).await {
        Ok(Ok(shell)) => shell,
        Ok(Err(error)) => {
            return Ok(unheard(host.name(), started, error.outcome_kind(), error.step.as_str(), (&error).into()));
        }
        Err(_) => {
            let within = options.within.as_secs_f64();
            let what = format!("{} ({}): no answer within {within:.1} s", host.name(), host.place());
            let error = ErrorInfo { what, hint: None };
            return Ok(unheard(host.name(), started, Kind::Unreachable, "connect", error));
        }
    };
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let left = options.within.saturating_sub(started.elapsed());
    let mut ear = Ear { host: host.name(), listen: options.listen, kept: Kept::default(), lines: Default::default() };
    let listen = async {
        while let Some(piece) = pieces.recv().await {
            ear.hear(piece, &mut *heard.borrow_mut())?;
        }
        ear.finish(&mut *heard.borrow_mut())
    };
    let run = async { Ok(shell.run(options.argv, left, sender).await) };
    let (ended, ()) = futures_util::try_join!(run, listen)?;
    Ok(row(host.name(), started, ended, ear.kept, options.listen))
}

/// A host on which nothing was run.
fn unheard(host: &str, started: Instant, kind: Kind, step: &str, error: ErrorInfo) -> ExecRow {
    let outcome = Outcome {
        target: host.to_owned(),
        host: host.to_owned(),
        kind,
        step: step.to_owned(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        error: Some(error),
    };
    ExecRow { outcome, status: None, signal: None, stdout: None, stderr: None, cut: false }
}

fn row(host: &str, started: Instant, ended: Result<fleet::Ended, ReachError>, kept: Kept, listen: Listen) -> ExecRow {
    let (status, signal) = ended.as_ref().map_or((None, None), |ended| (ended.status, ended.signal.clone()));
    let (kind, step, error) = match &ended {
        Err(error) => (error.outcome_kind(), error.step.as_str(), ErrorInfo::from(error)),
        Ok(ended) => (Kind::Failed, "run", ErrorInfo { what: in_words(ended), hint: None }),
    };
    let mut row = unheard(host, started, kind, step, error);
    if status == Some(0) {
        (row.outcome.kind, row.outcome.error) = (Kind::Ok, None);
    }
    let kept_as = |bytes: Vec<u8>| (listen == Listen::Keep).then_some(bytes);
    ExecRow { status, signal, stdout: kept_as(kept.stdout), stderr: kept_as(kept.stderr), cut: kept.cut, ..row }
}

fn in_words(ended: &fleet::Ended) -> String {
    match (ended.status, &ended.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    }
}

/// What one host says: kept, or told line by line.
struct Ear<'a> {
    host: &'a str,
    listen: Listen,
    kept: Kept,
    /// The beginnings of lines, of standard output and of standard error.
    lines: [Vec<u8>; 2],
}

#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    cut: bool,
}

impl Ear<'_> {
    fn hear<E>(&mut self, piece: Piece, heard: &mut impl FnMut(Heard<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.listen == Listen::Keep {
            self.kept.keep(&piece);
            return Ok(());
        }
        let on_stderr = piece.source == Source::Stderr;
        let line = &mut self.lines[usize::from(on_stderr)];
        for part in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") || line.len() >= LINE {
                let whole = line.strip_suffix(b"\n").unwrap_or(line);
                heard(Heard::Line { host: self.host, on_stderr, line: whole })?;
                line.clear();
            }
        }
        Ok(())
    }

    /// Tells what has no line end.
    fn finish<E>(&mut self, heard: &mut impl FnMut(Heard<'_>) -> Result<(), E>) -> Result<(), E> {
        for (on_stderr, line) in [false, true].into_iter().zip(&self.lines) {
            if !line.is_empty() {
                heard(Heard::Line { host: self.host, on_stderr, line })?;
            }
        }
        Ok(())
    }
}

impl Kept {
    fn keep(&mut self, piece: &Piece) {
        let room = KEPT - self.stdout.len() - self.stderr.len();
        let stream = if piece.source == Source::Stdout { &mut self.stdout } else { &mut self.stderr };
        stream.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
        self.cut |= piece.bytes.len() > room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(source: Source, bytes: &[u8]) -> Piece {
        Piece { source, bytes: bytes.to_vec() }
    }

    #[test]
    fn lines_are_told_whole_however_they_come() {
        let mut told = Vec::new();
        let mut tell = |heard: Heard<'_>| match heard {
            Heard::Line { on_stderr, line, .. } => {
                told.push((on_stderr, String::from_utf8_lossy(line).into_owned()));
                Ok::<(), ()>(())
            }
            Heard::Done(_) => Err(()),
        };
        let mut ear = Ear { host: "h", listen: Listen::Lines, kept: Kept::default(), lines: Default::default() };
        for bytes in [&b"on"[..], b"e\ntwo\n\nth", b"ree"] {
            ear.hear(piece(Source::Stdout, bytes), &mut tell).expect("told");
            ear.hear(piece(Source::Stderr, b"!"), &mut tell).expect("told");
        }
        ear.finish(&mut tell).expect("told");
        let expected = [(false, "one"), (false, "two"), (false, ""), (false, "three"), (true, "!!!")];
        assert_eq!(told, expected.map(|(on_stderr, line)| (on_stderr, line.to_owned())));
    }

    #[test]
    fn a_line_without_end_is_told_in_parts_and_output_is_kept_up_to_its_bound() {
        let mut parts = 0;
        let mut count = |_: Heard<'_>| {
            parts += 1;
            Ok::<(), ()>(())
        };
        let mut ear = Ear { host: "h", listen: Listen::Lines, kept: Kept::default(), lines: Default::default() };
        for _ in 0..4 {
            ear.hear(piece(Source::Stdout, &[b'x'; LINE / 2]), &mut count).expect("told");
        }
        assert_eq!(parts, 2);
        let mut kept = Kept::default();
        kept.keep(&piece(Source::Stdout, &vec![b'x'; KEPT - 1]));
        assert!(!kept.cut);
        kept.keep(&piece(Source::Stderr, b"ab"));
        assert!(kept.cut && kept.stderr == b"a");
        kept.keep(&piece(Source::Stdout, b"c"));
        assert_eq!(kept.stdout.len() + kept.stderr.len(), KEPT);
    }
}
