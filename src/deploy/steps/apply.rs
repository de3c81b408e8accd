//! Brings nodes to what the current release says.

use std::time::Duration;

use crate::api::outcome::Outcome;
use crate::deploy::ledger::Trouble;
use crate::deploy::site::Site;
use crate::faults;

/// Starts what does not run and restarts what changed; one outcome per node.
pub(in crate::deploy) async fn run(site: &Site, nodes: &[String], within: Duration) -> Result<Vec<Outcome>, Trouble> {
    let applied = site.session.agent().apply(nodes, within).await;
    faults::point("apply");
    applied.map_err(|error| site.trouble("apply", &error))
}
