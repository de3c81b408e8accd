//! What this host's nodes use, and what lies in the cluster's folder: read from `/proc` and the file system when it is
//! asked for, never in the background.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use procfs::process::Process;

use super::roster::Roster;
use crate::api::agent::{DiskPart, DiskUsage, HostUsage, NodeUsage};
use crate::api::node::NodeView;
use crate::api::paths::ClusterDir;

/// How long the share of a processor is measured when the request does not say.
pub const SAMPLE: Duration = Duration::from_millis(500);

/// How long it may be measured.
pub const MAX_SAMPLE: Duration = Duration::from_secs(5);

/// How long files may be counted; what was counted by then is told as incomplete.
const COUNT_WITHIN: Duration = Duration::from_secs(2);

/// How many files are counted at most.
const MAX_FILES: u64 = 500_000;

/// How long a node may take to tell its figures.
const NODE_WITHIN: Duration = Duration::from_secs(1);

/// What the processes of each session use at one moment; a node leads a session of its own, so a real Zeek counts with
/// what it started.
struct Moment {
    at: Instant,
    sessions: HashMap<i32, Session>,
}

#[derive(Default)]
struct Session {
    ticks: u64,
    rss_bytes: u64,
    threads: u64,
    fds: u64,
}

impl Moment {
    fn now(wanted: &[i32]) -> Moment {
        let mut sessions: HashMap<i32, Session> = HashMap::new();
        // A process that ends meanwhile is not counted.
        for process in procfs::process::all_processes().into_iter().flatten().flatten() {
            let Ok(stat) = process.stat() else { continue };
            if wanted.contains(&stat.session) {
                sessions.entry(stat.session).or_default().add(&process, &stat);
            }
        }
        Moment { at: Instant::now(), sessions }
    }
}

impl Session {
    fn add(&mut self, process: &Process, stat: &procfs::process::Stat) {
        self.ticks += stat.utime + stat.stime;
        self.rss_bytes += stat.rss * procfs::page_size();
        self.threads += u64::try_from(stat.num_threads).unwrap_or(0);
        self.fds += process.fd_count().map_or(0, |count| count as u64);
    }
}

/// What each node of the roster uses; the share of a processor is that of the time `sample`.
pub async fn usage(roster: &Roster, sample: Duration) -> HostUsage {
    let pids = || roster.jobs().into_iter().filter_map(|(_, job)| job.view().status.pid?.try_into().ok());
    let before = moment(pids().collect()).await;
    tokio::time::sleep(sample).await;
    let after = moment(pids().collect()).await;
    let lags = lags(roster).await;
    let nodes = roster.jobs().into_iter().map(|(name, job)| {
        let status = job.view().status;
        let session = |moment: &'_ Moment| -> Option<(u64, u64, u64, u64)> {
            let found = moment.sessions.get(&i32::try_from(status.pid?).ok()?)?;
            Some((found.ticks, found.rss_bytes, found.threads, found.fds))
        };
        let now = session(&after);
        let spent = session(&before).zip(now).map(|(before, now)| now.0.saturating_sub(before.0));
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        NodeUsage {
            log_waiting: lags.get(&name).copied(),
            name,
            state: status.state,
            pid: status.pid,
            cpu_percent: spent.map(|ticks| percent(ticks, seconds)),
            cpu_s: now.map(|now| now.0 as f64 / procfs::ticks_per_second() as f64),
            rss_bytes: now.map(|now| now.1),
            threads: now.map(|now| now.2),
            fds: now.map(|now| now.3),
        }
    });
    let nodes = nodes.collect();
    let memory = memory();
    HostUsage {
        cpus: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
        load_1m: first_number("/proc/loadavg").unwrap_or(0.0),
        memory_bytes: memory.0,
        memory_available_bytes: memory.1,
        nodes,
    }
}

async fn moment(pids: Vec<i32>) -> Moment {
    tokio::task::block_in_place(|| Moment::now(&pids))
}

/// Of one processor, to a tenth.
fn percent(ticks: u64, seconds: f64) -> f64 {
    let share = ticks as f64 / procfs::ticks_per_second() as f64 / seconds.max(0.001);
    (share * 1000.0).round() / 10.0
}

/// Batches of log records that wait to be written, of the nodes that tell.
async fn lags(roster: &Roster) -> BTreeMap<String, u64> {
    let running = roster.jobs().into_iter().filter(|(_, job)| job.view().view.is_some());
    let asked = running.map(|(name, job)| async move {
        let answer = async { job.client().get("v1/node").await.ok()?.json::<NodeView>().await.ok() };
        let view = tokio::time::timeout(NODE_WITHIN, answer).await.ok()??;
        Some((name, *view.counters.get("log_batches_waiting")?))
    });
    futures_util::future::join_all(asked).await.into_iter().flatten().collect()
}

fn first_number(path: &str) -> Option<f64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// All memory and what of it is there for new processes (`/proc/meminfo`), in bytes; 0 where it cannot be read.
fn memory() -> (u64, u64) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    let bytes = |name: &str| field(name).unwrap_or(0) * 1024;
    (bytes("MemTotal:"), bytes("MemAvailable:"))
}

/// The file system of the cluster's folder, and what the folder's parts hold. Blocks.
pub fn disk(dir: &ClusterDir) -> io::Result<DiskUsage> {
    let system = rustix::fs::statvfs(dir.path())?;
    let until = Instant::now() + COUNT_WITHIN;
    let mut counter = Counter { until, files: 0, complete: true };
    let folders = [
        ("logs", dir.logs()),
        ("stores", dir.stores()),
        ("releases", dir.releases()),
        ("blobs", dir.path().join("blobs")),
        ("bin", dir.path().join("bin")),
        ("run", dir.path().join("run")),
    ];
    let parts = folders.map(|(name, path)| {
        let before = counter.files;
        let bytes = counter.count(&path, 0);
        DiskPart { name: name.to_owned(), bytes, files: counter.files - before }
    });
    Ok(DiskUsage {
        path: dir.path().to_owned(),
        total_bytes: system.f_blocks * system.f_frsize,
        used_bytes: system.f_blocks.saturating_sub(system.f_bfree) * system.f_frsize,
        free_bytes: system.f_bavail * system.f_frsize,
        inodes: system.f_files,
        inodes_free: system.f_favail,
        parts: parts.into(),
        complete: counter.complete,
    })
}

/// Deeper folders are not ours.
const MAX_DEPTH: usize = 16;

struct Counter {
    until: Instant,
    files: u64,
    complete: bool,
}

impl Counter {
    /// Bytes that the files below a folder take on disk; links are not followed, and what cannot be read is not counted.
    fn count(&mut self, folder: &Path, depth: usize) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let mut bytes = 0;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if self.files >= MAX_FILES || Instant::now() >= self.until {
                self.complete = false;
                break;
            }
            self.files += 1;
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() && depth < MAX_DEPTH {
                bytes += self.count(&entry.path(), depth + 1);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_without_following_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = ClusterDir::new(folder.path());
        fs::create_dir_all(dir.logs().join("current")).expect("a folder");
        fs::write(dir.logs().join("current/conn.log"), vec![b'x'; 100_000]).expect("a file");
        std::os::unix::fs::symlink("/", dir.logs().join("all")).expect("a link");
        let usage = disk(&dir).expect("a file system");
        let logs = usage.parts.iter().find(|part| part.name == "logs").expect("logs");
        assert!((100_000..200_000).contains(&logs.bytes), "{logs:?}");
        assert_eq!(logs.files, 3);
        assert!(usage.complete && usage.total_bytes > 0 && usage.free_bytes <= usage.total_bytes);
    }

    #[test]
    fn a_session_is_counted_with_all_its_processes() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let session = Process::new(own).and_then(|process| process.stat()).expect("our own").session;
        let moment = Moment::now(&[session]);
        let found = &moment.sessions[&session];
        assert!(found.rss_bytes > 1 << 20 && found.threads > 0 && found.fds > 0);
        assert_eq!(percent(procfs::ticks_per_second() / 2, 1.0), 50.0);
    }
}
