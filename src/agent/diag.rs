//! All that this host can tell about some of its nodes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use procfs::process::Process;
use serde::Deserialize;

use super::client::Backtrace;
use super::core_file::{self, Crash};
use super::events::EventLog;
use super::redact::{Secrets, is_secret_name};
use super::roster::Roster;
use super::supervise::{JobView, last_lines, read_end};
use crate::api::agent::{AgentStatus, ManifestNode};
use crate::api::config::NodeConfig;
use crate::api::diag::{CrashView, HostDiag, NodeDiag, PeakMemory, REDACTED};
use crate::api::events::HostEvent;
use crate::api::paths::ClusterDir;

/// The most of one text, bytes.
const MAX_TEXT: u64 = 64 << 10;

/// After so long no further backtrace is begun; another one may take as long as it takes.
const BACKTRACES_WITHIN: Duration = Duration::from_secs(30);

/// Crashes of a node.
const MAX_CRASHES: usize = 10;

/// A request for a diagnosis.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The nodes.
    pub nodes: Vec<String>,
    /// Lines of each output.
    pub lines: u64,
    /// Events of each node, and of the host.
    pub events: usize,
    /// Whether gdb is asked.
    pub backtrace: Backtrace,
}

/// Reads everything on request; takes as long as the files and gdb take.
pub struct Examiner<'a> {
    /// The cluster's folder.
    pub dir: &'a ClusterDir,
    /// Its nodes.
    pub roster: &'a Roster,
    /// Its events.
    pub events: &'a EventLog,
}

impl Examiner<'_> {
    /// JSON of a [`HostDiag`] in which no secret is left that the agent knows.
    pub async fn examine(&self, agent: AgentStatus, wanted: &Wanted) -> serde_json::Result<String> {
        let secrets = Secrets::of(self.dir, self.roster.manifest().as_deref());
        // Without its record a host has much to tell still.
        let mut events = self.events.read().map(|(events, _)| events).unwrap_or_default();
        let (mut nodes, until) = (Vec::new(), Instant::now() + BACKTRACES_WITHIN);
        for (name, job) in self.roster.jobs().into_iter().filter(|(name, _)| wanted.nodes.contains(name)) {
            nodes.push(self.node(&name, job.view(), &events, wanted, until).await);
        }
        keep_last(&mut events, wanted.events);
        let agent_log = end_of(self.dir.agent_log(), wanted.lines);
        let mut found = serde_json::to_value(HostDiag { agent, agent_log, events, nodes })?;
        secrets.leave_out(&mut found);
        serde_json::to_string(&found)
    }

    async fn node(&self, name: &str, view: JobView, all: &[HostEvent], wanted: &Wanted, until: Instant) -> NodeDiag {
        let mut events: Vec<HostEvent> =
            all.iter().filter(|event| event.is_about(&[name.to_owned()])).cloned().collect();
        let since = events.iter().rev().find(|event| event.incident().is_some()).map(|event| event.ts);
        keep_last(&mut events, wanted.events);
        let manifest = self.roster.manifest();
        let entry = manifest.as_deref().and_then(|manifest| manifest.nodes.iter().find(|node| node.name == name));
        let config = fs::read_to_string(self.dir.current().join("nodes").join(format!("{name}.yaml"))).ok();
        let crashes = crashes(self.dir, name);
        let core = match crashes.first() {
            Some(last) => {
                let crash = self.crash(name, last, config.as_deref());
                let backtrace = if Instant::now() < until { wanted.backtrace } else { Backtrace::Leave };
                Some(core_file::look(&crash, backtrace).await)
            }
            None => None,
        };
        NodeDiag {
            since,
            view: view.view.as_deref().cloned(),
            memory: view.status.pid.and_then(memory),
            crashes,
            core,
            config,
            env: entry.map(env).unwrap_or_default(),
            events,
            stderr: end_of(self.dir.node_stderr(name), wanted.lines),
            stdout: end_of(self.dir.node_stdout(name), wanted.lines),
            status: view.status,
        }
    }

    /// Where the core of a crash may lie, and what it is of.
    fn crash(&self, name: &str, last: &CrashView, config: Option<&str>) -> Crash {
        let config: Option<NodeConfig> = config.and_then(|text| serde_yaml::from_str(text).ok());
        let zeek = config.and_then(|config| config.zeek).and_then(|zeek| zeek.prefix);
        let own = self.roster.manifest().map(|manifest| self.dir.binary(&manifest.binary));
        Crash {
            pid: last.pid,
            ended_at: last.ended_at.unwrap_or_default(),
            folders: vec![self.dir.node(name), self.dir.node_work(name), self.dir.logs_current(name)],
            programs: zeek.map(|prefix| prefix.join("bin/zeek")).into_iter().chain(own).collect(),
        }
    }
}

fn keep_last(events: &mut Vec<HostEvent>, count: usize) {
    let surplus = events.len().saturating_sub(count);
    events.drain(..surplus);
}

fn env(node: &ManifestNode) -> BTreeMap<String, String> {
    let shown = |(name, value): (&String, &String)| match is_secret_name(name) {
        true => (name.clone(), REDACTED.to_owned()),
        false => (name.clone(), value.clone()),
    };
    node.env.iter().map(shown).collect()
}

fn end_of(path: PathBuf, lines: u64) -> String {
    let text = read_end(&path, 0, MAX_TEXT).unwrap_or_default();
    // A line without its beginning may hold half a secret, which could not be recognised.
    let whole = match text.len() as u64 == MAX_TEXT {
        true => text.iter().position(|octet| *octet == b'\n').map_or(&[][..], |end| &text[end + 1..]),
        false => &text[..],
    };
    String::from_utf8_lossy(last_lines(whole, lines)).into_owned()
}

/// The fields of a `report.json` that a diagnosis shows.
#[derive(Deserialize)]
struct Report {
    exit: String,
    ended_at: Option<f64>,
    pid: Option<u32>,
    started_at: Option<f64>,
}

/// The newest first; a folder that cannot be read says so.
fn crashes(dir: &ClusterDir, name: &str) -> Vec<CrashView> {
    let folders = fs::read_dir(dir.node_crashes(name)).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    folders.iter().rev().take(MAX_CRASHES).map(|folder| crash(folder)).collect()
}

fn crash(folder: &Path) -> CrashView {
    let time = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let report = fs::read(folder.join("report.json")).map_err(|error| error.to_string());
    let report = report.and_then(|text| serde_json::from_slice::<Report>(&text).map_err(|error| error.to_string()));
    let unread =
        |why| Report { exit: format!("its report cannot be read: {why}"), ended_at: None, pid: None, started_at: None };
    let Report { exit, ended_at, pid, started_at } = report.unwrap_or_else(unread);
    let stderr = end_of(folder.join("stderr.log"), u64::MAX);
    CrashView { time, exit, pid, started_at, ended_at, stderr }
}

/// Of all processes of the session that `leader` leads.
fn memory(leader: u32) -> Option<PeakMemory> {
    let session = i32::try_from(leader).ok()?;
    let mut found = PeakMemory { processes: 0, rss_bytes: 0, peak_bytes: 0, cgroup_peak_bytes: cgroup_peak(leader) };
    // A process that ends meanwhile is not counted.
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        if process.stat().is_ok_and(|stat| stat.session == session) {
            found.add(&process);
        }
    }
    (found.processes > 0).then_some(found)
}

impl PeakMemory {
    fn add(&mut self, process: &Process) {
        let Ok(status) = process.status() else { return };
        self.processes += 1;
        self.rss_bytes += status.vmrss.unwrap_or(0) * 1024;
        self.peak_bytes += status.vmhwm.unwrap_or(0) * 1024;
    }
}

/// `memory.peak` of the process' cgroup, unless the agent shares it: then it is not the node's alone.
fn cgroup_peak(pid: u32) -> Option<u64> {
    let of = |pid: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
    };
    let cgroup = of(&pid.to_string())?;
    if Some(&cgroup) == of("self").as_ref() {
        return None;
    }
    fs::read_to_string(format!("/sys/fs/cgroup{cgroup}/memory.peak")).ok()?.trim().parse().ok()
}
