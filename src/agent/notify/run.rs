//! The task that follows the record and delivers: one delivery at a time for each target, none waits for another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::deliver::deliver;
use super::outbox::{Change, Outbox, Sender, blank};
use crate::agent::durable;
use crate::agent::events::EventLog;
use crate::api::agent::Manifest;
use crate::api::events::{Happening, HostEvent};
use crate::api::notify::{NOTIFY_FILE, Notice, NoticePhase, NotifyConfig, NotifyTarget, NotifyTested, NotifyView};
use crate::api::paths::ClusterDir;

/// How long a target without a message rests before it looks at the clock again.
const REST: Duration = Duration::from_secs(60);

/// Tells the targets of the current release.
#[derive(Clone)]
pub struct Notifier(Arc<Shared>);

struct Shared {
    events: Arc<EventLog>,
    path: PathBuf,
    dir: ClusterDir,
    /// Held for moments only, never across an await.
    state: Mutex<State>,
    /// Counted up whenever there may be something to send.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    sender: Sender,
    config: NotifyConfig,
    outbox: Outbox,
    /// One for each target.
    tasks: BTreeMap<String, JoinHandle<()>>,
    /// The outbox as it was last written to disk.
    written: Outbox,
}

impl Notifier {
    /// Takes up what an earlier agent left to be sent, and follows the record from now on. Must be called within a runtime,
    /// before anything is recorded.
    pub fn start(dir: &ClusterDir, events: Arc<EventLog>, manifest: Option<&Manifest>) -> Notifier {
        let path = dir.notify_queue();
        let outbox: Outbox =
            fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let state = State { written: outbox.clone(), outbox, ..State::default() };
        let coming = events.subscribe();
        let changes = watch::channel(0).0;
        let notifier = Notifier(Arc::new(Shared { events, path, dir: dir.clone(), state: Mutex::new(state), changes }));
        notifier.take_release(manifest);
        tokio::spawn(notifier.clone().follow(coming));
        notifier
    }

    /// The targets of a release from now on.
    pub fn take_release(&self, manifest: Option<&Manifest>) {
        let config = manifest.map(|manifest| read_config(&self.0.dir, manifest)).unwrap_or_default();
        let open = self.0.events.open_incidents();
        let mut state = self.lock();
        if let Some(manifest) = manifest {
            state.sender = Sender { cluster: manifest.cluster.clone(), host: manifest.host.clone() };
        }
        state.config = config;
        let State { outbox, sender, config, .. } = &mut *state;
        outbox.keep(config);
        outbox.agree(&open, seconds_since_epoch(), sender, config);
        let State { tasks, config, .. } = &mut *state;
        tasks.retain(|name, task| {
            let stays = config.contains_key(name);
            if !stays {
                task.abort();
            }
            stays
        });
        for name in config.keys() {
            let send = || tokio::spawn(self.clone().send(name.clone()));
            tasks.entry(name.clone()).or_insert_with(send);
        }
        self.changed(state);
    }

    /// The targets about which there is something to say.
    pub fn views(&self) -> Vec<NotifyView> {
        self.lock().outbox.views()
    }

    /// Sends a test message to one target or to all, past the queue; none when there is no such target.
    pub async fn test(&self, only: Option<&str>) -> Option<Vec<NotifyTested>> {
        let (targets, notice) = {
            let state = self.lock();
            let wanted = |name: &&String| only.is_none_or(|only| *name == only);
            let targets: Vec<(String, NotifyTarget)> = state
                .config
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, target)| (name.clone(), target.clone()))
                .collect();
            let text = format!("{} on {}: a test message", state.sender.cluster, state.sender.host);
            (targets, Notice { text, ..blank(NoticePhase::Test, seconds_since_epoch(), &state.sender) })
        };
        if targets.is_empty() && only.is_some() {
            return None;
        }
        let tests = targets.into_iter().map(|(target, to)| {
            let notice = &notice;
            async move {
                let begun = Instant::now();
                let error = deliver(&to.way, notice).await.err();
                let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                NotifyTested { target, elapsed_ms, error }
            }
        });
        Some(join_all(tests).await)
    }

    async fn follow(self, mut coming: broadcast::Receiver<HostEvent>) {
        loop {
            match coming.recv().await {
                Ok(event) => {
                    let mut state = self.lock();
                    let State { outbox, sender, config, .. } = &mut *state;
                    outbox.take(&event, sender, config);
                    self.changed(state);
                }
                // The record knows what is open; only what was over at once is not told.
                Err(RecvError::Lagged(_)) => {
                    let open = self.0.events.open_incidents();
                    let mut state = self.lock();
                    let State { outbox, sender, config, .. } = &mut *state;
                    outbox.agree(&open, seconds_since_epoch(), sender, config);
                    self.changed(state);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Delivers to one target until it is aborted.
    async fn send(self, target: String) {
        let mut changes = self.0.changes.subscribe();
        loop {
            let now = seconds_since_epoch();
            let next = {
                let mut state = self.lock();
                let way = state.config.get(&target).map(|target| target.way.clone());
                way.zip(state.outbox.next(&target, now))
            };
            let Some((way, notice)) = next else {
                let due = self.lock().outbox.due(&target, now);
                let rest = due.map_or(REST, |due| Duration::from_secs_f64((due - now).clamp(0.01, REST.as_secs_f64())));
                let _ = tokio::time::timeout(rest, changes.changed()).await;
                continue;
            };
            let delivered = deliver(&way, &notice).await;
            self.delivered(&target, delivered);
        }
    }

    fn delivered(&self, target: &str, delivered: Result<(), String>) {
        let now = seconds_since_epoch();
        let mut state = self.lock();
        let change = match &delivered {
            Ok(()) => state.outbox.sent(target, now),
            Err(error) => state.outbox.failed(target, error.clone(), now),
        };
        self.changed(state);
        let target = target.to_owned();
        match (change, delivered) {
            (Change::Fails, Err(error)) => self.0.events.host(Happening::NotifyFailed { target, error }),
            (Change::Works, _) => self.0.events.host(Happening::NotifyBack { target }),
            _ => {}
        }
    }

    /// Keeps what is to be sent where the next agent finds it, and wakes the targets.
    fn changed(&self, mut state: MutexGuard<'_, State>) {
        if state.outbox != state.written {
            let written = serde_json::to_vec(&state.outbox).map_err(std::io::Error::from);
            match tokio::task::block_in_place(|| durable::write_atomic(&self.0.path, &written?, 0o600)) {
                Ok(()) => state.written = state.outbox.clone(),
                // It is sent all the same; only the next agent would not know of it.
                Err(error) => tracing::warn!(path = %self.0.path.display(), %error, "cannot be written"),
            }
        }
        drop(state);
        self.0.changes.send_modify(|n| *n += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The targets of a release; a file that cannot be read is said, and has none.
fn read_config(dir: &ClusterDir, manifest: &Manifest) -> NotifyConfig {
    if !manifest.files.iter().any(|file| file.path == Path::new(NOTIFY_FILE)) {
        return NotifyConfig::new();
    }
    let path = dir.release(&manifest.id).join(NOTIFY_FILE);
    let read = fs::read_to_string(&path).map_err(|error| error.to_string());
    let read = read.and_then(|text| serde_yaml::from_str(&text).map_err(|error| error.to_string()));
    read.unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "no messages about incidents are sent: the targets cannot be read");
        NotifyConfig::new()
    })
}

fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
