//! Brings nodes to what the current release says.

use std::time::Duration;

use crate::api::outcome::Outcome;
use crate::deploy::ledger::Trouble;
use crate::deploy::site::Site;

/// Starts what does not run and restarts what changed; one outcome per node.
pub(in crate::deploy) async fn run(site: &Site, nodes: &[String], within: Duration) -> Result<Vec<Outcome>, Trouble> {
    site.session.agent().apply(nodes, within).await.map_err(|error| site.trouble("apply", &error))
}
