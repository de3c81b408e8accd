//! The keys in force: those of the release that runs on the cluster's hosts, wherever a command is typed.
//!
//! This machine's copy is a cache. A command renders the layout with that copy and asks the hosts, which it does anyway;
//! only where the hosts turn out to have other keys are these fetched, and the layout is rendered once more. The manager's
//! host decides, then any other host that holds all four keys. New keys are made only when the manager's host answered and
//! no host that answered has any.

use std::path::Path;

use super::decide::Found;
use super::error::DeployError;
use super::keys::{self, KeyStore, KeyStoreError};
use super::ledger::Place;
use super::lock::keeper;
use super::progress::{Event, Progress};
use super::release::Delivery;
use super::site::{self, Site};
use super::survey::Survey;
use crate::agent::client::ClientError;
use crate::api::agent::Manifest;
use crate::api::keys::{CurveKeys, KEY_FILES, KEY_FOLDER, SERVER_SECRET, is_key_file};
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;

/// How often the hosts are asked again because somebody else changed the keys meanwhile.
const ATTEMPTS: usize = 3;

/// The keys that a verb renders the layout with.
#[derive(Clone, Copy, Debug)]
pub enum KeySource<'a> {
    /// The layout does not encrypt.
    Unencrypted,
    /// The keys in force, else those of the store, else new ones. The store keeps them.
    Cluster(&'a KeyStore),
    /// As [`KeySource::Cluster`], for a verb that only looks: nothing is stored.
    Look(&'a KeyStore),
    /// These keys, whatever the hosts have.
    Given(&'a CurveKeys),
}

/// Keys that the hosts may yet overrule.
struct Candidate {
    keys: Option<CurveKeys>,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Nothing overrules them.
    Fixed,
    Stored,
    /// Made a moment ago and not yet stored.
    Drawn,
}

impl<'a> KeySource<'a> {
    /// The source for a verb that deploys; without a store the layout does not encrypt.
    pub fn of(store: Option<&'a KeyStore>) -> KeySource<'a> {
        store.map_or(KeySource::Unencrypted, KeySource::Cluster)
    }

    /// The same for a verb that only looks.
    pub fn look(store: Option<&'a KeyStore>) -> KeySource<'a> {
        store.map_or(KeySource::Unencrypted, KeySource::Look)
    }
}

impl KeySource<'_> {
    fn store(&self) -> Option<&KeyStore> {
        match self {
            KeySource::Cluster(store) => Some(store),
            _ => None,
        }
    }

    /// The keys as far as this machine knows them, for a look that does not depend on which they are.
    pub(super) fn local(&self) -> Result<Option<CurveKeys>, KeyStoreError> {
        Ok(self.candidate()?.keys)
    }

    fn candidate(&self) -> Result<Candidate, KeyStoreError> {
        let store = match self {
            KeySource::Unencrypted => return Ok(Candidate { keys: None, origin: Origin::Fixed }),
            KeySource::Given(keys) => return Ok(Candidate { keys: Some((*keys).clone()), origin: Origin::Fixed }),
            KeySource::Cluster(store) | KeySource::Look(store) => store,
        };
        Ok(match store.read() {
            Err(KeyStoreError::None(_)) => Candidate { keys: Some(keys::generate()), origin: Origin::Drawn },
            read => Candidate { keys: Some(read?), origin: Origin::Stored },
        })
    }
}

/// Renders the layout with the keys in force and asks its hosts with `look`.
///
/// # Errors
/// [`DeployError::Keys`] when the store cannot be read or written, [`DeployError::KeysUnknown`] when new keys would be made
/// without the manager's host having answered, [`DeployError::KeysWithheld`] when a host does not hand them out,
/// [`DeployError::OneMachine`] when two hosts are one; and what `look` answers.
pub(super) async fn settle(
    layout: &Layout,
    settings: &Settings,
    source: KeySource<'_>,
    presence: &Presence,
    progress: &dyn Progress,
    look: impl AsyncFn(&Delivery) -> Result<Survey, DeployError>,
) -> Result<(Delivery, Survey), DeployError> {
    let mut candidate = source.candidate()?;
    if candidate.origin == Origin::Drawn && source.store().is_some() {
        refresh(layout, settings, source, presence, progress).await?;
        candidate = source.candidate()?;
    }
    for _ in 0..ATTEMPTS {
        let delivery = Delivery::prepare(layout, settings, candidate.keys.as_ref())?;
        let survey = look(&delivery).await?;
        if let Some(double) = survey.doubles.first() {
            return Err(DeployError::OneMachine(double.error()));
        }
        let Some(site) = candidate.overruled_by(layout, &delivery, &survey) else {
            candidate.keep(layout, source, &survey, progress)?;
            return Ok((delivery, survey));
        };
        let taken = fetch(site).await?;
        if let Some(store) = source.store() {
            keep_taken(store, &taken, &site.host, progress)?;
        }
        candidate = Candidate { keys: Some(taken), origin: Origin::Stored };
    }
    Err(DeployError::Moved(vec!["the cluster's keys changed while its hosts were being asked".to_owned()]))
}

impl Candidate {
    /// The host whose keys are in force, when they are others than these.
    fn overruled_by<'a>(&self, layout: &Layout, delivery: &Delivery, survey: &'a Survey) -> Option<&'a Site> {
        if self.origin == Origin::Fixed {
            return None;
        }
        let ours = delivery.release.hosts.first().map(|part| &part.manifest)?;
        let (site, theirs) = authority(layout, survey)?;
        let differs = |name: &str| match (key_hash(ours, name), key_hash(theirs, name)) {
            (Some(ours), Some(theirs)) => ours != theirs,
            _ => false,
        };
        KEY_FILES.into_iter().any(differs).then_some(site)
    }

    /// Stores keys that were made now, once it is known that they are the cluster's first.
    fn keep(
        &self,
        layout: &Layout,
        source: KeySource<'_>,
        survey: &Survey,
        progress: &dyn Progress,
    ) -> Result<(), DeployError> {
        let (Origin::Drawn, Some(store), Some(keys)) = (self.origin, source.store(), &self.keys) else { return Ok(()) };
        let manager = keeper(layout);
        if let Some(Found::Silent(trouble)) = survey.found.get(manager) {
            return Err(DeployError::KeysUnknown { host: manager.to_owned(), why: trouble.error.what.clone() });
        }
        store.replace(keys)?;
        let text = format!("made the cluster's keys in {}", store.folder().display());
        progress.tell(Event::Note { text: &text });
        Ok(())
    }
}

/// The host that decides which keys are in force: the manager's, else the first that holds all four.
fn authority<'a>(layout: &Layout, survey: &'a Survey) -> Option<(&'a Site, &'a Manifest)> {
    let manager = keeper(layout);
    let mut holders: Vec<(&Site, &Manifest)> = survey
        .sites
        .iter()
        .filter_map(|site| match survey.found.get(&site.host)? {
            Found::Seen(_, before) => Some((site, before.manifest.as_ref()?)),
            _ => None,
        })
        .filter(|(_, manifest)| key_hash(manifest, SERVER_SECRET).is_some())
        .collect();
    // Stable: the order of the layout within each half.
    holders.sort_by_key(|(site, _)| site.host != manager);
    holders.into_iter().next()
}

fn key_hash<'a>(manifest: &'a Manifest, name: &str) -> Option<&'a str> {
    let file = manifest.files.iter().find(|file| file.path == Path::new(KEY_FOLDER).join(name))?;
    Some(&file.hash)
}

async fn fetch(site: &Site) -> Result<CurveKeys, DeployError> {
    site.session.agent().keys().await.map_err(|error| withheld(site, &error))
}

fn withheld(site: &Site, error: &ClientError) -> DeployError {
    DeployError::KeysWithheld { host: site.host.clone(), error: site.trouble("keys", error).error }
}

fn keep_taken(store: &KeyStore, keys: &CurveKeys, host: &str, progress: &dyn Progress) -> Result<(), DeployError> {
    let replaced = store.replace(keys)?;
    let folder = store.folder().display();
    let text = match replaced {
        true => {
            format!("took the cluster's keys from {host}; those in {folder} were not the cluster's and are replaced")
        }
        false => format!("took the cluster's keys from {host} into {folder}"),
    };
    progress.tell(Event::Note { text: &text });
    Ok(())
}

/// What the hosts say of the cluster's keys.
#[derive(Debug)]
pub enum KeyAnswer {
    /// This host handed out the keys in force.
    InForce {
        /// The keys.
        keys: CurveKeys,
        /// The host.
        host: String,
    },
    /// Every host answered, and none has keys.
    Absent,
    /// No host that answered has keys, and these gave no answer.
    Unknown {
        /// Host and reason, in the order of the layout; at least one.
        silent: Vec<(String, String)>,
    },
}

/// Asks the hosts for the keys in force. Changes and starts nothing.
///
/// # Errors
/// [`DeployError::KeysWithheld`] when a host has keys and fails to hand them out.
pub async fn keys_in_force(
    layout: &Layout,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<KeyAnswer, DeployError> {
    keys_by(layout, settings, &Presence::Running, progress).await
}

/// The same, from agents that are as `presence` says.
async fn keys_by(
    layout: &Layout,
    settings: &Settings,
    presence: &Presence,
    progress: &dyn Progress,
) -> Result<KeyAnswer, DeployError> {
    let names = layout.host_names();
    let manager = keeper(layout);
    let (mut sites, troubles) = site::open(layout, &names, settings, presence, progress).await;
    sites.sort_by_key(|site| site.host != manager);
    for site in &sites {
        match site.session.agent().keys().await {
            Ok(keys) => return Ok(KeyAnswer::InForce { keys, host: site.host.clone() }),
            Err(ClientError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(withheld(site, &error)),
        }
    }
    let silent = troubles.into_iter().filter(|(_, trouble)| trouble.place != Place::NotDeployed);
    let silent: Vec<_> = silent.map(|(host, trouble)| (host, trouble.error.what)).collect();
    if silent.is_empty() { Ok(KeyAnswer::Absent) } else { Ok(KeyAnswer::Unknown { silent }) }
}

/// Brings the store to the keys in force, for verbs that compare with what was planned before or split the cluster.
///
/// # Errors
/// As [`keys_in_force`]; [`DeployError::Keys`] when they cannot be stored; [`DeployError::KeysUnknown`] when there are none
/// here and the manager's host gives no answer.
pub(super) async fn refresh(
    layout: &Layout,
    settings: &Settings,
    source: KeySource<'_>,
    presence: &Presence,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    let Some(store) = source.store() else { return Ok(()) };
    let manager = keeper(layout);
    match keys_by(layout, settings, presence, progress).await? {
        KeyAnswer::InForce { keys, host } if store.read().ok().as_ref() != Some(&keys) => {
            keep_taken(store, &keys, &host, progress)
        }
        KeyAnswer::InForce { .. } | KeyAnswer::Absent => Ok(()),
        KeyAnswer::Unknown { silent } => match silent.into_iter().find(|(host, _)| host == manager) {
            Some((host, why)) if matches!(store.read(), Err(KeyStoreError::None(_))) => {
                Err(DeployError::KeysUnknown { host, why })
            }
            _ => Ok(()),
        },
    }
}

/// The parts of an old release with the keys in force in place of its own; none when these are the same.
pub(super) fn rekeyed(old: &Manifest, current: &Manifest) -> Option<Manifest> {
    let in_force = || current.files.iter().filter(|file| is_key_file(&file.path));
    if in_force().next().is_none() || !old.files.iter().any(|file| is_key_file(&file.path)) {
        return None;
    }
    if in_force().all(|file| old.files.contains(file)) {
        return None;
    }
    let mut new = old.clone();
    new.files.retain(|file| !is_key_file(&file.path));
    new.files.extend(in_force().cloned());
    let fingerprint = current.nodes.iter().find_map(|node| node.hash.split_once('+')).map(|(_, keys)| keys.to_owned());
    for node in &mut new.nodes {
        if let (Some((settings, _)), Some(keys)) = (node.hash.split_once('+'), &fingerprint) {
            node.hash = format!("{settings}+{keys}");
        }
    }
    Some(new)
}
