//! The record itself: numbers, writes, remembers what could not be written, and tells those who follow it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast;
use tokio::task::block_in_place;

use super::story::Open;
use crate::agent::supervise::boot_id;
use crate::api::events::{AgentBefore, Happening, HostEvent, Phase};
use crate::journal::LineFile;

/// Events that wait in memory for a disk that takes them; the oldest is dropped for a newer one.
const MAX_UNWRITTEN: usize = 1000;

/// Events that a follower may lag behind before it reads the file again.
const FOLLOWED: usize = 256;

/// The record of one cluster's folder. Shared by all who tell; none of them ever waits for a reader.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: LineFile,
    inner: Mutex<Inner>,
    told: broadcast::Sender<HostEvent>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of the last event.
    seq: u64,
    unwritten: VecDeque<HostEvent>,
    /// How many were dropped since the file took one.
    lost: u64,
    /// Incidents that have begun and not ended, with their last event.
    open: BTreeMap<String, HostEvent>,
    /// The error of the last write; none when it succeeded.
    error: Option<io::Error>,
    before: Option<Before>,
}

/// The previous agent, according to the record.
#[derive(Debug)]
struct Before {
    boot_id: String,
    ended: bool,
}

impl EventLog {
    /// Goes on where the file ends. One that cannot be read is as good as none: it is the record that matters now.
    pub fn open(path: PathBuf) -> EventLog {
        let mut inner = Inner::default();
        let events = LineFile::read::<HostEvent>(&path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "the record of events cannot be read");
            Vec::new()
        });
        for event in events {
            inner.seq = inner.seq.max(event.seq);
            inner.note(&event);
        }
        let told = broadcast::channel(FOLLOWED).0;
        EventLog { file: LineFile::new(path.clone()), path, inner: Mutex::new(inner), told }
    }

    /// Writes down something about the host.
    pub fn host(&self, what: Happening) {
        self.record(None, None, what);
    }

    /// Writes down something about a node.
    pub fn node(&self, node: &str, what: Happening) {
        self.record(Some(node), None, what);
    }

    /// Writes down a step of an operator's command.
    pub fn step(&self, run: Option<&str>, what: Happening) {
        self.record(None, run, what);
    }

    /// Writes down what became of a node in an operator's command.
    pub fn node_step(&self, node: &str, run: Option<&str>, what: Happening) {
        self.record(Some(node), run, what);
    }

    /// Writes down that this agent began, and what became of the one before.
    pub fn agent_started(&self) {
        let before = match &self.lock().before {
            None => AgentBefore::None,
            Some(before) if before.ended => AgentBefore::Ended,
            Some(before) if before.boot_id != boot_id() => AgentBefore::Rebooted,
            Some(_) => AgentBefore::Died,
        };
        let (pid, boot_id) = (std::process::id(), boot_id().to_owned());
        self.host(Happening::AgentStarted { pid, version: env!("CARGO_PKG_VERSION").to_owned(), before, boot_id });
    }

    /// Subscribes to the events that follow.
    pub fn subscribe(&self) -> broadcast::Receiver<HostEvent> {
        self.told.subscribe()
    }

    /// Incidents that have begun and not ended, with their last event.
    pub fn open_incidents(&self) -> BTreeMap<String, HostEvent> {
        self.lock().open.clone()
    }

    /// Whether an incident of that name has begun and not ended.
    pub fn is_open(&self, incident: &str) -> bool {
        self.lock().open.contains_key(incident)
    }

    /// The open incidents of a node.
    pub fn open_of(&self, node: &str) -> Open {
        let inner = self.lock();
        let own = format!("node {node}");
        let troubles = inner.open.keys().filter_map(|name| name.strip_prefix(&own)?.strip_prefix(' '));
        Open { node: inner.open.contains_key(&own), troubles: troubles.map(str::to_owned).collect() }
    }

    /// Tries again to write what could not be written. The error is what the disk says.
    pub fn flush(&self) -> Result<(), io::ErrorKind> {
        let mut inner = self.lock();
        self.write(&mut inner);
        inner.error.as_ref().map_or(Ok(()), |error| Err(error.kind()))
    }

    /// Returns all events that are kept, oldest first, including those that wait in memory, and a subscription to the
    /// events that follow.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn read(&self) -> io::Result<(Vec<HostEvent>, broadcast::Receiver<HostEvent>)> {
        let inner = self.lock();
        let mut events = LineFile::read::<HostEvent>(&self.path)?;
        events.extend(inner.unwritten.iter().cloned());
        Ok((events, self.told.subscribe()))
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn record(&self, node: Option<&str>, run: Option<&str>, what: Happening) {
        let ts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut inner = self.lock();
        inner.seq += 1;
        let (node, run) = (node.map(str::to_owned), run.map(str::to_owned));
        let event = HostEvent { seq: inner.seq, ts, node, run, what };
        inner.note(&event);
        inner.hold(event.clone());
        self.write(&mut inner);
        // Under the lock, so that followers see the order of the numbers. It is no error when there are none.
        let _ = self.told.send(event);
    }

    fn write(&self, inner: &mut Inner) {
        if inner.unwritten.is_empty() {
            return;
        }
        let written = block_in_place(|| inner.write_to(&self.file));
        if let Err(error) = &written
            && inner.error.is_none()
        {
            tracing::warn!(path = %self.path.display(), %error, "events cannot be written, they wait in memory");
        }
        inner.error = written.err();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Inner {
    /// Takes notice of what later events depend on.
    fn note(&mut self, event: &HostEvent) {
        match &event.what {
            Happening::AgentStarted { boot_id, .. } => {
                self.before = Some(Before { boot_id: boot_id.clone(), ended: false });
            }
            Happening::AgentEnded { .. } => {
                if let Some(before) = &mut self.before {
                    before.ended = true;
                }
            }
            _ => {}
        }
        match event.incident() {
            Some((incident, Phase::Begin)) => drop(self.open.insert(incident, event.clone())),
            Some((incident, Phase::End)) => drop(self.open.remove(&incident)),
            Some((_, Phase::Once)) | None => {}
        }
    }

    fn hold(&mut self, event: HostEvent) {
        if self.unwritten.len() == MAX_UNWRITTEN {
            self.unwritten.pop_front();
            self.lost += 1;
        }
        self.unwritten.push_back(event);
    }

    /// Oldest first, until the disk refuses one.
    fn write_to(&mut self, file: &LineFile) -> io::Result<()> {
        if let (Some(first), 1..) = (self.unwritten.front(), self.lost) {
            let what = Happening::Gap { lost: self.lost };
            file.append(&HostEvent { seq: first.seq - 1, ts: first.ts, node: None, run: None, what })?;
            self.lost = 0;
        }
        while let Some(event) = self.unwritten.front() {
            file.append(event)?;
            self.unwritten.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &Path) -> Vec<String> {
        let events = LineFile::read::<HostEvent>(path).unwrap();
        events.iter().map(|event| format!("{} {}", event.seq, event.what.word())).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn numbers_and_incidents_go_on_with_the_next_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let log = EventLog::open(path.clone());
        log.agent_started();
        log.node("w", Happening::StartFailed { error: "x".into() });
        log.node("v", Happening::StartFailed { error: "x".into() });
        log.node("v", Happening::Joined { after_s: 1.0 });
        drop(log);
        let next = EventLog::open(path.clone());
        assert!(next.is_open("node w") && !next.is_open("node v"));
        next.agent_started();
        next.host(Happening::AgentEnded { why: "SIGTERM".into(), nodes_stopped: false });
        drop(next);
        let third = EventLog::open(path.clone());
        third.agent_started();
        let (events, _) = third.read().unwrap();
        let before: Vec<AgentBefore> = events
            .iter()
            .filter_map(|event| match event.what {
                Happening::AgentStarted { before, .. } => Some(before),
                _ => None,
            })
            .collect();
        assert_eq!(before, [AgentBefore::None, AgentBefore::Died, AgentBefore::Ended]);
        assert_eq!(events.last().unwrap().seq, 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_written_waits_and_what_is_too_much_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("away").join("events.jsonl");
        let log = EventLog::open(path.clone());
        for _ in 0..MAX_UNWRITTEN + 5 {
            log.host(Happening::ClockStepped { by_s: 1.0 });
        }
        assert_eq!(log.flush(), Err(io::ErrorKind::NotFound));
        assert_eq!(log.read().unwrap().0.len(), MAX_UNWRITTEN);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        assert_eq!(log.flush(), Ok(()));
        let written = words(&path);
        assert_eq!(written.len(), MAX_UNWRITTEN + 1);
        assert_eq!(written[..2], ["5 gap", "6 clock_stepped"]);
        let gap = &LineFile::read::<HostEvent>(&path).unwrap()[0];
        assert_eq!(gap.what, Happening::Gap { lost: 5 });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_rotations_keep_the_numbers_rising() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let log = EventLog::open(path.clone());
        let error = "x".repeat(64 << 10);
        for _ in 0..5 * 32 {
            log.node("w", Happening::StartFailed { error: error.clone() });
        }
        let (events, _) = log.read().unwrap();
        assert!(events.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
        assert_eq!(events.last().unwrap().seq, 160);
        let size: u64 = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(size < 5 << 20, "{size}");
    }
}
