//! Stops nodes that the layout no longer has.

use std::time::Duration;

use crate::api::outcome::ErrorInfo;
use crate::deploy::ledger::{Place, Trouble};
use crate::deploy::site::Site;
use crate::faults;

/// Stops nodes; one that does not stop is trouble for the host, since its ports may be wanted by others.
pub(in crate::deploy) async fn run(site: &Site, nodes: &[String], within: Duration) -> Result<(), Trouble> {
    let stopped = site.session.agent().stop(nodes, within).await.map_err(|error| site.trouble("retire", &error))?;
    faults::point("retire");
    match stopped.into_iter().find(|outcome| !outcome.kind.is_success()) {
        None => Ok(()),
        Some(failed) => {
            let why = failed.error.map_or_else(|| failed.kind.as_str().to_owned(), |error| error.what);
            let what =
                format!("{}, which the layout no longer has, does not stop on {}: {why}", failed.target, site.host);
            Err(Trouble {
                kind: failed.kind,
                step: "retire".to_owned(),
                error: ErrorInfo { what, hint: None },
                place: Place::AtWork,
            })
        }
    }
}
