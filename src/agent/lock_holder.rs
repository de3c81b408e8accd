//! The process that holds an agent's lock, for whoever has to replace it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::api::paths::ClusterDir;

/// The agent that serves this folder now; none when the lock is free. A lock that was taken a moment ago and does not
/// name its holder yet counts as free.
pub fn holder(dir: &ClusterDir) -> Option<Pid> {
    holder_of(&dir.agent_lock())
}

/// The process that holds a lock file of this folder and is an agent, or its parent. A number that is another process's
/// here, because the holder lives in another namespace of processes, is not taken for it.
pub fn holder_of(lock: &Path) -> Option<Pid> {
    File::open(lock).ok().filter(|file| file.try_lock_shared().is_err())?;
    let text = fs::read_to_string(lock).ok()?;
    let pid = Pid::from_raw(text.trim().strip_prefix("pid ")?.parse().ok()?)?;
    is_agent(pid).then_some(pid)
}

/// The program that a process runs; also when its file was removed since, then as it was.
pub fn program_of(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).ok()
}

fn is_agent(pid: Pid) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    line.windows(AGENT.len()).any(|words| words == AGENT)
}

/// How the command line of an agent goes on after its program.
const AGENT: &[u8] = b"\0agent\0run\0";

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_lock_that_names_a_bystander_has_no_holder_here() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ClusterDir::new(folder.path());
        fs::create_dir(folder.path().join("run")).unwrap();
        let mut file = File::create(dir.agent_lock()).unwrap();
        writeln!(file, "pid 1").unwrap();
        assert_eq!(holder(&dir), None, "nobody holds it");
        file.try_lock().unwrap();
        assert_eq!(holder(&dir), None, "process 1 is no agent here");
        let mut child = std::process::Command::new("bash")
            .args(["-c", "exec -a x sh -c 'read line' agent run --dir x"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        file.set_len(0).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        writeln!(file, "pid {}", child.id()).unwrap();
        while !is_agent(pid) {
            std::thread::yield_now();
        }
        assert_eq!(holder(&dir), Some(pid));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
