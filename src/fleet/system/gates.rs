//! Jump hosts of the layout, shared by the hosts behind them: one master carries all jumps of a command. (Jump hosts of
//! `ssh_config` are left to `ssh`.)

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::super::error::Step;
use super::super::exam::Diary;
use super::super::fault::{Fault, Progress};
use super::super::reasons::Acceptance;
use super::super::settings::Settings;
use super::arguments::Destination;
use super::master::{Master, Opening};
use super::words::Whom;

/// A machine on the way that was not logged in to.
#[derive(Clone, Debug)]
pub(in super::super) struct Lost {
    pub address: String,
    pub port: u16,
    pub fault: Fault,
}

/// A machine to log in on: how `ssh` is told, and what the errors call it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Stop {
    pub to: Destination,
    pub user: String,
    pub address: String,
    pub port: u16,
    /// For the advice on an unknown key.
    pub acceptance: Acceptance,
}

/// The way to a host: the machines to log in on, jump hosts first.
pub(in super::super) struct Way {
    pub settings: Arc<Settings>,
    pub stops: Vec<Stop>,
    /// For the login of each.
    pub step: Duration,
    pub diary: Diary,
}

/// The masters of the jump hosts of one command, by the way to them.
#[derive(Clone, Default)]
pub(in super::super) struct Gates(Arc<Mutex<HashMap<Vec<Stop>, Arc<Gate>>>>);

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gates")
    }
}

/// A jump host.
#[derive(Default)]
struct Gate(tokio::sync::Mutex<GateState>);

#[derive(Default)]
struct GateState {
    /// Held by the sessions that go through it.
    open: Weak<Master>,
    /// When and why the last login failed.
    failed: Option<(Instant, Lost)>,
}

impl Way {
    /// A master for the last of the machines, through those before it.
    pub(super) async fn open(&self) -> Result<Master, Lost> {
        self.open_up_to(self.stops.len(), false).await
    }

    fn open_up_to(&self, count: usize, is_jump: bool) -> BoxFuture<'_, Result<Master, Lost>> {
        Box::pin(async move {
            let (stop, before) = self.stops[..count].split_last().expect("a way ends at a machine");
            let gate = if before.is_empty() { None } else { Some(self.gate(before).await?) };
            let jump = is_jump.then(|| stop.to.name.clone());
            let progress = Progress::new(Step::Resolve, Instant::now() + stop.to.connect + stop.to.configuration);
            let opening = Opening {
                to: &stop.to,
                whom: Whom {
                    user: stop.user.clone(),
                    address: stop.address.clone(),
                    port: stop.port,
                    is_behind: gate.is_some(),
                    can_be_asked: self.settings.can_ask_for_ssh(),
                    acceptance: stop.acceptance.clone(),
                },
                settings: &self.settings,
                progress: Arc::new(progress.noted_in(self.diary.clone(), jump)),
                step: self.step,
                gate,
            };
            Master::open(&opening).await.map_err(|mut fault| {
                if is_jump {
                    fault.what = format!("jump host: {}", fault.what);
                }
                Lost { address: stop.address.clone(), port: stop.port, fault }
            })
        })
    }

    /// The master of the jump host at the end of these; logs in where there is none.
    async fn gate(&self, stops: &[Stop]) -> Result<Arc<Master>, Lost> {
        let gate = {
            let mut known = self.settings.gates.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(stops.to_vec()).or_default().clone()
        };
        let asked = Instant::now();
        let mut state = gate.0.lock().await;
        if let Some(master) = state.open.upgrade().filter(|master| master.lives()) {
            return Ok(master);
        }
        // Whoever waited for it meanwhile is not made to wait for another one.
        if let Some((at, lost)) = &state.failed
            && *at >= asked
        {
            return Err(lost.clone());
        }
        match self.open_up_to(stops.len(), true).await {
            Ok(master) => {
                let master = Arc::new(master);
                *state = GateState { open: Arc::downgrade(&master), failed: None };
                Ok(master)
            }
            Err(lost) => {
                state.failed = Some((Instant::now(), lost.clone()));
                Err(lost)
            }
        }
    }
}
