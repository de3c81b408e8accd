//! What was read of another tool's files, and the ways on from there: a layout, a look at the running cluster, YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::draft::{CLUSTER_NAME, Draft, Plan};
use super::report::ReportLine;
use super::site::{Site, SiteEncryption, SiteNode, SiteType};
use super::zeekctl::ZeekctlFiles;
use super::{cluster_layout, yaml_text, zeek_conf, zeekctl};
use crate::api::config::Compress;
use crate::api::limits::Limits;
use crate::data::NodeType;
use crate::layout::load::{Environment, Loaded, finish};
use crate::layout::model::{Engine, Host, HubPorts, Layout, Logging, Node, Reach, Zeek};
use crate::layout::problem::Problem;

/// A file of another tool, opened by somebody else.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile<'a> {
    /// As problems and comments name it.
    pub path: &'a Path,
    /// Its text.
    pub text: &'a str,
}

/// A cluster that other tool's files declare.
#[derive(Debug)]
pub struct Import {
    draft: Draft,
    plan: Plan,
}

/// Reads zeekctl's files.
pub fn import_zeekctl(files: &ZeekctlFiles<'_>, env: &Environment<'_>) -> Import {
    Import::of(zeekctl::read(files, env), env)
}

/// Reads `zeek.conf`, or the `HOST.zeek.conf` of all hosts in the order of their names. `prefix` is where Zeek is installed,
/// unless `base_dir` says otherwise.
pub fn import_zeek_conf(files: &[SourceFile<'_>], prefix: Option<PathBuf>, env: &Environment<'_>) -> Import {
    Import::of(zeek_conf::read(files, prefix, env), env)
}

/// Reads `cluster-layout.zeek`.
pub fn import_cluster_layout(file: &SourceFile<'_>, env: &Environment<'_>) -> Import {
    Import::of(cluster_layout::read(file, env), env)
}

impl Import {
    fn of(draft: Draft, env: &Environment<'_>) -> Import {
        let plan = draft.plan(env);
        Import { draft, plan }
    }

    /// The layout of the cluster, named `zeek`.
    ///
    /// # Errors
    /// What the tool itself refuses; if it refuses nothing, what a layout cannot be.
    pub fn load(&self, env: &Environment<'_>) -> Result<Loaded, Vec<Problem>> {
        let mut problems = self.draft.problems.clone();
        self.draft.tolerable.iter().for_each(|report| problems.push(report.clone()));
        if problems.any() {
            return Err(problems.finish(&self.draft.sources).0);
        }
        finish(Some(self.plan.spec.clone()), Path::new(CLUSTER_NAME), env, &self.draft.sources, problems)
    }

    /// The cluster under its own names, whatever a layout could not say of it, and what is worth a warning: names that do not
    /// resolve among it.
    ///
    /// # Errors
    /// What the tool itself refuses.
    pub fn site(&self) -> Result<(&Site, Vec<Problem>), Vec<Problem>> {
        let mut problems = self.draft.problems.clone();
        self.draft.tolerable.iter().for_each(|report| problems.warn(report.clone()));
        let (problems, warnings) = problems.finish(&self.draft.sources);
        match problems.is_empty() {
            true => Ok((&self.draft.site, warnings)),
            false => Err(problems),
        }
    }

    /// The layout as YAML, each value with a comment that says where it comes from.
    pub fn yaml(&self) -> String {
        yaml_text::text(&self.draft, &self.plan)
    }

    /// What became of each setting, in the order of the files.
    pub fn report(&self) -> Vec<ReportLine> {
        let mut notes = self.draft.notes.clone();
        notes.0.extend(self.plan.notes.0.iter().cloned());
        notes.lines(&self.draft.sources)
    }
}

impl Site {
    /// The cluster as a layout for those who only look at it: names, hosts and ports are the site's own and have not been
    /// checked. One Zeek alone is of no type.
    pub fn as_seen(&self) -> Layout {
        let mut hosts: Vec<Host> = Vec::new();
        for node in &self.nodes {
            if !hosts.iter().any(|host| host.name == node.host) {
                let (name, address) = (node.host.clone(), node.host.clone());
                hosts.push(Host { name, address, ip: node.addr, reach: Reach::Local, line: 0 });
            }
        }
        let manager = self.nodes.iter().find(|node| node.is(NodeType::Manager)).map(|node| node.name.clone());
        Layout {
            name: CLUSTER_NAME.to_owned(),
            backend: self.backend,
            encrypted: self.encryption == SiteEncryption::On,
            base_dir: None,
            stop_grace: Duration::ZERO,
            hosts,
            nodes: self.nodes.iter().map(|node| seen(node, manager.as_deref())).collect(),
            hub: self.hub.map_or(HubPorts { xpub: 27760, xsub: 27761 }, |(_, hub)| hub),
            manager_is_logger: !self.nodes.iter().any(|node| node.is(NodeType::Logger)),
            options: BTreeMap::new(),
            stores: BTreeMap::new(),
            notify: BTreeMap::new(),
            logging: Logging {
                format: None,
                rotation_interval: None,
                compress: Compress::None,
                expire: Duration::ZERO,
            },
            networks: Vec::new(),
            zeek: Zeek { prefix: None, scripts: Vec::new(), args: Vec::new(), redefs: BTreeMap::new() },
        }
    }
}

fn seen(node: &SiteNode, manager: Option<&str>) -> Node {
    let node_type = match node.site_type {
        SiteType::Node(node_type) => node_type,
        SiteType::Standalone => NodeType::None,
    };
    Node {
        name: node.name.clone(),
        node_type,
        host: node.host.clone(),
        ip: node.addr,
        zone_id: node.zone_id.clone(),
        port: node.port,
        manager: manager.filter(|_| node_type != NodeType::Manager).map(str::to_owned),
        metrics_port: node.metrics_port,
        engine: Engine::Zeek,
        websocket: None,
        interface: node.interface.clone(),
        lb_method: node.lb_method.clone(),
        pin_cpus: node.pin_cpu.into_iter().collect(),
        af_packet: BTreeMap::new(),
        limits: Limits::default(),
        command: Vec::new(),
        health: None,
        restart_when_silent: None,
        env_vars: node.env_vars.clone(),
        aux_scripts: node.aux_scripts.clone(),
        group: node.entry.clone(),
    }
}
