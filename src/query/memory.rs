//! What this machine remembers of a cluster between two commands: what the last one left behind, and what each host said
//! last. A convenience for operators: nothing depends on it, and whoever deletes it loses two columns.
//!
//! **Locking**: none; files appear whole, by renaming, and of two commands at once the later one wins. **Compatibility**: a
//! file that cannot be read is as good as none. **Performance**: each file is bounded, and read only when it is needed.
//! **Failure**: what cannot be written is said in the trace and costs nothing else.

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::outcome::{Kind, Outcome};
use crate::layout::nodeset::{LastRun, Target};

/// Larger files are not read, and not written: a layout of ten thousand nodes stays far below.
const MAX_BYTES: u64 = 8 << 20;

/// The memory of one cluster: `XDG_STATE_HOME/zeek-cluster/CLUSTER`, else the same below `~/.local/state`.
#[derive(Clone, Debug)]
pub struct Memory {
    /// None where the environment names no place.
    folder: Option<PathBuf>,
}

/// How the last command with outcomes ended. This is the content of `last.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The command's words, such as `deploy`.
    pub command: String,
    /// Its end, seconds since the epoch.
    pub at: f64,
    /// Everything that is not as the operator asked.
    left: Vec<Left>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Left {
    target: String,
    host: String,
    kind: Kind,
}

impl Memory {
    /// The memory of the cluster of that name.
    pub fn of(cluster: &str) -> Memory {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")));
        Memory { folder: base.map(|base| base.join("zeek-cluster").join(cluster)) }
    }

    /// How the last command with outcomes ended; none when there was none on this machine.
    pub fn last_run(&self) -> Option<Remembered> {
        self.read("last.json")
    }

    /// Keeps how a command ended.
    pub fn remember_run(&self, command: &str, at: f64, outcomes: &[Outcome]) {
        let left = |outcome: &&Outcome| !outcome.is_well();
        let left = outcomes.iter().filter(left).map(|outcome| Left {
            target: outcome.target.clone(),
            host: outcome.host.clone(),
            kind: outcome.kind,
        });
        self.write("last.json", &Remembered { command: command.to_owned(), at, left: left.collect() });
    }

    pub(super) fn read<T: DeserializeOwned>(&self, file: &str) -> Option<T> {
        let mut text = String::new();
        let opened = fs::File::open(self.folder.as_ref()?.join(file)).ok()?;
        opened.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn write<T: Serialize>(&self, file: &str, content: &T) {
        let Some(folder) = &self.folder else { return };
        let written = || -> io::Result<()> {
            let text = serde_json::to_vec(content)?;
            if text.len() as u64 > MAX_BYTES {
                return Err(io::Error::other(format!("{} bytes are too many", text.len())));
            }
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            // Made with mode 0600.
            let mut fresh = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            fresh.write_all(&text)?;
            fresh.persist(folder.join(file)).map(drop).map_err(|error| error.error)
        };
        if let Err(error) = written() {
            tracing::info!(folder = %folder.display(), file, %error, "cannot be remembered");
        }
    }
}

impl Remembered {
    /// The sets `@failed` and `@unreachable`. What was skipped because something else failed counts as failed.
    pub fn sets(&self) -> LastRun {
        let of = |wanted: fn(Kind) -> bool| {
            let left = self.left.iter().filter(|left| wanted(left.kind));
            left.map(|left| Target { name: left.target.clone(), host: left.host.clone() }).collect()
        };
        LastRun {
            failed: of(|kind| matches!(kind, Kind::Failed | Kind::TimedOut | Kind::Skipped)),
            unreachable: of(|kind| kind == Kind::Unreachable),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_run_is_remembered_whole_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory { folder: Some(folder.path().join("campus")) };
        assert_eq!(memory.last_run(), None);
        let outcome = |target: &str, kind| Outcome {
            target: target.into(),
            host: "head".into(),
            kind,
            step: "start".into(),
            elapsed_ms: 1,
            error: None,
        };
        let outcomes = [outcome("a", Kind::Ok), outcome("b", Kind::TimedOut), outcome("c", Kind::Unreachable)];
        memory.remember_run("start", 5.0, &outcomes);
        let sets = memory.last_run().expect("remembered").sets();
        let target = |name: &str| vec![Target { name: name.into(), host: "head".into() }];
        assert_eq!(sets, LastRun { failed: target("b"), unreachable: target("c") });
        let mode = |path: &str| fs::metadata(folder.path().join(path)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode("campus"), mode("campus/last.json")), (0o700, 0o600));
        assert_eq!(
            fs::read_dir(folder.path().join("campus")).expect("a folder").count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("last.json"), "{").expect("a file");
        assert_eq!(Memory { folder: Some(folder.path().to_owned()) }.last_run(), None);
        assert_eq!(Memory { folder: None }.last_run(), None);
        Memory { folder: Some("/proc/nowhere".into()) }.remember_run("x", 0.0, &[]);
    }
}
