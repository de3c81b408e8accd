//! `install`: everything of `deploy` but starting.

use std::time::Duration;

use super::deploy::{Leavers, Options, Report, perform_some};
use super::error::DeployError;
use super::interrupt::Interrupt;
use super::key_source::KeySource;
use super::ledger::{self, Ledger};
use super::plan::Step;
use super::progress::Progress;
use super::rolling::Rolling;
use crate::fleet::Settings;
use crate::layout::Layout;

/// Stages the release on every host and makes it the current one; one outcome per host, no node is touched.
///
/// # Errors
/// [`DeployError::OwnBinary`] and [`DeployError::Render`], before any host is asked. What goes wrong on a host is an
/// outcome.
pub async fn install(
    layout: &Layout,
    settings: &Settings,
    keys: KeySource<'_>,
    progress: &dyn Progress,
) -> Result<Report, DeployError> {
    let mut ledger = Ledger::new(layout.hosts.iter().map(|host| (host.name.as_str(), host.name.as_str())));
    let wanted = |step| matches!(step, Step::Stage | Step::CheckScripts | Step::Activate);
    let options = Options {
        keys,
        join_within: Duration::ZERO,
        rolling: Rolling::default(),
        allow_partial: false,
        only: None,
        saved: None,
        leavers: Leavers::Any,
        progress,
        interrupt: Interrupt::never(),
    };
    let (delivery, survey, performed) = perform_some(layout, settings, &options, wanted, &mut ledger).await?;
    for site in &survey.sites {
        ledger.enter(ledger::ok(&site.host, &site.host, "activate"));
    }
    Ok(Report {
        release: delivery.release.id,
        outcomes: ledger.finish(),
        switched: performed.switched,
        interrupted: false,
        rolled: None,
        left_out: Vec::new(),
        hosts_file: None,
    })
}
