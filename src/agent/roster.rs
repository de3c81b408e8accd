//! Who is supervised here: the jobs of the current release's nodes, and of nodes that still run though no release names
//! them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::events::EventLog;
use super::manifest;
use super::supervise::{Job, Listeners, Saved, Spec, Timing};
use crate::api::agent::{AgentStatus, Damage, DamagedPart, Manifest, ManifestNode, NodeState, Unseen};
use crate::api::limits::Limits;
use crate::api::node::NodeView;
use crate::api::paths::ClusterDir;
use crate::data::NodeType;
use crate::processes::{self, NodeProcess};

/// Between SIGTERM and SIGKILL for a node of which nothing is known.
const UNKNOWN_GRACE_MS: u64 = 10_000;

/// The supervised nodes of one cluster's folder.
pub struct Roster {
    dir: ClusterDir,
    timing: Timing,
    listeners: Listeners,
    /// Held for moments only, never across an await.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    manifest: Option<Arc<Manifest>>,
    releases: Vec<String>,
    jobs: BTreeMap<String, Job>,
    /// Of the current release, see [`AgentStatus::damage`].
    damage: Vec<Damage>,
}

impl Roster {
    /// Takes up what lies in the folder: every node of the current release, and every node with a `state.json`; adopts
    /// those that run, and every other process that is a node of the folder. Must be called within a runtime.
    pub fn open(
        dir: &ClusterDir,
        timing: Timing,
        current: Option<Manifest>,
        releases: Vec<String>,
        events: Arc<EventLog>,
    ) -> Roster {
        let roster = Roster {
            dir: dir.clone(),
            timing,
            listeners: Listeners { changes: watch::channel(0).0, events },
            inner: Mutex::new(Inner { manifest: current.map(Arc::new), releases, ..Inner::default() }),
        };
        let manifest = roster.manifest();
        let running = running(dir);
        for (name, saved) in saved_nodes(dir) {
            let spec = manifest.as_deref().and_then(|manifest| spec_in(manifest, &name));
            roster.add(spec.unwrap_or_else(|| saved.spec.clone()), Some(saved), &running);
        }
        if let Some(manifest) = manifest {
            roster.take_nodes(&manifest, &running);
        }
        for name in running.keys().filter(|name| manifest::is_name(name)) {
            if roster.job(name).is_none() {
                tracing::warn!(node = %name, "runs, and nothing else is known of it");
                roster.add(unknown_spec(name), None, &running);
            }
        }
        roster
    }

    /// The current release's part for this host.
    pub fn manifest(&self) -> Option<Arc<Manifest>> {
        self.lock().manifest.clone()
    }

    /// The job of a node.
    pub fn job(&self, name: &str) -> Option<Job> {
        self.lock().jobs.get(name).cloned()
    }

    /// All supervised nodes: those of the release in its order, then the others.
    pub fn jobs(&self) -> Vec<(String, Job)> {
        let inner = self.lock();
        let order: BTreeMap<&str, usize> = match &inner.manifest {
            Some(manifest) => manifest.nodes.iter().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect(),
            None => BTreeMap::new(),
        };
        let mut jobs: Vec<(String, Job)> = inner.jobs.iter().map(|(name, job)| (name.clone(), job.clone())).collect();
        jobs.sort_by_key(|(name, _)| order.get(name.as_str()).copied().unwrap_or(usize::MAX));
        jobs
    }

    /// Takes a release as the current one: its nodes are started with it from now on; none is touched.
    pub async fn take_release(&self, manifest: Manifest, releases: Vec<String>) {
        let manifest = Arc::new(manifest);
        let before = {
            let mut inner = self.lock();
            inner.releases = releases;
            // What was just put in place is whole, but for the program, which is looked at next.
            inner.damage.retain(|damage| damage.part == DamagedPart::Program);
            inner.manifest.replace(manifest.clone())
        };
        self.forget_retired(before.as_deref(), &manifest);
        for node in &manifest.nodes {
            if let Some(job) = self.job(&node.name)
                && let Err(error) = job.configure(Spec::of(&manifest, node)).await
            {
                tracing::error!(node = %node.name, %error, "did not hear of the release");
            }
        }
        self.take_nodes(&manifest, &running(&self.dir));
        self.changed();
    }

    /// A node that an earlier release lost, and that was stopped for it, is a new one when it comes back: nobody wanted it
    /// stopped for good.
    fn forget_retired(&self, before: Option<&Manifest>, now: &Manifest) {
        let Some(before) = before else { return };
        let was_there = |name: &str| before.nodes.iter().any(|node| node.name == name);
        for node in now.nodes.iter().filter(|node| !was_there(&node.name)) {
            let stopped = self.job(&node.name).is_some_and(|job| job.view().status.state == NodeState::Stopped);
            if stopped && let Err(error) = self.forget(&node.name) {
                tracing::warn!(node = %node.name, %error, "its saved state cannot be removed");
            }
        }
    }

    /// The releases that are complete on this host.
    pub fn set_releases(&self, releases: Vec<String>) {
        self.lock().releases = releases;
        self.changed();
    }

    /// What of the current release is damaged now.
    pub fn set_damage(&self, damage: Vec<Damage>) {
        let before = std::mem::replace(&mut self.lock().damage, damage.clone());
        if before != damage {
            self.changed();
        }
    }

    /// No longer supervises a node, which has been stopped, and forgets its desired state; its output stays.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        self.lock().jobs.remove(name);
        self.changed();
        match fs::remove_file(self.dir.node_state(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// No longer supervises any node: what they wrote is about to be removed.
    pub fn forget_all(&self) {
        self.lock().jobs.clear();
    }

    /// What every answering node says of itself.
    pub fn views(&self) -> Vec<NodeView> {
        self.jobs().into_iter().filter_map(|(_, job)| job.view().view.map(Arc::unwrap_or_clone)).collect()
    }

    /// Fills in what is known of releases and nodes.
    pub fn fill(&self, status: &mut AgentStatus) {
        let (manifest, releases, damage) = {
            let inner = self.lock();
            (inner.manifest.clone(), inner.releases.clone(), inner.damage.clone())
        };
        if let Some(manifest) = manifest {
            status.cluster = Some(manifest.cluster.clone());
            status.host = Some(manifest.host.clone());
            status.release = Some(manifest.id.clone());
        }
        status.releases = releases;
        status.damage = damage;
        status.nodes = self.jobs().into_iter().map(|(_, job)| job.view().status).collect();
        status.unseen = unseen(&self.views());
    }

    /// Changes whenever [`Roster::fill`] would give something else.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.listeners.changes.subscribe()
    }

    /// New nodes of a release are supervised, and those that it no longer names are forgotten if they do not run.
    fn take_nodes(&self, manifest: &Manifest, running: &BTreeMap<String, u32>) {
        for node in &manifest.nodes {
            if self.job(&node.name).is_none() {
                self.add(Spec::of(manifest, node), None, running);
            }
        }
        for (name, job) in self.jobs() {
            let is_named = manifest.nodes.iter().any(|node| node.name == name);
            let is_down = job.view().status.state == NodeState::Stopped;
            if !is_named
                && is_down
                && let Err(error) = self.forget(&name)
            {
                tracing::warn!(node = %name, %error, "its saved state cannot be removed");
            }
        }
    }

    fn add(&self, spec: Spec, saved: Option<Saved>, running: &BTreeMap<String, u32>) {
        let name = spec.node.name.clone();
        let found = running.get(&name).copied();
        let job = Job::supervise(&self.dir, spec, saved, found, self.timing, self.listeners.clone());
        self.lock().jobs.insert(name, job);
    }

    fn changed(&self) {
        self.listeners.changes.send_modify(|n| *n += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the roster")
    }
}

/// Whom these nodes do not see, each node once.
fn unseen(views: &[NodeView]) -> Vec<Unseen> {
    let mut unseen: BTreeMap<&str, Unseen> = BTreeMap::new();
    for view in views.iter().filter(|view| view.joined) {
        let by_manager = view.node_type == NodeType::Manager;
        for peer in view.peers.iter().filter(|peer| !peer.up) {
            // What it has not seen since it joined it may yet see.
            let since = peer.since.unwrap_or_default().max(view.joined_since);
            let said = || Unseen { peer: peer.peer.clone(), by: view.name.clone(), by_manager, since };
            let known = unseen.entry(&peer.peer).or_insert_with(said);
            if by_manager && !known.by_manager {
                *known = said();
            }
        }
    }
    unseen.into_values().collect()
}

/// How a manifest wants a node to be run.
pub fn spec_in(manifest: &Manifest, name: &str) -> Option<Spec> {
    let node = manifest.nodes.iter().find(|node| node.name == name)?;
    Some(Spec::of(manifest, node))
}

/// The nodes of the folder that run, whatever its files say; of two processes of one node the older one.
fn running(dir: &ClusterDir) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for NodeProcess { pid, name } in processes::nodes(dir) {
        found.entry(name).or_insert(pid);
    }
    found
}

/// Of a node that runs though neither a release nor a saved state names it: enough to stop it.
fn unknown_spec(name: &str) -> Spec {
    let node = ManifestNode {
        name: name.to_owned(),
        node_type: NodeType::Worker,
        config: PathBuf::from(format!("nodes/{name}.yaml")),
        hash: String::new(),
        live: String::new(),
        command: None,
        env: BTreeMap::new(),
        pin_cpus: Vec::new(),
        restart_when_silent_ms: None,
        limits: Limits::default(),
    };
    Spec { node, binary: String::new(), stop_grace_ms: UNKNOWN_GRACE_MS }
}

fn saved_nodes(dir: &ClusterDir) -> Vec<(String, Saved)> {
    let folders = fs::read_dir(dir.path().join("run")).into_iter().flatten().flatten();
    let saved = folders.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let saved = Saved::read(&dir.node_state(&name))?;
        (saved.spec.node.name == name).then_some((name, saved))
    });
    saved.collect()
}
