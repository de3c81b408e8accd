//! `history.jsonl` of a host: a line at the beginning and at the end of each request that changes something.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;

use super::client::{OPERATOR_HEADER, RUN_HEADER};
use super::refusal::Refusal;
use crate::api::agent::{HistoryDone, HistoryEntry, Holder, RunEnd};
use crate::api::outcome::Outcome;
use crate::journal::LineFile;

/// Entries of an answer at most.
const MAX_ENTRIES: usize = 10_000;

/// The file. What cannot be written costs a warning, never the request.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    file: LineFile,
}

/// A request that changes something, and who sent it.
#[derive(Clone, Debug)]
pub struct Asked {
    request: String,
    operator: Option<String>,
    run: Option<String>,
    at: Instant,
}

impl Asked {
    /// Who asks is what the headers say, as far as they say it.
    pub fn new(request: String, headers: &HeaderMap) -> Asked {
        let text = |name: &str| -> Option<String> {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.chars().take(256).collect())
        };
        Asked { request, operator: text(OPERATOR_HEADER), run: text(RUN_HEADER), at: Instant::now() }
    }

    /// The run that the request is part of.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// `user@machine`, or the word for nobody.
    pub fn operator(&self) -> &str {
        self.operator.as_deref().unwrap_or("somebody")
    }

    fn entry(&self) -> HistoryEntry {
        HistoryEntry {
            ts: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            run: self.run.clone(),
            operator: self.operator.clone(),
            request: self.request.clone(),
            done: None,
            holder: None,
            end: None,
        }
    }

    fn done(&self, outcomes: &[Outcome], refusal: Option<&Refusal>) -> HistoryDone {
        HistoryDone {
            elapsed_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcomes: outcomes.to_vec(),
            error: refusal.map(|refusal| refusal.info.clone()),
        }
    }
}

impl History {
    /// Nothing is opened before the first entry.
    pub fn new(path: PathBuf) -> History {
        History { file: LineFile::new(path.clone()), path }
    }

    /// A request that may take long, or not come to an end, begins.
    pub fn begins(&self, asked: &Asked) {
        self.append(&asked.entry());
    }

    /// A request ended.
    pub fn ended(&self, asked: &Asked, outcomes: &[Outcome], refusal: Option<&Refusal>) {
        self.append(&HistoryEntry { done: Some(asked.done(outcomes, refusal)), ..asked.entry() });
    }

    /// A run took the lock.
    pub fn locked(&self, asked: &Asked, holder: &Holder) {
        let entry = HistoryEntry { done: Some(asked.done(&[], None)), holder: Some(holder.clone()), ..asked.entry() };
        self.append(&entry);
    }

    /// A run gave the lock back.
    pub fn unlocked(&self, asked: &Asked, end: &RunEnd) {
        let entry = HistoryEntry { done: Some(asked.done(&[], None)), end: Some(end.clone()), ..asked.entry() };
        self.append(&entry);
    }

    fn append(&self, entry: &HistoryEntry) {
        if let Err(error) = tokio::task::block_in_place(|| self.file.append(entry)) {
            tracing::warn!(%error, path = %self.path.display(), "history cannot be written");
        }
    }
}

/// The last entries, of one run or of all, oldest first.
pub fn entries(path: &Path, run: Option<&str>, last: Option<usize>) -> std::io::Result<Vec<HistoryEntry>> {
    let mut entries: Vec<HistoryEntry> = LineFile::read(path)?;
    entries.retain(|entry| run.is_none_or(|run| entry.run.as_deref() == Some(run)));
    let surplus = entries.len().saturating_sub(last.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES));
    entries.drain(..surplus);
    Ok(entries)
}
