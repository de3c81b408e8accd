//! `keys`: the cluster's CURVE keys on this side.

use std::time::Duration;

use serde::Serialize;

use crate::api::keys::CurveKeys;
use crate::cli::args::LockArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::Record;
use crate::deploy::keys::{KeyStore, Made};
use crate::deploy::{self, Needs, Rolling};
use crate::layout::Layout;

/// Make, replace or show the keys that encrypt the traffic between nodes
///
/// A cluster on two hosts or more is encrypted (`encryption: auto`) with one pair of keys for its servers and one for its
/// clients. They are made at the first deploy, kept on this machine in `~/.local/share/zeek-cluster/keys/CLUSTER/`
/// (ZEEK_CLUSTER_KEYS names another folder), readable by their owner alone, and handed to the hosts with each release.
#[derive(Debug, clap::Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Make the keys now, unless there are some
    ///
    /// `zeek-cluster deploy` does the same when it needs them. Keys that exist are left alone.
    Generate,
    /// Replace the keys by new ones, and deploy them
    ///
    /// Makes new keys and deploys the layout with them, which restarts every node: loggers first, then the manager, the
    /// proxies and the workers. Nodes with old and with new keys refuse each other, so the cluster is apart from the first
    /// restart until the last one; what loggers had been sent by then is written. The old keys stay in force until the hosts
    /// have the new ones: when no host took them, nothing has changed. A host that could not be reached gets them with the
    /// next `zeek-cluster deploy`. Asks first unless `--yes` is given.
    Rotate {
        #[command(flatten)]
        lock: LockArgs,
    },
    /// Print the public keys, as Z85 text
    ShowPublic,
}

impl Keys {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let store = KeyStore::of(&layout.name).map_err(Failure::keys)?;
        match self.command {
            Sub::Generate => generate(cx, &layout, &store),
            Sub::Rotate { lock } => rotate(cx, &layout, &store, &lock),
            Sub::ShowPublic => {
                let keys = store.read().map_err(Failure::keys)?;
                cx.printer.records(&public(&keys))?;
                Ok(Status::Done)
            }
        }
    }
}

fn generate(cx: &Context, layout: &Layout, store: &KeyStore) -> Result<Status, Failure> {
    let folder = store.folder().display();
    match store.read_or_make().map_err(Failure::keys)? {
        Made::New(_) => cx.printer.status(&format!("made new keys in {folder}")),
        Made::Found(_) => cx.printer.status(&format!("unchanged: there are keys in {folder}")),
    }
    if !layout.encrypted {
        cx.printer.warning("the layout does not encrypt: they are not used until it says `encryption: on`");
    }
    Ok(Status::Done)
}

/// The old keys are in force until at least one host has the new ones.
fn rotate(cx: &Context, layout: &Layout, store: &KeyStore, lock: &LockArgs) -> Result<Status, Failure> {
    if !layout.encrypted {
        return Err(Failure::Usage {
            what: format!("cluster `{}` is not encrypted, so it has no keys to rotate", layout.name),
            hint: Some("`encryption: on` in the layout encrypts a cluster on one host, too".into()),
        });
    }
    store.read().map_err(Failure::keys)?;
    cx.confirm(&format!(
        "Replace the keys of cluster `{}`? All {} nodes restart, and until the last one has, the cluster is apart.",
        layout.name,
        layout.nodes.len()
    ))?;
    let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
    let rolled = cx.change_in_steps(
        layout,
        lock,
        Needs::ThisProgram,
        &layout.host_names(),
        async |settings, progress, interrupt| {
            // Under the lock, so that of two operators of one machine each deploys the keys that it made.
            let next = store.rotate().map_err(Failure::keys)?;
            let options = deploy::Options {
                curve: Some(next.keys()),
                join_within,
                rolling: Rolling::default(),
                allow_partial: false,
                only: None,
                saved: None,
                progress,
                interrupt,
            };
            let report = deploy::deploy(layout, settings, options).await.map_err(Failure::deploy)?;
            if report.switched {
                next.take_over().map_err(Failure::keys)?;
            } else {
                next.discard().map_err(Failure::keys)?;
            }
            Ok(report)
        },
    );
    match &rolled {
        Ok(_) => {}
        Err(Failure::Interrupted | Failure::LockLost(_)) => {
            cx.printer.hint("the old keys are still in force here: `keys rotate` goes on, `deploy` goes back to them");
        }
        Err(_) => cx.printer.status("no host was given new keys, so the old ones stay in force"),
    }
    let report = rolled?;
    match report.switched {
        true => cx.printer.status(&format!("the new keys are in {}", store.folder().display())),
        false => cx.printer.error("no host took the new keys, so the old ones stay in force"),
    }
    cx.conclude(layout, &report.outcomes)
}

/// A public key by the name of its file.
#[derive(Serialize)]
struct PublicKey {
    name: &'static str,
    key: String,
}

fn public(keys: &CurveKeys) -> Vec<PublicKey> {
    let public = keys.files().into_iter().filter(|(name, _)| name.ends_with("_publickey"));
    public.map(|(name, key)| PublicKey { name, key: key.expose().to_owned() }).collect()
}

impl Record for PublicKey {
    const HEADINGS: &'static [&'static str] = &["NAME", "KEY"];

    fn cells(&self) -> Vec<String> {
        self.fields()
    }

    fn fields(&self) -> Vec<String> {
        vec![self.name.to_owned(), self.key.clone()]
    }

    fn name(&self) -> &str {
        self.name
    }
}
