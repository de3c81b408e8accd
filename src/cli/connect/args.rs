//! The options of every command that can look at a cluster from outside.

use std::path::{Path, PathBuf};

use super::place;
use super::site;
use super::target::{self, Target};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::source::{self, Source};
use crate::deploy::keys::KeyStore;
use crate::layout::{self, SiteEncryption};
use crate::node::Keys;
use crate::node::environment;

/// Where a cluster is that is looked at from outside.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Observer options")]
pub struct ConnectArgs {
    /// Look at the cluster that runs there, as an observer that no node notices, whoever deployed it
    ///
    /// WHERE is the manager's HOST (port 27760, then 5555), HOST:PORT (the hub's XPUB; its XSUB is the next port), both
    /// endpoints of the hub (`tcp://192.0.2.10:27760,tcp://192.0.2.10:27761`), or what the cluster was started from: zeekctl's
    /// prefix or node.cfg, Zeek's zeek.conf or the folder of HOST.zeek.conf, a cluster-layout.zeek, or a layout.
    #[arg(long, value_name = "WHERE", value_hint = clap::ValueHint::Hostname)]
    connect: Option<String>,

    /// The folder with the cluster's CURVE keys, for --connect
    ///
    /// The four files `server_publickey`, `client_secretkey` and so on, as zeekctl and `zeek-cluster keys` keep them. Without
    /// it the variables ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_SERVER_PUBLICKEY, …_CLIENT_PUBLICKEY and …_CLIENT_SECRETKEY are used
    /// where they are set, and the keys of the zeekctl folder.
    #[arg(long, value_name = "DIR", requires = "connect", value_hint = clap::ValueHint::DirPath)]
    keys: Option<PathBuf>,
}

impl ConnectArgs {
    /// The cluster that `--connect` names; none without it. Says what is worth a warning in the files that it names.
    pub fn target(&self, cx: &Context) -> Result<Option<Target>, Failure> {
        let Some(wanted) = &self.connect else { return Ok(None) };
        if let Some(path) = names_a_file(wanted) {
            return self.of_files(cx, path).map(Some);
        }
        let hubs = place::parse(wanted, &environment::resolve).map_err(|what| Failure::Usage {
            what: format!("--connect {wanted}: {what}"),
            hint: Some("see `zeek-cluster help nodes` for what --connect takes".into()),
        })?;
        Ok(Some(Target { hubs, keys: self.keys()?, layout: None }))
    }

    fn of_files(&self, cx: &Context, path: &Path) -> Result<Target, Failure> {
        let import = match source::open(path)? {
            Source::Foreign(import) => import,
            Source::Layout(path, text) => {
                let loaded = layout::load(&text, &path, &source::environment()).map_err(Failure::Layout)?;
                return Target::of_layout(cx, loaded.layout);
            }
        };
        let (site, warnings) = import.site().map_err(Failure::Layout)?;
        if !warnings.is_empty() {
            cx.printer.problems(&warnings, "warning");
        }
        let place = site::place(site, path)?;
        let keys = match (self.keys()?, site.encryption, &site.curve_dir) {
            (Some(keys), ..) => Some(keys),
            (None, SiteEncryption::On, Some(folder)) => Some(of_folder(folder)?),
            // A zeekctl that cannot encrypt leaves no keys behind.
            (None, SiteEncryption::Unknown, Some(folder)) if folder.is_dir() => Some(of_folder(folder)?),
            (None, ..) => None,
        };
        Ok(Target { hubs: place, keys, layout: Some(site.as_seen()) })
    }

    /// The cluster that `--connect` names, else that of the layout with the keys of the key store.
    pub fn target_or_layout(&self, cx: &Context) -> Result<Target, Failure> {
        match self.target(cx)? {
            Some(target) => Ok(target),
            None => Target::of_layout(cx, cx.layout()?),
        }
    }

    fn keys(&self) -> Result<Option<Keys>, Failure> {
        match &self.keys {
            Some(folder) => of_folder(folder).map(Some),
            None => of_environment(),
        }
    }
}

/// The path, where a word can only be meant as one or names a folder.
fn names_a_file(wanted: &str) -> Option<&Path> {
    let path = Path::new(wanted);
    let is_meant = path.is_dir() || (path.is_file() && wanted.contains(['/', '.']));
    is_meant.then_some(path)
}

/// The keys in a folder; files that others may read are refused.
fn of_folder(folder: &Path) -> Result<Keys, Failure> {
    let keys = KeyStore::at(folder).read().map_err(|error| match Failure::keys(error) {
        Failure::File { what, .. } => {
            let hint = "the cluster's keys are needed to join it: name their folder with --keys DIR".to_owned();
            Failure::File { what, hint: Some(hint) }
        }
        other => other,
    })?;
    Ok(target::client_keys(&keys))
}

/// The variables that Zeek reads; empty ones are unset. Source: `zeromq.md` 5.2.
fn of_environment() -> Result<Option<Keys>, Failure> {
    let names = ["SERVER_PUBLICKEY", "CLIENT_PUBLICKEY", "CLIENT_SECRETKEY"]
        .map(|name| format!("ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_{name}"));
    let values = names.each_ref().map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match values {
        [None, None, None] => Ok(None),
        [Some(server_public), Some(client_public), Some(client_secret)] => {
            Ok(Some(Keys { server_public, server_secret: None, client_public, client_secret }))
        }
        some => {
            let missing = names.iter().zip(&some).filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str());
            let missing: Vec<&str> = missing.collect();
            Err(Failure::usage(format!("the CURVE keys in the environment are incomplete: set {}", missing.join(", "))))
        }
    }
}
