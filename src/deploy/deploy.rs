//! `deploy`: from a layout to a running cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use super::error::DeployError;
use super::ledger::{Ledger, Place};
use super::plan::{Plan, Step};
use super::progress::{Event, Progress};
use super::release::Delivery;
use super::rollout::{self, Rollout};
use super::site::{self, Site};
use super::steps::join;
use crate::api::keys::CurveKeys;
use crate::api::outcome::{Kind, Outcome};
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;

/// What a deploy needs beside the layout and the ways to its hosts.
pub struct Options<'a> {
    /// The cluster's keys; needed when the layout is encrypted.
    pub curve: Option<&'a CurveKeys>,
    /// How long the nodes may take to join, all together.
    pub join_within: Duration,
    /// Hears what happens.
    pub progress: &'a dyn Progress,
}

/// What a deploy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The release that the layout became.
    pub release: String,
    /// One for each node of the layout, in its order.
    pub outcomes: Vec<Outcome>,
    /// Whether the release is the current one on any host now, whatever became of the nodes there.
    pub switched: bool,
}

/// What a rollout left to its verb.
pub(super) struct Rolled {
    /// The hosts that answered.
    pub(super) sites: Vec<Site>,
    /// As [`Report::switched`].
    pub(super) switched: bool,
}

impl Report {
    /// Whether everything already was as the layout says.
    pub fn unchanged(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.kind == Kind::Unchanged)
    }
}

/// Brings the cluster to what the layout says, and waits until every node has joined.
pub async fn deploy(layout: &Layout, settings: &Settings, options: Options<'_>) -> Result<Report, DeployError> {
    let delivery = Delivery::prepare(layout, settings, options.curve)?;
    perform(layout, settings, delivery, options).await
}

/// Brings the cluster to what a release says; `layout` has its nodes.
pub(super) async fn perform(
    layout: &Layout,
    settings: &Settings,
    delivery: Delivery,
    options: Options<'_>,
) -> Result<Report, DeployError> {
    let mut ledger = Ledger::new(layout.nodes.iter().map(|node| (node.name.as_str(), node.host.as_str())));
    let rolled = rollout(layout, settings, &delivery, options.progress, |_| true, &mut ledger).await;
    let deadline = Instant::now() + options.join_within;
    wait_until_joined(&rolled.sites, settings.parallel, deadline, options.progress, &mut ledger).await;
    Ok(Report { release: delivery.release.id, outcomes: ledger.finish(), switched: rolled.switched })
}

/// Installs the delivery on every host that answers, and performs those steps of the plan that are wanted.
pub(super) async fn rollout(
    layout: &Layout,
    settings: &Settings,
    delivery: &Delivery,
    progress: &dyn Progress,
    wanted: impl Fn(Step) -> bool,
    ledger: &mut Ledger,
) -> Rolled {
    let names: Vec<&str> = layout.hosts.iter().map(|host| host.name.as_str()).collect();
    let presence = Presence::Installed(delivery.binary.clone());
    let (sites, troubles) = site::open(layout, &names, settings, &presence, progress).await;
    let refused: Vec<&str> = troubles
        .iter()
        .filter(|(_, trouble)| trouble.place != Place::OnTheWay)
        .map(|(host, _)| host.as_str())
        .collect();
    for (host, trouble) in &troubles {
        ledger.close_host(host, trouble);
    }
    if !refused.is_empty() {
        ledger.skip_rest("install", &format!("installing failed on {}, so nothing was switched", refused.join(", ")));
        return Rolled { sites, switched: false };
    }
    let found: BTreeMap<_, _> = rollout::survey(&sites, settings.parallel, ledger).await;
    let plan = Plan::new(&delivery.release, &found);
    let rollout = Rollout {
        release: &delivery.release,
        sites: &sites,
        parallel: settings.parallel,
        keep: found.values().filter_map(|status| status.release.clone()).collect(),
        nodes_within: layout.stop_grace + Duration::from_secs(30),
        progress,
    };
    let switched = rollout.perform(&plan, wanted, ledger).await;
    Rolled { sites, switched }
}

/// Waits for every node whose line in the ledger is still open.
pub(super) async fn wait_until_joined(
    sites: &[Site],
    parallel: usize,
    deadline: Instant,
    progress: &dyn Progress,
    ledger: &mut Ledger,
) {
    let open: Vec<(&Site, Vec<String>)> =
        sites.iter().map(|site| (site, ledger.open_on(&site.host))).filter(|(_, nodes)| !nodes.is_empty()).collect();
    let targets: Vec<&str> = open.iter().flat_map(|(_, nodes)| nodes).map(String::as_str).collect();
    progress.tell(Event::Phase { what: "joining", targets: &targets });
    let waiting = open
        .iter()
        .map(|(site, nodes)| async move { (site.host.as_str(), join::run(site, nodes, deadline, progress).await) });
    let mut waiting = stream::iter(waiting).buffer_unordered(parallel.max(1));
    while let Some((host, result)) = waiting.next().await {
        match result {
            Ok(outcomes) => outcomes.into_iter().for_each(|outcome| ledger.enter(outcome)),
            Err(trouble) => ledger.close_host(host, &trouble),
        }
    }
}
