//! `start`, `stop` and `restart`: the same request to each host, group after group.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use super::absent;
use super::deploy::wait_until_joined;
use super::ledger::{Ledger, Place, Trouble};
use super::progress::{Event, Progress};
use super::site::{self, Site};
use super::steps::{check_scripts, join};
use crate::agent::client::Keep;
use crate::api::outcome::{Kind, Outcome};
use crate::fleet::{Presence, Settings};
use crate::layout::{Engine, Layout, Node};

/// How long starting or stopping the nodes of one host may take beyond the grace period.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);

/// Starts nodes that do not run, loggers first, and waits until all selected ones have joined; one outcome per node.
pub async fn start(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    join_within: Duration,
    progress: &dyn Progress,
) -> Vec<Outcome> {
    bring_up(Request::Start, layout, nodes, settings, join_within, progress).await
}

/// Stops nodes and starts them again, loggers first, and waits until all have joined; one outcome per node.
pub async fn restart(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    join_within: Duration,
    progress: &dyn Progress,
) -> Vec<Outcome> {
    bring_up(Request::Restart, layout, nodes, settings, join_within, progress).await
}

/// Stops nodes, workers first; one outcome per node. They stay stopped until an operator starts them.
pub async fn stop(layout: &Layout, nodes: &[&Node], settings: &Settings, progress: &dyn Progress) -> Vec<Outcome> {
    let mut ledger = ledger(nodes);
    let sites = reach(Request::Stop, layout, nodes, settings, progress, &mut ledger).await;
    let mut groups = groups(nodes);
    groups.reverse();
    for group in &groups {
        ask(Request::Stop, layout, group, &sites, settings.parallel, progress, &mut ledger).await;
    }
    ledger.finish()
}

/// What an agent is asked to do with nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Start,
    Stop,
    Restart,
}

impl Request {
    fn word(self) -> &'static str {
        match self {
            Request::Start => "start",
            Request::Stop => "stop",
            Request::Restart => "restart",
        }
    }

    fn in_progress(self) -> &'static str {
        match self {
            Request::Start => "starting",
            Request::Stop => "stopping",
            Request::Restart => "restarting",
        }
    }

    async fn send(self, site: &Site, nodes: &[String], within: Duration) -> Result<Vec<Outcome>, Trouble> {
        let agent = site.session.agent();
        let answer = match self {
            Request::Start => agent.start(nodes, within).await,
            Request::Stop => agent.stop(nodes, within).await,
            Request::Restart => agent.restart(nodes, within).await,
        };
        answer.map_err(|error| site.trouble(self.word(), &error))
    }
}

async fn bring_up(
    request: Request,
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    join_within: Duration,
    progress: &dyn Progress,
) -> Vec<Outcome> {
    let mut ledger = ledger(nodes);
    let sites = reach(request, layout, nodes, settings, progress, &mut ledger).await;
    read_scripts(nodes, &sites, settings.parallel, progress, &mut ledger).await;
    let nodes: Vec<&Node> = nodes.iter().copied().filter(|node| !ledger.has_failed(&node.name)).collect();
    let deadline = Instant::now() + join_within;
    for group in &groups(&nodes) {
        ask(request, layout, group, &sites, settings.parallel, progress, &mut ledger).await;
    }
    wait_until_joined(&sites, settings.parallel, deadline, join::hub(layout), progress, &mut ledger).await;
    ledger.finish()
}

fn ledger(nodes: &[&Node]) -> Ledger {
    Ledger::new(nodes.iter().map(|node| (node.name.as_str(), node.host.as_str())))
}

/// The hosts of these nodes, each once.
pub fn hosts_of<'a>(nodes: &[&'a Node]) -> Vec<&'a str> {
    let mut names: Vec<&str> = nodes.iter().map(|node| node.host.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

async fn reach(
    request: Request,
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    progress: &dyn Progress,
    ledger: &mut Ledger,
) -> Vec<Site> {
    let names = hosts_of(nodes);
    let (sites, troubles) = site::open(layout, &names, settings, &Presence::Started, progress).await;
    for (host, trouble) in troubles {
        if request != Request::Stop || trouble.place != Place::NotDeployed {
            ledger.close_host(&host, &trouble);
            continue;
        }
        match absent::settle(layout, settings, &host, request.word(), Keep::LogsAndStores).await {
            Ok(outcome) => ledger.open_on(&host).iter().for_each(|node| ledger.enter(outcome(node))),
            Err(trouble) => ledger.close_host(&host, &trouble),
        }
    }
    sites
}

/// Lets each host's Zeek read its scripts before any of its nodes stops: the outcome of a node whose scripts are wrong is final.
async fn read_scripts(nodes: &[&Node], sites: &[Site], parallel: usize, progress: &dyn Progress, ledger: &mut Ledger) {
    let zeeks = |site: &Site| -> Vec<&str> {
        let wanted = nodes.iter().filter(|node| node.host == site.host && node.engine == Engine::Zeek);
        wanted.map(|node| node.name.as_str()).collect()
    };
    let work: Vec<(&Site, Vec<&str>)> =
        sites.iter().map(|site| (site, zeeks(site))).filter(|(_, zeeks)| !zeeks.is_empty()).collect();
    if work.is_empty() {
        return;
    }
    let targets: Vec<&str> = work.iter().map(|(site, _)| site.host.as_str()).collect();
    progress.tell(Event::Phase { what: "checking Zeek's scripts", targets: &targets });
    let checked = work.iter().map(|(site, zeeks)| async move { (site, zeeks, read_scripts_of(site).await) });
    let mut checked = stream::iter(checked).buffer_unordered(parallel.max(1));
    while let Some((site, zeeks, answer)) = checked.next().await {
        progress.tell(Event::Done { target: &site.host });
        match answer {
            Ok(outcomes) => {
                let failed = outcomes.into_iter().filter(|outcome| outcome.kind != Kind::Ok);
                failed
                    .filter(|outcome| zeeks.contains(&outcome.target.as_str()))
                    .for_each(|outcome| ledger.enter(outcome));
            }
            Err(trouble) => zeeks.iter().for_each(|node| ledger.enter(trouble.outcome(node, &site.host))),
        }
    }
}

async fn read_scripts_of(site: &Site) -> Result<Vec<Outcome>, Trouble> {
    let status = site.session.agent().status().await.map_err(|error| site.trouble("scripts", &error))?;
    check_scripts::run_current(site, &status).await
}

/// Nodes of equal rank together, in the order in which they start.
fn groups<'a>(nodes: &[&'a Node]) -> Vec<Vec<&'a Node>> {
    let mut sorted = nodes.to_vec();
    sorted.sort_by_key(|node| node.node_type.start_rank());
    sorted.chunk_by(|a, b| a.node_type.start_rank() == b.node_type.start_rank()).map(<[_]>::to_vec).collect()
}

/// Sends a request about one group to all its hosts at once.
async fn ask(
    request: Request,
    layout: &Layout,
    group: &[&Node],
    sites: &[Site],
    parallel: usize,
    progress: &dyn Progress,
    ledger: &mut Ledger,
) {
    let within = layout.stop_grace + REQUEST_WITHIN;
    let on = |site: &Site| -> Vec<String> {
        group.iter().filter(|node| node.host == site.host).map(|node| node.name.clone()).collect()
    };
    let work: Vec<(&Site, Vec<String>)> =
        sites.iter().map(|site| (site, on(site))).filter(|(_, nodes)| !nodes.is_empty()).collect();
    let targets: Vec<&str> = work.iter().flat_map(|(_, nodes)| nodes).map(String::as_str).collect();
    progress.tell(Event::Phase { what: request.in_progress(), targets: &targets });
    let asked = work.iter().map(|(site, nodes)| async move { (site, nodes, request.send(site, nodes, within).await) });
    let mut asked = stream::iter(asked).buffer_unordered(parallel.max(1));
    while let Some((site, nodes, answer)) = asked.next().await {
        nodes.iter().for_each(|node| progress.tell(Event::Done { target: node }));
        match answer {
            Ok(outcomes) => outcomes.into_iter().for_each(|outcome| ledger.enter(outcome)),
            Err(trouble) => nodes.iter().for_each(|node| ledger.enter(trouble.outcome(node, &site.host))),
        }
    }
}
