//! `run/NODE/state.json`: what an agent has to know about a node after its own restart. The process itself is in
//! `run/NODE/pid`, see [`process`](super::process).

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::Limits;
use crate::agent::durable;
use crate::api::agent::{Manifest, ManifestNode};

/// How a node is started and stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// As in the manifest.
    pub node: ManifestNode,
    /// The executable of the manifest.
    pub binary: String,
    /// As in the manifest.
    pub stop_grace_ms: u64,
}

impl Spec {
    /// The node's part of a manifest.
    pub fn of(manifest: &Manifest, node: &ManifestNode) -> Spec {
        Spec { node: node.clone(), binary: manifest.binary.clone(), stop_grace_ms: manifest.stop_grace_ms }
    }

    /// What the machine has to know.
    pub fn limits(&self) -> Limits {
        Limits {
            grace: Duration::from_millis(self.stop_grace_ms),
            restart_when_silent: self.node.restart_when_silent_ms.map(Duration::from_millis),
        }
    }

    /// Whether it is a program of someone else, which has no `node.sock`.
    pub fn is_foreign(&self) -> bool {
        self.node.command.is_some()
    }
}

/// What an operator wants of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// It should run, and be started again when it ends.
    Running,
    /// It should not run.
    Stopped,
    /// No operator has said yet: `apply` starts it.
    New,
}

/// The content of `state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// What an operator wants.
    pub desired: Desired,
    /// See `Timing::crash_limit`; holds for this boot only, as a reboot may have mended the reason.
    #[serde(default, alias = "failed")]
    pub failing: bool,
    /// Exits in a row without a stable run between them; holds for this boot only.
    #[serde(default)]
    pub in_a_row: u32,
    /// The boot that these belong to.
    pub boot_id: String,
    /// See `NodeStatus::restarts`.
    pub restarts: u64,
    /// See `NodeStatus::last_restart_at`.
    #[serde(default)]
    pub last_restart_at: Option<f64>,
    /// The last exit in words.
    pub error: Option<String>,
    /// What was started last.
    pub spec: Spec,
    /// See `NodeStatus::live_hash`; of an older agent: not known.
    #[serde(default)]
    pub live: Option<String>,
}

impl Saved {
    /// None when there is no such file or it cannot be read; then the node is as good as new.
    pub fn read(path: &Path) -> Option<Saved> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Replaces the file in one step.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        durable::write_atomic(path, &json, 0o600)
    }
}
