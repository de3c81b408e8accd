//! What the nodes use: processor, memory, threads, descriptors, and how many log batches wait.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::ask::{self, Silent, broken_off};
use super::settings::Settings;
use crate::api::agent::{HostUsage, NodeState};
use crate::data::NodeType;
use crate::fleet::Host;
use crate::layout::{Layout, Node};

/// How long the share of a processor is measured for a single answer.
const SAMPLE: Duration = Duration::from_millis(500);
/// How long to wait before a host that gave no answer is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Answers that wait to be shown; a full queue makes the hosts' readers wait.
const QUEUE: usize = 64;

/// One row for each node that was asked for, in the order of the layout.
#[derive(Clone, Debug, PartialEq)]
pub struct TopReport {
    /// The rows.
    pub rows: Vec<TopRow>,
    /// The hosts that answered, by name.
    pub hosts: Vec<HostLoad>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// How busy a host is as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct HostLoad {
    /// The host of the layout.
    pub host: String,
    /// Processors that its agent may use.
    pub cpus: u64,
    /// Load average of the last minute, in processes.
    pub load_1m: f64,
    /// Its memory, bytes.
    pub memory_bytes: u64,
    /// What of it is there for new processes.
    pub memory_available_bytes: u64,
}

/// What one node uses, with all processes that it started. This is the JSON of `top`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopRow {
    /// Node name.
    pub name: String,
    /// Node type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// The host of the layout.
    pub host: String,
    /// `unknown` when the host gives no answer.
    pub state: NodeState,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// Of one processor; 100 is one whole processor.
    pub cpu_percent: Option<f64>,
    /// Processor time since the start, seconds.
    pub cpu_s: Option<f64>,
    /// Resident memory, bytes.
    pub rss_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// Batches of log records that wait to be written by this node.
    pub log_waiting: Option<u64>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// What each host said last.
type Answers = BTreeMap<String, Result<HostUsage, Silent>>;

/// Asks the agents once; the share of a processor is measured for half a second.
pub async fn top(layout: &Layout, nodes: &[&Node], settings: &Settings) -> TopReport {
    let names = ask::hosts_of(layout, nodes);
    let hosts = ask::reachable(layout, &names, settings);
    let answers = ask::ask(&hosts, settings, async |session| session.agent().usage(SAMPLE).await);
    let mut answers = pin!(answers);
    let mut known = Answers::new();
    while let Some((host, answer)) = answers.next().await {
        known.insert(host, answer);
    }
    report(nodes, &known)
}

/// Asks again and again through the same sessions: `show` hears a report every `pause`, `times` times or until it fails.
///
/// # Errors
/// The first error of `show`, and nothing else.
pub async fn follow_top<E>(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    pause: Duration,
    times: Option<u64>,
    mut show: impl FnMut(&TopReport) -> Result<(), E>,
) -> Result<(), E> {
    let names = ask::hosts_of(layout, nodes);
    let (sender, mut news) = mpsc::channel(QUEUE);
    for host in ask::reachable(layout, &names, settings) {
        tokio::spawn(follow_host(host, pause, sender.clone()));
    }
    let mut known = Answers::new();
    // The first answers are worth waiting for, those of a dead host are not.
    let first = tokio::time::sleep(settings.within);
    let mut first = pin!(first);
    while known.len() < names.len() {
        tokio::select! {
            Some((host, answer)) = news.recv() => drop(known.insert(host, answer)),
            () = &mut first => break,
        }
    }
    let mut ticks = interval_at(Instant::now(), pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = 0;
    while times.is_none_or(|times| shown < times) {
        tokio::select! {
            Some((host, answer)) = news.recv() => drop(known.insert(host, answer)),
            _ = ticks.tick() => {
                show(&report(nodes, &known))?;
                shown += 1;
            }
        }
    }
    Ok(())
}

/// Asks one host for ever, or until nobody listens.
async fn follow_host(host: Arc<dyn Host>, pause: Duration, news: mpsc::Sender<(String, Result<HostUsage, Silent>)>) {
    loop {
        let silent = match ask::open(host.as_ref()).await {
            Err(silent) => silent,
            Ok(session) => loop {
                let usage = tokio::select! {
                    usage = session.agent().usage(pause) => usage,
                    () = news.closed() => return,
                };
                match usage {
                    Ok(usage) => {
                        if news.send((host.name().to_owned(), Ok(usage))).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => break broken_off(&session, error),
                }
            },
        };
        if news.send((host.name().to_owned(), Err(silent))).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

fn report(nodes: &[&Node], known: &Answers) -> TopReport {
    let answered = known.iter().filter_map(|(host, answer)| Some((host, answer.as_ref().ok()?)));
    let hosts = answered.map(|(host, usage)| HostLoad {
        host: host.clone(),
        cpus: usage.cpus,
        load_1m: usage.load_1m,
        memory_bytes: usage.memory_bytes,
        memory_available_bytes: usage.memory_available_bytes,
    });
    TopReport {
        rows: nodes.iter().map(|node| row(node, known.get(&node.host))).collect(),
        hosts: hosts.collect(),
        silent: known.values().filter_map(|answer| answer.as_ref().err().cloned()).collect(),
    }
}

fn row(node: &Node, answer: Option<&Result<HostUsage, Silent>>) -> TopRow {
    let blank = |state, error| TopRow {
        name: node.name.clone(),
        node_type: node.node_type,
        host: node.host.clone(),
        state,
        pid: None,
        cpu_percent: None,
        cpu_s: None,
        rss_bytes: None,
        threads: None,
        fds: None,
        log_waiting: None,
        error,
    };
    let usage = match answer {
        None => return blank(NodeState::Unknown, Some("no answer yet".to_owned())),
        Some(Err(silent)) => {
            let (state, why) = silent.state(&node.name);
            return blank(state, Some(why));
        }
        Some(Ok(usage)) => usage,
    };
    let Some(found) = usage.nodes.iter().find(|found| found.name == node.name) else {
        let reason = "not part of the deployed release (zeek-cluster deploy)".to_owned();
        return blank(NodeState::Stopped, Some(reason));
    };
    TopRow {
        pid: found.pid,
        cpu_percent: found.cpu_percent,
        cpu_s: found.cpu_s,
        rss_bytes: found.rss_bytes,
        threads: found.threads,
        fds: found.fds,
        log_waiting: found.log_waiting,
        ..blank(found.state, None)
    }
}
