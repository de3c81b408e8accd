//! Lines of many hosts, merged by time.
//!
//! Existing lines are read from every host, sorted, and cut to the last N. New lines are held back for
//! [`REORDER_WITHIN`], so that a line of a slower host still finds its place; one that comes even later is shown late.
//!
//! A host that is lost while it is followed is tried again for ever, and read on from where it was lost.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::ask::Silent;
use super::watch::RETRY_AFTER;
use crate::agent::client::Follow;

/// How long a line waits for earlier ones of other hosts.
const REORDER_WITHIN: Duration = Duration::from_millis(300);
/// How many lines wait at most; beyond it the earliest is shown at once.
pub(super) const REORDER_LINES: usize = 10_000;
/// Lines under way between the readers of hosts and the merger; a full queue makes the readers wait.
const QUEUE: usize = 1024;

/// A line that has its place by its time.
pub(super) trait Timed: Send + 'static {
    /// Seconds since the epoch.
    fn ts(&self) -> f64;
}

/// Reads the lines of one host.
pub(super) trait Reader: Send + 'static {
    /// The type of a line.
    type Line: Timed;

    /// Reads over one connection until its end, on from where the last one ended; `reads` is set once lines can come.
    fn read_once(
        &mut self,
        lines: &mpsc::Sender<Read<Self::Line>>,
        reads: &mut bool,
    ) -> impl Future<Output = Result<(), Silent>> + Send;
}

/// An item from the reader of a host.
pub(super) enum Read<T> {
    /// The next line.
    Line(T),
    /// It is tried again.
    Lost(Silent),
    /// It is not.
    Over(Silent),
}

/// Hands each line of all readers to `line`, earliest first. Returns the hosts that gave no answer, or broke off; an error
/// of `line` ends it. A followed host that is lost is told to `lost`, once until it is there again.
///
/// # Errors
/// The first error of `line`, and nothing else.
pub(super) async fn merged<R: Reader, E>(
    readers: Vec<R>,
    follow: Follow,
    last: Option<u64>,
    mut line: impl FnMut(&R::Line) -> Result<(), E>,
    mut lost: impl FnMut(&Silent),
) -> Result<Vec<Silent>, E> {
    let (sender, mut incoming) = mpsc::channel(QUEUE);
    for reader in readers {
        tokio::spawn(read(reader, follow, sender.clone()));
    }
    drop(sender);
    match follow {
        Follow::No => show_all(&mut incoming, last, &mut line).await,
        Follow::Yes => show_in_order(&mut incoming, &mut line, &mut lost).await,
    }
}

/// Hands on one host's lines until they end or the receiver is gone.
async fn read<R: Reader>(mut reader: R, follow: Follow, lines: mpsc::Sender<Read<R::Line>>) {
    let mut is_lost = false;
    loop {
        let mut reads = false;
        let Err(silent) = reader.read_once(&lines, &mut reads).await else { return };
        is_lost &= !reads;
        let again = follow == Follow::Yes && (reads || is_lost) && !silent.is_not_deployed();
        if !again {
            // It is no error when the command has ended meanwhile.
            let _ = lines.send(Read::Over(silent)).await;
            return;
        }
        if !is_lost && lines.send(Read::Lost(silent)).await.is_err() {
            return;
        }
        is_lost = true;
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => {}
            () = lines.closed() => return,
        }
    }
}

/// Everything at once: sorted by time, cut to the last `last`.
async fn show_all<T: Timed, E>(
    incoming: &mut mpsc::Receiver<Read<T>>,
    last: Option<u64>,
    line: &mut impl FnMut(&T) -> Result<(), E>,
) -> Result<Vec<Silent>, E> {
    let (mut lines, mut silent) = (Vec::new(), Vec::new());
    while let Some(next) = incoming.recv().await {
        match next {
            Read::Line(next) => lines.push(next),
            Read::Lost(host) | Read::Over(host) => silent.push(host),
        }
    }
    // Stable: lines of one moment keep the order of their host.
    lines.sort_by(|a: &T, b: &T| a.ts().total_cmp(&b.ts()));
    let skipped = last.map_or(0, |last| lines.len().saturating_sub(usize::try_from(last).unwrap_or(usize::MAX)));
    lines[skipped..].iter().try_for_each(line)?;
    Ok(silent)
}

/// As they come, each held back for a moment.
async fn show_in_order<T: Timed, E>(
    incoming: &mut mpsc::Receiver<Read<T>>,
    line: &mut impl FnMut(&T) -> Result<(), E>,
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
struct Window<T> {
    held: BinaryHeap<Held<T>>,
    arrived: u64,
}

impl<T> Default for Window<T> {
    fn default() -> Window<T> {
        Window { held: BinaryHeap::new(), arrived: 0 }
    }
}

struct Held<T> {
    line: T,
    due: Instant,
    /// Lines of one moment keep the order of their arrival.
    number: u64,
}

impl<T: Timed> Window<T> {
    fn add(&mut self, line: T, now: Instant) {
        self.arrived += 1;
        self.held.push(Held { line, due: now + REORDER_WITHIN, number: self.arrived });
    }

    /// When the earliest line has waited long enough.
    fn due(&self) -> Option<Instant> {
        self.held.peek().map(|first| first.due)
    }

    /// The earliest line, once it has waited long enough or too many wait.
    fn take(&mut self, now: Instant) -> Option<T> {
        let ready = self.held.len() > REORDER_LINES || self.due().is_some_and(|due| due <= now);
        if ready { self.take_any() } else { None }
    }

    fn take_any(&mut self) -> Option<T> {
        self.held.pop().map(|held| held.line)
    }
}

/// Earliest first out of a heap that gives its greatest first.
impl<T: Timed> Ord for Held<T> {
    fn cmp(&self, other: &Held<T>) -> Ordering {
        other.line.ts().total_cmp(&self.line.ts()).then(other.number.cmp(&self.number))
    }
}

impl<T: Timed> PartialOrd for Held<T> {
    fn partial_cmp(&self, other: &Held<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Timed> PartialEq for Held<T> {
    fn eq(&self, other: &Held<T>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Timed> Eq for Held<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::agent::LogLine;

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
