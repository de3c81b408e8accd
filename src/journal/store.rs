//! The history of one cluster on an operator's machine: `XDG_STATE_HOME/zeek-cluster/CLUSTER/history.jsonl`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::file::LineFile;
use super::record::{Event, Record};

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Neither `XDG_STATE_HOME` nor `HOME` says where.
    #[error("no folder for the history is known: XDG_STATE_HOME and HOME are both unset")]
    NoFolder,
    /// It cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Where a cluster's history lies; nothing is made.
///
/// # Errors
/// [`JournalError::NoFolder`].
pub fn path_of(cluster: &str) -> Result<PathBuf, JournalError> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    let base = base.ok_or(JournalError::NoFolder)?;
    Ok(base.join("zeek-cluster").join(cluster).join("history.jsonl"))
}

/// Everything that is kept, oldest first.
///
/// # Errors
/// [`JournalError::NoFolder`]; [`JournalError::Io`] when the history is there and cannot be read.
pub fn read(cluster: &str) -> Result<Vec<Record>, JournalError> {
    let path = path_of(cluster)?;
    LineFile::read(&path).map_err(|source| JournalError::Io { verb: "read", path, source })
}

/// A new run's name: 8 random hex digits.
pub fn new_run() -> String {
    let mut bytes = [0u8; 4];
    // Without the device the clock is random enough to tell the runs of one cluster apart.
    let random = File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut bytes));
    if random.is_err() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        bytes = (now.subsec_nanos() ^ std::process::id()).to_be_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the lines of one run, each as it happens.
#[derive(Debug)]
pub struct Journal {
    file: LineFile,
    path: PathBuf,
    run: String,
}

impl Journal {
    /// Makes the folder; nothing is written yet.
    ///
    /// # Errors
    /// [`JournalError::NoFolder`]; [`JournalError::Io`] when the folder cannot be made.
    pub fn open(cluster: &str, run: &str) -> Result<Journal, JournalError> {
        let path = path_of(cluster)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        if !fs::metadata(folder).is_ok_and(|there| there.is_dir()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| JournalError::Io { verb: "make", path: folder.to_owned(), source })?;
        }
        Ok(Journal { file: LineFile::new(path.clone()), path, run: run.to_owned() })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the file cannot be written.
    pub fn write(&self, event: Event) -> Result<(), JournalError> {
        let ts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let record = Record { ts, run: self.run.clone(), event };
        let failed = |source| JournalError::Io { verb: "write", path: self.path.clone(), source };
        self.file.append(&record).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Ending;

    #[test]
    fn runs_have_names_of_their_own() {
        let names: std::collections::BTreeSet<String> = (0..50).map(|_| new_run()).collect();
        assert!(names.iter().all(|name| name.len() == 8), "{names:?}");
        assert!(names.len() > 48, "{names:?}");
    }

    #[test]
    fn a_line_says_what_happened_in_one_flat_object() {
        let record = Record {
            ts: 1.5,
            run: "00c0ffee".into(),
            event: Event::End {
                ending: Ending::Ok,
                elapsed_ms: 7,
                release: Some("abc".into()),
                outcomes: Vec::new(),
                error: None,
            },
        };
        let line = serde_json::to_string(&record).unwrap();
        let expected = r#"{"ts":1.5,"run":"00c0ffee","event":"end","ending":"ok","elapsed_ms":7,"release":"abc","outcomes":[],"error":null}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }
}
