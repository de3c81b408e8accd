//! Faults that a node works on with: raised where they happen, shown by the node's view, and by `status` as the state
//! `degraded` with its reasons.
//!
//! A [`Troubles`] is a handle to one board of a process; clones share it. Any thread may raise and clear.
//!
//! Bounds: at most [`MAX_TROUBLES`] at a time, the rest is only counted; texts are cut at [`MAX_TEXT`] octets. A text that
//! changes often (one with a count in it) reaches watchers once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::api::node::Trouble;

/// The most troubles that are kept apart.
pub const MAX_TROUBLES: usize = 64;
/// The longest text of a trouble, in octets.
pub const MAX_TEXT: usize = 400;
/// How often a watcher hears of a text that changed.
const TEXT_EVERY: Duration = Duration::from_secs(1);

/// The troubles of one process; see the module.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    board: Arc<watch::Sender<Board>>,
}

/// Follows a [`Troubles`].
#[derive(Debug)]
pub struct TroublesWatch {
    board: watch::Receiver<Board>,
    troubles: Troubles,
    /// [`Board::version`] that was told.
    seen: u64,
}

#[derive(Debug, Default)]
struct Board {
    raised: BTreeMap<(&'static str, String), Raised>,
    /// Raised while the board was full, and not there since.
    left_out: u64,
    /// Rises with each change that is told.
    version: u64,
    told_at: Option<Instant>,
    /// When a change that is not yet told will be.
    tell_at: Option<Instant>,
}

#[derive(Debug)]
struct Raised {
    text: String,
    since: f64,
    until: Option<Instant>,
}

impl Troubles {
    /// Raises a trouble, or gives one that is there another text, until it is [cleared](Troubles::clear). `kind` is a short
    /// word with hyphens, `subject` the thing that is in trouble (a file, a peer), empty where there is only one.
    pub fn raise(&self, kind: &'static str, subject: &str, text: impl Into<String>) {
        self.put(kind, subject, text.into(), None, Instant::now());
    }

    /// The same for something that happened and may happen again: it goes away by itself when it was not raised anew for
    /// that long.
    pub fn raise_for(&self, lasting: Duration, kind: &'static str, subject: &str, text: impl Into<String>) {
        let now = Instant::now();
        self.put(kind, subject, text.into(), now.checked_add(lasting), now);
    }

    /// Ends a trouble; nothing happens when there is none.
    pub fn clear(&self, kind: &'static str, subject: &str) {
        self.board.send_if_modified(|board| {
            let cleared = board.raised.remove(&(kind, subject.to_owned())).is_some();
            cleared && board.changed(Instant::now())
        });
    }

    /// What is in trouble now, by kind and subject.
    pub fn list(&self) -> Vec<Trouble> {
        self.board.borrow().list(Instant::now())
    }

    /// Follows the changes from now on.
    pub fn watch(&self) -> TroublesWatch {
        let board = self.board.subscribe();
        let seen = board.borrow().version;
        TroublesWatch { board, troubles: self.clone(), seen }
    }

    fn put(&self, kind: &'static str, subject: &str, text: String, until: Option<Instant>, now: Instant) {
        self.board.send_if_modified(|board| board.put((kind, subject.to_owned()), cut(text), until, now));
    }

    /// Drops what is over, and says whether watchers have something to look at.
    fn tick(&self, now: Instant) {
        self.board.send_if_modified(|board| board.tick(now));
    }
}

impl TroublesWatch {
    /// Waits for a change, be it that time made a trouble go away. Cancel safe.
    pub async fn changed(&mut self) {
        loop {
            let (version, wake) = {
                let board = self.board.borrow_and_update();
                (board.version, board.wake_at())
            };
            if version != self.seen {
                self.seen = version;
                return;
            }
            let asleep = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives as long as this watch, which holds a handle.
                _changed = self.board.changed() => {}
                () = asleep => self.troubles.tick(Instant::now()),
            }
        }
    }

    /// See [`Troubles::list`].
    pub fn list(&self) -> Vec<Trouble> {
        self.troubles.list()
    }
}

impl Board {
    /// Whether watchers have to look: at the change, or at when they will be told of it.
    fn put(&mut self, key: (&'static str, String), text: String, until: Option<Instant>, now: Instant) -> bool {
        self.raised.retain(|_, raised| !raised.is_over(now));
        let Some(there) = self.raised.get_mut(&key) else {
            if self.raised.len() >= MAX_TROUBLES {
                self.left_out += 1;
                return self.changed_a_little(now);
            }
            self.raised.insert(key, Raised { text, since: wall_clock(), until });
            return self.changed(now);
        };
        let ends_now = until.is_some() && there.until.is_none();
        there.until = until;
        if there.text == text {
            return ends_now;
        }
        there.text = text;
        self.changed_a_little(now) || ends_now
    }

    fn changed(&mut self, now: Instant) -> bool {
        if self.raised.is_empty() {
            self.left_out = 0;
        }
        self.version += 1;
        self.told_at = Some(now);
        self.tell_at = None;
        true
    }

    /// As [`Board::changed`], unless that was a moment ago.
    fn changed_a_little(&mut self, now: Instant) -> bool {
        match self.told_at.map(|told| told + TEXT_EVERY).filter(|at| *at > now) {
            None => self.changed(now),
            Some(at) => self.tell_at.replace(at).is_none(),
        }
    }

    fn tick(&mut self, now: Instant) -> bool {
        let before = self.raised.len();
        self.raised.retain(|_, raised| !raised.is_over(now));
        let due = self.tell_at.is_some_and(|at| at <= now);
        (before != self.raised.len() || due) && self.changed(now)
    }

    fn wake_at(&self) -> Option<Instant> {
        self.raised.values().filter_map(|raised| raised.until).chain(self.tell_at).min()
    }

    fn list(&self, now: Instant) -> Vec<Trouble> {
        let there = self.raised.iter().filter(|(_, raised)| !raised.is_over(now));
        let mut list: Vec<Trouble> = there
            .map(|((kind, subject), raised)| Trouble {
                kind: (*kind).to_owned(),
                subject: subject.clone(),
                text: raised.text.clone(),
                since: raised.since,
            })
            .collect();
        if self.left_out > 0 && !list.is_empty() {
            let text = format!("and {} more, which are not kept apart", self.left_out);
            let since = list.iter().map(|trouble| trouble.since).fold(f64::INFINITY, f64::min);
            list.push(Trouble { kind: "more".to_owned(), subject: String::new(), text, since });
        }
        list
    }
}

impl Raised {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(troubles: &Troubles) -> Vec<String> {
        troubles.list().into_iter().map(|trouble| trouble.text).collect()
    }

    #[test]
    fn a_trouble_is_there_until_it_is_cleared() {
        let troubles = Troubles::default();
        troubles.raise("log-stalled", "conn.log", "No space left on device");
        troubles.raise("log-stalled", "dns.log", "No space left on device");
        let since = troubles.list()[0].since;
        troubles.raise("log-stalled", "conn.log", "Read-only file system");
        assert_eq!(texts(&troubles), ["Read-only file system", "No space left on device"]);
        assert_eq!(troubles.list()[0].since, since, "it is the same trouble");
        troubles.clear("log-stalled", "conn.log");
        troubles.clear("log-stalled", "never there");
        assert_eq!(texts(&troubles), ["No space left on device"]);
    }

    #[tokio::test]
    async fn watchers_hear_of_each_change_and_of_the_end_of_news() {
        let troubles = Troubles::default();
        let mut watch = troubles.watch();
        troubles.raise_for(Duration::from_millis(50), "log-rejected", "conn", "1 batch");
        watch.changed().await;
        assert_eq!(watch.list().len(), 1);
        watch.changed().await;
        assert!(watch.list().is_empty());
    }

    #[tokio::test]
    async fn a_text_that_changes_often_is_told_once_a_second() {
        let troubles = Troubles::default();
        let mut watch = troubles.watch();
        troubles.raise("drops", "", "0 events");
        watch.changed().await;
        let began = Instant::now();
        (1..1000).for_each(|count| troubles.raise("drops", "", format!("{count} events")));
        watch.changed().await;
        assert!(began.elapsed() >= TEXT_EVERY / 2);
        assert_eq!(texts(&troubles), ["999 events"]);
    }

    #[test]
    fn the_board_is_bounded() {
        let troubles = Troubles::default();
        (0..1000).for_each(|n| troubles.raise("x", &n.to_string(), "é".repeat(MAX_TEXT)));
        let list = troubles.list();
        assert_eq!(list.len(), MAX_TROUBLES + 1);
        assert!(list.iter().all(|trouble| trouble.text.len() <= MAX_TEXT + '…'.len_utf8()));
        assert_eq!(list[MAX_TROUBLES].text, "and 936 more, which are not kept apart");
    }
}
