//! Which hosts a cluster was deployed to, and how each is reached: what lets a later deploy stop what runs on a host that
//! the layout no longer has. Lies as `hosts.yaml` in the release of the manager's host and on the operator's machine.
//!
//! Compatibility: unknown keys are ignored, so that an older program reads a newer file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The file's name, in a release and on the operator's machine.
pub const HOSTS_FILE: &str = "hosts.yaml";

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostsFile {
    /// In the order of the layout.
    pub hosts: Vec<HostRecord>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Its name in the layout.
    pub name: String,
    /// Its address as the layout had it.
    pub address: String,
    /// How it is reached; none: it is the machine on which `deploy` ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshRecord>,
    /// The nodes that it was given.
    pub nodes: Vec<String>,
}

/// What is needed to log in, beside what `~/.ssh/config` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshRecord {
    /// Login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// TCP port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Jump hosts in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jump: Vec<String>,
    /// Private keys; only on the operator's machine, which has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity_files: Vec<PathBuf>,
    /// known_hosts files; only on the operator's machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_hosts_files: Vec<PathBuf>,
}
