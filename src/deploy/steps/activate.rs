//! Makes a staged release the current one.

use crate::deploy::ledger::Trouble;
use crate::deploy::site::Site;

/// Switches `current` on a host; no node is touched.
pub(in crate::deploy) async fn run(site: &Site, release: &str) -> Result<(), Trouble> {
    site.session.agent().activate(release).await.map_err(|error| site.trouble("activate", &error))
}
