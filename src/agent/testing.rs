//! What tests of this room share.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::durable::hex;
use crate::api::agent::{FileEntry, Manifest, ManifestNode};
use crate::api::node::NodeView;
use crate::data::NodeType;

/// A hash as the manifest has it.
pub fn sha256(content: &[u8]) -> String {
    hex(Sha256::new_with_prefix(content))
}

/// A file of a release.
pub fn file(path: &str, content: &[u8]) -> FileEntry {
    FileEntry { path: path.into(), hash: sha256(content), bytes: content.len() as u64, mode: 0o600 }
}

/// A worker that runs a command; its configuration has its name as content.
pub fn node(name: &str, command: &[&str]) -> ManifestNode {
    ManifestNode {
        name: name.into(),
        node_type: NodeType::Worker,
        config: format!("nodes/{name}.yaml").into(),
        live: String::new(),
        hash: sha256(format!("{name} {command:?}").as_bytes()),
        command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        env: BTreeMap::new(),
        pin_cpus: Vec::new(),
        restart_when_silent_ms: None,
        limits: Default::default(),
    }
}

/// A release of these nodes, with a grace period of one second.
pub fn manifest(id: &str, nodes: Vec<ManifestNode>) -> Manifest {
    Manifest {
        id: id.into(),
        cluster: "campus".into(),
        host: "head".into(),
        created_at: 1.0,
        created_by: "someone@somewhere".into(),
        layout: String::new(),
        binary: sha256(b"binary"),
        stop_grace_ms: 1000,
        files: nodes.iter().map(|node| file(&format!("nodes/{}.yaml", node.name), node.name.as_bytes())).collect(),
        nodes,
        hosts: Vec::new(),
    }
}

/// The view of a worker that has joined and sees nobody.
pub fn node_view(name: &str) -> NodeView {
    NodeView {
        name: name.into(),
        node_type: NodeType::Worker,
        id: format!("{name}_{}", std::process::id()),
        pid: std::process::id(),
        version: "0".into(),
        started_at: 0.0,
        joined: true,
        joined_since: 0.0,
        not_joined_because: None,
        troubles: Vec::new(),
        peers: Vec::new(),
        counts: BTreeMap::new(),
        program: None,
        counters: BTreeMap::new(),
    }
}
