//! How hosts are asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

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
pub struct Writer(Arc<watch::Sender<Option<Holder>>>);

impl Writer {
    /// Who it was, when anybody.
    pub fn seen(&self) -> Option<Holder> {
        self.0.borrow().clone()
    }

    /// The same, once.
    pub fn take(&self) -> Option<Holder> {
        self.0.send_replace(None)
    }

    /// Waits until somebody is seen, and takes it; for streams, which have no end to say it at.
    pub async fn next(&self) -> Holder {
        let mut seen = self.0.subscribe();
        loop {
            if let Some(holder) = self.take() {
                return holder;
            }
            if seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Notes what an agent said with its last answer.
    pub(super) fn note(&self, agent: &AgentClient) {
        if let Some(holder) = agent.writer() {
            self.0.send_replace(Some(holder));
        }
    }
}

impl Settings {
    /// Five seconds to connect and ten to answer.
    pub const WITHIN: Duration = Duration::from_secs(15);
}
