//! Performs a plan: phase after phase, the hosts of a phase at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::ledger::{Ledger, Trouble};
use super::plan::{HostWork, Phase, Plan, Step};
use super::progress::{Event, Progress};
use super::site::Site;
use super::steps::{activate, apply, check_scripts, retire, stage};
use crate::api::outcome::{ErrorInfo, Outcome};
use crate::render::{HostRelease, Release};

/// What the steps of a rollout need.
pub(super) struct Rollout<'a> {
    pub(super) release: &'a Release,
    pub(super) sites: &'a [Site],
    pub(super) parallel: usize,
    /// Releases that are current on some host.
    pub(super) keep: Vec<String>,
    /// For starting and stopping the nodes of one host.
    pub(super) nodes_within: Duration,
    pub(super) progress: &'a dyn Progress,
}

impl Rollout<'_> {
    /// Performs the phases that `wanted` accepts. When staging fails on a host, or a Zeek refuses its scripts, nothing is
    /// switched anywhere, and the rest is skipped. Tells whether the release is now the current one on any host.
    pub(super) async fn perform(&self, plan: &Plan, wanted: impl Fn(Step) -> bool, ledger: &mut Ledger) -> bool {
        let mut switched = !self.sites.is_empty() && plan.phases.iter().all(|phase| phase.step != Step::Activate);
        for phase in plan.phases.iter().filter(|phase| wanted(phase.step)) {
            tracing::debug!(%phase, "rollout");
            let troubles = self.phase(phase, ledger).await;
            let (step, what) = match phase.step {
                Step::Stage => ("stage", "staging failed"),
                Step::CheckScripts => ("scripts", "the check of Zeek failed"),
                Step::Activate => {
                    switched = troubles.len() < phase.work.len();
                    continue;
                }
                _ => continue,
            };
            if !troubles.is_empty() {
                ledger.skip_rest(step, &format!("{what} on {}, so nothing was switched", troubles.join(", ")));
                return false;
            }
        }
        switched
    }

    /// Performs one phase; returns the hosts on which it met trouble.
    async fn phase(&self, phase: &Phase, ledger: &mut Ledger) -> Vec<String> {
        let open: Vec<&HostWork> = phase.work.iter().filter(|work| !ledger.open_on(&work.host).is_empty()).collect();
        let targets: Vec<&str> = open.iter().map(|work| work.host.as_str()).collect();
        self.progress.tell(Event::Phase { what: &phase.step.to_string(), targets: &targets });
        let work = open.into_iter().map(|work| async move { (work, self.step(phase.step, work).await) });
        let mut work = stream::iter(work).buffer_unordered(self.parallel.max(1));
        let mut troubled = Vec::new();
        while let Some((work, result)) = work.next().await {
            self.progress.tell(Event::Done { target: &work.host });
            match result {
                Ok(outcomes) => {
                    if outcomes.iter().any(|outcome| !outcome.kind.is_success()) {
                        troubled.push(work.host.clone());
                    }
                    for outcome in outcomes {
                        ledger.enter(if ledger.knows(&outcome.target) {
                            outcome
                        } else {
                            of_host(&work.host, outcome)
                        });
                    }
                }
                Err(trouble) => {
                    ledger.close_host(&work.host, &trouble);
                    troubled.push(work.host.clone());
                }
            }
        }
        troubled
    }

    async fn step(&self, step: Step, work: &HostWork) -> Result<Vec<Outcome>, Trouble> {
        let Some((site, part)) = self.site(&work.host) else { return Ok(Vec::new()) };
        match step {
            Step::Stage => stage::run(site, part).await.map(|()| Vec::new()),
            Step::CheckScripts => check_scripts::run(site, part).await,
            Step::Activate => activate::run(site, &self.release.id, &self.keep).await.map(|()| Vec::new()),
            Step::Retire => retire::run(site, &work.nodes, self.nodes_within).await.map(|()| Vec::new()),
            Step::Apply(_) => apply::run(site, &work.nodes, self.nodes_within).await,
        }
    }

    fn site(&self, host: &str) -> Option<(&Site, &HostRelease)> {
        let site = self.sites.iter().find(|site| site.host == host)?;
        let part = self.release.hosts.iter().find(|part| part.manifest.host == host)?;
        Some((site, part))
    }
}

/// What became of a node, as an outcome of its host: for verbs that answer per host.
fn of_host(host: &str, outcome: Outcome) -> Outcome {
    let node = &outcome.target;
    let error = outcome.error.map(|error| ErrorInfo { what: format!("{node}: {}", error.what), ..error });
    Outcome { target: host.to_owned(), error, ..outcome }
}

/// Asks every site what it has; sites that do not answer become trouble.
pub(super) async fn survey(
    sites: &[Site],
    parallel: usize,
    ledger: &mut Ledger,
) -> BTreeMap<String, crate::api::agent::AgentStatus> {
    let asked = sites.iter().map(|site| async move { (site, site.session.agent().status().await) });
    let mut asked = stream::iter(asked).buffer_unordered(parallel.max(1));
    let mut answers = BTreeMap::new();
    while let Some((site, answer)) = asked.next().await {
        match answer {
            Ok(status) => {
                answers.insert(site.host.clone(), status);
            }
            Err(error) => ledger.close_host(&site.host, &site.trouble("agent", &error)),
        }
    }
    answers
}
