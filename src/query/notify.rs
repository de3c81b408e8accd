//! Sends test messages from each host to the targets of `notify:`.

use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::api::notify::NotifyTested;
use crate::layout::{Host, Layout};

/// The outcomes of the test messages.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyReport {
    /// One row for each host and target.
    pub rows: Vec<NotifyRow>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// One test message. This is its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotifyRow {
    /// The host that sent it.
    pub host: String,
    /// The target, and what became of the message.
    #[serde(flatten)]
    pub tested: NotifyTested,
}

/// Has each host send a test message to one target, or to all.
pub async fn test_notify(layout: &Layout, hosts: &[&Host], settings: &Settings, target: Option<&str>) -> NotifyReport {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let reachable = ask::reachable(layout, &names, settings);
    let answers = ask::ask(&reachable, settings, async |session| session.agent().test_notify(target).await);
    let mut answers = pin!(answers);
    let mut report = NotifyReport { rows: Vec::new(), silent: Vec::new() };
    while let Some((host, answer)) = answers.next().await {
        match answer {
            Ok(tested) => report.rows.extend(tested.into_iter().map(|tested| NotifyRow { host: host.clone(), tested })),
            Err(silent) => report.silent.push(silent),
        }
    }
    report.rows.sort_by_key(|row| names.iter().position(|name| *name == row.host));
    report
}
