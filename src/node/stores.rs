//! The stores of one process: `Cluster::create_store`, and those that the node's configuration names.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::NodeError;
use super::options::Redefs;
use super::store_task::{Part, StoreTask};
use crate::api::config::NodeConfig;
use crate::api::paths::ClusterDir;
use crate::api::store::{StoreConfig, StoreView};
use crate::cluster::stores::{
    Backend, BackendType, CloneIntervals, CreateError, Definitions, Memory, Persistence, Sqlite, Store, StoreInfo,
};
use crate::cluster::{Handle, NamedNode};

/// All stores of a process, by name: `Cluster::stores`. Cheap to clone; when the last one is dropped all are closed.
#[derive(Clone, Debug)]
pub struct Stores {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    member: Option<Member>,
    definitions: Definitions,
    open: Mutex<BTreeMap<String, StoreInfo>>,
    stop: CancellationToken,
    _stops: DropGuard,
    died: watch::Sender<Option<String>>,
    /// Every thread holds a clone of it.
    threads: Mutex<Option<mpsc::Sender<Infallible>>>,
    ended: tokio::sync::Mutex<mpsc::Receiver<Infallible>>,
}

/// A node of a cluster, as a store sees it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its running core.
    pub handle: Handle,
    /// `Cluster::nodes`.
    pub nodes: Vec<NamedNode>,
}

impl Stores {
    /// No stores yet. Without a cluster every store that is created is a local master.
    pub fn new(member: Option<Member>, definitions: Definitions) -> Stores {
        let stop = CancellationToken::new();
        let (threads, ended) = mpsc::channel(1);
        let shared = Shared {
            member,
            definitions,
            open: Mutex::default(),
            _stops: stop.clone().drop_guard(),
            stop,
            died: watch::channel(None).0,
            threads: Mutex::new(Some(threads)),
            ended: tokio::sync::Mutex::new(ended),
        };
        Stores { shared: Arc::new(shared) }
    }

    /// `Cluster::create_store`: the master, or a clone of the one that another node holds. One that exists already is given
    /// back as it is. Blocks as long as a SQLite file takes to open. A clone answers once it has found its master, and takes
    /// writes at once.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create_store(&self, name: &str, persistent: Persistence) -> Result<StoreInfo, CreateError> {
        let mut open = lock(&self.shared.open);
        if let Some(info) = open.get(name) {
            return Ok(info.clone());
        }
        let member = self.shared.member.as_ref();
        let node = member.map(|member| member.handle.node());
        let nodes = member.map_or([].as_slice(), |member| &member.nodes);
        let mut info = self.shared.definitions.resolve(name, persistent, node, nodes)?;
        let part = if info.master { Part::Master(backend(&info)?) } else { Part::Clone };
        let (store, mailbox) = Store::new(name);
        let closed = || CreateError::Start { store: name.to_owned(), reason: "the node is ending".to_owned() };
        let task = StoreTask {
            info: info.clone(),
            node: node.unwrap_or_default().to_owned(),
            handle: member.map(|member| member.handle.clone()),
            part,
            mailbox,
            stop: self.shared.stop.clone(),
            died: self.shared.died.clone(),
            ended: lock(&self.shared.threads).clone().ok_or_else(closed)?,
        };
        task.start().map_err(|error| CreateError::Start { store: name.to_owned(), reason: error.to_string() })?;
        info.store = Some(store);
        open.insert(name.to_owned(), info.clone());
        Ok(info)
    }

    /// A store that was created.
    pub fn get(&self, name: &str) -> Option<StoreInfo> {
        lock(&self.shared.open).get(name).cloned()
    }

    /// Has the clones that are open obey what a configuration says of their intervals.
    pub(super) async fn set_intervals(&self, config: &NodeConfig) {
        let changed = |(name, info): (&String, &mut StoreInfo)| {
            let intervals = intervals(config.stores.get(name)?);
            (intervals != info.clone_intervals()).then(|| info.set_clone_intervals(intervals))?;
            Some((info.store.clone()?, intervals))
        };
        let changed: Vec<(Store, CloneIntervals)> = lock(&self.shared.open).iter_mut().filter_map(changed).collect();
        for (store, intervals) in changed {
            // One that has just been closed obeys nothing any more.
            let _closed = store.set_clone_intervals(intervals).await;
        }
    }

    /// All stores that were created, by name.
    pub fn all(&self) -> Vec<StoreInfo> {
        lock(&self.shared.open).values().cloned().collect()
    }

    /// How all stores are; one that has just been closed is left out.
    pub async fn views(&self) -> Vec<StoreView> {
        let mut views = Vec::new();
        for info in self.all() {
            let Some(store) = &info.store else { continue };
            if let Ok(status) = store.status().await {
                let path =
                    (info.master && info.backend == BackendType::Sqlite).then(|| info.options.sqlite.path.clone());
                views.push(StoreView {
                    name: status.name,
                    master: status.master,
                    master_node: status.master_node,
                    backend: status.backend,
                    path,
                    state: status.state,
                    size: status.size,
                    since: (status.epoch > 0).then_some(status.epoch as f64 / 1e9),
                    changes: status.seq,
                    pending: status.pending,
                });
            }
        }
        views
    }

    /// Waits for a store that ends although nobody closed it, and gives its name.
    pub async fn died(&self) -> String {
        let mut died = self.shared.died.subscribe();
        loop {
            if let Some(name) = died.borrow_and_update().clone() {
                return name;
            }
            // The sender lives as long as this value.
            if died.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Closes all stores, and waits until their files are closed. Writes that were not acknowledged fail. Cancel-safe.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        drop(lock(&self.shared.threads).take());
        self.shared.ended.lock().await.recv().await;
    }
}

/// Nothing is left half done where these locks are held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn backend(info: &StoreInfo) -> Result<Box<dyn Backend>, CreateError> {
    if info.backend == BackendType::Memory {
        return Ok(Box::new(Memory::default()));
    }
    let options = &info.options.sqlite;
    let removed = |error: &_| tracing::warn!(store = %info.name, file = %options.path.display(), "removed a damaged file: {error}");
    match Sqlite::open(options, removed) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => {
            Err(CreateError::Open { store: info.name.clone(), path: options.path.clone(), reason: error.to_string() })
        }
    }
}

/// The stores of a node, those of its configuration created.
pub(super) fn start(
    config: &NodeConfig,
    dir: &ClusterDir,
    handle: &Handle,
    redefs: &Redefs,
) -> Result<Stores, NodeError> {
    let definitions = definitions(config, dir, redefs)?;
    let nodes = config.nodes.iter().map(|entry| NamedNode::of(entry, None)).collect();
    let stores = Stores::new(Some(Member { handle: handle.clone(), nodes }), definitions);
    for name in config.stores.keys() {
        stores.create_store(name, Persistence::Any)?;
    }
    Ok(stores)
}

/// The service: ends with the token, or when a store does.
pub(super) async fn serve(stores: Stores, stop: CancellationToken) -> Result<(), NodeError> {
    tokio::select! {
        () = stop.cancelled() => {
            stores.close().await;
            Ok(())
        }
        name = stores.died() => {
            let reason = format!("the thread of store '{name}' has ended");
            Err(NodeError::TaskDied { task: "data store", reason })
        }
    }
}

fn definitions(config: &NodeConfig, dir: &ClusterDir, redefs: &Redefs) -> Result<Definitions, NodeError> {
    let mut definitions = redefs.stores()?;
    definitions.default_store_dir = match definitions.default_store_dir.as_os_str().is_empty() {
        true => dir.stores(),
        false => dir.path().join(&definitions.default_store_dir),
    };
    let entries = config.stores.iter().map(|(name, store)| (name.clone(), defined(name, store, dir, &definitions)));
    definitions.stores = entries.collect();
    Ok(definitions)
}

fn defined(name: &str, store: &StoreConfig, dir: &ClusterDir, definitions: &Definitions) -> StoreInfo {
    let mut info = definitions.fresh(name);
    info.backend = store.backend;
    info.options.sqlite = store.sqlite.clone();
    if store.sqlite.path != Path::new("") {
        info.options.sqlite.path = dir.path().join(&store.sqlite.path);
    }
    if let Some(node) = &store.master_node {
        info.master_node.clone_from(node);
    }
    info.set_clone_intervals(intervals(store));
    info
}

fn intervals(store: &StoreConfig) -> CloneIntervals {
    let interval = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    CloneIntervals {
        resync: interval(store.clone_resync_interval_s),
        stale: Some(interval(store.clone_stale_interval_s)).filter(|interval| !interval.is_zero()),
        mutation_buffer: interval(store.clone_mutation_buffer_interval_s),
    }
}
