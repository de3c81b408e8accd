//! What nodes wrote to their standard output and error, as their agents kept it.

use std::sync::Arc;

use super::ask::{self, Silent, broken_off};
use super::settings::Settings;
use crate::agent::client::Follow;
use crate::fleet::Host;
use crate::layout::{Layout, Node};

pub use crate::agent::client::OutputStream;

/// Hands the last `lines` lines of each node to `line` (with the node's name), node after node in the order of the layout;
/// with `follow` it goes on with what is written from then on, which is meant for one node. Hosts that gave no answer are
/// returned; an error of `line` ends it.
///
/// # Errors
/// The first error of `line`, and nothing else.
pub async fn output<E>(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    stream: OutputStream,
    lines: u64,
    follow: Follow,
    mut line: impl FnMut(&str, &str) -> Result<(), E>,
) -> Result<Vec<Silent>, E> {
    let mut silent = Vec::new();
    for host in ask::reachable(layout, &ask::hosts_of(layout, nodes), settings) {
        if let Err(failure) = of_host(&host, nodes, settings, stream, lines, follow, &mut line).await {
            match failure {
                Failure::Silent(host) => silent.push(host),
                Failure::Line(error) => return Err(error),
            }
        }
    }
    Ok(silent)
}

enum Failure<E> {
    Silent(Silent),
    Line(E),
}

async fn of_host<E>(
    host: &Arc<dyn Host>,
    nodes: &[&Node],
    settings: &Settings,
    stream: OutputStream,
    lines: u64,
    follow: Follow,
    line: &mut impl FnMut(&str, &str) -> Result<(), E>,
) -> Result<(), Failure<E>> {
    let session = ask::open(host.as_ref()).await.map_err(Failure::Silent)?;
    for node in nodes.iter().filter(|node| node.host == host.name()) {
        let broken = |error| Failure::Silent(broken_off(&session, error));
        let mut text = session.agent().output(&node.name, stream, lines, follow).await.map_err(broken)?;
        settings.writer.note(session.agent());
        while let Some(next) = text.next().await {
            let next = next.map_err(|error| Failure::Silent(broken_off(&session, error.into())))?;
            line(&node.name, &next).map_err(Failure::Line)?;
        }
    }
    Ok(())
}
