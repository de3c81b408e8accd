//! `status --watch`: the same rows, again at each change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::ask::{self, Silent, broken_off};
use super::last::LastAnswers;
use super::settings::{Settings, Writer};
use super::skew::Versions;
use super::status::{StatusReport, rows_of};
use crate::api::agent::AgentStatus;
use crate::fleet::Host;
use crate::layout::{Layout, Node};

/// How long to wait before a host that gave no answer is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Changes that wait to be shown; a full queue makes the hosts' readers wait.
const QUEUE: usize = 64;

/// What a host said, or why it did not.
pub(super) type News = (String, Result<AgentStatus, Silent>);

/// Follows the hosts of `nodes`: the news of each, the first at once, then one at each change. A host whose stream broke
/// off is tried again for ever; the followers end when the receiver is dropped.
pub(super) fn follow(layout: &Layout, nodes: &[&Node], settings: &Settings) -> mpsc::Receiver<News> {
    let names = ask::hosts_of(layout, nodes);
    let (sender, receiver) = mpsc::channel(QUEUE);
    for host in ask::reachable(layout, &names, settings) {
        tokio::spawn(follow_host(host, settings.writer.clone(), sender.clone()));
    }
    receiver
}

async fn follow_host(host: Arc<dyn Host>, writer: Writer, news: mpsc::Sender<News>) {
    loop {
        let name = host.name().to_owned();
        let ended = follow_once(host.as_ref(), &writer, &news).await;
        let Some(silent) = ended else { return };
        if news.send((name, Err(silent))).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Follows one connection to its end; none when nobody listens any more.
async fn follow_once(host: &dyn Host, writer: &Writer, news: &mpsc::Sender<News>) -> Option<Silent> {
    let session = match ask::open(host).await {
        Ok(session) => session,
        Err(silent) => return Some(silent),
    };
    let mut changes = match session.agent().watch().await {
        Ok(changes) => changes,
        Err(error) => return Some(broken_off(&session, error)),
    };
    writer.note(session.agent());
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = news.closed() => return None,
        };
        match change {
            Some(Ok(status)) => news.send((host.name().to_owned(), Ok(status))).await.ok()?,
            Some(Err(error)) => return Some(broken_off(&session, error.into())),
            None => return Some(Silent::ended(host.name())),
        }
    }
}

/// Shows the status now and at each change, until `show` fails; never returns otherwise.
///
/// # Errors
/// The first error of `show`, and nothing else.
pub async fn watch<E>(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    mut show: impl FnMut(&StatusReport) -> Result<(), E>,
) -> Result<(), E> {
    let mut news = follow(layout, nodes, settings);
    let expected = ask::hosts_of(layout, nodes).len();
    let mut answers: BTreeMap<String, Result<AgentStatus, Silent>> = BTreeMap::new();
    let mut last = LastAnswers::of(layout);
    while let Some((host, answer)) = news.recv().await {
        if let Ok(status) = &answer {
            last.note(&host, status);
        }
        answers.insert(host, answer);
        if answers.len() == expected {
            show(&report(nodes, &answers, &last))?;
        }
    }
    Ok(())
}

fn report(
    nodes: &[&Node],
    answers: &BTreeMap<String, Result<AgentStatus, Silent>>,
    last: &LastAnswers,
) -> StatusReport {
    let mut rows: Vec<_> = answers.iter().flat_map(|(host, answer)| rows_of(host, nodes, answer, last)).collect();
    rows.sort_by_key(|row| nodes.iter().position(|node| node.name == row.name));
    let silent = answers.values().filter_map(|answer| answer.as_ref().err().cloned()).collect();
    let mut versions = Versions::default();
    for (host, status) in answers.iter().filter_map(|(host, answer)| Some((host, answer.as_ref().ok()?))) {
        versions.note(host, status);
    }
    StatusReport { rows, silent, unbooted: Vec::new(), skew: versions.skew(), notify: Vec::new(), doubles: Vec::new() }
}
