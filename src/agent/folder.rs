//! An agent's hold on its cluster's folder: the lock, and what becomes of it when the folder is taken away underneath.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::api::paths::ClusterDir;
use crate::processes::{self, Held};

/// How long an agent of the same folder that has lost its lock may take to end; its nodes run on.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(5);

/// Why a folder could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// Another agent holds it: its process, as far as the file says.
    Taken(String),
    /// A file or folder cannot be made or opened.
    Io(PathBuf, io::Error),
}

/// The lock of one cluster's folder; given up when it is dropped, or when the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    dir: ClusterDir,
    file: File,
}

impl FolderLock {
    /// Makes the folders and takes the lock.
    pub fn take(dir: &ClusterDir) -> Result<FolderLock, LockError> {
        make_folders(dir)?;
        Ok(FolderLock { dir: dir.clone(), file: lock_file(&dir.agent_lock())? })
    }

    /// Whether the file that is locked is the one that the next agent would find.
    pub fn is_in_place(&self) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = self.file.metadata().map(identity);
        let there = fs::symlink_metadata(self.dir.agent_lock()).map(identity);
        matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
    }
}

/// Locks a file of the folder and writes this process's id into it. The lock is held as long as the file is open.
pub fn lock_file(path: &Path) -> Result<File, LockError> {
    let at = |error| LockError::Io(path.to_owned(), error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path).map_err(at)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LockError::Taken(told(&file))),
        Err(TryLockError::Error(error)) => return Err(at(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "pid {}", std::process::id())
    };
    write(&mut file).map_err(at)?;
    Ok(file)
}

/// Ends agents of the folder that run without its lock, because the folder was taken away and made again; their nodes run
/// on. Call with the lock. Returns the ids of those that do not end. Blocks.
pub fn end_other_agents(dir: &ClusterDir) -> Vec<u32> {
    let is_one = |pid: u32| processes::agents(dir).contains(&pid);
    let others = processes::agents(dir).into_iter().filter(|pid| !keeps_an_agent(*pid));
    let others: Vec<Held> = others.filter_map(|pid| processes::hold(pid, is_one)).collect();
    for other in &others {
        tracing::warn!(pid = other.pid, "another agent runs for this folder without its lock, ending it");
    }
    // Not SIGTERM, by which an agent in a container stops its nodes.
    processes::end_by(Signal::HUP, others, OTHERS_END_WITHIN)
}

/// The parent of an agent in a container looks like an agent, but serves no folder: process 1, or this process's parent.
fn keeps_an_agent(pid: u32) -> bool {
    let parent = rustix::process::getppid().map_or(1, |parent| parent.as_raw_nonzero().get());
    pid == 1 || i64::from(pid) == i64::from(parent)
}

/// The agent that holds the lock of a folder; none when the lock is free. A lock that was taken a moment ago and does not
/// name its holder yet counts as free.
pub fn holder(dir: &ClusterDir) -> Option<Pid> {
    holder_of(&dir.agent_lock())
}

/// The process that holds a lock file of a folder and is an agent, or keeps one. A number that is another process's here,
/// because the holder lives in another namespace of processes, is not taken for it.
pub fn holder_of(lock: &Path) -> Option<Pid> {
    let file = File::open(lock).ok().filter(|file| file.try_lock_shared().is_err())?;
    let pid = told(&file).strip_prefix("pid ")?.parse().ok()?;
    Pid::from_raw(pid).filter(|_| processes::is_agent(pid.unsigned_abs()))
}

/// The program that a process runs; also when its file was removed since, then as it was.
pub fn program_of(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).ok()
}

fn told(mut file: &File) -> String {
    let mut holder = String::new();
    // Only for a message.
    let _ = file.rewind().and_then(|()| file.take(64).read_to_string(&mut holder));
    if holder.trim().is_empty() { "just starting" } else { holder.trim() }.to_owned()
}

/// Makes the cluster's folder, and `run` in it for its user alone.
pub fn make_folders(dir: &ClusterDir) -> Result<(), LockError> {
    let run = dir.path().join("run");
    for (path, mode) in [(dir.path(), 0o755), (run.as_path(), 0o700)] {
        let made = DirBuilder::new().recursive(true).mode(mode).create(path);
        made.map_err(|error| LockError::Io(path.to_owned(), error))?;
    }
    // It may have been there before, with other permissions.
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).map_err(|error| LockError::Io(run, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_made_again_has_another_lock() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path().join("c"));
        let lock = FolderLock::take(&dir).unwrap();
        assert!(lock.is_in_place());
        let own = format!("pid {}", std::process::id());
        assert!(matches!(FolderLock::take(&dir), Err(LockError::Taken(holder)) if holder == own));
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(!lock.is_in_place());
        let next = FolderLock::take(&dir).unwrap();
        assert!(next.is_in_place() && !lock.is_in_place());
    }

    #[test]
    fn a_lock_that_names_a_bystander_has_no_holder_here() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path());
        fs::create_dir(folder.path().join("run")).unwrap();
        let mut file = File::create(dir.agent_lock()).unwrap();
        writeln!(file, "pid 1").unwrap();
        assert_eq!(holder(&dir), None, "the lock is free");
        file.try_lock().unwrap();
        assert_eq!(holder(&dir), None, "process 1 is no agent here");
        let mut child = std::process::Command::new("bash")
            .args(["-c", "exec -a zeek-cluster sh -c 'read line' agent run --dir x"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        writeln!(file, "pid {}", child.id()).unwrap();
        assert_eq!(holder(&dir), None, "that is a shell");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!processes::is_agent(pid.as_raw_nonzero().get().unsigned_abs()));
    }
}
