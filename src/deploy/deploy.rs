//! `deploy`: from a layout to a running cluster, by performing its [`Plan`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use super::decide::{self, Found, Question};
use super::error::DeployError;
use super::estate::Estate;
use super::interrupt::Interrupt;
use super::key_source::{self, KeySource};
use super::ledger::{self, Ledger, Trouble};
use super::plan::{Action, HostState, Plan, Step};
use super::ports;
use super::progress::{Event, Progress};
use super::release::Delivery;
use super::rolling::{OnFailure, Rolling};
use super::rollout::{Performed, Rolled, Rollout};
use super::site::Site;
use super::steps::join::{self, Gate};
use super::steps::retire;
use super::survey::{self, Survey};
use crate::api::agent::NodeState;
use crate::api::hosts::HostRecord;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;
use crate::render;

/// What a deploy needs beside the layout and the ways to its hosts.
pub struct Options<'a> {
    /// Where the cluster's keys come from.
    pub keys: KeySource<'a>,
    /// How long the nodes that are started may take to join, all together.
    pub join_within: Duration,
    /// How changed nodes are restarted.
    pub rolling: Rolling,
    /// Goes on without the hosts on which staging fails, and starts nodes that moved away from a host that gives no answer.
    pub allow_partial: bool,
    /// The names of the hosts that it is about, the others stay as they are; none for all. A saved plan knows its own.
    pub only: Option<&'a [String]>,
    /// A plan that was made before: nothing is done unless it still is what has to be done.
    pub saved: Option<&'a Plan>,
    /// Which nodes that run may be stopped because the layout does not have them; a saved plan and a release name their own.
    pub leavers: Leavers<'a>,
    /// Hears what happens.
    pub progress: &'a dyn Progress,
    /// Ends the deploy after the step that is under way.
    pub interrupt: Interrupt,
}

/// Nodes that run, which a layout does not have any more: with a wrong layout, all that it was not made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leavers<'a> {
    /// All of them are stopped.
    Any,
    /// Only these, as [`DeployError::Leaves`] named them; others end the deploy before anything is changed.
    Only(&'a [Leaver]),
}

/// A node that runs and that the layout does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaver {
    /// Its host.
    pub host: String,
    /// Its name.
    pub node: String,
}

/// What a deploy did.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The release that the layout became.
    pub release: String,
    /// One for each node of the layout, in its order; then those that left it.
    pub outcomes: Vec<Outcome>,
    /// Whether the release is the current one on any host now, whatever became of the nodes there.
    pub switched: bool,
    /// Whether Ctrl-C ended it; what was not begun is `skipped`.
    pub interrupted: bool,
    /// How the rolling restart went; none when nothing had to be restarted part by part.
    pub rolled: Option<Rolled>,
    /// Hosts that the operator left out, and the release that each has, where it said so.
    pub left_out: Vec<(String, Option<String>)>,
    /// What it does not have to do again is only as good as this file: why it could not be written, if it could not.
    pub hosts_file: Option<String>,
}

impl Report {
    /// Whether everything already was as the layout says.
    pub fn unchanged(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.is_well() && outcome.kind != Kind::Ok)
    }
}

/// Brings the cluster to what the layout says, and waits until every node has joined.
///
/// # Errors
/// [`DeployError::Moved`] when a saved plan is no longer what has to be done, [`DeployError::Crosses`] when some hosts cannot
/// be deployed without others, [`DeployError::Keys`], [`DeployError::KeysUnknown`] and [`DeployError::KeysWithheld`] when
/// the cluster's keys cannot be had; then nothing was changed.
pub async fn deploy(layout: &Layout, settings: &Settings, options: Options<'_>) -> Result<Report, DeployError> {
    let look = async |delivery: &Delivery| reach(layout, settings, delivery, &options).await;
    let settling = async {
        if options.chosen().is_some() || options.saved.is_some() {
            // These compare releases before they go on, and the id of a release depends on the keys.
            key_source::refresh(layout, settings, options.keys, &Presence::Started, options.progress).await?;
        }
        key_source::settle(layout, settings, options.keys, &Presence::Started, options.progress, look).await
    };
    let settled = tokio::select! {
        settled = settling => Some(settled?),
        () = options.interrupt.raised() => None,
    };
    match settled {
        Some((delivery, survey)) => perform(layout, settings, delivery, survey, options).await,
        None => Ok(not_begun(layout, String::new())),
    }
}

/// Asks the hosts about a release that is there already, and brings the cluster to what it says.
pub(super) async fn perform_known(
    layout: &Layout,
    settings: &Settings,
    delivery: Delivery,
    options: Options<'_>,
) -> Result<Report, DeployError> {
    let survey = tokio::select! {
        survey = reach(layout, settings, &delivery, &options) => survey?,
        () = options.interrupt.raised() => return Ok(not_begun(layout, delivery.release.id)),
    };
    perform(layout, settings, delivery, survey, options).await
}

impl<'a> Options<'a> {
    fn allows_partial(&self) -> bool {
        self.saved.map_or(self.allow_partial, |saved| saved.allow_partial)
    }

    /// The names of the hosts that it is about; none for all.
    fn chosen(&self) -> Option<&'a [String]> {
        match self.saved {
            None => self.only,
            Some(saved) => Some(saved.only.as_slice()).filter(|only| !only.is_empty()),
        }
    }
}

/// Brings the cluster to what a release says; `layout` has its nodes.
async fn perform(
    layout: &Layout,
    settings: &Settings,
    delivery: Delivery,
    survey: Survey,
    options: Options<'_>,
) -> Result<Report, DeployError> {
    let (allow_partial, only) = (options.allows_partial(), options.chosen());
    let plan = plan_of(layout, &delivery, &survey, allow_partial, only)?;
    match options.saved {
        Some(saved) => still_holds(saved, &plan)?,
        None => approved(&plan, layout, options.leavers)?,
    }
    let mut ledger = Ledger::new(layout.nodes.iter().map(|node| (node.name.as_str(), node.host.as_str())));
    begin(&plan, layout, &mut ledger);
    let rollout = rollout(layout, settings, &delivery, &plan, &survey, &options);
    let mut performed = Performed::default();
    if refused(&plan, &survey, allow_partial, &mut ledger) && ports::are_free(&plan, allow_partial, &mut ledger) {
        performed = rollout.perform(|_| true, &mut ledger).await;
        performed.interrupted |= settle(&rollout, &survey, &options, &mut ledger).await;
        take_back(&rollout, &survey, &mut performed, &mut ledger).await;
    }
    let hosts_file = remember(layout, &plan, &survey, &performed, &ledger);
    Ok(Report {
        release: delivery.release.id,
        outcomes: ledger.finish(),
        switched: performed.switched,
        interrupted: performed.interrupted,
        rolled: performed.rolled.filter(|rolled| *rolled != Rolled::default()),
        left_out: plan.left_out().map(|(host, has)| (host.to_owned(), has.map(str::to_owned))).collect(),
        hosts_file: hosts_file.err().map(|error| error.to_string()),
    })
}

/// Whether all that leave the layout may be stopped.
fn approved(plan: &Plan, layout: &Layout, leavers: Leavers<'_>) -> Result<(), DeployError> {
    let Leavers::Only(known) = leavers else { return Ok(()) };
    let stopped =
        plan.changes().filter(|(_, change)| change.action == Action::Stop && layout.node(&change.name).is_none());
    let leaves: Vec<Leaver> =
        stopped.map(|(host, change)| Leaver { host: host.to_owned(), node: change.name.clone() }).collect();
    match leaves.iter().all(|leaver| known.contains(leaver)) {
        true => Ok(()),
        false => Err(DeployError::Leaves(leaves)),
    }
}

/// Asks the hosts, which then have the program. What may be refused is looked at before it is brought to any of them.
async fn reach(
    layout: &Layout,
    settings: &Settings,
    delivery: &Delivery,
    options: &Options<'_>,
) -> Result<Survey, DeployError> {
    let (allow_partial, only) = (options.allows_partial(), options.chosen());
    if options.saved.is_some() || only.is_some() {
        let survey = survey::survey(layout, delivery, settings, &Presence::Started, only, options.progress).await;
        let plan = plan_of(layout, delivery, &survey, allow_partial, only)?;
        options.saved.map_or(Ok(()), |saved| still_holds(saved, &plan))?;
        if survey.runs(&delivery.binary.hash, layout, only) {
            return Ok(survey);
        }
    }
    let presence = Presence::Installed(delivery.binary.clone());
    Ok(survey::survey(layout, delivery, settings, &presence, only, options.progress).await)
}

/// Ctrl-C came while the hosts were still being reached.
fn not_begun(layout: &Layout, release: String) -> Report {
    let mut ledger = Ledger::new(layout.nodes.iter().map(|node| (node.name.as_str(), node.host.as_str())));
    ledger.skip_unwritten("interrupt", "Ctrl-C came before it");
    Report {
        release,
        outcomes: ledger.finish(),
        switched: false,
        interrupted: true,
        rolled: None,
        left_out: Vec::new(),
        hosts_file: None,
    }
}

fn still_holds(saved: &Plan, now: &Plan) -> Result<(), DeployError> {
    let moved = now.moved_since(saved);
    if moved.is_empty() { Ok(()) } else { Err(DeployError::Moved(moved)) }
}

/// The plan for what the hosts said, for all hosts or for those of these names.
pub(super) fn plan_of(
    layout: &Layout,
    delivery: &Delivery,
    survey: &Survey,
    allow_partial: bool,
    only: Option<&[String]>,
) -> Result<Plan, DeployError> {
    let written = delivery.release.hosts.first().map(|part| part.manifest.layout.clone());
    let question = Question {
        cluster: &layout.name,
        layout: &written.filter(|hash| !hash.is_empty()).unwrap_or_else(|| render::layout_hash(layout)),
        release: &delivery.release,
        back: delivery.back,
        found: &survey.found,
        last: &survey.last(),
        allow_partial,
        only,
        taken_ports: &survey.taken_ports,
    };
    let plan = decide::decide(&question);
    let crossings = decide::crossings(&question, &plan);
    if crossings.is_empty() { Ok(plan) } else { Err(DeployError::Crosses(crossings)) }
}

/// Enters what is known before the first step: who gives no answer, who is held back, who is as it should be.
pub(super) fn begin(plan: &Plan, layout: &Layout, ledger: &mut Ledger) {
    for (host, _) in plan.left_out() {
        for node in ledger.open_on(host) {
            ledger.enter(Outcome { kind: Kind::Skipped, ..ledger::ok(&node, host, "select") });
        }
    }
    for host in &plan.hosts {
        let leaves = |change: &&super::plan::NodeChange| layout.node(&change.name).is_none();
        for change in host.nodes.iter().filter(|change| change.action == Action::Stop).filter(leaves) {
            ledger.add(&change.name, &host.host);
        }
        if let (Some(kind), Some(error)) = (host.kind, &host.error) {
            if host.state == HostState::Leaving {
                ledger.add(&host.host, &host.host);
            }
            let trouble = Trouble { kind, error: error.clone(), ..Trouble::failed("reach", String::new()) };
            ledger.close_host(&host.host, &trouble);
        }
        for change in host.nodes.iter().filter(|change| change.action == Action::Hold) {
            let hint = Some("zeek-cluster deploy --allow-partial starts it all the same".to_owned());
            let error = ErrorInfo { what: change.why.join(", "), hint };
            let trouble = Trouble { error, ..Trouble::failed("start", String::new()) };
            ledger.enter(trouble.outcome(&change.name, &host.host));
        }
    }
    for node in &layout.nodes {
        let changes = plan.changes().any(|(_, change)| change.name == node.name);
        if !changes && !ledger.is_out(&node.host) {
            let well = ledger::ok(&node.name, &node.host, "deploy");
            ledger.enter(Outcome { kind: Kind::Unchanged, ..well });
        }
    }
}

/// Hosts that were reached and on which installing failed keep everybody from switching, unless a part is allowed.
pub(super) fn refused(plan: &Plan, survey: &Survey, allow_partial: bool, ledger: &mut Ledger) -> bool {
    let refused = survey.refused(plan);
    if refused.is_empty() || allow_partial {
        return true;
    }
    let why = format!("installing failed on {}, so nothing was switched", refused.join(", "));
    ledger.skip_unwritten("install", &why);
    false
}

pub(super) fn rollout<'a>(
    layout: &Layout,
    settings: &Settings,
    delivery: &'a Delivery,
    plan: &'a Plan,
    survey: &'a Survey,
    options: &'a Options<'_>,
) -> Rollout<'a> {
    let mut totals = BTreeMap::new();
    layout.nodes.iter().for_each(|node| *totals.entry(node.node_type).or_insert(0) += 1);
    Rollout {
        release: &delivery.release,
        plan,
        sites: &survey.sites,
        parallel: settings.parallel,
        keep: plan.hosts.iter().filter_map(|host| host.observed.release.clone()).collect(),
        nodes_within: layout.stop_grace + Duration::from_secs(30),
        rolling: options.rolling,
        hub: join::hub(layout).map(str::to_owned),
        totals,
        progress: options.progress,
        interrupt: &options.interrupt,
    }
}

/// Waits for every node that is not known to have joined; returns whether Ctrl-C ended the waiting.
async fn settle(rollout: &Rollout<'_>, survey: &Survey, options: &Options<'_>, ledger: &mut Ledger) -> bool {
    let ran = |host: &str, node: &str| {
        let nodes = survey.status(host).into_iter().flat_map(|status| &status.nodes);
        nodes
            .into_iter()
            .any(|there| there.name == node && matches!(there.state, NodeState::Running | NodeState::Degraded))
    };
    let mut work = Vec::new();
    for site in &survey.sites {
        let open = ledger.open_on(&site.host).into_iter();
        // Without a step nothing has changed since they were asked.
        let nodes = open.filter(|node| !rollout.plan.is_empty() || !ran(&site.host, node));
        let nodes: Vec<String> = nodes.filter(|node| !ledger.has_passed(node, retire::STEP)).collect();
        work.push(super::plan::HostWork { host: site.host.clone(), nodes });
    }
    work.retain(|work| !work.nodes.is_empty() && rollout.plan.hosts.iter().any(|host| is_kept(host, &work.host)));
    if !rollout.interrupt.is_raised() {
        let deadline = Instant::now() + options.join_within;
        rollout.gate(&work, deadline, Gate::Joined, rollout.hub.as_deref(), ledger).await;
    }
    rollout.interrupt.is_raised()
}

fn is_kept(host: &super::plan::HostPlan, name: &str) -> bool {
    host.host == name && host.state != HostState::Leaving
}

/// Goes back to the former release, where that was asked for and a restarted node did not come up.
async fn take_back(rollout: &Rollout<'_>, survey: &Survey, performed: &mut Performed, ledger: &mut Ledger) {
    if rollout.rolling.on_failure != OnFailure::Rollback || performed.interrupted || !performed.switched {
        return;
    }
    if rollout.plan.together.is_some() {
        let restarted = rollout.plan.changes().filter(|(_, change)| change.action == Action::Restart);
        let failed: Vec<(String, String)> =
            restarted.filter_map(|(_, change)| Some((change.name.clone(), ledger.failure(&change.name)?))).collect();
        performed.rolled = Some(Rolled { failed, ..Rolled::default() });
    }
    let Some(rolled) = performed.rolled.as_mut().filter(|rolled| !rolled.failed.is_empty()) else { return };
    let former = rollout.plan.hosts.iter().filter_map(|host| {
        let status = survey.status(&host.host)?;
        let nodes = status.nodes.iter().map(|node| node.name.clone()).collect();
        Some((host.host.clone(), (status.release.clone(), nodes)))
    });
    rollout.take_back(&former.collect(), rolled, ledger).await;
    performed.switched = false;
}

/// Writes down what is where now: hosts that gave no answer keep what they had, those that left cleanly are forgotten.
fn remember(
    layout: &Layout,
    plan: &Plan,
    survey: &Survey,
    performed: &Performed,
    ledger: &Ledger,
) -> std::io::Result<()> {
    if !performed.switched {
        return Ok(());
    }
    let left_out = |name: &str| plan.left_out().any(|(host, _)| host == name);
    let mut records: Vec<HostRecord> = render::hosts_file(layout).hosts;
    records.retain(|record| !left_out(&record.name));
    for record in &mut records {
        let held =
            |name: &String| plan.changes().any(|(_, change)| change.name == *name && change.action == Action::Hold);
        record.nodes.retain(|name| !held(name));
        if ledger.is_out(&record.name) {
            let before = survey.records.iter().filter(|known| known.name == record.name);
            let missing: Vec<String> =
                before.flat_map(|known| &known.nodes).filter(|node| !record.nodes.contains(node)).cloned().collect();
            record.nodes.extend(missing);
        }
    }
    let left = |record: &&HostRecord| match survey.found.get(&record.name) {
        Some(Found::Silent(_)) => true,
        Some(_) => ledger.is_out(&record.name),
        None => false,
    };
    let stays = |record: &&HostRecord| left_out(&record.name) || (layout.host(&record.name).is_none() && left(record));
    records.extend(survey.records.iter().filter(stays).cloned());
    Estate::of(&layout.name).write(records)
}

/// Performs those steps of the plan that are wanted, for verbs that answer per host.
pub(super) async fn perform_some(
    layout: &Layout,
    settings: &Settings,
    options: &Options<'_>,
    wanted: impl Fn(Step) -> bool,
    ledger: &mut Ledger,
) -> Result<(Delivery, Survey, Performed), DeployError> {
    let look = async |delivery: &Delivery| {
        let presence = Presence::Installed(delivery.binary.clone());
        Ok(survey::survey(layout, delivery, settings, &presence, None, options.progress).await)
    };
    let (delivery, survey) =
        key_source::settle(layout, settings, options.keys, &Presence::Started, options.progress, look).await?;
    let plan = plan_of(layout, &delivery, &survey, options.allow_partial, None)?;
    for (host, kind, error) in plan.silent() {
        let trouble = Trouble { kind, error: error.clone(), ..Trouble::failed("reach", String::new()) };
        ledger.close_host(host, &trouble);
    }
    let mut performed = Performed::default();
    if refused(&plan, &survey, options.allow_partial, ledger) {
        performed = rollout(layout, settings, &delivery, &plan, &survey, options).perform(wanted, ledger).await;
    }
    Ok((delivery, survey, performed))
}

/// Waits for every node whose line in the ledger is still open, as long as the `hub` may come up.
pub(super) async fn wait_until_joined(
    sites: &[Site],
    parallel: usize,
    deadline: Instant,
    hub: Option<&str>,
    progress: &dyn Progress,
    ledger: &mut Ledger,
) {
    let open: Vec<(&Site, Vec<String>)> =
        sites.iter().map(|site| (site, ledger.open_on(&site.host))).filter(|(_, nodes)| !nodes.is_empty()).collect();
    let targets: Vec<&str> = open.iter().flat_map(|(_, nodes)| nodes).map(String::as_str).collect();
    progress.tell(Event::Phase { what: "joining", targets: &targets });
    let waiting = open.iter().map(|(site, nodes)| async move {
        (site.host.as_str(), join::run(site, nodes, deadline, Gate::Joined, hub, progress).await)
    });
    let mut waiting = stream::iter(waiting).buffer_unordered(parallel.max(1));
    loop {
        if let Some(hub) = hub.filter(|hub| ledger.does_not_come_up(hub)) {
            for (site, name) in open.iter().flat_map(|(site, nodes)| nodes.iter().map(move |name| (site, name))) {
                ledger.enter_unless_passed(join::not_waited_for(&site.host, name, hub));
            }
            return;
        }
        let Some((host, result)) = waiting.next().await else { return };
        match result {
            Ok(outcomes) => outcomes.into_iter().for_each(|outcome| ledger.enter(outcome)),
            Err(trouble) => ledger.close_host(host, &trouble),
        }
    }
}
