//! `keys`: the cluster's CURVE keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::api::keys::CurveKeys;
use crate::cli::args::LockArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Column, Record};
use crate::deploy::key_export::{self, KeyExportError};
use crate::deploy::keys::{KeyStore, KeyStoreError, Made};
use crate::deploy::{self, KeyAnswer, KeySource, Leavers, Needs, Question, Rolling, Typed};
use crate::layout::{Layout, nodeset};

/// Copy, make, replace or show the keys that encrypt the traffic between nodes
///
/// A cluster on two hosts or more is encrypted (`encryption: auto`) with one pair of keys for its servers and one for its
/// clients. They belong to the cluster: the first deploy makes them, each host keeps them with its release (the server's
/// secret key only where the manager or a logger runs), and every operator's machine takes a copy over SSH when it needs
/// one, into `~/.local/share/zeek-cluster/keys/CLUSTER/` (ZEEK_CLUSTER_KEYS names another folder), readable by its owner
/// alone. Where the copy and the hosts differ, the hosts are right; only `keys rotate` changes the keys.
#[derive(Debug, clap::Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Make the keys of a new cluster now, unless it has some
    ///
    /// `zeek-cluster deploy` does the same when it needs them. Asks the hosts first: keys that are in force there are taken
    /// instead, and where a host gives no answer it asks before it makes new ones, unless `--yes` is given.
    Generate,
    /// Take the keys in force from the cluster's hosts
    ///
    /// `deploy` does it by itself; this is for a machine that only publishes, subscribes or looks.
    Fetch,
    /// Replace the keys by new ones, and deploy them
    ///
    /// Makes new keys and deploys the layout with them, which restarts every node: loggers first, then the manager, the
    /// proxies and the workers. Nodes with old and with new keys refuse each other, so the cluster is apart from the first
    /// restart until the last one; what loggers had been sent by then is written. The old keys stay in force until the hosts
    /// have the new ones: when no host took them, nothing has changed. Each host deletes the old keys, also from its former
    /// releases, when it takes the new ones. A host that could not be reached gets them with the next `zeek-cluster deploy`.
    /// Asks first unless `--yes` is given.
    Rotate {
        #[command(flatten)]
        lock: LockArgs,
    },
    /// Write the keys to a file, for a safe
    ///
    /// The file is new, and only its owner can read it. With a passphrase it is sealed: scrypt and AES-256-GCM.
    Export {
        /// The file to write; it must not exist
        #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
        /// Seal the file with a passphrase, which is asked for twice
        #[arg(long, conflicts_with = "passphrase_file")]
        passphrase: bool,
        /// Seal the file with the first line of this one
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        passphrase_file: Option<PathBuf>,
    },
    /// Take the keys from a file that `keys export` wrote
    ///
    /// For a cluster whose hosts have lost theirs. The next deploy uses them, unless the hosts have keys. Asks before other
    /// keys on this machine are replaced, unless `--yes` is given.
    Import {
        /// The file to read
        #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
        /// Open a sealed file with the first line of this one, instead of asking
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        passphrase_file: Option<PathBuf>,
    },
    /// Print the public keys, as Z85 text
    ///
    /// Those in force on the hosts; this machine's copy where no host can be asked.
    ShowPublic,
}

impl Keys {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let store = KeyStore::of(&layout.name).map_err(Failure::keys)?;
        match self.command {
            Sub::Generate => generate(cx, &layout, &store),
            Sub::Fetch => cx.fetch_keys(&layout, &store).map(|_| Status::Done),
            Sub::Rotate { lock } => rotate(cx, &layout, &store, &lock),
            Sub::Export { file, passphrase, passphrase_file } => {
                let passphrase = match (passphrase, passphrase_file) {
                    (_, Some(path)) => Some(first_line(&path)?),
                    (true, None) => Some(new_passphrase(cx)?),
                    (false, None) => None,
                };
                let keys = cx.fetch_keys(&layout, &store)?;
                key_export::export(&file, &layout.name, &keys, passphrase.as_deref()).map_err(Failure::key_export)?;
                cx.printer.status(&format!("wrote the keys of cluster `{}` to {}", layout.name, file.display()));
                Ok(Status::Done)
            }
            Sub::Import { file, passphrase_file } => import(cx, &layout, &store, &file, passphrase_file.as_deref()),
            Sub::ShowPublic => {
                let keys = cx.fetch_keys(&layout, &store)?;
                cx.printer.records(&public(&keys))?;
                Ok(Status::Done)
            }
        }
    }
}

fn generate(cx: &Context, layout: &Layout, store: &KeyStore) -> Result<Status, Failure> {
    let folder = store.folder().display();
    match cx.ask_for_keys(layout)? {
        KeyAnswer::InForce { keys, host } => {
            cx.keep_keys(store, &keys, &host)?;
            cx.printer.status(&format!("unchanged: the cluster has keys, and they are in {folder}"));
            return Ok(Status::Done);
        }
        KeyAnswer::Absent => {}
        KeyAnswer::Unknown { silent } if matches!(store.read(), Err(KeyStoreError::None(_))) => {
            let hosts = nodeset::fold(silent.iter().map(|(host, _)| host.as_str()));
            cx.confirm(&format!(
                "Make new keys for cluster `{}`? {hosts} may have some and cannot be asked.",
                layout.name
            ))?;
        }
        KeyAnswer::Unknown { .. } => {}
    }
    match store.read_or_make().map_err(Failure::keys)? {
        Made::New(_) => cx.printer.status(&format!("made new keys in {folder}")),
        Made::Found(_) => cx.printer.status(&format!("unchanged: there are keys in {folder}")),
    }
    if !layout.encrypted {
        cx.printer.warning("the layout does not encrypt: they are not used until it says `encryption: on`");
    }
    Ok(Status::Done)
}

fn import(
    cx: &Context,
    layout: &Layout,
    store: &KeyStore,
    file: &Path,
    passphrase_file: Option<&Path>,
) -> Result<Status, Failure> {
    let given = passphrase_file.map(first_line).transpose()?;
    let keys = match key_export::import(file, &layout.name, given.as_deref()) {
        Err(KeyExportError::Sealed(path)) if cx.printer.is_interactive() => {
            let passphrase = secret(&format!("passphrase of {}: ", path.display()))?;
            key_export::import(file, &layout.name, Some(&passphrase))
        }
        imported => imported,
    };
    let keys = keys.map_err(Failure::key_export)?;
    let folder = store.folder().display();
    match store.read() {
        Ok(there) if there == keys => {
            cx.printer.status(&format!("unchanged: these keys are in {folder}"));
            return Ok(Status::Done);
        }
        Err(KeyStoreError::None(_)) => {}
        Ok(_) | Err(_) => cx.confirm(&format!("Replace the other keys in {folder}?"))?,
    }
    store.replace(&keys).map_err(Failure::keys)?;
    cx.printer.status(&format!("the keys of cluster `{}` are in {folder}", layout.name));
    Ok(Status::Done)
}

fn new_passphrase(cx: &Context) -> Result<String, Failure> {
    if !cx.printer.is_interactive() {
        let hint = Some("--passphrase-file FILE reads it from a file".to_owned());
        return Err(Failure::Usage { what: "there is no terminal to ask for a passphrase on".into(), hint });
    }
    let first = secret("passphrase: ")?;
    if first.is_empty() {
        return Err(Failure::usage("the passphrase is empty"));
    }
    match secret("the same again: ")? == first {
        true => Ok(first),
        false => Err(Failure::usage("the two passphrases differ")),
    }
}

fn secret(text: &str) -> Result<String, Failure> {
    output::ask_secret(Question { text, answer: Typed::Hidden }).ok_or(Failure::Interrupted)
}

fn first_line(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::usage(format!("the first line of {} is empty; it should be the passphrase", path.display()))),
    }
}

/// The old keys are in force until at least one host has the new ones.
fn rotate(cx: &Context, layout: &Layout, store: &KeyStore, lock: &LockArgs) -> Result<Status, Failure> {
    if !layout.encrypted {
        return Err(Failure::Usage {
            what: format!("cluster `{}` is not encrypted, so it has no keys to rotate", layout.name),
            hint: Some("`encryption: on` in the layout encrypts a cluster on one host, too".into()),
        });
    }
    cx.fetch_keys(layout, store)?;
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
                keys: KeySource::Given(next.keys()),
                join_within,
                rolling: Rolling::default(),
                allow_partial: false,
                only: None,
                saved: None,
                leavers: if cx.global.yes { Leavers::Any } else { Leavers::Only(&[]) },
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
            cx.printer.hint(
                "`zeek-cluster keys rotate` goes on; `zeek-cluster deploy` brings the keys of the manager's host to all",
            );
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
    const COLUMNS: &'static [Column] = &[Column::stays("NAME"), Column::note("KEY")];

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
