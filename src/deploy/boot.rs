//! `agent install` and `agent uninstall`: each host's own program does it there; one outcome per host.
//!
//! No lock is taken: the agent that would keep it is the one that gives way. A command that holds it is respected: nothing
//! is done while there is one.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::ledger::{self, Ledger, Trouble};
use super::lock::{self, LockError};
use super::progress::{Event, Progress};
use super::site::{self, Site};
use crate::api::boot::BootScope;
use crate::api::outcome::{Kind, Outcome};
use crate::fleet::{Presence, Settings};
use crate::layout::Layout;

/// How long the hand-over may take on one host.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(90);

/// What is to become of the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootChange {
    /// A unit starts each agent; of this scope, or of the one that fits the user there.
    Install(Option<BootScope>),
    /// No unit does any more.
    Uninstall,
}

impl BootChange {
    fn word(self) -> &'static str {
        match self {
            BootChange::Install(_) => "install",
            BootChange::Uninstall => "uninstall",
        }
    }

    fn in_progress(self) -> &'static str {
        match self {
            BootChange::Install(_) => "installing units",
            BootChange::Uninstall => "removing units",
        }
    }
}

/// Installs or removes the units of the agents on these hosts, all at once.
///
/// # Errors
/// [`LockError::Held`] when another command changes the cluster, [`LockError::Failed`] when the agent that keeps the lock
/// does not answer. What goes wrong on a host is an outcome.
pub async fn change_boot(
    layout: &Layout,
    hosts: &[&str],
    change: BootChange,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LockError> {
    match lock::holder(layout, settings).await {
        // Where the lock cannot be asked for, no command can take it either; the host's own outcome says why.
        Ok(None) | Err(LockError::Unreachable { .. }) => {}
        Ok(Some(holder)) => return Err(LockError::Held(Box::new(holder))),
        Err(error) => return Err(error),
    }
    let mut ledger = Ledger::new(hosts.iter().map(|name| (*name, *name)));
    let (sites, troubles) = site::open(layout, hosts, settings, &Presence::Started, progress).await;
    for (host, trouble) in &troubles {
        ledger.close_host(host, trouble);
    }
    let targets: Vec<&str> = sites.iter().map(|site| site.host.as_str()).collect();
    progress.tell(Event::Phase { what: change.in_progress(), targets: &targets });
    let asked = sites.iter().map(|site| async move { (site, on_host(site, change).await) });
    let mut asked = stream::iter(asked).buffer_unordered(settings.parallel.max(1));
    while let Some((site, answer)) = asked.next().await {
        progress.tell(Event::Done { target: &site.host });
        match answer {
            Ok(kind) => ledger.enter(Outcome { kind, ..ledger::ok(&site.host, &site.host, change.word()) }),
            Err(trouble) => ledger.close_host(&site.host, &trouble),
        }
    }
    Ok(ledger.finish())
}

/// Runs the host's program; what it says on standard output is what it did, on standard error why it could not.
async fn on_host(site: &Site, change: BootChange) -> Result<Kind, Trouble> {
    let step = change.word();
    let status = site.session.first_status().await.map_err(|error| site.trouble(step, &error))?;
    let program = site.session.dir().binary(&status.binary).display().to_string();
    let dir = site.session.dir().path().display().to_string();
    let mut argv = vec![program, "agent".into(), step.into(), "--dir".into(), dir, "--output".into(), "json".into()];
    if let BootChange::Install(Some(scope)) = change {
        argv.push(format!("--{}", scope.as_str()));
    }
    let ended = site.session.exec(&argv, HAND_OVER_WITHIN).await.map_err(|error| Trouble::from(&error))?;
    let said: Option<Vec<Outcome>> = serde_json::from_slice(&ended.stdout).ok();
    match said.and_then(|outcomes| outcomes.into_iter().next()) {
        Some(Outcome { kind, .. }) if kind.is_success() => Ok(kind),
        Some(Outcome { step, error: Some(error), kind, .. }) => {
            let mut trouble = Trouble::failed(&step, error.what.clone());
            (trouble.kind, trouble.error) = (kind, error);
            Err(trouble)
        }
        _ => {
            let why = ended.last_error_line().unwrap_or_else(|| "its program gave no answer".to_owned());
            Err(Trouble::failed(step, why))
        }
    }
}
