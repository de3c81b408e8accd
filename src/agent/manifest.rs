//! Whether a manifest may be written to disk and run: everything in it came over a wire.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::durable::is_hash;
use crate::api::agent::{Manifest, ManifestNode};
use crate::api::paths::ClusterDir;

const MAX_FILES: usize = 20_000;
const MAX_NODES: usize = 4_096;
const MAX_NAME: usize = 64;

/// The longest path that a Unix socket can have, without the final NUL (`sun_path` is 108 bytes).
pub const MAX_SOCKET_PATH: usize = 107;

/// The manifest itself lies beside the files of its release under this name.
pub const MANIFEST_FILE: &str = "manifest.json";

/// What is wrong with a manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The id in the address is another one than that in the body.
    #[error("the release is called {id} in its manifest and {asked} in the request")]
    OtherId { id: String, asked: String },
    /// A name that could leave its folder, or be taken for something else.
    #[error(
        "{what} {name:?} is not 1 to {MAX_NAME} letters, digits, `_`, `-` or `.`, beginning with a letter or digit"
    )]
    Name { what: &'static str, name: String },
    /// Not a SHA-256.
    #[error("the hash of {of} is not 64 lower-case hex digits")]
    Hash { of: String },
    /// A path that leaves the release, or hides something.
    #[error("the path {} is not a plain relative path", path.display())]
    Path { path: PathBuf },
    /// Twice the same, or a file where a folder has to be.
    #[error("{name:?} is there twice")]
    Twice { name: String },
    /// Too many.
    #[error("{count} {what} are more than {max}")]
    TooMany { what: &'static str, count: usize, max: usize },
    /// Permission bits beyond `0o777`.
    #[error("mode {mode:o} of {} is not a plain permission", path.display())]
    Mode { path: PathBuf, mode: u32 },
    /// A node whose configuration is not among the files.
    #[error("node {node} has its configuration in {}, which is not among the files", config.display())]
    NoConfig { node: String, config: PathBuf },
    /// An empty command.
    #[error("node {node} has an empty command")]
    EmptyCommand { node: String },
    /// The cluster's folder is too deep for Unix sockets.
    #[error(
        "the socket {} of node {node} has {} bytes, a Unix socket's path may have {MAX_SOCKET_PATH}",
        path.display(), path.as_os_str().len()
    )]
    SocketPath { node: String, path: PathBuf },
}

/// Checks everything that can be checked without looking at the disk.
pub fn check(manifest: &Manifest, asked: &str, dir: &ClusterDir) -> Result<(), ManifestError> {
    if manifest.id != asked {
        return Err(ManifestError::OtherId { id: manifest.id.clone(), asked: asked.to_owned() });
    }
    check_name("release", &manifest.id)?;
    check_name("cluster", &manifest.cluster)?;
    if manifest.host.parse::<std::net::IpAddr>().is_err() {
        check_name("host", &manifest.host)?;
    }
    check_hash("the executable", &manifest.binary)?;
    check_files(manifest)?;
    check_count("nodes", manifest.nodes.len(), MAX_NODES)?;
    let mut names = BTreeSet::new();
    for node in &manifest.nodes {
        check_node(node, manifest, dir)?;
        if !names.insert(&node.name) {
            return Err(ManifestError::Twice { name: node.name.clone() });
        }
    }
    Ok(())
}

/// Whether a text can be the name of a release, a cluster, a host or a node, and of a folder.
pub fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn check_name(what: &'static str, name: &str) -> Result<(), ManifestError> {
    is_name(name).then_some(()).ok_or_else(|| ManifestError::Name { what, name: name.to_owned() })
}

fn check_hash(of: &str, hash: &str) -> Result<(), ManifestError> {
    is_hash(hash).then_some(()).ok_or_else(|| ManifestError::Hash { of: of.to_owned() })
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), ManifestError> {
    (count <= max).then_some(()).ok_or(ManifestError::TooMany { what, count, max })
}

fn check_files(manifest: &Manifest) -> Result<(), ManifestError> {
    check_count("files", manifest.files.len(), MAX_FILES)?;
    let mut files = BTreeSet::from([Path::new(MANIFEST_FILE)]);
    for file in &manifest.files {
        check_path(&file.path)?;
        check_hash(&file.path.display().to_string(), &file.hash)?;
        if file.mode & !0o777 != 0 {
            return Err(ManifestError::Mode { path: file.path.clone(), mode: file.mode });
        }
        if !files.insert(&file.path) {
            return Err(ManifestError::Twice { name: file.path.display().to_string() });
        }
    }
    let folder_and_file = |path: &&&Path| path.ancestors().skip(1).any(|folder| files.contains(folder));
    match files.iter().find(folder_and_file) {
        Some(path) => Err(ManifestError::Path { path: path.to_path_buf() }),
        None => Ok(()),
    }
}

fn check_path(path: &Path) -> Result<(), ManifestError> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    // `a//b` and `a/./b` have the same components as `a/b`: only one spelling of a file is allowed.
    let one_spelling = path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    let sane = plain && one_spelling && !path.as_os_str().is_empty() && path.as_os_str().len() < 1024;
    sane.then_some(()).ok_or_else(|| ManifestError::Path { path: path.to_owned() })
}

fn check_node(node: &ManifestNode, manifest: &Manifest, dir: &ClusterDir) -> Result<(), ManifestError> {
    check_name("node", &node.name)?;
    if node.name.contains('.') {
        // `run/` holds files of the agent's own, all with a dot in their names.
        return Err(ManifestError::Name { what: "node", name: node.name.clone() });
    }
    if !manifest.files.iter().any(|file| file.path == node.config) {
        return Err(ManifestError::NoConfig { node: node.name.clone(), config: node.config.clone() });
    }
    if node.command.as_ref().is_some_and(|command| command.is_empty()) {
        return Err(ManifestError::EmptyCommand { node: node.name.clone() });
    }
    let path = dir.node_socket(&node.name);
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(ManifestError::SocketPath { node: node.name.clone(), path });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::testing::{file, manifest, node};

    fn check_one(change: impl FnOnce(&mut Manifest)) -> Result<(), ManifestError> {
        let mut manifest = manifest("r1", vec![node("worker-1", &["/bin/true"])]);
        change(&mut manifest);
        check(&manifest, "r1", &ClusterDir::new("/c"))
    }

    #[test]
    fn a_plain_manifest_passes() {
        assert_eq!(check_one(|_| ()), Ok(()));
    }

    #[test]
    fn paths_stay_within_the_release() {
        for path in ["../x", "/etc/passwd", "a/../b", "a//b", "./a", "a/", "", "manifest.json", "nodes/worker-1.yaml/x"]
        {
            assert!(check_one(|m| m.files.push(file(path, b"x"))).is_err(), "{path}");
        }
    }

    #[test]
    fn names_are_folders_of_their_own() {
        for name in ["", ".", "..", "a/b", "-x", ".hidden", "agent sock", &"x".repeat(65)] {
            assert!(check_one(|m| m.nodes[0].name = name.to_owned()).is_err(), "{name}");
            assert!(check_one(|m| m.id = name.to_owned()).is_err(), "{name}");
        }
        // Names of files of the agent's own in `run/` cannot be nodes.
        assert!(check_one(|m| m.nodes[0].name = "agent.sock".to_owned()).is_err());
    }

    #[test]
    fn doubles_and_nonsense_are_refused() {
        assert!(check_one(|m| m.nodes.push(m.nodes[0].clone())).is_err());
        assert!(check_one(|m| m.files.push(m.files[0].clone())).is_err());
        assert!(check_one(|m| m.files[0].mode = 0o4755).is_err());
        assert!(check_one(|m| m.files[0].hash = "ABC".into()).is_err());
        assert!(check_one(|m| m.binary = "x".into()).is_err());
        assert!(check_one(|m| m.nodes[0].command = Some(Vec::new())).is_err());
        assert!(check_one(|m| m.nodes[0].config = "nodes/other.yaml".into()).is_err());
        assert!(check_one(|m| m.nodes[0].name = "x".repeat(64)).is_ok());
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_named() {
        let manifest = manifest("r1", vec![node("worker-1", &["/bin/true"])]);
        let error = check(&manifest, "r1", &ClusterDir::new(format!("/{}", "d".repeat(90)))).unwrap_err();
        assert!(error.to_string().contains("may have 107"), "{error}");
    }
}
