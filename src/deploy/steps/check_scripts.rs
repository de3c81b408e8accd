//! Lets the real Zeek of a host read the scripts of a staged release, listening nowhere.

use std::time::Duration;

use crate::api::agent::AgentStatus;
use crate::api::node::ScriptsChecked;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::deploy::ledger::{self, Place, Trouble};
use crate::deploy::site::Site;
use crate::faults;
use crate::render::HostRelease;

/// The step's word.
const STEP: &str = "scripts";

/// A configuration takes about a second, and a host has few distinct ones.
const WITHIN: Duration = Duration::from_secs(180);

/// Whether the host runs a real Zeek.
pub(in crate::deploy) fn is_needed(part: &HostRelease) -> bool {
    part.manifest.files.iter().any(|file| file.path.as_os_str() == "zeek-cluster-config.zeek")
}

/// Checks a staged release: one outcome for each node that is a real Zeek.
pub(in crate::deploy) async fn run(site: &Site, part: &HostRelease) -> Result<Vec<Outcome>, Trouble> {
    check(site, &part.manifest.binary, &part.manifest.id).await
}

/// Checks the release that is current on the host, before its nodes are started or restarted: scripts of the site may have been
/// edited since it was deployed. One outcome for each node that is a real Zeek.
pub(in crate::deploy) async fn run_current(site: &Site, status: &AgentStatus) -> Result<Vec<Outcome>, Trouble> {
    match &status.release {
        Some(release) => check(site, &status.binary, release).await,
        None => Ok(Vec::new()),
    }
}

async fn check(site: &Site, binary: &str, release: &str) -> Result<Vec<Outcome>, Trouble> {
    let dir = site.session.dir();
    let text = |path: &std::path::Path| path.display().to_string();
    let (program, folder) = (text(&dir.binary(binary)), text(dir.path()));
    let argv = [&program, "node", "check", release, "--dir", &folder].map(str::to_owned);
    faults::point("check");
    let answer = site.session.exec(&argv, WITHIN).await.map_err(|error| Trouble::from(&error))?;
    let failed = |what: String| Trouble {
        kind: Kind::Failed,
        step: STEP.to_owned(),
        error: ErrorInfo { what, hint: None },
        place: Place::AtWork,
    };
    if !answer.success() {
        let why = answer.last_error_line().unwrap_or_else(|| "it said nothing".to_owned());
        return Err(failed(format!("{}: Zeek's scripts cannot be checked: {why}", site.host)));
    }
    let groups: Vec<ScriptsChecked> = serde_json::from_slice(&answer.stdout)
        .map_err(|error| failed(format!("{}: the check of Zeek's scripts gave no answer: {error}", site.host)))?;
    let outcomes = groups.into_iter().flat_map(|ScriptsChecked { nodes, error }| {
        nodes.into_iter().map(move |node| match &error {
            None => ledger::ok(&node, &site.host, STEP),
            Some(error) => Trouble { error: error.clone(), ..failed(String::new()) }.outcome(&node, &site.host),
        })
    });
    Ok(outcomes.collect())
}
