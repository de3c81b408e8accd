//! The agent's part of the host's tree of cgroups (version 2), where it has one: a folder for itself and one for each
//! node. Without it limits of memory are kept by other means or not at all, and the reason is told.
//!
//! A cgroup that gives controllers to its children holds no process itself, so the agent moves into a child first; and
//! before systemd starts the next agent into the unit's cgroup, [`free`] takes the controllers back for a moment.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::agent::foreground;
use crate::agent::systemd::Unit;
use crate::api::limits::Limits;
use crate::api::paths::ClusterDir;

/// Names a cgroup that is the agent's to divide, where neither systemd nor a container says so.
pub const VARIABLE: &str = "ZEEK_CLUSTER_CGROUP";

/// Where the agent itself is.
const OWN: &str = "agent";

/// The child in which systemd runs what comes before the main process of a unit with `Delegate=`. Source: systemd.service(5).
const CONTROL: &str = ".control";

static OURS: OnceLock<Result<Cgroups, String>> = OnceLock::new();

/// The agent's part of the tree.
#[derive(Debug)]
pub struct Cgroups {
    root: PathBuf,
    /// Why memory cannot be limited here, where it cannot.
    without_memory: Option<String>,
}

/// The cgroup of one node.
#[derive(Debug)]
pub struct Group<'a> {
    folder: PathBuf,
    ours: &'a Cgroups,
}

/// Takes up what the agent of `dir` was given; once, at its start, and writes down which it is, for `doctor`.
pub fn take_up(dir: &ClusterDir) {
    let ours = OURS.get_or_init(|| Cgroups::open(dir)).as_ref().map_err(String::as_str);
    let told = ours.map_or_else(|why| format!("each process for itself: {why}"), Cgroups::told);
    if let Err(error) = fs::write(dir.memory_keeper(), format!("{told}\n")) {
        tracing::warn!(%error, "it cannot be written down how memory is limited");
    }
    tracing::info!("memory of nodes is limited by {told}");
}

/// What [`take_up`] found.
pub fn ours() -> Result<&'static Cgroups, &'static str> {
    match OURS.get() {
        Some(taken) => taken.as_ref().map_err(String::as_str),
        None => Err("the agent has taken up no cgroup"),
    }
}

/// Lets the cgroup of this process, or of the unit that it prepares, take a process again.
///
/// # Errors
/// When the cgroup cannot be found, or refuses.
pub fn free() -> io::Result<()> {
    let own = own_cgroup().map_err(io::Error::other)?;
    let unit = if own.ends_with(CONTROL) { own.parent().unwrap_or(&own) } else { &own };
    let control = unit.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&control)?;
    enabled.split_whitespace().try_for_each(|name| write(&control, &format!("-{name}")))
}

impl Cgroups {
    fn open(dir: &ClusterDir) -> Result<Cgroups, String> {
        let root = match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => delegated(dir)?,
        };
        let failed = |error: io::Error| format!("the cgroup {} cannot be used: {error}", root.display());
        let own = root.join(OWN);
        fs::create_dir_all(&own).map_err(failed)?;
        // Of a container everything that runs in its cgroup, else the agent alone.
        let there = fs::read_to_string(root.join("cgroup.procs")).unwrap_or_default();
        let procs = own.join("cgroup.procs");
        for pid in there.split_whitespace() {
            // It may have ended meanwhile.
            let _ = write(&procs, pid);
        }
        write(&procs, &std::process::id().to_string()).map_err(failed)?;
        let enabled = write(&root.join("cgroup.subtree_control"), "+memory");
        let without_memory = enabled
            .err()
            .map(|error| format!("the cgroup {} was not given the controller of memory ({error})", root.display()));
        Ok(Cgroups { root, without_memory })
    }

    /// The cgroup of a node, made when it is not there.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn group(&self, node: &str) -> io::Result<Group<'_>> {
        let folder = self.folder(node);
        fs::create_dir_all(&folder)?;
        Ok(Group { folder, ours: self })
    }

    fn folder(&self, node: &str) -> PathBuf {
        self.root.join(format!("node-{node}"))
    }

    /// How limits of memory are kept below it, as a sentence fragment.
    fn told(&self) -> String {
        match &self.without_memory {
            Some(why) => format!("each process for itself: {why}"),
            None => format!("the cgroup {}", self.root.display()),
        }
    }

    /// Why memory cannot be limited here, where it cannot.
    pub fn without_memory(&self) -> Option<&str> {
        self.without_memory.as_deref()
    }
}

/// Removes the cgroup of a node that is no longer supervised here; one with a process in it stays.
pub fn leave(node: &str) {
    if let Ok(ours) = ours() {
        let _occupied = fs::remove_dir(ours.folder(node));
    }
}

impl Group<'_> {
    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a process writes its number to come in.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn door(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(self.folder.join("cgroup.procs"))
    }

    /// Sets the limits of memory; what is not set is unlimited. One sentence fragment for each that is not kept.
    pub fn limit(&self, limits: &Limits) -> Vec<String> {
        if self.ours.without_memory().is_some() {
            return Vec::new();
        }
        let value = |limit: Option<u64>| limit.map_or("max".to_owned(), |bytes| bytes.to_string());
        let wanted = [
            ("memory_high", "memory.high", value(limits.memory_high)),
            ("memory_max", "memory.max", value(limits.memory_max)),
            // One process without memory is a node that does not work: all of it ends, and starts anew.
            ("memory_max", "memory.oom.group", "1".to_owned()),
        ];
        let refused = wanted.into_iter().filter_map(|(key, file, value)| {
            let error = write(&self.folder.join(file), &value).err()?;
            Some(format!("{key} is not kept: {file}: {error}"))
        });
        refused.collect()
    }

    /// How often the kernel has ended a process in it for lack of memory; 0 where that is not counted.
    pub fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.unwrap_or(0)
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes())
}

/// The cgroup that the agent was started in, where it is the agent's to divide.
fn delegated(dir: &ClusterDir) -> Result<PathBuf, String> {
    let own = own_cgroup()?;
    let root = if own.ends_with(OWN) { own.parent().unwrap_or(&own).to_owned() } else { own };
    let is_units = Unit::installed(dir).is_some_and(|unit| root.ends_with(unit.name()));
    let is_containers = foreground::keeper(dir).is_some() && root == mount()?;
    match is_units || is_containers {
        true => Ok(root),
        false => Err("no cgroup is the agent's to divide (zeek-cluster agent install)".to_owned()),
    }
}

/// This process's cgroup of version 2, as a folder.
fn own_cgroup() -> Result<PathBuf, String> {
    let text = fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("/proc/self/cgroup: {error}"))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).ok_or("this host has no cgroups of version 2")?;
    let mount = mount()?;
    Ok(match path.trim_start_matches('/') {
        "" => mount,
        path => mount.join(path),
    })
}

/// Where they are mounted.
fn mount() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|error| format!("/proc/self/mounts: {error}"))?;
    let of_version_2 = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(at))
    });
    of_version_2.ok_or_else(|| "no cgroups of version 2 are mounted on this host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake() -> (tempfile::TempDir, Cgroups) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        (folder, Cgroups { root, without_memory: None })
    }

    #[test]
    fn memory_is_limited_by_files_of_the_nodes_own_group() {
        let (folder, ours) = fake();
        let group = ours.group("worker-1").unwrap();
        let limits = Limits { memory_max: Some(1 << 30), ..Limits::default() };
        assert!(group.limit(&limits).is_empty());
        let text = |name: &str| fs::read_to_string(folder.path().join("node-worker-1").join(name)).unwrap();
        assert_eq!([text("memory.max"), text("memory.high"), text("memory.oom.group")], ["1073741824", "max", "1"]);
    }

    #[test]
    fn kills_for_lack_of_memory_are_counted() {
        let (folder, ours) = fake();
        let group = ours.group("worker-1").unwrap();
        assert_eq!(group.oom_kills(), 0);
        let events = folder.path().join("node-worker-1/memory.events");
        fs::write(events, "low 0\nhigh 3\nmax 9\noom 2\noom_kill 2\noom_group_kill 1\n").unwrap();
        assert_eq!(group.oom_kills(), 2);
    }

    /// A tree of the kernel's, where one can be made: processes come in and are seen.
    #[test]
    fn a_process_comes_into_the_group_of_its_node() {
        let Some(mount) = mount().ok().filter(|_| rustix::process::geteuid().is_root()) else {
            eprintln!("ignored: no cgroups of version 2, or not root");
            return;
        };
        let root = mount.join(format!("zc-cgroup-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        let ours = Cgroups { root: root.clone(), without_memory: Some("not asked for".into()) };
        let group = ours.group("worker-1").unwrap();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        group.door().unwrap().write_all(child.id().to_string().as_bytes()).unwrap();
        assert_eq!(group.processes(), [i32::try_from(child.id()).unwrap()]);
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir(root.join("node-worker-1")).unwrap();
        fs::remove_dir(root).unwrap();
    }
}
