//! Processes of nodes that were stopped: whoever says that a node is down has looked for them, and ended them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::manifest::is_name;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::api::paths::ClusterDir;
use crate::processes::{self, Held, NodeProcess};

/// Between SIGTERM and SIGKILL for what a node left behind: it has outlived its node's own grace period.
const GRACE: Duration = Duration::from_secs(3);

/// Nodes that run in the folder, or ran there once.
pub fn names(dir: &ClusterDir) -> Vec<String> {
    let mut names: BTreeSet<String> = processes::nodes(dir).into_iter().map(|node| node.name).collect();
    let folders = fs::read_dir(dir.path().join("run")).into_iter().flatten().flatten();
    names
        .extend(folders.filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok()));
    names.retain(|name| is_name(name));
    names.into_iter().collect()
}

/// Ends what the nodes of successful outcomes left running, whatever file names it or does not. An outcome fails, with the
/// process, when that does not end.
pub async fn end(dir: &ClusterDir, outcomes: &mut [Outcome]) {
    let stopped: Vec<String> =
        outcomes.iter().filter(|outcome| outcome.kind.is_success()).map(|outcome| outcome.target.clone()).collect();
    if stopped.is_empty() {
        return;
    }
    let dir = dir.clone();
    let Ok(mut ended) = spawn_blocking(move || end_of(&dir, &stopped)).await else { return };
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.kind.is_success()) {
        match ended.remove(&outcome.target).unwrap_or(Ended::Nothing) {
            Ended::Nothing => {}
            Ended::All if outcome.kind == Kind::Unchanged => outcome.kind = Kind::Ok,
            Ended::All => {}
            Ended::AllBut(pid) => {
                outcome.kind = Kind::Failed;
                let what = format!("process {pid} of {} does not end, not even by SIGKILL", outcome.target);
                let hint = Some(format!("see what it waits for: cat /proc/{pid}/wchan /proc/{pid}/status"));
                outcome.error = Some(ErrorInfo { what, hint });
            }
        }
    }
}

/// What became of the processes of one node.
enum Ended {
    Nothing,
    All,
    AllBut(u32),
}

fn end_of(dir: &ClusterDir, names: &[String]) -> BTreeMap<String, Ended> {
    let mut found: BTreeMap<u32, (String, Held)> = BTreeMap::new();
    let is_wanted = |node: &NodeProcess| names.contains(&node.name);
    for NodeProcess { pid, name } in processes::nodes(dir).into_iter().filter(is_wanted) {
        if let Some(process) = processes::hold(pid, |pid| processes::is_node(pid, &name, dir)) {
            found.insert(pid, (name, process));
        }
    }
    let folders: Vec<PathBuf> = names.iter().map(|name| dir.node(name)).collect();
    for survivor in processes::survivors(&folders, &[std::process::id()]) {
        found.entry(survivor.process.pid).or_insert((survivor.node, survivor.process));
    }
    let mut owners: BTreeMap<u32, String> = BTreeMap::new();
    let mut held = Vec::new();
    for (pid, (name, process)) in found {
        tracing::warn!(node = %name, pid, "was left running, ending it");
        owners.insert(pid, name);
        held.push(process);
    }
    let deaf = processes::end(held, GRACE);
    let mut ended = BTreeMap::new();
    for (pid, name) in owners {
        match deaf.contains(&pid) {
            true => drop(ended.insert(name, Ended::AllBut(pid))),
            false => drop(ended.entry(name).or_insert(Ended::All)),
        }
    }
    ended
}
