//! Where things lie in a cluster's folder on a host (`BASE/CLUSTER`). Names only; nothing is opened here.

use std::path::{Path, PathBuf};

/// The folder of one cluster on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDir(PathBuf);

impl ClusterDir {
    /// `BASE/CLUSTER`.
    pub fn new(path: impl Into<PathBuf>) -> ClusterDir {
        ClusterDir(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `bin/zeek-cluster-HASH`, mode 0755; HASH is the SHA-256 of the content, lower-case hex.
    pub fn binary(&self, hash: &str) -> PathBuf {
        self.0.join("bin").join(format!("zeek-cluster-{hash}"))
    }

    /// `bin/agent`, a symbolic link to the program that is the agent when something other than a command starts it: a
    /// service manager, or the parent in a container.
    pub fn boot_program(&self) -> PathBuf {
        self.0.join("bin").join("agent")
    }

    /// `blobs/HASH`, mode 0600: files of releases, content-addressed.
    pub fn blob(&self, hash: &str) -> PathBuf {
        self.0.join("blobs").join(hash)
    }

    /// `releases/`.
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases")
    }

    /// `releases/ID/`: immutable; `manifest.json` lies in it beside the files.
    pub fn release(&self, id: &str) -> PathBuf {
        self.releases().join(id)
    }

    /// `current`, a symbolic link to `releases/ID`, switched by rename.
    pub fn current(&self) -> PathBuf {
        self.0.join("current")
    }

    /// `previous`, a symbolic link to the release that was current before.
    pub fn previous(&self) -> PathBuf {
        self.0.join("previous")
    }

    /// `run/agent.sock`, mode 0600.
    pub fn agent_socket(&self) -> PathBuf {
        self.0.join("run").join("agent.sock")
    }

    /// `run/agent.lock`: held by the one agent of this folder.
    pub fn agent_lock(&self) -> PathBuf {
        self.0.join("run").join("agent.lock")
    }

    /// `run/memory-keeper`: what keeps the nodes' limits of memory, in words.
    pub fn memory_keeper(&self) -> PathBuf {
        self.0.join("run").join("memory-keeper")
    }

    /// `run/keeper.lock`: held by the process that keeps the agent in its foreground, where one does.
    pub fn keeper_lock(&self) -> PathBuf {
        self.0.join("run").join("keeper.lock")
    }

    /// `run/agent.log`: what the agent says of itself.
    pub fn agent_log(&self) -> PathBuf {
        self.0.join("run").join("agent.log")
    }

    /// `run/NODE/`.
    pub fn node(&self, name: &str) -> PathBuf {
        self.0.join("run").join(name)
    }

    /// `run/NODE/node.sock`, mode 0600.
    pub fn node_socket(&self, name: &str) -> PathBuf {
        self.node(name).join("node.sock")
    }

    /// `run/NODE/state.json`: what the agent has to know after its own restart.
    pub fn node_state(&self, name: &str) -> PathBuf {
        self.node(name).join("state.json")
    }

    /// `run/NODE/stdout.log`.
    pub fn node_stdout(&self, name: &str) -> PathBuf {
        self.node(name).join("stdout.log")
    }

    /// `run/NODE/stderr.log`.
    pub fn node_stderr(&self, name: &str) -> PathBuf {
        self.node(name).join("stderr.log")
    }

    /// `run/NODE/crash/`, one folder per crash.
    pub fn node_crashes(&self, name: &str) -> PathBuf {
        self.node(name).join("crash")
    }

    /// `run/NODE/scripts/`: what is generated for a real Zeek at each of its starts.
    pub fn node_scripts(&self, name: &str) -> PathBuf {
        self.node(name).join("scripts")
    }

    /// `run/NODE/work/`: the working directory of a real Zeek that writes no logs.
    pub fn node_work(&self, name: &str) -> PathBuf {
        self.node(name).join("work")
    }

    /// `run/zeek.json`: what the Zeek of this host answered about itself, so that it is asked once.
    pub fn zeek_answers(&self) -> PathBuf {
        self.0.join("run").join("zeek.json")
    }

    /// `logs/`: day folders of archived logs, and `current/`.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// `logs/current/NODE/`: the files that one logger is writing.
    pub fn logs_current(&self, logger: &str) -> PathBuf {
        self.logs().join("current").join(logger)
    }

    /// `stores/`.
    pub fn stores(&self) -> PathBuf {
        self.0.join("stores")
    }

    /// `events.jsonl`: what happened on the host.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// `run/notify.json`: messages about incidents that wait to be delivered.
    pub fn notify_queue(&self) -> PathBuf {
        self.0.join("run").join("notify.json")
    }

    /// `history.jsonl`.
    pub fn history(&self) -> PathBuf {
        self.0.join("history.jsonl")
    }
}
