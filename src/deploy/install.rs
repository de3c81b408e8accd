//! `install`: everything of `deploy` but starting.

use super::deploy::{Report, rollout};
use super::error::DeployError;
use super::ledger::{self, Ledger};
use super::plan::Step;
use super::progress::Progress;
use super::release::Delivery;
use crate::api::keys::CurveKeys;
use crate::fleet::Settings;
use crate::layout::Layout;

/// Stages the release on every host and makes it the current one; one outcome per host, no node is touched.
pub async fn install(
    layout: &Layout,
    settings: &Settings,
    curve: Option<&CurveKeys>,
    progress: &dyn Progress,
) -> Result<Report, DeployError> {
    let delivery = Delivery::prepare(layout, settings, curve)?;
    let mut ledger = Ledger::new(layout.hosts.iter().map(|host| (host.name.as_str(), host.name.as_str())));
    let wanted = |step| matches!(step, Step::Stage | Step::CheckScripts | Step::Activate);
    let rolled = rollout(layout, settings, &delivery, progress, wanted, &mut ledger).await;
    for site in &rolled.sites {
        ledger.enter(ledger::ok(&site.host, &site.host, "activate"));
    }
    Ok(Report { release: delivery.release.id, outcomes: ledger.finish(), switched: rolled.switched })
}
