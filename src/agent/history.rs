//! `history.jsonl`: one line for each request that changed something.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use crate::api::outcome::{ErrorInfo, Outcome};

/// A file of this size is put aside as `history.jsonl.1`; the one before it is dropped.
const MAX_BYTES: u64 = 2 << 20;

/// One line.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    /// Seconds since the epoch.
    pub ts: f64,
    /// `user@machine`, as they call themselves; none when they did not.
    pub operator: Option<&'a str>,
    /// Method and path.
    pub request: &'a str,
    /// Milliseconds.
    pub elapsed_ms: u64,
    /// What became of the nodes, where the request was about nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<&'a [Outcome]>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a ErrorInfo>,
}

/// The file.
#[derive(Debug)]
pub struct History {
    path: Mutex<PathBuf>,
}

impl History {
    /// Nothing is opened before the first entry.
    pub fn new(path: PathBuf) -> History {
        History { path: Mutex::new(path) }
    }

    /// Appends a line.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let path = self.path.lock().expect("nothing panics while it writes history");
        if fs::metadata(&*path).is_ok_and(|file| file.len() >= MAX_BYTES) {
            fs::rename(&*path, aside(&path))?;
        }
        OpenOptions::new().append(true).create(true).mode(0o600).open(&*path)?.write_all(&line)
    }
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("jsonl.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_a_large_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let history = History::new(path.clone());
        let entry = Entry {
            ts: 1.5,
            operator: Some("a@b"),
            request: "POST /v1/exit",
            elapsed_ms: 3,
            outcomes: None,
            error: None,
        };
        history.append(&entry).unwrap();
        let line = "{\"ts\":1.5,\"operator\":\"a@b\",\"request\":\"POST /v1/exit\",\"elapsed_ms\":3}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), line);
        fs::write(&path, vec![b'x'; MAX_BYTES as usize]).unwrap();
        history.append(&entry).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), line);
        assert!(aside(&path).exists());
    }
}
