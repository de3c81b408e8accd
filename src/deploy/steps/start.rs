//! Starts nodes that do not run.

use std::time::Duration;

use crate::api::outcome::Outcome;
use crate::deploy::ledger::Trouble;
use crate::deploy::site::Site;
use crate::faults;

/// Starts nodes from the current release, also those that an operator stopped; one outcome per node.
pub(in crate::deploy) async fn run(site: &Site, nodes: &[String], within: Duration) -> Result<Vec<Outcome>, Trouble> {
    let started = site.session.agent().start(nodes, within).await;
    faults::point("apply");
    started.map_err(|error| site.trouble("start", &error))
}
