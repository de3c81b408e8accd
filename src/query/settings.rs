//! How hosts are asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::agent::client::AgentClient;
use crate::api::agent::Holder;
use crate::fleet;

/// How hosts are reached, and how long an answer is waited for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How hosts are reached.
    pub reach: fleet::Settings,
    /// How long one host may take to be reached and to answer, all in all; streams are not cut by it.
    pub within: Duration,
    /// Notes who changes the cluster meanwhile.
    pub writer: Writer,
}

/// Who was seen to change the cluster while it was asked; shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct Writer(Arc<Mutex<Option<Holder>>>);

impl Writer {
    /// Who it was, when anybody.
    pub fn seen(&self) -> Option<Holder> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Notes what an agent said with its last answer.
    pub(super) fn note(&self, agent: &AgentClient) {
        if let Some(holder) = agent.writer() {
            *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(holder);
        }
    }
}

impl Settings {
    /// Five seconds to connect and ten to answer.
    pub const WITHIN: Duration = Duration::from_secs(15);
}
