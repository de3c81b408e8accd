//! `rollback`: back to a release that is still on the hosts; nothing is uploaded but this program where it is missing.
//!
//! First every host verifies its part, then the release is rolled out as a deploy rolls out a new one. What the release's
//! nodes were is in the manifests: the layout only says how the hosts are reached.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::deploy::{Options, Report, perform_known, plan_of};
use super::diff;
use super::error::DeployError;
use super::key_source;
use super::ledger::{Place, Trouble};
use super::plan::Plan;
use super::progress::{Event, Progress};
use super::release::Delivery;
use super::site::{self, Site};
use super::survey;
use crate::agent::client::ClientError;
use crate::api::agent::{FileEntry, ReleaseView, ReleasesView};
use crate::api::keys::is_key_file;
use crate::faults;
use crate::fleet::{Binary, Presence, Settings};
use crate::layout::{self, Layout, Node, nodeset};
use crate::render::{self, HostRelease, Release};

/// Hashing a release and its executable on a slow disk.
const VERIFY_WITHIN: Duration = Duration::from_secs(120);

/// How many releases are named when none is the one that was asked for.
const KNOWN: usize = 5;

/// Why nothing was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum NoRollback {
    /// No host could be reached.
    #[error("no host could be reached: {0}")]
    Unreachable(String),
    /// No host was anywhere else before.
    #[error("no release was current before {current}")]
    NoPrevious {
        /// The release that is current.
        current: String,
    },
    /// Nothing is current anywhere.
    #[error("nothing is deployed yet")]
    NotDeployed,
    /// Hosts are not on one release, so that none is the one before.
    #[error("the hosts are on different releases ({0}), so none is the one before them all")]
    Apart(String),
    /// No host has it.
    #[error("no host has a release {wanted}{there}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The nearest one, or those that there are, as the end of the sentence.
        there: String,
    },
    /// Several begin like that.
    #[error("{0} is the beginning of several releases: {1}")]
    Several(String, String),
    /// Some hosts of the release do not have it.
    #[error("release {id} is not on {hosts}, and it has nodes there")]
    NotEverywhere {
        /// The release.
        id: String,
        /// The folded hosts.
        hosts: String,
    },
    /// The release has hosts that the layout does not have.
    #[error("release {id} has nodes on {hosts}, which the layout no longer has: how they are reached is not known")]
    HostsGone {
        /// The release.
        id: String,
        /// The folded hosts.
        hosts: String,
    },
    /// A host's part is not whole any more.
    #[error("{0}")]
    Damaged(String),
}

/// Goes back to the release whose id begins with `id`, or to the one that was current before.
///
/// # Errors
/// Nothing was changed then.
pub async fn rollback(
    layout: &Layout,
    settings: &Settings,
    id: Option<&str>,
    options: Options<'_>,
) -> Result<Report, DeployError> {
    let binary = Binary::own().map_err(DeployError::OwnBinary)?;
    let presence = Presence::Installed(binary.clone());
    let Back { was, delivery } =
        find(layout, settings, id, binary, &presence, Parts::Verified, options.progress).await?;
    perform_known(&was, settings, delivery, options).await
}

/// What the same [`rollback`] would do, if every part of the release is whole: that is verified by the rollback itself.
/// Changes and starts nothing.
///
/// # Errors
/// Those for which the rollback would be refused.
pub async fn rollback_plan(
    layout: &Layout,
    settings: &Settings,
    id: Option<&str>,
    progress: &dyn Progress,
) -> Result<Plan, DeployError> {
    let binary = Binary::own().map_err(DeployError::OwnBinary)?;
    let presence = Presence::Running;
    let Back { was, delivery } = find(layout, settings, id, binary, &presence, Parts::Compared, progress).await?;
    let survey = survey::survey(&was, &delivery, settings, &presence, None, progress).await;
    plan_of(&was, &delivery, &survey, false, None)
}

/// What a rollback brings to the hosts.
struct Back {
    /// The layout as it was.
    was: Layout,
    delivery: Delivery,
}

/// What is done with the parts of the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// Every host computes all hashes again, and mends what it can.
    Verified,
    /// Those files are read that differ from the current ones, to show how.
    Compared,
}

/// Finds the release on the hosts.
async fn find(
    layout: &Layout,
    settings: &Settings,
    id: Option<&str>,
    binary: Binary,
    presence: &Presence,
    parts: Parts,
    progress: &dyn Progress,
) -> Result<Back, DeployError> {
    let names = layout.host_names();
    let (sites, troubles) = site::open(layout, &names, settings, presence, progress).await;
    let (empty, troubles): (Vec<_>, Vec<_>) =
        troubles.into_iter().partition(|(_, trouble)| parts == Parts::Compared && trouble.place == Place::NotDeployed);
    if sites.is_empty() && empty.is_empty() {
        let why = troubles.first().map(|(_, trouble)| trouble.error.what.clone()).unwrap_or_default();
        return Err(NoRollback::Unreachable(why).into());
    }
    if let Some((_, trouble)) = troubles.iter().find(|(_, trouble)| trouble.place != Place::OnTheWay) {
        return Err(NoRollback::Damaged(trouble.error.what.clone()).into());
    }
    let mut have = list(&sites).await.map_err(|trouble| NoRollback::Damaged(trouble.error.what))?;
    have.extend(empty.into_iter().map(|(host, _)| (host, ReleasesView::default())));
    let id = choose(id, &have)?;
    let holders = holders(layout, &id, &have)?;
    let mut parts = every_part(&sites, &id, &holders, parts, settings.parallel, progress).await?;
    let id = with_keys_in_force(&sites, id, &mut parts).await?;
    // What a step needs of a host's session it opens anew: these were for looking.
    drop(sites);
    let delivery = Delivery { binary, release: Release { id, hosts: parts }, back: true };
    Ok(Back { was: as_it_was(layout, &delivery.release), delivery })
}

/// Every part of the release, which its host gives or says why not.
async fn every_part(
    sites: &[Site],
    id: &str,
    holders: &[String],
    parts: Parts,
    parallel: usize,
    progress: &dyn Progress,
) -> Result<Vec<HostRelease>, NoRollback> {
    let what = match parts {
        Parts::Verified => "verifying the release",
        Parts::Compared => "reading the release",
    };
    let targets: Vec<&str> = holders.iter().map(String::as_str).collect();
    progress.tell(Event::Phase { what, targets: &targets });
    let asked = sites.iter().filter(|site| holders.contains(&site.host)).map(|site| async move {
        let part = match parts {
            Parts::Verified => verify(site, id).await,
            Parts::Compared => compare(site, id).await,
        };
        progress.tell(Event::Done { target: &site.host });
        part.map_err(NoRollback::Damaged)
    });
    let asked: Vec<_> = stream::iter(asked).buffered(parallel.max(1)).collect().await;
    asked.into_iter().collect()
}

/// Exchanges the keys of an old release for those in force, which makes it another release; its id.
async fn with_keys_in_force(sites: &[Site], id: String, parts: &mut [HostRelease]) -> Result<String, NoRollback> {
    let mut exchanged = false;
    for part in parts.iter_mut().filter(|part| part.manifest.files.iter().any(|file| is_key_file(&file.path))) {
        let Some(site) = sites.iter().find(|site| site.host == part.manifest.host) else { continue };
        let current = match site.session.agent().release("current").await {
            Ok(current) => current,
            Err(ClientError::Refused { .. }) => continue,
            Err(error) => return Err(NoRollback::Damaged(site.trouble("agent", &error).error.what)),
        };
        if let Some(manifest) = key_source::rekeyed(&part.manifest, &current) {
            part.manifest = manifest;
            exchanged = true;
        }
    }
    Ok(if exchanged { render::identify(parts) } else { id })
}

/// A part with its files that differ from those of the host's current release.
async fn compare(site: &Site, id: &str) -> Result<HostRelease, String> {
    read(site, id).await.map_err(|trouble| trouble.error.what)
}

/// A part, whole, as its host says after it computed all hashes again.
async fn verify(site: &Site, id: &str) -> Result<HostRelease, String> {
    let verified = site.session.agent().verify(id, VERIFY_WITHIN).await;
    faults::point("verify");
    let manifest = verified.map_err(|error| format!("{}: {}", site.host, site.trouble("verify", &error).error.what))?;
    Ok(HostRelease { manifest, blobs: Default::default() })
}

/// Files that hold keys are left out: they are never shown.
async fn read(site: &Site, id: &str) -> Result<HostRelease, Trouble> {
    let agent = site.session.agent();
    let manifest = agent.release(id).await.map_err(|error| site.trouble("agent", &error))?;
    let current = match agent.release("current").await {
        Ok(current) => current.files,
        Err(ClientError::Refused { .. }) => Vec::new(),
        Err(error) => return Err(site.trouble("agent", &error)),
    };
    let differs = |file: &&FileEntry| {
        let is_same = |now: &FileEntry| now.path == file.path && now.hash == file.hash;
        !diff::is_secret(file) && file.bytes <= survey::MAX_SHOWN && !current.iter().any(is_same)
    };
    let asked = manifest.files.iter().filter(differs).map(|file| async move {
        let content = agent.release_file(id, &file.path).await;
        content.map(|content| (file.hash.clone(), content.to_vec()))
    });
    let read: Vec<_> = stream::iter(asked).buffer_unordered(survey::FILES_AT_ONCE).collect().await;
    let read: Result<Vec<_>, _> = read.into_iter().collect();
    let blobs = read.map_err(|error| site.trouble("agent", &error))?.into_iter().collect();
    Ok(HostRelease { manifest, blobs })
}

async fn list(sites: &[Site]) -> Result<Vec<(String, ReleasesView)>, Trouble> {
    let asked = sites.iter().map(|site| async move {
        let view = site.session.agent().releases().await.map_err(|error| site.trouble("releases", &error))?;
        Ok((site.host.clone(), view))
    });
    futures_util::future::join_all(asked).await.into_iter().collect()
}

/// The release that is meant.
fn choose(id: Option<&str>, have: &[(String, ReleasesView)]) -> Result<String, NoRollback> {
    match id {
        None => previous(have),
        Some(beginning) => {
            let mut found: Vec<&str> =
                have.iter().flat_map(|(_, view)| &view.releases).map(|r| r.id.as_str()).collect();
            found.retain(|id| id.starts_with(beginning));
            found.sort_unstable();
            found.dedup();
            match found.as_slice() {
                [] => Err(NoRollback::Unknown { wanted: beginning.to_owned(), there: there(beginning, have) }),
                [one] => Ok((*one).to_owned()),
                several => Err(NoRollback::Several(beginning.to_owned(), several.join(", "))),
            }
        }
    }
}

/// Such as `; did you mean 3fa94c1d2b07?`, else the newest ones, newest first.
fn there(wanted: &str, have: &[(String, ReleasesView)]) -> String {
    let mut known: Vec<&ReleaseView> = have.iter().flat_map(|(_, view)| &view.releases).collect();
    known.sort_by(|a, b| b.created_at.total_cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
    known.dedup_by(|a, b| a.id == b.id);
    let ids: Vec<&str> = known.iter().map(|release| release.id.as_str()).collect();
    match (layout::nearest(wanted, ids.iter().copied()), ids.is_empty()) {
        (Some(nearest), _) => format!("; did you mean {nearest}?"),
        (None, true) => String::new(),
        (None, false) => format!("; there are {}", ids[..ids.len().min(KNOWN)].join(", ")),
    }
}

/// The one that was current before the one that is current on all hosts.
fn previous(have: &[(String, ReleasesView)]) -> Result<String, NoRollback> {
    let mut current: Vec<&str> = have.iter().filter_map(|(_, view)| view.current.as_deref()).collect();
    current.sort_unstable();
    current.dedup();
    match current.as_slice() {
        [] => Err(NoRollback::NotDeployed),
        [one] => {
            let mut before: Vec<&str> = have.iter().filter_map(|(_, view)| view.previous.as_deref()).collect();
            before.sort_unstable();
            before.dedup();
            match before.as_slice() {
                [] => Err(NoRollback::NoPrevious { current: (*one).to_owned() }),
                [before] => Ok((*before).to_owned()),
                several => Err(NoRollback::Apart(format!("{one} now, {} before", several.join(", ")))),
            }
        }
        several => {
            let on = |id: &str| {
                let hosts = have.iter().filter(|(_, view)| view.current.as_deref() == Some(id));
                format!("{id} on {}", nodeset::fold(hosts.map(|(host, _)| host.as_str())))
            };
            Err(NoRollback::Apart(several.iter().map(|id| on(id)).collect::<Vec<_>>().join(", ")))
        }
    }
}

/// The hosts that have their part, if all that answered and need one do.
fn holders(layout: &Layout, id: &str, have: &[(String, ReleasesView)]) -> Result<Vec<String>, NoRollback> {
    let of = |view: &ReleasesView| view.releases.iter().find(|release| release.id == id).cloned();
    let holders: Vec<String> =
        have.iter().filter(|(_, view)| of(view).is_some()).map(|(host, _)| host.clone()).collect();
    let members = have.iter().find_map(|(_, view)| of(view)).map(|release| release.hosts).unwrap_or_default();
    let gone: Vec<&str> =
        members.iter().map(String::as_str).filter(|name| layout.hosts.iter().all(|host| host.name != *name)).collect();
    if !gone.is_empty() {
        return Err(NoRollback::HostsGone { id: id.to_owned(), hosts: nodeset::fold(gone) });
    }
    let missing = |(host, view): &&(String, ReleasesView)| members.contains(host) && of(view).is_none();
    let missing: Vec<&str> = have.iter().filter(missing).map(|(host, _)| host.as_str()).collect();
    match missing.is_empty() {
        true => Ok(holders),
        false => Err(NoRollback::NotEverywhere { id: id.to_owned(), hosts: nodeset::fold(missing) }),
    }
}

/// The layout with the hosts and nodes of the release: names, types and hosts, which is all that a rollout asks of it. A
/// host that gave no answer is taken to have the nodes that it has now.
fn as_it_was(layout: &Layout, release: &Release) -> Layout {
    let mut was = layout.clone();
    let part_of = |host: &str| release.hosts.iter().find(|part| part.manifest.host == host);
    let members = release.hosts.first().map(|part| part.manifest.hosts.as_slice()).unwrap_or_default();
    was.hosts.retain(|host| members.contains(&host.name) || part_of(&host.name).is_some());
    let silent = |node: &&Node| part_of(&node.host).is_none() && was.hosts.iter().any(|host| host.name == node.host);
    let mut nodes: Vec<Node> = layout.nodes.iter().filter(silent).cloned().collect();
    for part in &release.hosts {
        nodes.extend(part.manifest.nodes.iter().map(|node| Node {
            name: node.name.clone(),
            node_type: node.node_type,
            host: part.manifest.host.clone(),
            ..layout.node(&node.name).unwrap_or(&layout.nodes[0]).clone()
        }));
    }
    // In the order of the layout, as far as it knows them.
    nodes.sort_by_key(|node| layout.nodes.iter().position(|known| known.name == node.name).unwrap_or(usize::MAX));
    was.nodes = nodes;
    was
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(current: Option<&str>, previous: Option<&str>, ids: &[&str]) -> ReleasesView {
        let release = |id: &&str| ReleaseView {
            id: (*id).into(),
            created_at: 1.0,
            created_by: "ana@ops1".into(),
            layout: String::new(),
            binary: String::new(),
            hosts: vec!["head".into(), "sensor".into()],
            nodes: Vec::new(),
        };
        ReleasesView {
            current: current.map(str::to_owned),
            previous: previous.map(str::to_owned),
            releases: ids.iter().map(release).collect(),
        }
    }

    fn on(head: ReleasesView, sensor: ReleasesView) -> Vec<(String, ReleasesView)> {
        vec![("head".to_owned(), head), ("sensor".to_owned(), sensor)]
    }

    #[test]
    fn without_a_name_it_is_the_one_before_on_all_hosts() {
        let check =
            |head: ReleasesView, sensor: ReleasesView| choose(None, &on(head, sensor)).map_err(|e| e.to_string());
        let both = || view(Some("b"), Some("a"), &["b", "a"]);
        assert_eq!(check(both(), both()), Ok("a".into()));
        // A host that was added with the current release has none before it.
        assert_eq!(check(both(), view(Some("b"), None, &["b"])), Ok("a".into()));
        let alone = || view(Some("b"), None, &["b"]);
        assert_eq!(check(alone(), alone()), Err("no release was current before b".into()));
        assert_eq!(check(view(None, None, &[]), view(None, None, &[])), Err("nothing is deployed yet".into()));
        let apart = check(both(), view(Some("a"), None, &["a"])).unwrap_err();
        assert!(apart.contains("a on sensor, b on head"), "{apart}");
    }

    #[test]
    fn the_beginning_of_a_name_is_enough_when_it_is_the_only_one() {
        let have = on(view(Some("ab1"), None, &["ab1", "ac2"]), view(Some("ab1"), None, &["ab1"]));
        assert_eq!(choose(Some("ac"), &have).unwrap(), "ac2");
        assert!(matches!(choose(Some("a"), &have), Err(NoRollback::Several(..))));
        let said = |wanted| choose(Some(wanted), &have).unwrap_err().to_string();
        assert_eq!(said("ab2"), "no host has a release ab2; did you mean ab1?");
        assert_eq!(said("ffffffff"), "no host has a release ffffffff; there are ab1, ac2");
        assert!(matches!(choose(Some("x"), &have), Err(NoRollback::Unknown { .. })));
    }
}
