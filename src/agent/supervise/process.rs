//! What a process is known by: its pid alone is reused, so it is pid, start time and boot together.
//!
//! The record in `run/NODE/pid` has two lines. The first is written by the agent before it forks; the second is
//! `/proc/self/stat`, copied there by the child itself before it becomes the node. So there is no moment in which a node
//! runs and no agent could find it again.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::agent::durable;

/// Of the running system: `/proc/sys/kernel/random/boot_id`; empty where it cannot be read.
pub fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    })
}

/// Tells in the environment of a node which `ManifestNode::hash` it was started with: where its record is damaged, that is
/// all that is left of it.
pub const HASH_VARIABLE: &str = "ZEEK_CLUSTER_NODE_HASH";

/// The first line of a record: what the agent knows before there is a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The boot it belongs to.
    pub boot_id: String,
    /// Seconds since the epoch.
    pub started_at: f64,
    /// `ManifestNode::hash` of what is started.
    pub hash: String,
    /// Where its part of `stderr.log` begins, in bytes.
    pub stderr_from: u64,
}

/// A process that was started as a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Its pid, which is also its process group and session.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks since boot.
    pub start_ticks: u64,
    /// What the agent that started it wrote down.
    pub header: Header,
    /// Whether another agent started it: then its exit status cannot be known.
    pub adopted: bool,
}

/// The fields of `/proc/PID/stat` that tell processes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Field 1.
    pub pid: u32,
    /// Field 3: `Z` and `X` have ended.
    pub state: char,
    /// Field 22.
    pub start_ticks: u64,
}

impl Stat {
    /// The name in field 2 may hold spaces and parentheses, so everything is counted from its last parenthesis.
    pub fn parse(text: &str) -> Option<Stat> {
        let pid = text.split_once(' ')?.0.parse().ok()?;
        let mut rest = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = rest.next()?.chars().next()?;
        let start_ticks = rest.nth(18)?.parse().ok()?;
        Some(Stat { pid, state, start_ticks })
    }

    /// Of a process that exists.
    pub fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// The process of a record, whether or not it still runs; none when the record ends before the fork.
pub fn read_record(path: &Path) -> Option<Process> {
    let text = fs::read_to_string(path).ok()?;
    let (header, stat) = text.split_once('\n')?;
    let header: Header = serde_json::from_str(header).ok()?;
    let stat = Stat::parse(stat)?;
    Some(Process { pid: stat.pid, start_ticks: stat.start_ticks, header, adopted: true })
}

impl Process {
    /// A descriptor of this very process, if it still runs.
    ///
    /// The descriptor is opened before the start time is compared: a process that took the pid over later has a later
    /// start time, so what was opened is what was compared.
    pub fn open(&self) -> Option<OwnedFd> {
        if self.header.boot_id != boot_id() {
            return None;
        }
        let pidfd = open_pidfd(self.pid).ok()?;
        let stat = Stat::of(self.pid)?;
        (stat.start_ticks == self.start_ticks && stat.is_alive()).then_some(pidfd)
    }
}

/// A process without a record, as it is found now, and its descriptor; none when it has ended or `is_it` says that it is
/// another one. `stderr_from` is where its standard error goes on.
pub fn found(pid: u32, stderr_from: u64, is_it: impl FnOnce(u32) -> bool) -> Option<(Process, OwnedFd)> {
    let pidfd = open_pidfd(pid).ok()?;
    let stat = Stat::of(pid)?;
    if !stat.is_alive() || !is_it(pid) {
        return None;
    }
    let header = Header {
        boot_id: boot_id().to_owned(),
        started_at: started_at(stat.start_ticks),
        hash: variable_of(pid, HASH_VARIABLE).unwrap_or_default(),
        stderr_from,
    };
    Some((Process { pid, start_ticks: stat.start_ticks, header, adopted: true }, pidfd))
}

/// Writes the record of a process that runs.
pub fn write_record(path: &Path, process: &Process) -> io::Result<()> {
    let mut text = serde_json::to_string(&process.header)?;
    text.push('\n');
    text.push_str(&fs::read_to_string(format!("/proc/{}/stat", process.pid))?);
    durable::write_atomic(path, text.as_bytes(), 0o600)
}

/// Seconds since the epoch, from clock ticks since the boot.
fn started_at(start_ticks: u64) -> f64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime: f64 = uptime.split_whitespace().next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    now - (uptime - start_ticks as f64 / procfs::ticks_per_second() as f64).max(0.0)
}

fn variable_of(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|octet| *octet == 0);
    let value = variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// `pidfd_open`; close-on-exec by definition.
pub fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "17 (a) b (c) S 1 17 17 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 2000";
        assert_eq!(Stat::parse(text), Some(Stat { pid: 17, state: 'S', start_ticks: 98765 }));
    }

    #[test]
    fn a_stat_that_breaks_off_is_none() {
        assert_eq!(Stat::parse("17 (a) S 1 17"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let me = Stat::of(std::process::id()).expect("this process has a stat");
        let header = Header { boot_id: boot_id().into(), started_at: 0.0, hash: String::new(), stderr_from: 0 };
        let mut process = Process { pid: me.pid, start_ticks: me.start_ticks, header, adopted: true };
        assert!(process.open().is_some());
        process.start_ticks -= 1;
        assert!(process.open().is_none());
        process.start_ticks += 1;
        process.header.boot_id = "another boot".into();
        assert!(process.open().is_none());
    }
}
