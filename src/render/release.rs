//! A layout as the files that each host receives, content-addressed.
//!
//! Compatibility: equal layouts give equal bytes, so a release's id and a node's hash change only when something
//! changed. A node's hash leaves out the table of all nodes and the options that are taken over without a restart: these have a hash of their own. A real Zeek reads
//! the table and its scripts only when it starts, so its hash covers both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{cluster_layout, hosts, node_config, zeek};
use crate::api::agent::{FileEntry, Manifest, ManifestNode};
use crate::api::config::{Compress, LogFormat, LoggingConfig, NodeConfig, OptionValue};
use crate::api::hosts::HOSTS_FILE;
use crate::api::keys::{CurveKeys, KEY_FOLDER, SERVER_SECRET};
use crate::api::limits::Limits;
use crate::api::notify::NOTIFY_FILE;
use crate::data::NodeType;
use crate::layout::{self, Engine, Host, Layout, Node, live};

/// What a release needs beside the layout.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseInput<'a> {
    /// SHA-256 of the executable that runs the nodes, lower-case hex.
    pub binary_hash: &'a str,
    /// `user@machine`; not part of the release's identity.
    pub created_by: &'a str,
    /// Seconds since the epoch; not part of the release's identity.
    pub created_at: f64,
    /// The cluster's keys; needed when the layout is encrypted, else ignored.
    pub curve: Option<&'a CurveKeys>,
}

/// One deployed configuration of a cluster: what each host receives.
#[derive(Clone, PartialEq)]
pub struct Release {
    /// First 12 hex digits of the SHA-256 over all hosts' contents; equal contents, equal id.
    pub id: String,
    /// In the order of the layout, hosts without nodes left out.
    pub hosts: Vec<HostRelease>,
}

/// What one host receives.
#[derive(Clone, PartialEq)]
pub struct HostRelease {
    /// Names each file with its hash, and the nodes.
    pub manifest: Manifest,
    /// Content by hash. May hold secret keys: not for logs.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// Why a layout cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Each node's configuration lists all nodes with their addresses.
    #[error("no address is known for {nodes}: {addresses} did not resolve")]
    Unresolved {
        /// The folded set of nodes without an address.
        nodes: String,
        /// Their hosts' addresses as written, with commas.
        addresses: String,
    },
    /// The layout says that the cluster is encrypted.
    #[error("the layout asks for encryption and no keys were given")]
    NoKeys,
    /// A layout that did not come from `layout::load`.
    #[error("the layout has no manager")]
    NoManager,
    /// A configuration that YAML cannot hold; the serializer's own words.
    #[error("writing the configuration of {node}: {why}")]
    Write {
        /// The node's name.
        node: String,
        /// What the serializer said.
        why: String,
    },
}

/// Permission bits of files with secret keys.
const SECRET: u32 = 0o600;
/// Permission bits of all other files.
const PUBLIC: u32 = 0o644;

/// The files and manifests of all hosts.
///
/// # Errors
/// [`RenderError::Unresolved`] when a node's address is not known, [`RenderError::NoKeys`] when the layout is encrypted
/// and `input` has no keys, [`RenderError::NoManager`] for a layout that was not checked, [`RenderError::Write`] for
/// what YAML cannot hold.
pub fn release(layout: &Layout, input: &ReleaseInput<'_>) -> Result<Release, RenderError> {
    let shared = shared_files(layout, input)?;
    let hosts = layout.hosts.iter().map(|host| host_release(layout, host, &shared, input));
    let mut hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    let id = identify(&mut hosts);
    let hash = layout_hash(layout);
    for host in &mut hosts {
        host.manifest.created_at = input.created_at;
        input.created_by.clone_into(&mut host.manifest.created_by);
        host.manifest.layout.clone_from(&hash);
    }
    Ok(Release { id, hosts })
}

/// SHA-256 of a layout as it was understood, lower-case hex: spelling, comments and order of keys do not matter.
pub fn layout_hash(layout: &Layout) -> String {
    sha256(layout::to_yaml(layout).as_bytes())
}

/// A file before it is hashed.
struct File {
    path: PathBuf,
    content: Vec<u8>,
    mode: u32,
    recipients: Recipients,
}

/// The hosts that receive a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recipients {
    All,
    /// Those that run a real Zeek.
    ZeekHosts,
    /// Those on which a node listens for others: the manager's and the loggers'.
    ListenerHosts,
}

impl Recipients {
    fn include(self, layout: &Layout, host: &Host) -> bool {
        let mut nodes = layout.nodes.iter().filter(|node| node.host == host.name);
        match self {
            Recipients::All => true,
            Recipients::ZeekHosts => nodes.any(|node| node.engine == Engine::Zeek),
            Recipients::ListenerHosts => {
                nodes.any(|node| matches!(node.node_type, NodeType::Manager | NodeType::Logger))
            }
        }
    }
}

impl File {
    /// A file without secrets, for all hosts.
    fn public(path: PathBuf, content: Vec<u8>) -> File {
        File { path, content, mode: PUBLIC, recipients: Recipients::All }
    }
}

/// The files that do not depend on the host.
fn shared_files(layout: &Layout, input: &ReleaseInput<'_>) -> Result<Vec<File>, RenderError> {
    let zeek = cluster_layout::layout_zeek(layout)?;
    let mut files = vec![File::public("cluster-layout.zeek".into(), zeek.into_bytes())];
    if zeek::wanted(layout) {
        let seed = zeek::hash_seed(&layout.name, input.curve);
        let scripts = [
            ("local-networks.zeek", zeek::local_networks(&layout.networks)),
            ("zeek-cluster-config.zeek", zeek::config_script(layout, &seed)?),
            (LOGGER_SCRIPT, zeek::logger_script(layout)),
        ];
        files.extend(scripts.map(|(name, text)| File {
            recipients: Recipients::ZeekHosts,
            ..File::public(name.into(), text.into_bytes())
        }));
    }
    if !layout.notify.is_empty() {
        let write = |error: serde_yaml::Error| RenderError::Write { node: NOTIFY_FILE.into(), why: error.to_string() };
        let content = serde_yaml::to_string(&layout.notify).map_err(write)?.into_bytes();
        files.push(File { path: NOTIFY_FILE.into(), content, mode: SECRET, recipients: Recipients::All });
    }
    if layout.encrypted {
        let keys = input.curve.ok_or(RenderError::NoKeys)?;
        files.extend(keys.files().map(|(name, key)| File {
            path: PathBuf::from(KEY_FOLDER).join(name),
            content: format!("{}\n", key.expose()).into_bytes(),
            mode: SECRET,
            recipients: if name == SERVER_SECRET { Recipients::ListenerHosts } else { Recipients::All },
        }));
    }
    Ok(files)
}

/// A host's part; its id and origin are filled in when all hosts are there.
fn host_release(
    layout: &Layout,
    host: &Host,
    shared: &[File],
    input: &ReleaseInput<'_>,
) -> Result<HostRelease, RenderError> {
    let mut manifest = Manifest {
        id: String::new(),
        cluster: layout.name.clone(),
        host: host.name.clone(),
        created_at: 0.0,
        created_by: String::new(),
        layout: String::new(),
        binary: input.binary_hash.to_owned(),
        stop_grace_ms: u64::try_from(layout.stop_grace.as_millis()).unwrap_or(u64::MAX),
        files: Vec::new(),
        nodes: Vec::new(),
        hosts: layout.hosts.iter().map(|host| host.name.clone()).collect(),
    };
    let mut blobs = BTreeMap::new();
    for node in layout.nodes.iter().filter(|node| node.host == host.name) {
        let config = node_config::node_config(layout, node)?;
        let path = PathBuf::from("nodes").join(format!("{}.yaml", node.name));
        let file = File::public(path.clone(), yaml(node, &config)?);
        manifest.files.push(add(&mut blobs, &file));
        manifest.nodes.push(manifest_node(node, path, &config, shared, input));
    }
    if layout.manager().is_some_and(|manager| manager.host == host.name) {
        let content = hosts::public_yaml(layout).into_bytes();
        let file = File::public(HOSTS_FILE.into(), content);
        manifest.files.push(add(&mut blobs, &file));
    }
    let wanted = shared.iter().filter(|file| file.recipients.include(layout, host));
    manifest.files.extend(wanted.map(|file| add(&mut blobs, file)));
    Ok(HostRelease { manifest, blobs })
}

fn yaml(node: &Node, config: &NodeConfig) -> Result<Vec<u8>, RenderError> {
    let text = serde_yaml::to_string(config);
    text.map(String::into_bytes).map_err(|error| RenderError::Write { node: node.name.clone(), why: error.to_string() })
}

fn add(blobs: &mut BTreeMap<String, Vec<u8>>, file: &File) -> FileEntry {
    let hash = sha256(&file.content);
    blobs.entry(hash.clone()).or_insert_with(|| file.content.clone());
    FileEntry { path: file.path.clone(), hash, bytes: file.content.len() as u64, mode: file.mode }
}

/// The script that only a Zeek which writes logs loads.
const LOGGER_SCRIPT: &str = "zeek-cluster-logger.zeek";

/// Everything whose change needs a restart.
#[derive(Serialize)]
struct Restart<'a> {
    /// Of the table of nodes only the node's own entry, which it binds its ports by, and no option that a running node takes
    /// over; for a real Zeek the whole.
    config: NodeConfig,
    /// SHA-256 of each script that a real Zeek loads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scripts: Vec<String>,
    binary: &'a str,
    command: &'a Option<Vec<String>>,
    env: &'a BTreeMap<String, String>,
    pin_cpus: &'a [u32],
    #[serde(skip_serializing_if = "Limits::is_empty")]
    limits: Limits,
}

fn manifest_node(
    node: &Node,
    path: PathBuf,
    config: &NodeConfig,
    shared: &[File],
    input: &ReleaseInput<'_>,
) -> ManifestNode {
    let mut entry = ManifestNode {
        name: node.name.clone(),
        node_type: node.node_type,
        config: path,
        hash: String::new(),
        live: String::new(),
        command: None,
        env: node.env_vars.clone(),
        pin_cpus: node.pin_cpus.clone(),
        restart_when_silent_ms: node
            .restart_when_silent
            .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        limits: node.limits.clone(),
    };
    let is_zeek = config.zeek.is_some();
    let nodes = config.nodes.iter().filter(|entry| is_zeek || entry.name == node.name).cloned().collect();
    let effective =
        NodeConfig { logging: logging_that_matters(config), options: options_that_matter(config), ..config.clone() };
    let loads = |path: &Path| config.zeromq.listen_log_endpoint.is_some() || path != Path::new(LOGGER_SCRIPT);
    let is_script = |path: &Path| path.extension().is_some_and(|ext| ext == "zeek") && loads(path);
    let scripts = shared.iter().filter(|file| is_zeek && is_script(&file.path));
    let restart = Restart {
        config: NodeConfig { nodes, ..live::at_start(&effective) },
        scripts: scripts.map(|file| sha256(&file.content)).collect(),
        binary: input.binary_hash,
        command: &entry.command,
        env: &entry.env,
        pin_cpus: &entry.pin_cpus,
        limits: entry.limits.at_start(),
    };
    entry.hash = sha256(&json(&restart));
    // New keys need a restart, too: sockets take them when they are made. Apart, so that a rollback can exchange them.
    if let Some(keys) = config.curve_dir.as_ref().and(input.curve) {
        entry.hash = format!("{}+{}", entry.hash, &fingerprint(keys)[..KEY_DIGITS]);
    }
    if !is_zeek {
        entry.live = sha256(&json(&effective));
    }
    entry
}

/// Only who receives logs looks at how they are written.
fn logging_that_matters(config: &NodeConfig) -> LoggingConfig {
    let unused = LoggingConfig {
        format: LogFormat::Tsv,
        rotation_interval_s: 0,
        compress: Compress::None,
        expire_s: 0,
        suffix: None,
    };
    match config.zeromq.listen_log_endpoint.is_some() {
        true => config.logging.clone(),
        false => unused,
    }
}

/// Without the options that only who receives logs reads, where none are received.
fn options_that_matter(config: &NodeConfig) -> BTreeMap<String, OptionValue> {
    let receives = config.zeromq.listen_log_endpoint.is_some();
    let matters = |name: &str| receives || !zeek::is_for_log_writers(name);
    config.options.iter().filter(|(name, _)| matters(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Hex digits of the keys' fingerprint behind a node's hash.
const KEY_DIGITS: usize = 16;

/// SHA-256 over all four keys, lower-case hex.
pub(super) fn fingerprint(keys: &CurveKeys) -> String {
    sha256(keys.files().map(|(_, key)| key.expose()).concat().as_bytes())
}

/// Gives parts of a release that were changed the id that [`release`] would give them.
pub fn identify(hosts: &mut [HostRelease]) -> String {
    let bare = hosts.iter().map(|host| Manifest {
        id: String::new(),
        created_at: 0.0,
        created_by: String::new(),
        layout: String::new(),
        ..host.manifest.clone()
    });
    let id = identity(&bare.collect::<Vec<_>>());
    hosts.iter_mut().for_each(|host| host.manifest.id.clone_from(&id));
    id
}

/// First 12 hex digits of the SHA-256 over the manifests, which hold the hashes of all files.
fn identity(manifests: &[Manifest]) -> String {
    let mut id = sha256(&json(&manifests));
    id.truncate(12);
    id
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("shapes of api/ have text keys only, and nothing else can fail in memory")
}

/// Lower-case hex.
pub(super) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
