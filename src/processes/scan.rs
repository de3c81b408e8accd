//! Agents and nodes by their command lines.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::api::paths::ClusterDir;

/// The beginning of the names under which this program runs.
const PROGRAM: &str = "zeek-cluster";

/// The name under which it is started with its host: the link `bin/agent`.
const BOOT_PROGRAM: &str = "agent";

/// A process that runs a node of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProcess {
    /// Its process id.
    pub pid: u32,
    /// The node's name.
    pub name: String,
}

/// The nodes of a folder that run, whichever agent started them; in the order of their process ids.
pub fn nodes(dir: &ClusterDir) -> Vec<NodeProcess> {
    own_processes().filter_map(|pid| Some(NodeProcess { pid, name: node_of(&words(pid)?, dir)? })).collect()
}

/// Whether a process is this node of the folder.
pub fn is_node(pid: u32, name: &str, dir: &ClusterDir) -> bool {
    is_here(pid) && words(pid).and_then(|words| node_of(&words, dir)).is_some_and(|found| found == name)
}

/// Agents of a folder that run, this process left out, and those that only start another one.
pub fn agents(dir: &ClusterDir) -> Vec<u32> {
    let is_agent = |pid: &u32| words(*pid).is_some_and(|words| runs_agent(&words, dir));
    own_processes().filter(|pid| *pid != std::process::id()).filter(is_agent).collect()
}

/// Whether a process is an agent, of whatever folder.
pub fn is_agent(pid: u32) -> bool {
    let words = words(pid).unwrap_or_default();
    matches!(words.as_slice(), [program, agent, run, ..] if is_program(program) && agent == "agent" && run == "run")
}

/// Whether a process brings the logs of a node that has ended into the archive: it ends by itself, and must not half way.
pub(super) fn archives(pid: u32) -> bool {
    let words = words(pid).unwrap_or_default();
    matches!(words.as_slice(), [program, node, verb, ..]
        if is_program(program) && node == "node" && verb.to_str().is_some_and(|verb| verb.starts_with("archive")))
}

/// Ids of this user's processes in this mount namespace.
pub(super) fn own_processes() -> impl Iterator<Item = u32> {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| is_here(*pid))
}

fn is_here(pid: u32) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_own = fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == user || user == 0);
    is_own && namespace(&pid.to_string()).is_none_or(|theirs| Some(theirs) == namespace("self"))
}

/// None where it may not be read, as of a program with capabilities of its own.
fn namespace(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/mnt")).ok()
}

/// The command line; none when the process is gone or a zombie.
fn words(pid: u32) -> Option<Vec<OsString>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| !line.is_empty())?;
    let words = line.strip_suffix(&[0]).unwrap_or(&line).split(|octet| *octet == 0);
    Some(words.map(|word| OsString::from_vec(word.to_vec())).collect())
}

/// `…/zeek-cluster-HASH node run NAME --dir DIR`.
fn node_of(words: &[OsString], dir: &ClusterDir) -> Option<String> {
    let [program, node, run, name, rest @ ..] = words else { return None };
    let is_one = is_program(program) && node == "node" && run == "run" && is_of(rest, dir);
    is_one.then(|| name.to_str().map(str::to_owned)).flatten()
}

/// `…/zeek-cluster-HASH agent run --dir DIR`.
fn runs_agent(words: &[OsString], dir: &ClusterDir) -> bool {
    let [program, agent, run, rest @ ..] = words else { return false };
    let starts_another = rest.iter().any(|word| word == "--detach" || word == "--foreground");
    is_program(program) && agent == "agent" && run == "run" && is_of(rest, dir) && !starts_another
}

fn is_program(word: &OsStr) -> bool {
    let name = Path::new(word).file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.starts_with(PROGRAM) || name == BOOT_PROGRAM)
}

fn is_of(words: &[OsString], dir: &ClusterDir) -> bool {
    let given = words.windows(2).find(|pair| pair[0] == "--dir").map(|pair| PathBuf::from(&pair[1]));
    given.is_some_and(|given| is_same(&given, dir.path()))
}

/// Two spellings of one folder are one, as long as it is there.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| -> io::Result<PathBuf> { fs::canonicalize(path) };
    one == other || matches!((real(one), real(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, node: Option<&str>, agent: bool) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let dir = ClusterDir::new("/b/c");
        assert_eq!(node_of(&words, &dir).as_deref(), node, "{line}");
        assert_eq!(runs_agent(&words, &dir), agent, "{line}");
    }

    #[test]
    fn a_command_line_tells_what_runs_and_for_which_folder() {
        check("/b/c/bin/zeek-cluster-0f node run worker-1 --dir /b/c", Some("worker-1"), false);
        check("/b/c/bin/zeek-cluster-0f node run worker-1 --dir /b/d", None, false);
        check("/usr/bin/tail node run worker-1 --dir /b/c", None, false);
        check("zeek-cluster agent run --dir /b/c", None, true);
        check("zeek-cluster agent run --dir /b/c --detach", None, false);
        check("zeek-cluster agent run --foreground --dir /b/c", None, false);
        check("/b/c/bin/agent agent run --dir /b/c", None, true);
        check("zeek-cluster agent keep --dir /b/c", None, false);
        check("zeek-cluster agent run --stop-nodes --dir /b/c", None, true);
        check("zeek-cluster agent connect --dir /b/c", None, false);
        check("zeek-cluster", None, false);
    }
}
