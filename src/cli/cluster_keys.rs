//! The cluster's keys for commands that need them on this machine: asked of the hosts, kept as a copy.

use super::context::Context;
use super::failure::Failure;
use crate::api::keys::CurveKeys;
use crate::deploy::keys::{KeyStore, KeyStoreError};
use crate::deploy::{self, DeployError, KeyAnswer};
use crate::layout::{Layout, nodeset};

impl Context {
    /// Where this machine keeps a copy of the cluster's keys; `None` when the layout does not encrypt.
    pub fn key_store(&self, layout: &Layout) -> Result<Option<KeyStore>, Failure> {
        layout.encrypted.then(|| KeyStore::of(&layout.name).map_err(Failure::keys)).transpose()
    }

    /// Asks the hosts for the keys in force.
    pub fn ask_for_keys(&self, layout: &Layout) -> Result<KeyAnswer, Failure> {
        let progress = self.printer.brief_progress();
        let asked = self.block_on(deploy::keys_in_force(layout, &self.reach(), &progress));
        progress.finish();
        asked?.map_err(Failure::deploy)
    }

    /// The keys in force, which are then on this machine, too; its own copy where no host that answers has any.
    pub fn fetch_keys(&self, layout: &Layout, store: &KeyStore) -> Result<CurveKeys, Failure> {
        let silent = match self.ask_for_keys(layout)? {
            KeyAnswer::InForce { keys, host } => {
                self.keep_keys(store, &keys, &host)?;
                return Ok(keys);
            }
            KeyAnswer::Absent => return store.read().map_err(Failure::keys),
            KeyAnswer::Unknown { silent } => silent,
        };
        let hosts = nodeset::fold(silent.iter().map(|(host, _)| host.as_str()));
        match (store.read(), silent.into_iter().next()) {
            (Err(KeyStoreError::None(_)), Some((host, why))) => {
                Err(Failure::deploy(DeployError::KeysUnknown { host, why }))
            }
            (read, _) => {
                self.printer.warning(&format!("{hosts} could not be asked: these are the keys of this machine"));
                read.map_err(Failure::keys)
            }
        }
    }

    /// Keeps a copy of keys that a host handed out, and says so when it is new.
    pub fn keep_keys(&self, store: &KeyStore, keys: &CurveKeys, host: &str) -> Result<(), Failure> {
        if store.read().ok().as_ref() == Some(keys) {
            return Ok(());
        }
        let folder = store.folder().display();
        match store.replace(keys).map_err(Failure::keys)? {
            true => self.printer.status(&format!("took the keys from {host}; others in {folder} were replaced")),
            false => self.printer.status(&format!("took the keys from {host} into {folder}")),
        }
        Ok(())
    }
}
