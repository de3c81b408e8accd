//! A Zeek that outlived its parent: the kernel forgets to end it when the program has capabilities of its own
//! (`prctl(2)`, `PR_SET_PDEATHSIG`), as `setcap` gives it. It is ended before the next one starts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procfs::process::Process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::error::ZeekError;

/// After SIGKILL a process is gone as soon as its memory is given back.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Remembers a Zeek by its process id and start time; the start time tells it from a later process of that number.
pub(super) fn remember(file: &Path, pid: u32) -> Result<(), ZeekError> {
    // One that ended at once needs no memory.
    let Some(start) = start_time(pid) else { return Ok(()) };
    let written = fs::write(file, format!("{pid} {start}\n"));
    written.map_err(|source| ZeekError::Write { path: file.to_owned(), source })
}

/// Ends the Zeek that an earlier parent left behind, if there is one. SIGKILL: its successor needs the ports now, and
/// archives its logs.
pub(super) fn end(file: &Path) -> io::Result<()> {
    let Some((pid, start)) = fs::read_to_string(file).ok().as_deref().and_then(parse) else { return Ok(()) };
    let Some(raw) = Pid::from_raw(pid.cast_signed()) else { return Ok(()) };
    // The descriptor first: what it names cannot change after the start time was compared.
    let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { return Ok(()) };
    if start_time(pid) != Some(start) {
        return Ok(());
    }
    tracing::warn!(pid, "a zeek outlived its parent process, ending it");
    pidfd_send_signal(&pidfd, Signal::KILL)?;
    let deadline = Timespec::try_from(GONE_WITHIN).expect("a short time");
    match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&deadline))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// The file's name.
pub(super) fn record(node_folder: &Path) -> PathBuf {
    node_folder.join("zeek.pid")
}

fn parse(text: &str) -> Option<(u32, u64)> {
    let (pid, start) = text.trim().split_once(' ')?;
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// In clock ticks since the boot.
fn start_time(pid: u32) -> Option<u64> {
    Some(Process::new(pid.cast_signed()).ok()?.stat().ok()?.starttime)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_the_very_process_that_was_remembered_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = record(folder.path());
        end(&file).unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(&file, format!("{} 1\n", child.id())).unwrap();
        end(&file).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "another start time is another process");
        remember(&file, child.id()).unwrap();
        end(&file).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
