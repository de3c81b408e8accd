//! One writer per cluster: the lease that a command which changes something holds while it works.
//!
//! The lock lives at the agent of the manager's host, for as long as this process lives and its connection holds
//! (`agent/lock.rs`). It is taken before anything is brought to another host. On the first deploy the manager's host gets
//! its agent for it; meanwhile the other hosts are logged in on, which changes nothing there. A host that cannot be reached
//! keeps its lock to itself: the operator has to decide to go on without (`--no-lock`), as falling back to another host
//! would give two operators two locks.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};

use super::ledger::{Place, Trouble};
use super::progress::Silent;
use super::site::{self, Site};
use crate::agent::client::{ClientError, JsonLines};
use crate::api::agent::{Holder, LockEvent, Renewal, RunEnd};
use crate::api::outcome::ErrorInfo;
use crate::data::NodeType;
use crate::faults;
use crate::fleet::{self, Binary, Presence, Settings};
use crate::layout::Layout;

/// How often a lease is renewed; the agent gives it up after ten seconds of silence.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// How long a lock whose connection broke is tried to be taken anew.
const RETAKE_WITHIN: Duration = Duration::from_secs(5);

/// How often, meanwhile.
const RETAKE_EVERY: Duration = Duration::from_millis(250);

/// What may keep a run from beginning.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("the cluster is locked by another operator")]
    Held(Box<Holder>),
    /// It was waited for, and is still held.
    #[error("the cluster is still locked")]
    InVain {
        /// Who holds it now.
        holder: Box<Holder>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The program that the lock's host is to get is this one, and it cannot be read.
    #[error("cannot read this program")]
    OwnBinary(#[source] std::io::Error),
    /// Its host was reached, and refuses or fails.
    #[error("the cluster's lock, which {host} keeps, cannot be taken: {}", error.what)]
    Failed {
        /// The host.
        host: String,
        /// Why.
        error: ErrorInfo,
    },
    /// Its host cannot be reached.
    #[error("the cluster's lock, which {host} keeps, cannot be taken: {}", error.what)]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        error: ErrorInfo,
    },
}

impl LockError {
    fn of(host: &str, trouble: Trouble) -> LockError {
        let (host, error) = (host.to_owned(), trouble.error);
        match trouble.place {
            Place::OnTheWay => LockError::Unreachable { host, error },
            Place::NotDeployed | Place::NoAgent | Place::AtWork => LockError::Failed { host, error },
        }
    }
}

/// Who asks for the lock, and how.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The run.
    pub run: &'a str,
    /// As it was typed.
    pub command: &'a str,
    /// How long to wait while another run holds it.
    pub wait: Duration,
    /// What must be on the host for the command to work.
    pub needs: Needs,
    /// The hosts that it will work on.
    pub hosts: &'a [&'a str],
}

/// What a command needs on its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// What was deployed before.
    Deployed,
    /// What was deployed before, with an agent that answers: one that hangs is replaced.
    Revived,
    /// This program; it is brought there.
    ThisProgram,
}

impl Needs {
    fn presence(self) -> Result<Presence, LockError> {
        match self {
            Needs::Deployed => Ok(Presence::Started),
            Needs::Revived => Ok(Presence::Revived),
            Needs::ThisProgram => Binary::own().map(Presence::Installed).map_err(LockError::OwnBinary),
        }
    }
}

/// The lock, held.
pub struct Lease {
    site: Site,
    events: JsonLines<LockEvent>,
    holder: Holder,
}

/// The host whose agent keeps the lock: the manager's.
pub fn keeper(layout: &Layout) -> &str {
    let manager = layout.nodes.iter().find(|node| node.node_type == NodeType::Manager);
    manager.map_or(layout.hosts[0].name.as_str(), |manager| manager.host.as_str())
}

/// Takes the lock. None when its host has nothing of the cluster yet and the command does not bring it there: there is
/// nothing to be locked.
pub async fn take(layout: &Layout, settings: &Settings, claim: &Claim<'_>) -> Result<Option<Lease>, LockError> {
    let (host, presence) = (keeper(layout), claim.needs.presence()?);
    let others: Vec<&str> = claim.hosts.iter().copied().filter(|name| *name != host).collect();
    fleet::log_in_early(layout, settings, &others);
    let site = match open(layout, settings, host, &presence).await {
        Ok(site) => site,
        Err(trouble) if trouble.place == Place::NotDeployed && claim.needs != Needs::ThisProgram => return Ok(None),
        // An agent of another version that keeps somebody's lock is not replaced: that somebody is the reason.
        Err(trouble) => match holder(layout, settings).await {
            Ok(Some(holder)) if claim.wait.is_zero() => return Err(LockError::Held(Box::new(holder))),
            Ok(Some(_)) => open_later(layout, settings, &presence, claim.wait).await?,
            // Where no agent can be had, none keeps a lock, and what is to be mended may be the reason.
            _ if claim.needs == Needs::Revived && trouble.place == Place::AtWork => return Ok(None),
            _ => return Err(LockError::of(host, trouble)),
        },
    };
    let holder = Holder {
        run: claim.run.to_owned(),
        operator: settings.operator_at(),
        pid: std::process::id(),
        command: claim.command.to_owned(),
        since: 0.0,
        step: None,
    };
    let events = claim_at(&site, &holder, claim.wait).await?;
    faults::point("lock");
    let lease = Lease { site, events, holder };
    // So that who was stopped or held up since does not begin without it.
    let renewal = lease.renewal(None);
    let confirmed = lease.site.session.agent().renew_lock(&renewal).await;
    confirmed.map_err(|error| LockError::of(host, lease.site.trouble("lock", &error)))?;
    Ok(Some(lease))
}

/// Who holds the lock; starts and changes nothing.
///
/// # Errors
/// [`LockError::Unreachable`] when the host cannot be reached, [`LockError::Failed`] when its agent does not answer or
/// not as this program expects.
pub async fn holder(layout: &Layout, settings: &Settings) -> Result<Option<Holder>, LockError> {
    let host = keeper(layout);
    let site = match open(layout, settings, host, &Presence::Running).await {
        Ok(site) => site,
        // An agent that does not run keeps no lock.
        Err(trouble) if matches!(trouble.place, Place::NotDeployed | Place::NoAgent) => return Ok(None),
        Err(trouble) => return Err(LockError::of(host, trouble)),
    };
    site.session.agent().status().await.map_err(|error| LockError::of(host, site.trouble("lock", &error)))?;
    Ok(site.session.agent().writer())
}

/// Takes the lock away from a run, whose command then stops.
///
/// # Errors
/// As [`holder`]; and [`LockError::Failed`] when no agent runs there, or that run does not hold the lock.
pub async fn unlock(layout: &Layout, settings: &Settings, run: &str) -> Result<(), LockError> {
    let host = keeper(layout);
    let opened = open(layout, settings, host, &Presence::Running).await;
    let site = opened.map_err(|trouble| LockError::of(host, trouble))?;
    let taken = site.session.agent().take_lock_away(run).await;
    taken.map_err(|error| LockError::of(host, site.trouble("lock", &error)))
}

async fn open(layout: &Layout, settings: &Settings, host: &str, presence: &Presence) -> Result<Site, Trouble> {
    let (sites, troubles) = site::open(layout, &[host], settings, presence, &Silent).await;
    match (sites.into_iter().next(), troubles.into_iter().next()) {
        (Some(site), _) => Ok(site),
        (None, Some((_, trouble))) => Err(trouble),
        (None, None) => unreachable!("a host of the layout is reached or in trouble"),
    }
}

/// Waits until the agent of another version is free to be replaced.
async fn open_later(
    layout: &Layout,
    settings: &Settings,
    presence: &Presence,
    wait: Duration,
) -> Result<Site, LockError> {
    let (host, begun) = (keeper(layout), Instant::now());
    loop {
        tokio::time::sleep(RETAKE_EVERY).await;
        let trouble = match open(layout, settings, host, presence).await {
            Ok(site) => return Ok(site),
            Err(trouble) => trouble,
        };
        let Some(holder) = holder(layout, settings).await? else {
            return Err(LockError::of(host, trouble));
        };
        if begun.elapsed() >= wait {
            return Err(LockError::InVain { holder: Box::new(holder), waited: wait });
        }
    }
}

async fn claim_at(site: &Site, holder: &Holder, wait: Duration) -> Result<JsonLines<LockEvent>, LockError> {
    let failed = |error: &ClientError| LockError::of(&site.host, site.trouble("lock", error));
    let asked = site.session.agent().lock(holder, wait).await;
    let mut events = asked.map_err(|error| failed(&error))?;
    match events.next().await {
        Some(Ok(LockEvent::Granted)) => Ok(events),
        Some(Ok(LockEvent::Held(holder))) if wait.is_zero() => Err(LockError::Held(Box::new(holder))),
        Some(Ok(LockEvent::Held(holder))) => Err(LockError::InVain { holder: Box::new(holder), waited: wait }),
        Some(Err(error)) => Err(failed(&error.into())),
        Some(Ok(LockEvent::Lost(what))) => {
            Err(LockError::Failed { host: site.host.clone(), error: ErrorInfo { what, hint: None } })
        }
        None => {
            let what = format!("{}: the agent ended", site.host);
            Err(LockError::Failed { host: site.host.clone(), error: ErrorInfo { what, hint: None } })
        }
    }
}

impl Lease {
    /// Holds the lock until it is lost; why. `step` is what the command is doing.
    pub async fn keep(&mut self, step: watch::Receiver<Option<String>>) -> String {
        let mut ticks = interval(RENEW_EVERY);
        loop {
            let event = tokio::select! {
                event = self.events.next() => event,
                _ = ticks.tick() => {
                    let renewal = self.renewal(step.borrow().clone());
                    // What keeps it from being renewed also ends the stream of events, or the lease at its end.
                    let _ = timeout(RENEW_EVERY, self.site.session.agent().renew_lock(&renewal)).await;
                    continue;
                }
            };
            let why = match event {
                Some(Ok(LockEvent::Lost(why))) => return why,
                Some(Ok(_)) => continue,
                Some(Err(error)) => ClientError::from(error).in_words(),
                None => "the agent ended".to_owned(),
            };
            if !self.retake().await {
                return format!("{}: {why}", self.site.host);
            }
        }
    }

    fn renewal(&self, step: Option<String>) -> Renewal {
        Renewal { run: self.holder.run.clone(), step }
    }

    /// The connection broke: nobody else may have taken it meanwhile.
    async fn retake(&mut self) -> bool {
        let until = Instant::now() + RETAKE_WITHIN;
        while Instant::now() < until {
            match claim_at(&self.site, &self.holder, Duration::ZERO).await {
                Ok(events) => {
                    self.events = events;
                    return true;
                }
                Err(LockError::Failed { .. } | LockError::Unreachable { .. }) => tokio::time::sleep(RETAKE_EVERY).await,
                Err(_) => return false,
            }
        }
        false
    }

    /// Gives the lock back, and tells the agent how the run ended.
    pub async fn end(self, end: &RunEnd) {
        // If nobody hears it, the end of the connection says the same.
        let _ = timeout(RENEW_EVERY, self.site.session.agent().end_lock(end)).await;
    }
}
