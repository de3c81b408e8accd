//! What a program left running when its node was killed. The kernel ends the program itself; here what that had started is
//! found by the group and the session that they were in, and ended before the next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use procfs::process::{Process, all_processes};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process group of one boot or container. Its number and that of its session come back together only in another one. The
/// session is 0 where its leader is outside of this PID namespace, as in a shell that was opened into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    group: i32,
    session: i32,
    boot: String,
}

/// The file's name.
pub(super) fn record(node_folder: &Path) -> PathBuf {
    node_folder.join("program")
}

/// Remembers the group of a program that was just started; it is in the session of whoever starts it.
pub(super) fn remember(file: &Path, pid: u32) -> io::Result<()> {
    let stat = Process::myself().and_then(|process| process.stat()).map_err(io::Error::other)?;
    fs::write(file, format!("{pid} {} {}\n", stat.session, boot()))
}

/// Ends whoever is left of the group that was remembered; how many there were.
pub(super) fn end(file: &Path) -> io::Result<usize> {
    let Some(group) = fs::read_to_string(file).ok().as_deref().and_then(parse) else { return Ok(0) };
    if group.boot != boot() {
        return Ok(0);
    }
    let mut ended = 0;
    for process in all_processes().map_err(io::Error::other)?.flatten() {
        let Some(pid) = Pid::from_raw(process.pid) else { continue };
        // The descriptor first: what it names cannot change after its group was compared.
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let is_one = process.stat().is_ok_and(|stat| stat.pgrp == group.group && stat.session == group.session);
        if is_one && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
            ended += 1;
        }
    }
    Ok(ended)
}

fn parse(text: &str) -> Option<Group> {
    let mut words = text.split_whitespace();
    let (group, session) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Group { group, session, boot: words.next()?.to_owned() })
}

/// Of the running system and, in a container, of the container; a word, `-` for what cannot be read.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = if id.trim().is_empty() { "-" } else { id.trim() };
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{id}/{}", namespace.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_who_is_in_the_remembered_group_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = record(folder.path());
        assert_eq!(end(&file).unwrap(), 0);
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        remember(&file, child.id()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{} {} {}\n", child.id(), i32::MAX, boot())).unwrap();
        assert_eq!(end(&file).unwrap(), 0, "another session");
        fs::write(&file, text.replace(&boot(), "another-boot")).unwrap();
        assert_eq!(end(&file).unwrap(), 0, "another boot");
        assert!(child.try_wait().unwrap().is_none());
        fs::write(&file, text).unwrap();
        assert_eq!(end(&file).unwrap(), 1);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
    /// Runs the test above again where its session's leader is out of sight, which makes its number 0.
    #[test]
    fn a_session_from_outside_of_the_container_is_as_good_as_any() {
        let mut again = Command::new("unshare");
        again.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
        again.arg(std::env::current_exe().unwrap());
        again.args(["--exact", "node::program::survivors::tests::only_who_is_in_the_remembered_group_is_ended"]);
        let output = again.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
