//! `remove`: the cluster from its hosts.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::absent;
use super::estate::Estate;
use super::ledger::{self, Ledger, Place};
use super::lock;
use super::progress::{Event, Progress};
use super::site::{self, Site};
use crate::agent::client::Keep;
use crate::api::outcome::Outcome;
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;

/// How long stopping and deleting may take beyond the grace period.
const DELETE_WITHIN: Duration = Duration::from_secs(60);

/// Stops all nodes and deletes the cluster's folder on every host; one outcome per host.
pub async fn remove(layout: &Layout, settings: &Settings, keep: Keep, progress: &dyn Progress) -> Vec<Outcome> {
    let names = layout.host_names();
    let mut ledger = Ledger::new(names.iter().map(|name| (*name, *name)));
    let (sites, troubles) = site::open_apart(layout, settings, &Presence::Started, progress).await;
    for (host, trouble) in troubles {
        if trouble.place != Place::NotDeployed {
            ledger.close_host(&host, &trouble);
            continue;
        }
        match absent::settle(layout, settings, &host, "remove", keep).await {
            Ok(outcome) => ledger.enter(outcome(&host)),
            Err(trouble) => ledger.close_host(&host, &trouble),
        }
    }
    let keeper = lock::keeper(layout);
    // The lock goes with its host's agent.
    let (last, first): (Vec<Site>, Vec<Site>) = sites.into_iter().partition(|site| site.host == keeper);
    let mut kept = Vec::new();
    for sites in [first, last].iter().filter(|sites| !sites.is_empty()) {
        remove_from(sites, layout, settings, keep, progress, &mut ledger).await;
        let removed = sites.iter().filter(|site| ledger.failure(&site.host).is_none());
        kept.extend(
            removed.map(|site| {
                format!("logs and stores stay in {} on {}", site.session.dir().path().display(), site.host)
            }),
        );
    }
    if keep == Keep::LogsAndStores {
        kept.iter().for_each(|text| progress.tell(Event::Note { text }));
    }
    let outcomes = ledger.finish();
    if outcomes.iter().all(|outcome| outcome.kind.is_success()) {
        Estate::of(&layout.name).remove();
    }
    outcomes
}

async fn remove_from(
    sites: &[Site],
    layout: &Layout,
    settings: &Settings,
    keep: Keep,
    progress: &dyn Progress,
    ledger: &mut Ledger,
) {
    let within = layout.stop_grace + DELETE_WITHIN;
    let targets: Vec<&str> = sites.iter().map(|site| site.host.as_str()).collect();
    progress.tell(Event::Phase { what: "removing", targets: &targets });
    let asked = sites.iter().map(|site| async move { (site, site.session.agent().remove(keep, within).await) });
    let mut asked = stream::iter(asked).buffer_unordered(settings.parallel.max(1));
    while let Some((site, answer)) = asked.next().await {
        progress.tell(Event::Done { target: &site.host });
        match answer {
            Ok(outcomes) => ledger.enter(of_host(&site.host, outcomes)),
            Err(error) => ledger.close_host(&site.host, &site.trouble("remove", &error)),
        }
    }
}

/// The host's outcome: the first of its targets that failed, else success.
fn of_host(host: &str, outcomes: Vec<Outcome>) -> Outcome {
    let failed = outcomes.into_iter().find(|outcome| !outcome.kind.is_success());
    failed.map_or_else(|| ledger::ok(host, host, "remove"), |outcome| Outcome { target: host.to_owned(), ..outcome })
}
