//! `check`: would a deploy work? Nothing is changed anywhere.

use super::error::DeployError;
use super::ledger::{self, Ledger, Place};
use super::progress::Progress;
use super::release::Delivery;
use super::site;
use crate::api::keys::CurveKeys;
use crate::api::outcome::Outcome;
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;

/// Renders every node's files and reaches every host; one outcome per host.
pub async fn check(
    layout: &Layout,
    settings: &Settings,
    curve: Option<&CurveKeys>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, DeployError> {
    Delivery::prepare(layout, settings, curve)?;
    let names: Vec<&str> = layout.hosts.iter().map(|host| host.name.as_str()).collect();
    let mut ledger = Ledger::new(names.iter().map(|name| (*name, *name)));
    let (sites, troubles) = site::open(layout, &names, settings, &Presence::Running, progress).await;
    for (host, trouble) in &troubles {
        match trouble.place == Place::NoAgent {
            true => ledger.enter(ledger::ok(host, host, "login")),
            false => ledger.close_host(host, trouble),
        }
    }
    for site in &sites {
        ledger.enter(ledger::ok(&site.host, &site.host, "agent"));
    }
    Ok(ledger.finish())
}
