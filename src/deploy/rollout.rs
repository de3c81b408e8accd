//! Performs a plan: phase after phase, the hosts of a phase at once. Changed nodes restart part by part, each part gated on
//! being up again; what does not come up ends the rollout, or takes it back.
//!
//! **Failure**: a step that fails on a host costs that host's nodes, and before the switch (unless the plan allows a part)
//! everybody's. **Interrupt**: nothing new is begun; what a host was told it finishes; each host is on a whole release.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use super::interrupt::Interrupt;
use super::ledger::{Ledger, Trouble};
use super::plan::{Action, HostPlan, HostState, HostWork, Phase, Plan, Step, nodes_of};
use super::progress::{Event, Progress};
use super::rolling::{OnFailure, Rolling, waves};
use super::site::Site;
use super::steps::join::Gate;
use super::steps::{activate, apply, check_scripts, join, retire, stage, start};
use crate::api::outcome::{ErrorInfo, Outcome};
use crate::data::NodeType;
use crate::layout::nodeset;
use crate::render::{HostRelease, Release};

/// What the steps of a rollout need.
pub(super) struct Rollout<'a> {
    pub(super) release: &'a Release,
    pub(super) plan: &'a Plan,
    pub(super) sites: &'a [Site],
    pub(super) parallel: usize,
    /// Releases that are current on some host.
    pub(super) keep: Vec<String>,
    /// For starting and stopping the nodes of one host.
    pub(super) nodes_within: Duration,
    pub(super) rolling: Rolling,
    /// The node without which nobody joins.
    pub(super) hub: Option<String>,
    /// How many nodes of each type the layout has.
    pub(super) totals: BTreeMap<NodeType, usize>,
    pub(super) progress: &'a dyn Progress,
    pub(super) interrupt: &'a Interrupt,
}

/// The step's word.
const ROLLBACK: &str = "rollback";

/// What a rollout came to, beside the outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Performed {
    /// Whether the release is the current one on any host now.
    pub(super) switched: bool,
    /// Whether the operator ended it.
    pub(super) interrupted: bool,
    /// How the rolling restart went; none when nothing had to be restarted.
    pub(super) rolled: Option<Rolled>,
}

/// How a rolling restart went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolled {
    /// Nodes that were restarted and are up again.
    pub restarted: Vec<String>,
    /// Nodes that did not come up, and why.
    pub failed: Vec<(String, String)>,
    /// Nodes that still run what they ran before.
    pub left: Vec<String>,
    /// The release that the hosts went back to, by name, when they did.
    pub rolled_back: Option<String>,
}

impl Rolled {
    /// Such as `restarted worker-[1-3], stopped at worker-4: not joined after 30 s (see: zeek-cluster output worker-4)`.
    pub fn in_words(&self) -> String {
        let fold = |names: &[String]| nodeset::fold(names.iter().map(String::as_str));
        let mut parts = Vec::new();
        if !self.restarted.is_empty() {
            parts.push(format!("restarted {}", fold(&self.restarted)));
        }
        let verb = if self.left.is_empty() { "failed" } else { "stopped" };
        for (name, why) in &self.failed {
            parts.push(format!("{verb} at {name}: {why} (see: zeek-cluster output {name})"));
        }
        if !self.left.is_empty() {
            parts.push(format!("not restarted: {}", fold(&self.left)));
        }
        parts.extend(self.rolled_back.iter().map(|release| format!("went back to release {release}")));
        parts.join(", ")
    }
}

impl Rollout<'_> {
    /// Performs the phases that `wanted` accepts.
    pub(super) async fn perform(&self, wanted: impl Fn(Step) -> bool, ledger: &mut Ledger) -> Performed {
        let steps = &self.plan.steps;
        let mut done = Performed {
            switched: !self.sites.is_empty() && steps.iter().all(|phase| phase.step != Step::Activate),
            ..Performed::default()
        };
        for phase in steps.iter().filter(|phase| wanted(phase.step)) {
            if self.interrupt.is_raised() {
                break;
            }
            tracing::debug!(%phase, "rollout");
            let goes_on = match phase.step {
                Step::Stage | Step::CheckScripts => self.before_the_switch(phase, ledger).await,
                Step::Activate => {
                    let troubles = self.phase(phase, ledger).await;
                    done.switched = troubles.len() < phase.work.len();
                    true
                }
                Step::Restart(node_type) if self.plan.together.is_none() => {
                    self.roll(phase, node_type, done.rolled.get_or_insert_default(), ledger).await
                }
                _ => {
                    self.phase(phase, ledger).await;
                    true
                }
            };
            if !goes_on {
                break;
            }
        }
        done.interrupted = self.interrupt.is_raised();
        if done.interrupted {
            ledger.skip_unwritten("interrupt", "Ctrl-C came before it");
        }
        if let Some(rolled) = done.rolled.as_mut().filter(|rolled| !rolled.failed.is_empty() || done.interrupted) {
            let changed = steps.iter().filter(|phase| matches!(phase.step, Step::Restart(_))).flat_map(nodes_of);
            let tried = |name: &str| {
                let failed = rolled.failed.iter().map(|(failed, _)| failed);
                rolled.restarted.iter().chain(failed).any(|tried| tried == name)
            };
            rolled.left = changed.map(|(_, node)| node.to_owned()).filter(|node| !tried(node)).collect();
            if let Some((failed, _)) = rolled.failed.first() {
                ledger.skip_unwritten("restart", &format!("not restarted, because {failed} did not come up"));
            }
        }
        done
    }

    /// Staging and checking change nothing, so Ctrl-C ends them at once. Returns whether to go on.
    async fn before_the_switch(&self, phase: &Phase, ledger: &mut Ledger) -> bool {
        let troubles = tokio::select! {
            biased;
            () = self.interrupt.raised() => return false,
            troubles = self.phase(phase, ledger) => troubles,
        };
        let (step, what) = match phase.step {
            Step::Stage => ("stage", "staging failed"),
            _ => ("scripts", "the check of Zeek failed"),
        };
        if troubles.is_empty() {
            return true;
        }
        let why = format!("{what} on {}", troubles.join(", "));
        if self.plan.allow_partial {
            for host in &troubles {
                ledger.close_host(host, &Trouble::skipped(step, format!("{why}, so it was left out")));
            }
            return true;
        }
        ledger.skip_unwritten(step, &format!("{why}, so nothing was switched"));
        false
    }

    /// Performs one phase; returns the hosts on which it met trouble.
    async fn phase(&self, phase: &Phase, ledger: &mut Ledger) -> Vec<String> {
        let open: Vec<HostWork> = phase.work.iter().filter_map(|work| still_open(work, ledger)).collect();
        let targets: Vec<&str> = open.iter().map(|work| work.host.as_str()).collect();
        self.progress.tell(Event::Phase { what: &phase.what, targets: &targets });
        let work = open.iter().map(|work| async move {
            // Hosts that wait for their turn are not begun any more.
            let skipped = self.interrupt.is_raised();
            (work, if skipped { Ok(Vec::new()) } else { self.step(phase.step, work).await })
        });
        let mut work = stream::iter(work).buffer_unordered(self.parallel.max(1));
        let mut troubled = Vec::new();
        while let Some((work, result)) = work.next().await {
            self.progress.tell(Event::Done { target: &work.host });
            match result {
                Ok(outcomes) => {
                    if outcomes.iter().any(|outcome| !outcome.kind.is_success()) {
                        troubled.push(work.host.clone());
                    }
                    outcomes.into_iter().for_each(|outcome| enter(ledger, &work.host, outcome));
                }
                Err(trouble) => {
                    // A node that does not stop here must not start elsewhere.
                    work.nodes.iter().for_each(|node| ledger.enter(trouble.outcome(node, &work.host)));
                    ledger.close_host(&work.host, &trouble);
                    troubled.push(work.host.clone());
                }
            }
        }
        troubled
    }

    async fn step(&self, step: Step, work: &HostWork) -> Result<Vec<Outcome>, Trouble> {
        let Some(site) = self.site(&work.host) else { return Ok(Vec::new()) };
        let part = self.part(&work.host);
        match (step, part) {
            (Step::Stage, Some(part)) => stage::run(site, part).await.map(|()| Vec::new()),
            (Step::CheckScripts, Some(part)) => check_scripts::run(site, part).await,
            (Step::Activate, Some(_)) => activate::run(site, &self.release.id, &self.keep).await.map(|()| Vec::new()),
            (Step::Retire, part) => retire::run(site, part, &work.nodes, self.nodes_within).await,
            (Step::Start(_), Some(_)) => start::run(site, &work.nodes, self.nodes_within).await,
            (Step::Update | Step::Restart(_), Some(_)) => apply::run(site, &work.nodes, self.nodes_within).await,
            (_, None) => Ok(Vec::new()),
        }
    }

    /// Restarts the changed nodes of one type, part by part; returns whether to go on with what comes after.
    async fn roll(&self, phase: &Phase, node_type: NodeType, rolled: &mut Rolled, ledger: &mut Ledger) -> bool {
        let changed: Vec<(&str, &str)> = nodes_of(phase).filter(|(_, node)| ledger.is_open(node)).collect();
        let total = self.totals.get(&node_type).copied().unwrap_or(changed.len());
        for (index, wave) in waves(&changed, total, self.rolling.max_unavailable).into_iter().enumerate() {
            if index > 0 {
                self.pause().await;
            }
            if self.interrupt.is_raised() {
                return false;
            }
            let failed = self.wave(phase, &wave, rolled, ledger).await;
            match self.rolling.on_failure {
                _ if !failed => {}
                OnFailure::Continue => {}
                OnFailure::Stop => return false,
                OnFailure::Rollback => return false,
            }
        }
        true
    }

    async fn pause(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.rolling.pause) => {}
            () = self.interrupt.raised() => {}
        }
    }

    /// Restarts some nodes at once and waits until they are up; returns whether any is not.
    async fn wave(&self, phase: &Phase, wave: &[(&str, &str)], rolled: &mut Rolled, ledger: &mut Ledger) -> bool {
        let mut work: Vec<HostWork> = Vec::new();
        for (host, node) in wave {
            match work.iter_mut().find(|work| work.host == *host) {
                Some(work) => work.nodes.push((*node).to_owned()),
                None => work.push(HostWork { host: (*host).to_owned(), nodes: vec![(*node).to_owned()] }),
            }
        }
        self.phase(&Phase { work: work.clone(), ..phase.clone() }, ledger).await;
        let gates: Vec<HostWork> = work.iter().filter_map(|work| still_open(work, ledger)).collect();
        let deadline = Instant::now() + self.rolling.gate_timeout;
        self.gate(&gates, deadline, Gate::WithLogger(self.rolling.gate_timeout), self.hub.as_deref(), ledger).await;
        let mut failed = false;
        for (_, node) in wave {
            match ledger.failure(node) {
                Some(why) => {
                    failed = true;
                    rolled.failed.push(((*node).to_owned(), why));
                }
                None if self.interrupt.is_raised() && !ledger.has_passed(node, join::STEP) => {}
                None => rolled.restarted.push((*node).to_owned()),
            }
        }
        failed
    }

    /// Waits for nodes of several hosts at once, and enters what became of them; Ctrl-C ends the waiting, and so does a hub
    /// that does not come up.
    pub(super) async fn gate(
        &self,
        work: &[HostWork],
        deadline: Instant,
        gate: Gate,
        hub: Option<&str>,
        ledger: &mut Ledger,
    ) {
        let targets: Vec<&str> = work.iter().flat_map(|work| &work.nodes).map(String::as_str).collect();
        if targets.is_empty() {
            return;
        }
        self.progress.tell(Event::Phase { what: "waiting until they have joined", targets: &targets });
        let waiting = work.iter().filter_map(|work| Some((self.site(&work.host)?, work)));
        let waiting = waiting.map(|(site, work)| async move {
            (work, join::run(site, &work.nodes, deadline, gate, hub, self.progress).await)
        });
        let mut waiting = stream::iter(waiting).buffer_unordered(self.parallel.max(1));
        loop {
            if let Some(hub) = hub.filter(|hub| ledger.does_not_come_up(hub)) {
                for (host, name) in work.iter().flat_map(|work| work.nodes.iter().map(|name| (&work.host, name))) {
                    ledger.enter_unless_passed(join::not_waited_for(host, name, hub));
                }
                return;
            }
            let next = tokio::select! {
                biased;
                next = waiting.next() => next,
                () = self.interrupt.raised() => return,
            };
            match next {
                None => return,
                Some((_, Ok(outcomes))) => outcomes.into_iter().for_each(|outcome| ledger.enter(outcome)),
                Some((work, Err(trouble))) => {
                    work.nodes.iter().for_each(|node| ledger.enter(trouble.outcome(node, &work.host)));
                }
            }
        }
    }

    /// Brings every host that was switched back to the release that it had, and every node with it. `former` gives the
    /// release of a host before, `nodes` all that it ran.
    pub(super) async fn take_back(
        &self,
        former: &BTreeMap<String, (Option<String>, Vec<String>)>,
        rolled: &mut Rolled,
        ledger: &mut Ledger,
    ) {
        let reason = rolled.failed.first().map_or_else(String::new, |(name, _)| format!("{name} did not come up"));
        let releases: BTreeSet<&String> = former.values().filter_map(|(release, _)| release.as_ref()).collect();
        let names = releases.into_iter().cloned().collect::<Vec<_>>().join(", ");
        self.progress.tell(Event::Phase { what: "going back to the former release", targets: &[] });
        let work = || {
            self.plan.hosts.iter().filter_map(|host| {
                let (release, nodes) = former.get(&host.host)?;
                Some(Back { site: self.site(&host.host)?, release: release.as_deref(), nodes, plan: host })
            })
        };
        // Everywhere first: what moved away must not run twice.
        let stopped = stream::iter(work().map(|back| back.stop_new(self.nodes_within)));
        let stopped: Vec<_> = stopped.buffer_unordered(self.parallel.max(1)).collect().await;
        let returned = stream::iter(work().map(|back| back.go_back(self.nodes_within)));
        let returned: Vec<_> = returned.buffer_unordered(self.parallel.max(1)).collect().await;
        for (host, trouble) in stopped.into_iter().chain(returned).filter_map(|(host, went)| Some((host, went.err()?)))
        {
            let what = format!("it did not go back to the former release: {}", trouble.error.what);
            ledger.close_host(host, &Trouble { error: ErrorInfo { what, hint: None }, ..trouble });
        }
        let open = |back: &Back<'_>| back.nodes.iter().filter(|name| ledger.is_open(name)).cloned().collect();
        let gates: Vec<HostWork> =
            work().map(|back| HostWork { host: back.site.host.clone(), nodes: open(&back) }).collect();
        // The former hub may have come up although the new one had not.
        self.gate(&gates, Instant::now() + self.rolling.gate_timeout, Gate::Joined, None, ledger).await;
        ledger.skip_changed(ROLLBACK, &format!("back on release {names}, because {reason}"));
        rolled.left.clear();
        rolled.restarted.clear();
        rolled.rolled_back = Some(names).filter(|names| !names.is_empty());
    }

    /// None for a host that the layout no longer has.
    fn part(&self, host: &str) -> Option<&HostRelease> {
        self.release.hosts.iter().find(|part| part.manifest.host == host)
    }

    fn site(&self, host: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.host == host)
    }
}

/// A host that goes back to the release that it had.
struct Back<'a> {
    site: &'a Site,
    /// None: it had none, so that only what was started is stopped.
    release: Option<&'a str>,
    /// What it had before.
    nodes: &'a [String],
    plan: &'a HostPlan,
}

impl<'a> Back<'a> {
    fn changed(&self, action: Action) -> impl Iterator<Item = &'a String> {
        self.plan.nodes.iter().filter(move |change| change.action == action).map(|change| &change.name)
    }

    async fn stop_new(self, within: Duration) -> (&'a str, Result<(), Trouble>) {
        let host = self.site.host.as_str();
        let new: Vec<String> = self.changed(Action::Start).filter(|name| !self.nodes.contains(name)).cloned().collect();
        if new.is_empty() {
            return (host, Ok(()));
        }
        let stopped = self.site.session.agent().stop(&new, within).await;
        (
            host,
            stopped.map_err(|error| self.site.trouble(ROLLBACK, &error)).and_then(|outcomes| all_well(host, outcomes)),
        )
    }

    async fn go_back(self, within: Duration) -> (&'a str, Result<(), Trouble>) {
        let host = self.site.host.as_str();
        (host, self.activate_and_apply(within).await)
    }

    async fn activate_and_apply(&self, within: Duration) -> Result<(), Trouble> {
        let agent = self.site.session.agent();
        let trouble = |error| self.site.trouble(ROLLBACK, &error);
        let Some(release) = self.release else { return Ok(()) };
        if self.plan.state != HostState::Leaving {
            agent.activate(release, &[release.to_owned()]).await.map_err(trouble)?;
            all_well(&self.site.host, agent.apply(self.nodes, within).await.map_err(trouble)?)?;
        }
        let stopped: Vec<String> = self.changed(Action::Stop).cloned().collect();
        match stopped.is_empty() {
            true => Ok(()),
            false => all_well(&self.site.host, agent.start(&stopped, within).await.map_err(trouble)?),
        }
    }
}

fn all_well(host: &str, outcomes: Vec<Outcome>) -> Result<(), Trouble> {
    match outcomes.into_iter().find(|outcome| !outcome.kind.is_success()) {
        None => Ok(()),
        Some(failed) => {
            let why = failed.error.map_or_else(|| failed.kind.as_str().to_owned(), |error| error.what);
            Err(Trouble::failed(ROLLBACK, format!("{} on {host}: {why}", failed.target)))
        }
    }
}

/// What of a host's work is still to be done: nothing where the host is out, only nodes of which nothing bad is known.
fn still_open(work: &HostWork, ledger: &Ledger) -> Option<HostWork> {
    if ledger.is_out(&work.host) {
        return None;
    }
    let nodes: Vec<String> = work.nodes.iter().filter(|node| !ledger.has_failed(node)).cloned().collect();
    (work.nodes.is_empty() || !nodes.is_empty()).then(|| HostWork { host: work.host.clone(), nodes })
}

/// For verbs that answer per host, what became of a node is an outcome of its host. A node that left this host for another
/// one has its line there.
fn enter(ledger: &mut Ledger, host: &str, outcome: Outcome) {
    match ledger.host_of(&outcome.target) {
        Some(line) if line == host => ledger.enter(outcome),
        Some(_) if outcome.kind.is_success() => {}
        Some(_) => ledger.enter(outcome),
        None => {
            let node = &outcome.target;
            let error = outcome.error.map(|error| ErrorInfo { what: format!("{node}: {}", error.what), ..error });
            ledger.enter(Outcome { target: host.to_owned(), error, ..outcome });
        }
    }
}
