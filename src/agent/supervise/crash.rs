//! `run/NODE/crash/TIME/`: what is kept of a process that ended by itself: `report.json`, and the end of its standard
//! error in `stderr.log`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::output::{last_lines, read_end};
use crate::api::agent::NodeStatus;
use crate::api::paths::ClusterDir;

/// How many crashes of a node are kept.
const KEPT: usize = 10;

/// How many lines of standard error are kept.
const LINES: u64 = 50;

/// The most of standard error that is looked at.
const STDERR_BYTES: u64 = 256 << 10;

/// The content of `report.json`.
#[derive(Serialize)]
pub struct Report<'a> {
    /// The end in words, such as `killed by signal 9 (SIGKILL)`.
    pub exit: &'a str,
    /// Seconds since the epoch.
    pub ended_at: f64,
    /// The process that ended.
    pub pid: u32,
    /// Its start, seconds since the epoch.
    pub started_at: f64,
    /// The node after it.
    pub state: &'a NodeStatus,
    /// What was run; none for a node of ours.
    pub command: Option<&'a [String]>,
}

/// The end of what the process that is gone wrote to its standard error.
pub fn last_words(dir: &ClusterDir, node: &str, from: u64) -> Vec<u8> {
    let text = read_end(&dir.node_stderr(node), from, STDERR_BYTES).unwrap_or_default();
    last_lines(&text, LINES).to_vec()
}

/// Writes a crash folder and removes those beyond [`KEPT`]; returns the new one.
pub fn keep(dir: &ClusterDir, node: &str, report: &Report, last_words: &[u8], now: Timestamp) -> io::Result<PathBuf> {
    let crashes = dir.node_crashes(node);
    let folder = crashes.join(now.strftime("%Y-%m-%dT%H-%M-%S.%3fZ").to_string());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("report.json"), serde_json::to_vec_pretty(report)?)?;
    fs::write(folder.join("stderr.log"), last_words)?;
    remove_oldest(&crashes)?;
    Ok(folder)
}

/// Their names sort by time.
fn remove_oldest(crashes: &Path) -> io::Result<()> {
    let mut folders: Vec<PathBuf> = fs::read_dir(crashes)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    folders.sort();
    let surplus = folders.len().saturating_sub(KEPT);
    folders[..surplus].iter().try_for_each(fs::remove_dir_all)
}
