//! The agents themselves.

use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::api::agent::AgentStatus;
use crate::api::boot::Boot;
use crate::layout::Layout;

/// One row for each host of the layout, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentsReport {
    /// The rows.
    pub rows: Vec<AgentRow>,
}

/// One host's agent. This is the JSON of `agent status`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentRow {
    /// The host of the layout.
    pub host: String,
    /// Whether it answered.
    pub running: bool,
    /// Its process.
    pub pid: Option<u32>,
    /// Version of its program.
    pub version: Option<String>,
    /// The release that is current.
    pub release: Option<String>,
    /// How many nodes it has.
    pub nodes: Option<usize>,
    /// Seconds since the epoch.
    pub started_at: Option<f64>,
    /// Why it gave no answer.
    pub error: Option<String>,
    /// What starts it when its host starts; unset when it does not say.
    pub boot: Option<Boot>,
}

/// Asks every host for its agent, and starts none.
pub async fn agents(layout: &Layout, settings: &Settings) -> AgentsReport {
    let names = layout.host_names();
    let hosts = ask::reachable(layout, &names, settings);
    let answers = ask::ask(&hosts, settings, async |session| session.agent().status().await);
    let mut answers = pin!(answers);
    let mut rows = Vec::new();
    while let Some((host, answer)) = answers.next().await {
        rows.push(row(host, answer));
    }
    rows.sort_by_key(|row: &AgentRow| names.iter().position(|name| *name == row.host));
    AgentsReport { rows }
}

fn row(host: String, answer: Result<AgentStatus, Silent>) -> AgentRow {
    match answer {
        Ok(status) => AgentRow {
            host,
            running: true,
            pid: Some(status.pid),
            version: Some(status.version),
            release: status.release,
            nodes: Some(status.nodes.len()),
            started_at: Some(status.started_at),
            error: None,
            boot: status.boot,
        },
        Err(silent) => AgentRow {
            host,
            running: false,
            pid: None,
            version: None,
            release: None,
            nodes: None,
            started_at: None,
            error: Some(silent.error.what),
            boot: None,
        },
    }
}
