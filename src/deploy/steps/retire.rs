//! Stops nodes that the layout no longer has on a host.

use std::time::Duration;

use crate::api::outcome::{ErrorInfo, Outcome};
use crate::deploy::ledger::{Place, Trouble};
use crate::deploy::site::Site;
use crate::faults;
use crate::render::HostRelease;

/// The step's word: of an outcome that is `ok`, that the node was stopped because the layout does not have it.
pub const STEP: &str = "retire";

/// Stops nodes, and has the agent forget them where the host stays (`part`); one that does not stop is trouble for the
/// host, since its ports may be wanted by others.
pub(in crate::deploy) async fn run(
    site: &Site,
    part: Option<&HostRelease>,
    nodes: &[String],
    within: Duration,
) -> Result<Vec<Outcome>, Trouble> {
    let agent = site.session.agent();
    let stopped = match part {
        // What the current release does not name is stopped and forgotten.
        Some(_) => agent.apply(nodes, within).await,
        None => agent.stop(nodes, within).await,
    };
    faults::point("retire");
    let stopped = stopped.map_err(|error| site.trouble(STEP, &error))?;
    match stopped.iter().find(|outcome| !outcome.kind.is_success()) {
        None => Ok(stopped.into_iter().map(|outcome| Outcome { step: STEP.to_owned(), ..outcome }).collect()),
        Some(failed) => {
            let why = failed.error.as_ref().map_or_else(|| failed.kind.as_str(), |error| &error.what);
            let what = format!(
                "{}, which the layout no longer has there, does not stop on {}: {why}",
                failed.target, site.host
            );
            let error = ErrorInfo { what, hint: None };
            Err(Trouble { kind: failed.kind, step: STEP.to_owned(), error, place: Place::AtWork })
        }
    }
}
