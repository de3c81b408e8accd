//! What a node leaves running when it ends: a Zeek whose parent was killed, programs that left their group or became daemons.
//!
//! Three things tell whose they are: the mark in their environment, which children inherit; the group of the program under the
//! node, remembered in `run/NODE/program`; and the Zeek, remembered in `run/NODE/zeek.pid`, since the environment of a
//! program with capabilities of its own may not be read. A program that clears its environment and leaves its session is not
//! found.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use procfs::process::Process;

use super::ending::{Held, hold};
use super::scan::{archives, own_processes};

/// Names the folder of the node that a process belongs to.
pub const MARK_VARIABLE: &str = "ZEEK_CLUSTER_NODE_DIR";

/// A process that a node left behind, or the node itself.
#[derive(Debug)]
pub struct Survivor {
    /// The node.
    pub node: String,
    /// The process.
    pub process: Held,
}

/// `run/NODE/zeek.pid`.
pub fn zeek_record(node_folder: &Path) -> PathBuf {
    node_folder.join("zeek.pid")
}

/// `run/NODE/program`.
pub fn group_record(node_folder: &Path) -> PathBuf {
    node_folder.join("program")
}

/// Remembers a process by its id and start time; the start time tells it from a later process of that number.
///
/// # Errors
/// What the system says to writing the file.
pub fn remember_process(file: &Path, pid: u32) -> io::Result<()> {
    // One that ended at once needs no memory.
    let Some(start) = start_time(pid) else { return Ok(()) };
    fs::write(file, format!("{pid} {start}\n"))
}

/// Remembers the group of a program that was just started; it is in the session of whoever starts it.
///
/// # Errors
/// What the system says to reading this process's own state, or to writing the file.
pub fn remember_group(file: &Path, pid: u32) -> io::Result<()> {
    let stat = Process::myself().and_then(|process| process.stat()).map_err(io::Error::other)?;
    fs::write(file, format!("{pid} {} {}\n", stat.session, boot()))
}

/// What the nodes with these folders left running, each process once; processes with one of these ids are left out. One look
/// at all processes, however many folders.
pub fn survivors(folders: &[PathBuf], but: &[u32]) -> Vec<Survivor> {
    let mut found: BTreeMap<u32, Survivor> = BTreeMap::new();
    for folder in folders {
        if let Some(process) = remembered(&zeek_record(folder)).filter(|process| !but.contains(&process.pid)) {
            found.insert(process.pid, Survivor { node: name_of(folder), process });
        }
    }
    let groups: Vec<(&Path, Group)> =
        folders.iter().filter_map(|folder| Some((folder.as_path(), Group::read(&group_record(folder))?))).collect();
    for pid in own_processes().filter(|pid| !but.contains(pid) && !archives(*pid)) {
        let of_mark = mark_of(pid).and_then(|mark| folders.iter().find(|folder| **folder == mark));
        let of_group = || groups.iter().find(|(_, group)| group.has(pid)).map(|(folder, _)| *folder);
        let Some(folder) = of_mark.map(PathBuf::as_path).or_else(of_group) else { continue };
        let is_it = |pid| has_mark(pid, folder) || groups.iter().any(|(_, group)| group.has(pid));
        if let Some(process) = hold(pid, is_it) {
            found.entry(pid).or_insert(Survivor { node: name_of(folder), process });
        }
    }
    found.into_values().collect()
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The processes that carry the mark of a node's folder, this one left out.
pub fn marked(mark: &Path) -> Vec<Held> {
    let others = own_processes().filter(|pid| *pid != std::process::id() && has_mark(*pid, mark));
    others.filter_map(|pid| hold(pid, |pid| has_mark(pid, mark))).collect()
}

fn has_mark(pid: u32, mark: &Path) -> bool {
    mark_of(pid).is_some_and(|found| found == mark)
}

fn mark_of(pid: u32) -> Option<PathBuf> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mark = environment
        .split(|octet| *octet == 0)
        .find_map(|variable| variable.strip_prefix(MARK_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    Some(PathBuf::from(OsStr::from_bytes(mark)))
}

/// The process of a record, if it is the one that was remembered.
fn remembered(file: &Path) -> Option<Held> {
    let text = fs::read_to_string(file).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let (pid, start) = (pid.parse().ok()?, start.parse().ok()?);
    hold(pid, |pid| start_time(pid) == Some(start))
}

/// In clock ticks since the boot.
fn start_time(pid: u32) -> Option<u64> {
    let stat = Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    (stat.state != 'Z').then_some(stat.starttime)
}

/// A process group of one boot or container. Its number and that of its session come back together only in another one. The
/// session is 0 where its leader is outside of this PID namespace, as in a shell that was opened into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    group: i32,
    session: i32,
}

impl Group {
    /// None of another boot.
    fn read(file: &Path) -> Option<Group> {
        let text = fs::read_to_string(file).ok()?;
        let mut words = text.split_whitespace();
        let (group, session) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (words.next()? == boot()).then_some(Group { group, session })
    }

    fn has(&self, pid: u32) -> bool {
        let stat = Process::new(pid.cast_signed()).and_then(|process| process.stat());
        stat.is_ok_and(|stat| stat.pgrp == self.group && stat.session == self.session)
    }
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
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::processes::end;

    fn end_all(folder: &Path) -> usize {
        let found = survivors(&[folder.to_owned()], &[std::process::id()]);
        let count = found.len();
        let left = end(found.into_iter().map(|survivor| survivor.process).collect(), Duration::ZERO);
        // A child of this process is not gone before it is waited for, but it has ended.
        assert_eq!(left, Vec::<u32>::new());
        count
    }

    fn is_killed(mut child: Child) -> bool {
        child.wait().unwrap().signal() == Some(9)
    }

    #[test]
    fn only_the_very_process_that_was_remembered_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = zeek_record(folder.path());
        assert_eq!(end_all(folder.path()), 0);
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(&file, format!("{} 1\n", child.id())).unwrap();
        assert_eq!(end_all(folder.path()), 0);
        assert!(child.try_wait().unwrap().is_none(), "another start time is another process");
        remember_process(&file, child.id()).unwrap();
        assert_eq!(end_all(folder.path()), 1);
        assert!(is_killed(child));
    }

    #[test]
    fn only_who_is_in_the_remembered_group_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = group_record(folder.path());
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        remember_group(&file, child.id()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{} {} {}\n", child.id(), i32::MAX, boot())).unwrap();
        assert_eq!(end_all(folder.path()), 0, "another session");
        fs::write(&file, text.replace(&boot(), "another-boot")).unwrap();
        assert_eq!(end_all(folder.path()), 0, "another boot");
        assert!(child.try_wait().unwrap().is_none());
        fs::write(&file, text).unwrap();
        assert_eq!(end_all(folder.path()), 1);
        assert!(is_killed(child));
    }

    /// Runs the test above again where its session's leader is out of sight, which makes its number 0.
    #[test]
    fn a_session_from_outside_of_the_container_is_as_good_as_any() {
        let mut again = Command::new("unshare");
        again.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
        again.arg(std::env::current_exe().unwrap());
        again.args(["--exact", "processes::survivors::tests::only_who_is_in_the_remembered_group_is_ended"]);
        let output = again.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    fn who_carries_the_mark_is_ended_whatever_became_of_its_group_and_session() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let start = |mark: &Path| {
            let mut command = Command::new("setsid");
            command.args(["sleep", "600"]).env(MARK_VARIABLE, mark).process_group(0).spawn().unwrap()
        };
        let mut children = [start(folder.path()), start(other.path())];
        // `setsid` forks where it leads its group, so that the children may have ended.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while marked(folder.path()).is_empty() || marked(other.path()).is_empty() {
            assert!(std::time::Instant::now() < deadline, "they did not start");
            std::thread::yield_now();
        }
        assert!(end_all(folder.path()) > 0);
        assert!(marked(folder.path()).is_empty());
        assert!(!marked(other.path()).is_empty(), "another node's");
        end(marked(other.path()), Duration::ZERO);
        children.iter_mut().for_each(|child| drop(child.wait()));
    }
}
