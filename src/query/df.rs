//! How full the hosts' disks are, and what of it the cluster takes.

use std::path::PathBuf;
use std::pin::pin;

use futures_util::StreamExt;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::api::agent::DiskUsage;
use crate::layout::{Host, Layout};

/// One row for each host that was asked for, in the order of the layout.
#[derive(Clone, Debug, PartialEq)]
pub struct DfReport {
    /// The rows.
    pub rows: Vec<DfRow>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// The file system of the cluster's folder on one host, sizes in bytes. This is the JSON of `df`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DfRow {
    /// The host of the layout.
    pub host: String,
    /// The cluster's folder there.
    pub path: Option<PathBuf>,
    /// Size of its file system.
    pub total_bytes: Option<u64>,
    /// What is used of it, by whomever.
    pub used_bytes: Option<u64>,
    /// What is free for the cluster.
    pub free_bytes: Option<u64>,
    /// Inodes; 0 where the file system has no fixed number.
    pub inodes: Option<u64>,
    /// Free inodes.
    pub inodes_free: Option<u64>,
    /// What the cluster's logs take.
    pub logs_bytes: Option<u64>,
    /// What its stores take.
    pub stores_bytes: Option<u64>,
    /// What its releases and programs take.
    pub releases_bytes: Option<u64>,
    /// Whether all files were counted; else the last three are larger than they say.
    pub complete: Option<bool>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// Asks the agents of hosts for their disks.
pub async fn df(layout: &Layout, hosts: &[&Host], settings: &Settings) -> DfReport {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let reachable = ask::reachable(layout, &names, settings);
    let answers = ask::ask(&reachable, settings, async |session| session.agent().disk().await);
    let mut answers = pin!(answers);
    let mut report = DfReport { rows: Vec::new(), silent: Vec::new() };
    while let Some((host, answer)) = answers.next().await {
        report.rows.push(row(host, &answer));
        report.silent.extend(answer.err());
    }
    report.rows.sort_by_key(|row| names.iter().position(|name| *name == row.host));
    report
}

fn row(host: String, answer: &Result<DiskUsage, Silent>) -> DfRow {
    let usage = match answer {
        Ok(usage) => usage,
        Err(silent) => return DfRow { host, error: Some(silent.error.what.clone()), ..DfRow::default() },
    };
    let sum = |names: &[&str]| {
        let parts = usage.parts.iter().filter(|part| names.contains(&part.name.as_str()));
        Some(parts.map(|part| part.bytes).sum())
    };
    DfRow {
        host,
        path: Some(usage.path.clone()),
        total_bytes: Some(usage.total_bytes),
        used_bytes: Some(usage.used_bytes),
        free_bytes: Some(usage.free_bytes),
        inodes: Some(usage.inodes),
        inodes_free: Some(usage.inodes_free),
        logs_bytes: sum(&["logs"]),
        stores_bytes: sum(&["stores"]),
        releases_bytes: sum(&["releases", "blobs", "bin"]),
        complete: Some(usage.complete),
        error: None,
    }
}
