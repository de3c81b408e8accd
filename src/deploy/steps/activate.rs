//! Makes a staged release the current one.

use crate::deploy::ledger::Trouble;
use crate::deploy::site::Site;
use crate::faults;

/// Switches `current` on a host; no node is touched. Releases to `keep` are current elsewhere.
pub(in crate::deploy) async fn run(site: &Site, release: &str, keep: &[String]) -> Result<(), Trouble> {
    site.session.agent().activate(release, keep).await.map_err(|error| site.trouble("activate", &error))?;
    faults::point("activate");
    Ok(())
}
