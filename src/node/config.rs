//! Reads what a node is started with: its configuration and the cluster's keys.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::NodeError;
use super::options::Redefs;
use super::roles::{self, Role};
use crate::api::config::NodeConfig;
use crate::api::paths::ClusterDir;
use crate::transport::zeromq::{HubOptions, Keys, Options};

/// Reads `current/nodes/NAME.yaml`.
pub(super) fn read(dir: &ClusterDir, name: &str) -> Result<NodeConfig, NodeError> {
    let config = read_file(&dir.current().join("nodes").join(format!("{name}.yaml")))?;
    if config.name != name || !config.nodes.iter().any(|entry| entry.name == name) {
        return Err(NodeError::NotInLayout { name: name.to_owned() });
    }
    Ok(config)
}

/// Reads `nodes/*.yaml` of a release, by name.
pub(super) fn read_all(release: &Path) -> Result<Vec<NodeConfig>, NodeError> {
    let folder = release.join("nodes");
    let failed = |source| NodeError::Config { path: folder.clone(), source };
    let entries = fs::read_dir(&folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = entries.map_err(failed)?;
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

/// Reads one node's configuration, wherever it lies.
pub(super) fn read_file(path: &Path) -> Result<NodeConfig, NodeError> {
    let text = fs::read_to_string(path).map_err(|source| NodeError::Config { path: path.to_owned(), source })?;
    serde_yaml::from_str(&text)
        .map_err(|error| NodeError::ConfigSyntax { path: path.to_owned(), reason: error.to_string() })
}

/// The keys of an encrypted cluster, as much of them as the node may have.
pub(super) fn curve_keys(config: &NodeConfig, dir: &ClusterDir) -> Result<Option<Keys>, NodeError> {
    config.curve_dir.as_ref().map(|folder| keys(&dir.path().join(folder), roles::of(config))).transpose()
}

/// What the transport is started with.
pub(super) fn transport(
    config: &NodeConfig,
    keys: Option<Keys>,
    node_id: &str,
    redefs: &Redefs,
) -> Result<Options, NodeError> {
    let endpoints = &config.zeromq;
    let role = roles::of(config);
    let mut options = Options::new(node_id);
    redefs.sockets(&mut options)?;
    if role.hub {
        let defaults = HubOptions::default();
        let mut hub = HubOptions {
            listen_xpub_endpoint: endpoints
                .listen_xpub_endpoint
                .clone()
                .unwrap_or(defaults.listen_xpub_endpoint.clone()),
            listen_xsub_endpoint: endpoints
                .listen_xsub_endpoint
                .clone()
                .unwrap_or(defaults.listen_xsub_endpoint.clone()),
            keys: keys.clone(),
            ipv6: endpoints.ipv6,
            ..defaults
        };
        redefs.hub(&mut hub)?;
        options.hub = Some(hub);
    }
    Ok(Options {
        connect_xpub_endpoint: endpoints.connect_xpub_endpoint.clone(),
        connect_xsub_endpoint: endpoints.connect_xsub_endpoint.clone(),
        connect_log_endpoints: endpoints.connect_log_endpoints.clone(),
        listen_log_endpoint: endpoints.listen_log_endpoint.clone(),
        keys,
        ipv6: endpoints.ipv6,
        ..options
    })
}

/// The CURVE keys in a folder; the server's secret one only where something listens.
pub(super) fn keys(folder: &Path, role: Role) -> Result<Keys, NodeError> {
    let read = |name: &str| {
        let path = folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(source) => Err(NodeError::Key { path, source }),
        }
    };
    let listens = role.hub || role.writes_logs;
    Ok(Keys {
        server_public: read("server_publickey")?,
        server_secret: listens.then(|| read("server_secretkey")).transpose()?,
        client_public: read("client_publickey")?,
        client_secret: read("client_secretkey")?,
    })
}
