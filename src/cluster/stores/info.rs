//! `Cluster::StoreInfo`, `Broker::BackendOptions`, and the rules by which `Cluster::create_store` fills them in.
//! Source: `cluster.md` 3.2 and 3.6.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::CreateError;
use super::store::Store;
use crate::api::store::{BackendType, SqliteOptions};
use crate::cluster::types::NamedNode;
use crate::data::NodeType;

/// `Broker::BackendOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendOptions {
    /// Of the SQLite backend.
    pub sqlite: SqliteOptions,
}

/// `Cluster::StoreInfo`: a store as this node has it.
#[derive(Clone, Debug)]
pub struct StoreInfo {
    /// The store's name.
    pub name: String,
    /// The handle. Set as soon as the store is created; a clone answers queries once it has found its master.
    pub store: Option<Store>,
    /// The node that holds the master; empty for `Cluster::default_master_node`, and if that is empty too, the manager.
    pub master_node: String,
    /// Whether this is the master.
    pub master: bool,
    /// Where the master keeps its data.
    pub backend: BackendType,
    /// How it keeps them.
    pub options: BackendOptions,
    /// `clone_resync_interval`: how often a clone that hears of no master looks for it.
    pub clone_resync_interval: Duration,
    /// `clone_stale_interval`: after how long without master a clone's reads fail; none for never (in Zeek a negative interval).
    pub clone_stale_interval: Option<Duration>,
    /// `clone_mutation_buffer_interval`: how long a clone without master keeps writes; zero for not at all.
    pub clone_mutation_buffer_interval: Duration,
}

/// What a clone waits for its master, and how long; it may change while the clone works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloneIntervals {
    /// [`StoreInfo::clone_resync_interval`].
    pub resync: Duration,
    /// [`StoreInfo::clone_stale_interval`].
    pub stale: Option<Duration>,
    /// [`StoreInfo::clone_mutation_buffer_interval`].
    pub mutation_buffer: Duration,
}

impl StoreInfo {
    /// The intervals that a clone obeys.
    pub fn clone_intervals(&self) -> CloneIntervals {
        CloneIntervals {
            resync: self.clone_resync_interval,
            stale: self.clone_stale_interval,
            mutation_buffer: self.clone_mutation_buffer_interval,
        }
    }

    /// Takes other intervals.
    pub fn set_clone_intervals(&mut self, intervals: CloneIntervals) {
        self.clone_resync_interval = intervals.resync;
        self.clone_stale_interval = intervals.stale;
        self.clone_mutation_buffer_interval = intervals.mutation_buffer;
    }
}

/// What the options of the cluster say about stores.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// `Cluster::stores`.
    pub stores: BTreeMap<String, StoreInfo>,
    /// `Cluster::default_backend`.
    pub default_backend: BackendType,
    /// `Cluster::default_persistent_backend`.
    pub default_persistent_backend: BackendType,
    /// `Cluster::default_master_node`.
    pub default_master_node: String,
    /// `Cluster::default_store_dir`; empty for the working directory.
    pub default_store_dir: PathBuf,
    /// `Broker::default_clone_resync_interval`.
    pub default_clone_resync_interval: Duration,
    /// `Broker::default_clone_stale_interval`; none for never.
    pub default_clone_stale_interval: Option<Duration>,
    /// `Broker::default_clone_mutation_buffer_interval`.
    pub default_clone_mutation_buffer_interval: Duration,
}

impl Default for Definitions {
    fn default() -> Definitions {
        Definitions {
            stores: BTreeMap::new(),
            default_backend: BackendType::Memory,
            default_persistent_backend: BackendType::Sqlite,
            default_master_node: String::new(),
            default_store_dir: PathBuf::new(),
            default_clone_resync_interval: Duration::from_secs(10),
            default_clone_stale_interval: Some(Duration::from_secs(300)),
            default_clone_mutation_buffer_interval: Duration::from_secs(120),
        }
    }
}

impl Definitions {
    /// A fresh `Cluster::StoreInfo()`.
    pub fn fresh(&self, name: &str) -> StoreInfo {
        StoreInfo {
            name: name.to_owned(),
            store: None,
            master_node: self.default_master_node.clone(),
            master: false,
            backend: self.default_backend,
            options: BackendOptions::default(),
            clone_resync_interval: self.default_clone_resync_interval,
            clone_stale_interval: self.default_clone_stale_interval,
            clone_mutation_buffer_interval: self.default_clone_mutation_buffer_interval,
        }
    }

    /// What `Cluster::create_store` makes of a name, on `node` of a cluster of `nodes`; without a cluster a local master.
    /// Opens nothing.
    ///
    /// # Errors
    /// [`CreateError::Name`], [`CreateError::NoMasterNode`], [`CreateError::UnknownMasterNode`].
    pub fn resolve(
        &self,
        name: &str,
        persistent: Persistence,
        node: Option<&str>,
        nodes: &[NamedNode],
    ) -> Result<StoreInfo, CreateError> {
        let store = || name.to_owned();
        if !is_store_name(name) {
            return Err(CreateError::Name { store: store() });
        }
        let mut info = self.stores.get(name).cloned().unwrap_or_else(|| self.fresh(name));
        name.clone_into(&mut info.name);
        if info.options.sqlite.path.as_os_str().is_empty() {
            info.options.sqlite.path = self.default_store_dir.join(format!("{name}.sqlite"));
        }
        if persistent == Persistence::Persistent && info.backend == BackendType::Memory {
            info.backend = self.default_persistent_backend;
        }
        let Some(node) = node else {
            info.master = true;
            return Ok(info);
        };
        if info.master_node.is_empty() {
            let managers = nodes.iter().filter(|node| node.node.node_type == NodeType::Manager);
            let first = managers.map(|manager| &manager.name).min();
            info.master_node = first.cloned().ok_or_else(|| CreateError::NoMasterNode { store: store() })?;
        }
        if !nodes.iter().any(|known| known.name == info.master_node) {
            return Err(CreateError::UnknownMasterNode { store: store(), node: info.master_node });
        }
        info.master = info.master_node == node;
        Ok(info)
    }
}

/// The argument `persistent` of `Cluster::create_store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// As the backend has it.
    #[default]
    Any,
    /// The data have to survive the master.
    Persistent,
}

/// 1 to 255 octets without control characters, no part of which leads out of a folder.
fn is_store_name(name: &str) -> bool {
    let fine = (1..=255).contains(&name.len()) && !name.chars().any(char::is_control);
    fine && !name.starts_with('/') && name.split('/').all(|part| part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::types::Node;

    fn nodes(names: &[(&str, NodeType)]) -> Vec<NamedNode> {
        let node = |(name, node_type): &(&str, NodeType)| NamedNode {
            name: (*name).to_owned(),
            node: Node { node_type: *node_type, ..NamedNode::none().node },
        };
        names.iter().map(node).collect()
    }

    fn cluster() -> Vec<NamedNode> {
        nodes(&[("m2", NodeType::Manager), ("m1", NodeType::Manager), ("w", NodeType::Worker)])
    }

    #[test]
    fn the_master_is_where_the_options_say_else_on_the_first_manager() {
        let definitions = Definitions::default();
        let info = definitions.resolve("s", Persistence::Any, Some("m1"), &cluster()).expect("a store");
        assert_eq!((info.master_node.as_str(), info.master), ("m1", true));
        let info = definitions.resolve("s", Persistence::Any, Some("w"), &cluster()).expect("a store");
        assert!(!info.master);

        let definitions = Definitions { default_master_node: "w".into(), ..Definitions::default() };
        let info = definitions.resolve("s", Persistence::Any, Some("w"), &cluster()).expect("a store");
        assert_eq!((info.master_node.as_str(), info.master), ("w", true));

        let mut definitions = Definitions { default_master_node: "w".into(), ..Definitions::default() };
        let own = StoreInfo { master_node: "m2".into(), ..definitions.fresh("s") };
        definitions.stores.insert("s".into(), own);
        let info = definitions.resolve("s", Persistence::Any, Some("w"), &cluster()).expect("a store");
        assert_eq!((info.master_node.as_str(), info.master), ("m2", false));
    }

    #[test]
    fn a_master_node_has_to_exist() {
        let definitions = Definitions::default();
        let workers = nodes(&[("w", NodeType::Worker)]);
        let error = definitions.resolve("s", Persistence::Any, Some("w"), &workers).expect_err("no manager");
        let expected = "empty master node name for cluster store 's', but there's no manager node to default";
        assert_eq!(error.to_string(), expected);
        let definitions = Definitions { default_master_node: "x".into(), ..Definitions::default() };
        let error = definitions.resolve("s", Persistence::Any, Some("w"), &cluster()).expect_err("no such node");
        assert_eq!(error.to_string(), "master node 'x' for cluster store 's' does not exist");
    }

    #[test]
    fn without_a_cluster_the_store_is_a_local_master() {
        let info = Definitions::default().resolve("s", Persistence::Any, None, &[]).expect("a store");
        assert!(info.master);
    }

    #[test]
    fn persistent_replaces_memory_alone() {
        let definitions = Definitions::default();
        let backend = |definitions: &Definitions, persistent| {
            definitions.resolve("s", persistent, None, &[]).expect("a store").backend
        };
        assert_eq!(backend(&definitions, Persistence::Any), BackendType::Memory);
        assert_eq!(backend(&definitions, Persistence::Persistent), BackendType::Sqlite);
        let definitions = Definitions { default_persistent_backend: BackendType::Memory, ..definitions };
        assert_eq!(backend(&definitions, Persistence::Persistent), BackendType::Memory);
        let definitions = Definitions { default_backend: BackendType::Sqlite, ..definitions };
        assert_eq!(backend(&definitions, Persistence::Persistent), BackendType::Sqlite);
    }

    #[test]
    fn files_lie_in_the_default_folder_unless_they_have_a_path() {
        let path = |definitions: &Definitions, name: &str| {
            definitions.resolve(name, Persistence::Any, None, &[]).expect("a store").options.sqlite.path
        };
        let mut definitions = Definitions { default_store_dir: "/d".into(), ..Definitions::default() };
        assert_eq!(path(&definitions, "zeek/known/hosts"), PathBuf::from("/d/zeek/known/hosts.sqlite"));
        assert_eq!(path(&Definitions::default(), "s"), PathBuf::from("s.sqlite"));
        let mut own = definitions.fresh("own");
        own.options.sqlite.path = "/elsewhere/x".into();
        definitions.stores.insert("own".into(), own);
        assert_eq!(path(&definitions, "own"), PathBuf::from("/elsewhere/x"));
        for bad in ["", "/etc/x", "../x", "a/../b", "a\nb"] {
            assert!(matches!(definitions.resolve(bad, Persistence::Any, None, &[]), Err(CreateError::Name { .. })));
        }
    }
}
