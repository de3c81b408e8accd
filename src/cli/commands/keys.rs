//! `keys`: the cluster's CURVE keys on this side.

use serde::Serialize;

use crate::api::keys::CurveKeys;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::Record;
use crate::deploy::keys::{KeyStore, Made};

/// Make or show the keys that encrypt the traffic between nodes
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
    /// Replace the keys by new ones
    ///
    /// The old ones are deleted. The next `zeek-cluster deploy` restarts every node with the new ones; until then the
    /// cluster runs on with the old ones. Asks first unless `--yes` is given.
    Rotate,
    /// Print the public keys, as Z85 text
    ShowPublic,
}

impl Keys {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let store = KeyStore::of(&layout.name).map_err(Failure::keys)?;
        let folder = store.folder().display();
        match self.command {
            Sub::Generate => match store.read_or_make().map_err(Failure::keys)? {
                Made::New(_) => cx.printer.status(&format!("made new keys in {folder}")),
                Made::Found(_) => cx.printer.status(&format!("unchanged: there are keys in {folder}")),
            },
            Sub::Rotate => {
                cx.confirm(&format!("Replace the keys of cluster `{}`?", layout.name))?;
                store.rotate().map_err(Failure::keys)?;
                cx.printer
                    .status(&format!("made new keys in {folder}; `zeek-cluster deploy` brings them to the hosts"));
            }
            Sub::ShowPublic => {
                let keys = store.read().map_err(Failure::keys)?;
                cx.printer.records(&public(&keys))?;
            }
        }
        Ok(Status::Done)
    }
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
