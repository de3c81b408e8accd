//! `check`: would a deploy work? Nothing changes its behaviour anywhere.

use futures_util::{StreamExt, stream};

use super::error::DeployError;
use super::key_source::KeySource;
use super::ledger::{self, Ledger, Place, Trouble};
use super::ports::{self, Needs};
use super::progress::{Event, Progress};
use super::release::Delivery;
use super::site::{self, Site};
use super::steps;
use crate::api::outcome::Outcome;
use crate::fleet::{Presence, Settings};
use crate::layout::{Layout, nodeset};
use crate::render::HostRelease;

/// Renders every node's files, reaches every host, and looks who listens on the ports of its nodes; one outcome per host.
/// Where an agent of this very program runs, the release is staged and a real Zeek reads its scripts: one more outcome for
/// each of those nodes. Hosts on which nothing would start at boot are a note.
///
/// # Errors
/// [`DeployError::OwnBinary`] and [`DeployError::Render`], before any host is asked.
pub async fn check(
    layout: &Layout,
    settings: &Settings,
    keys: KeySource<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, DeployError> {
    let delivery = Delivery::prepare(layout, settings, keys.local()?.as_ref())?;
    let names = layout.host_names();
    let mut ledger = Ledger::new(names.iter().map(|name| (*name, *name)));
    let (sites, troubles) = site::open_apart(layout, settings, &Presence::Running, progress).await;
    for (host, trouble) in &troubles {
        match matches!(trouble.place, Place::NotDeployed | Place::NoAgent) {
            true => ledger.enter(ledger::ok(host, host, "login")),
            false => ledger.close_host(host, trouble),
        }
    }
    for site in &sites {
        ledger.enter(ledger::ok(&site.host, &site.host, "agent"));
    }
    check_ports(layout, settings, &sites, &mut ledger, progress).await;
    note_unbooted(&sites, progress).await;
    let mut outcomes = ledger.finish();
    outcomes.extend(check_scripts(&sites, &delivery, settings.parallel, progress).await);
    Ok(outcomes)
}

async fn note_unbooted(sites: &[Site], progress: &dyn Progress) {
    let mut unbooted = Vec::new();
    for site in sites {
        let status = site.session.first_status().await;
        if status.is_ok_and(|status| status.boot.is_some_and(|boot| boot.is_missing())) {
            unbooted.push(site.host.as_str());
        }
    }
    if !unbooted.is_empty() {
        let text = format!(
            "after a reboot of {} nothing starts there by itself; `zeek-cluster agent install` changes that",
            nodeset::fold(unbooted)
        );
        progress.tell(Event::Note { text: &text });
    }
}

/// Ports that other programs hold; those of nodes that run are this cluster's own.
async fn check_ports(
    layout: &Layout,
    settings: &Settings,
    sites: &[Site],
    ledger: &mut Ledger,
    progress: &dyn Progress,
) {
    let names: Vec<&str> = layout.host_names().into_iter().filter(|name| ledger.is_open(name)).collect();
    progress.tell(Event::Phase { what: "looking at ports", targets: &names });
    let mut needs = Vec::new();
    for name in names {
        let (status, may_run) = match sites.iter().find(|site| site.host == name) {
            Some(site) => {
                let status = site.session.first_status().await.ok();
                let is_unknown = status.is_none();
                (status, is_unknown)
            }
            None => (None, false),
        };
        let of_host = Needs::of_host(layout, name, status.as_ref());
        needs.push(Needs { runs_nodes: of_host.runs_nodes || may_run, ..of_host });
    }
    for (host, taken) in ports::taken(layout, settings, sites, &needs).await {
        ledger.enter(ports::trouble(&host, &taken).outcome(&host, &host));
    }
}

/// Hosts without an agent of this program are left out: `deploy` checks there before it switches.
async fn check_scripts(sites: &[Site], delivery: &Delivery, parallel: usize, progress: &dyn Progress) -> Vec<Outcome> {
    let parts = &delivery.release.hosts;
    let part_of = |site: &Site| parts.iter().find(|part| part.manifest.host == site.host);
    let work: Vec<_> = sites
        .iter()
        .filter_map(|site| Some((site, part_of(site)?)))
        .filter(|(_, part)| steps::check_scripts::is_needed(part))
        .collect();
    let targets: Vec<&str> = work.iter().map(|(site, _)| site.host.as_str()).collect();
    progress.tell(Event::Phase { what: "checking Zeek's scripts", targets: &targets });
    let checking = work.into_iter().map(|(site, part)| async move {
        let checked = check_host(site, part).await;
        progress.tell(Event::Done { target: &site.host });
        checked.unwrap_or_else(|trouble| vec![trouble.outcome(&site.host, &site.host)])
    });
    stream::iter(checking).buffered(parallel.max(1)).collect::<Vec<_>>().await.concat()
}

async fn check_host(site: &Site, part: &HostRelease) -> Result<Vec<Outcome>, Trouble> {
    let status = site.session.agent().status().await.map_err(|error| site.trouble("scripts", &error))?;
    if status.binary != part.manifest.binary {
        return Ok(Vec::new());
    }
    steps::stage::run(site, part).await?;
    steps::check_scripts::run(site, part).await
}
