//! `cluster.log` of all loggers, merged by time.
//!
//! Each logger's lines arrive in the order in which it wrote them, which is nearly, not quite, the order of their times.
//! What was written before is read from every logger, sorted, and cut to the last N; what is written from then on is held
//! back for [`REORDER_WITHIN`], so that a line of a slower logger still finds its place, and no longer: one that comes even
//! later is shown late.
//!
//! A host that is lost while it is followed is tried again for ever, and read on from where it was lost.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::ask::{self, Silent, broken_off};
use super::settings::{Settings, Writer};
use super::watch::RETRY_AFTER;
use crate::agent::client::{Follow, LogQuery};
use crate::api::agent::LogLine;
use crate::data::NodeType;
use crate::fleet::Host;
use crate::layout::{Layout, Node};

/// How long a line waits for earlier ones of other loggers.
const REORDER_WITHIN: Duration = Duration::from_millis(300);
/// How many lines wait at most; beyond it the earliest is shown at once.
const REORDER_LINES: usize = 10_000;
/// Lines under way between the readers of hosts and the merger; a full queue makes the readers wait.
const QUEUE: usize = 1024;

/// How far back a host is read again that was lost: its loggers' lines are not quite in the order of their times.
const READ_AGAIN: f64 = 5.0;

/// Hands each line to `line`, earliest first. Returns the hosts that gave no answer, or broke off; an error of `line` ends
/// it. A followed host that is lost is told to `lost`, once until it is there again.
///
/// # Errors
/// The first error of `line`, and nothing else.
pub async fn log<E>(
    layout: &Layout,
    settings: &Settings,
    options: &LogQuery,
    mut line: impl FnMut(&LogLine) -> Result<(), E>,
    mut lost: impl FnMut(&Silent),
) -> Result<Vec<Silent>, E> {
    let (sender, mut incoming) = mpsc::channel(QUEUE);
    for host in ask::reachable(layout, &ask::hosts_of(layout, &log_writers(layout)), settings) {
        tokio::spawn(read(host, options.clone(), settings.writer.clone(), sender.clone()));
    }
    drop(sender);
    match options.follow {
        Follow::No => show_all(&mut incoming, options.lines, &mut line).await,
        Follow::Yes => show_in_order(&mut incoming, &mut line, &mut lost).await,
    }
}

/// The nodes that write log files.
pub fn log_writers(layout: &Layout) -> Vec<&Node> {
    let writes = |node: &&Node| {
        node.node_type == NodeType::Logger || (layout.manager_is_logger && node.node_type == NodeType::Manager)
    };
    layout.nodes.iter().filter(writes).collect()
}

/// What comes from the reader of a host.
enum Read {
    Line(LogLine),
    /// It is tried again.
    Lost(Silent),
    /// It is not.
    Over(Silent),
}

/// Hands on one host's lines until they end, or nobody listens.
async fn read(host: Arc<dyn Host>, mut query: LogQuery, writer: Writer, lines: mpsc::Sender<Read>) {
    let mut recent = Recent::default();
    let mut is_lost = false;
    loop {
        let mut reads = false;
        let ended = read_once(host.as_ref(), &query, &writer, &lines, &mut recent, &mut reads).await;
        let Err(silent) = ended else { return };
        is_lost &= !reads;
        let again = query.follow == Follow::Yes && (reads || is_lost) && !silent.is_not_deployed();
        if !again {
            // The command may have ended meanwhile, and then nobody misses this host.
            let _ = lines.send(Read::Over(silent)).await;
            return;
        }
        if !is_lost && lines.send(Read::Lost(silent)).await.is_err() {
            return;
        }
        is_lost = true;
        query = recent.query_behind(query);
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => {}
            () = lines.closed() => return,
        }
    }
}

/// The same over one connection; `reads` is set once lines can come.
async fn read_once(
    host: &dyn Host,
    query: &LogQuery,
    writer: &Writer,
    lines: &mpsc::Sender<Read>,
    recent: &mut Recent,
    reads: &mut bool,
) -> Result<(), Silent> {
    let session = ask::open(host).await?;
    let mut stream = session.agent().log(query).await.map_err(|error| broken_off(&session, error))?;
    writer.note(session.agent());
    *reads = true;
    let mut seen = recent.lines.clone();
    while let Some(line) = stream.next().await {
        let line = line.map_err(|error| broken_off(&session, error.into()))?;
        if let Some(at) = seen.iter().position(|before| *before == line) {
            seen.swap_remove_back(at);
            continue;
        }
        if query.follow == Follow::Yes {
            recent.note(&line);
        }
        if lines.send(Read::Line(line)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The lines of the last [`READ_AGAIN`] seconds of a host, at most [`REORDER_LINES`].
#[derive(Default)]
struct Recent {
    lines: VecDeque<LogLine>,
    /// The latest time.
    until: Option<f64>,
}

impl Recent {
    fn note(&mut self, line: &LogLine) {
        let until = self.until.map_or(line.ts, |until| until.max(line.ts));
        self.until = Some(until);
        self.lines.push_back(line.clone());
        while self.lines.front().is_some_and(|first| first.ts < until - READ_AGAIN) || self.lines.len() > REORDER_LINES
        {
            self.lines.pop_front();
        }
    }

    /// The query that goes on behind these lines; the same where there are none.
    fn query_behind(&self, query: LogQuery) -> LogQuery {
        match self.until {
            Some(until) => LogQuery { lines: None, since: Some(until - READ_AGAIN), ..query },
            None => query,
        }
    }
}

/// Everything at once: sorted by time, cut to the last `last`.
async fn show_all<E>(
    incoming: &mut mpsc::Receiver<Read>,
    last: Option<u64>,
    line: &mut impl FnMut(&LogLine) -> Result<(), E>,
) -> Result<Vec<Silent>, E> {
    let (mut lines, mut silent) = (Vec::new(), Vec::new());
    while let Some(next) = incoming.recv().await {
        match next {
            Read::Line(next) => lines.push(next),
            Read::Lost(host) | Read::Over(host) => silent.push(host),
        }
    }
    // Stable: lines of one moment keep the order of their logger.
    lines.sort_by(|a, b| a.ts.total_cmp(&b.ts));
    let skipped = last.map_or(0, |last| lines.len().saturating_sub(usize::try_from(last).unwrap_or(usize::MAX)));
    lines[skipped..].iter().try_for_each(line)?;
    Ok(silent)
}

/// As they come, each held back for a moment.
async fn show_in_order<E>(
    incoming: &mut mpsc::Receiver<Read>,
    line: &mut impl FnMut(&LogLine) -> Result<(), E>,
    lost: &mut impl FnMut(&Silent),
) -> Result<Vec<Silent>, E> {
    let mut window = Window::default();
    let mut silent = Vec::new();
    loop {
        let due = window.due();
        tokio::select! {
            next = incoming.recv() => match next {
                Some(Read::Line(next)) => window.add(next, Instant::now()),
                Some(Read::Lost(host)) => lost(&host),
                Some(Read::Over(host)) => {
                    lost(&host);
                    silent.push(host);
                }
                None => break,
            },
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
        }
        while let Some(ready) = window.take(Instant::now()) {
            line(&ready)?;
        }
    }
    while let Some(held) = window.take_any() {
        line(&held)?;
    }
    Ok(silent)
}

/// The lines that wait for earlier ones; bounded by [`REORDER_LINES`] and [`REORDER_WITHIN`].
#[derive(Default)]
struct Window {
    held: BinaryHeap<Held>,
    arrived: u64,
}

struct Held {
    line: LogLine,
    due: Instant,
    /// Lines of one moment keep the order of their arrival.
    number: u64,
}

impl Window {
    fn add(&mut self, line: LogLine, now: Instant) {
        self.arrived += 1;
        self.held.push(Held { line, due: now + REORDER_WITHIN, number: self.arrived });
    }

    /// When the earliest line has waited long enough.
    fn due(&self) -> Option<Instant> {
        self.held.peek().map(|first| first.due)
    }

    /// The earliest line, once it has waited long enough or too many wait.
    fn take(&mut self, now: Instant) -> Option<LogLine> {
        let ready = self.held.len() > REORDER_LINES || self.due().is_some_and(|due| due <= now);
        if ready { self.take_any() } else { None }
    }

    fn take_any(&mut self) -> Option<LogLine> {
        self.held.pop().map(|held| held.line)
    }
}

/// Earliest first out of a heap that gives its greatest first.
impl Ord for Held {
    fn cmp(&self, other: &Held) -> Ordering {
        other.line.ts.total_cmp(&self.line.ts).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ts: f64, message: &str) -> LogLine {
        LogLine { ts, node: "manager".into(), message: message.into() }
    }

    #[tokio::test]
    async fn past_lines_are_sorted_and_cut() {
        let (sender, mut incoming) = mpsc::channel(8);
        for (ts, message) in [(3.0, "c"), (1.0, "a"), (2.0, "b"), (2.0, "b2")] {
            sender.send(Read::Line(line(ts, message))).await.expect("room");
        }
        drop(sender);
        let mut shown = Vec::new();
        let mut take = |line: &LogLine| {
            shown.push(line.message.clone());
            Ok::<(), ()>(())
        };
        show_all(&mut incoming, Some(3), &mut take).await.expect("shown");
        assert_eq!(shown, ["b", "b2", "c"]);
    }

    #[test]
    fn a_followed_line_waits_for_earlier_ones_and_no_longer() {
        let start = Instant::now();
        let mut window = Window::default();
        window.add(line(2.0, "second"), start);
        assert_eq!(window.take(start + REORDER_WITHIN / 2), None);
        window.add(line(1.0, "first"), start + REORDER_WITHIN / 2);
        let after = start + REORDER_WITHIN * 2;
        assert_eq!(window.take(after).map(|line| line.message).as_deref(), Some("first"));
        assert_eq!(window.take(after).map(|line| line.message).as_deref(), Some("second"));
        assert_eq!(window.take(after), None);
    }

    #[test]
    fn the_window_is_bounded() {
        let start = Instant::now();
        let mut window = Window::default();
        for n in 0..=REORDER_LINES {
            window.add(line(n as f64, "x"), start);
        }
        assert!(window.take(start).is_some());
        assert!(window.take(start).is_none());
    }
}
