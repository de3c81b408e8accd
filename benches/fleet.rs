//! Hosts over SSH: what a deploy and a status cost beside the least that anybody could do with the same servers.
//!
//! Bars, and their peers, run in turn on the same machines (network namespaces with an address, a disk and an sshd each):
//! - `deploy` of an unchanged layout to 32 hosts: at most 1.5 times 32 parallel `ssh -o KexAlgorithms=curve25519-sha256
//!   host true`. Without that option ssh has a handicap of 117 ms of CPU per host.
//! - The first `deploy`, upload included: at most 32 parallel `rsync` of the program through ssh as it is; through ssh
//!   without its handicap is told as well. A deploy starts a node on each host besides; `install`, which does not, is told,
//!   too. Hosts have disks of their own, and these share one: it is measured in memory, as if no disk were slower than the
//!   network, and on this machine's disk, where all wait for it (a deploy syncs what it brings; there `rsync --fsync` is
//!   told as well).
//! - Client CPU of `status`: at most 4 ms per host.
//! - `status` of 100 nodes on 10 hosts: at most 2 bare logins (`ssh host true`).
//! - Ten hosts of which one swallows packets: the rows of the nine within 0.5 s.
//! - `status` of 100 hosts: at most 100 MiB resident.
//!
//! `cargo bench --bench fleet -- [HOSTS]`, as root; needs iproute2, sshd and rsync.

#![allow(clippy::print_stdout, missing_docs, unused, reason = "a bench prints, and uses a part of what tests use")]

#[path = "../tests/support/hosts.rs"]
mod hosts;
#[path = "../tests/support/lacking.rs"]
mod lacking;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hosts::{Machines, has_machines};

const HOSTS: usize = 32;
const RUNS: usize = 5;
/// The bare key exchange, so that the peer carries no handicap.
const BARE: [&str; 2] = ["-o", "KexAlgorithms=curve25519-sha256"];

/// What one process took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_kib: i64,
}

struct Bench {
    machines: Machines,
    folder: tempfile::TempDir,
}

fn main() {
    if !has_machines() {
        println!("left out: needs root, iproute2 and sshd to make machines");
        return;
    }
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(HOSTS);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{count} hosts; load average before: {}", load.trim());
    let on_disk = Bench::start("/var/tmp", count);
    let ours = on_disk.layout("campus", count, 1);
    on_disk.first_deploy(&ours, count, "on one disk", &["-W"]);
    on_disk.first_deploy(&ours, count, "on one disk, rsync syncs too", &["-W", "--fsync"]);
    on_disk.run(&ours, &["remove", "--all", "--yes"]);
    drop(on_disk);
    let bench = Bench::start("/dev/shm", count);
    let ours = bench.layout("campus", count, 1);
    bench.first_deploy(&ours, count, "in memory", &["-W"]);
    bench.unchanged_deploy(&ours, count);
    bench.status(&ours, count);
    bench.run(&ours, &["remove", "--all", "--yes"]);
    bench.ten_hosts();
    bench.hundred_hosts(count);
}

impl Bench {
    /// So many machines whose disks are in a folder of `place`.
    fn start(place: &str, count: usize) -> Bench {
        let folder = tempfile::Builder::new().prefix("zc-fleet-").tempdir_in(place).expect("a folder");
        fs::create_dir(folder.path().join("base")).expect("the base folder");
        fs::create_dir(folder.path().join("home")).expect("a home folder");
        let machines = Machines::start(folder.path(), &folder.path().join("base"), count);
        Bench { machines, folder }
    }

    /// A layout of `hosts` hosts with so many workers on each; manager and logger are on the first.
    fn layout(&self, name: &str, hosts: usize, workers: usize) -> PathBuf {
        let names: Vec<String> = (0..hosts).map(Machines::name).collect();
        let reach = self.machines.layout("  connect_timeout: 5s\n");
        // The reach of all machines; hosts without nodes are left out by the program.
        let text = format!(
            "name: {name}\nbase_dir: {}\n{reach}nodes:\n  manager: {{ type: manager, host: head }}\n  \
             logger: {{ type: logger, host: head }}\n  worker: {{ type: worker, host: [{}], count: {workers} }}\n",
            self.folder.path().join("base").display(),
            names.join(", ")
        );
        let path = self.folder.path().join(format!("{name}.yaml"));
        fs::write(&path, text).expect("the layout");
        path
    }

    /// Leaves the cluster deployed.
    fn first_deploy(&self, layout: &Path, count: usize, place: &str, options: &[&str]) {
        let (mut installs, mut deploys, mut rsyncs, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            self.remove(layout);
            rsyncs.push(self.rsync(count, options, &[]));
            self.remove(layout);
            bare.push(self.rsync(count, options, &BARE));
            self.remove(layout);
            installs.push(self.run(layout, &["install"]).wall);
            self.remove(layout);
            deploys.push(self.run(layout, &["deploy"]).wall);
        }
        let (install, deploy, rsync, bare) = (median(installs), median(deploys), median(rsyncs), median(bare));
        let size = fs::metadata(env!("CARGO_BIN_EXE_zeek-cluster")).expect("the program").len() as f64 / 1e6;
        println!(
            "first deploy, {size:.1} MB to each, {place}: {:.2} s ({:.2} s without starting nodes); rsync: {:.2} s; {:.2} x \
             (without nodes {:.2} x), the bar is 1; with the bare key exchange {:.2} s; {:.2} x (without nodes {:.2} x)",
            s(deploy),
            s(install),
            s(rsync),
            ratio(deploy, rsync),
            ratio(install, rsync),
            s(bare),
            ratio(deploy, bare),
            ratio(install, bare),
        );
    }

    fn remove(&self, layout: &Path) {
        // Status 1: there may be nothing.
        let _ =
            measured(self.command(layout, &["remove", "--all", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()));
        self.forget();
    }

    /// The program to all machines at once.
    fn rsync(&self, count: usize, options: &[&str], ssh: &[&str]) -> Duration {
        self.parallel(count, |index| {
            let mut rsync = Command::new("rsync");
            rsync.args(options).arg("-e").arg(format!("ssh {} {}", self.ssh_options().join(" "), ssh.join(" ")));
            rsync.arg(env!("CARGO_BIN_EXE_zeek-cluster"));
            rsync.arg(format!("root@{}:{}", self.machines.address(index), self.folder.path().join("base").display()));
            rsync
        })
    }

    /// Takes away everything on the machines' disks.
    fn forget(&self) {
        for index in 0..self.machines.count() {
            for entry in fs::read_dir(self.machines.disk(index)).into_iter().flatten().flatten() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn unchanged_deploy(&self, layout: &Path, count: usize) {
        let (mut ours, mut peers, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let deploy = self.run(layout, &["deploy"]);
            ours.push(deploy.wall);
            cpu.push(deploy.cpu);
            peers.push(self.parallel(count, |index| self.ssh(index)));
        }
        let (ours, peers) = (median(ours), median(peers));
        println!(
            "unchanged deploy: {:.2} s ({:.1} ms of CPU per host); parallel ssh true: {:.2} s; {:.2} x, the bar is 1.5",
            s(ours),
            s(median(cpu)) * 1e3 / count as f64,
            s(peers),
            ratio(ours, peers)
        );
    }

    fn status(&self, layout: &Path, count: usize) {
        let costs: Vec<Cost> = (0..RUNS).map(|_| self.run(layout, &["status"])).collect();
        let cpu = median(costs.iter().map(|cost| cost.cpu).collect());
        let wall = median(costs.iter().map(|cost| cost.wall).collect());
        println!(
            "status of {count} hosts: {:.2} s, {:.2} ms of client CPU per host, the bar is 4",
            s(wall),
            s(cpu) * 1e3 / count as f64
        );
    }

    fn ten_hosts(&self) {
        let layout = self.layout("ten", 10, 10);
        self.run(&layout, &["deploy"]);
        let (mut ours, mut login) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            ours.push(self.run(&layout, &["status"]).wall);
            login.push(self.parallel(1, |index| self.ssh(index)));
        }
        let (ours, login) = (median(ours), median(login));
        println!(
            "status of 102 nodes on 10 hosts: {:.2} s; one bare login: {:.2} s; {:.2} x, the bar is 2",
            s(ours),
            s(login),
            ratio(ours, login)
        );

        self.machines.set_black_hole(9, true);
        let begun = Instant::now();
        let mut status = self.command(&layout, &["status", "-o", "tsv"]);
        let mut status = status.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let lines = BufReader::new(status.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let times: Vec<Duration> = lines.filter(|line| is_running(line)).map(|_| begun.elapsed()).collect();
        let _ = status.wait();
        self.machines.set_black_hole(9, false);
        println!(
            "one of ten hosts swallows packets: {} rows of the others within {:.2} s, the bar is 0.5; the command ended after {:.1} s",
            times.len(),
            s(times.last().copied().unwrap_or_default()),
            s(begun.elapsed())
        );
        self.run(&layout, &["remove", "--all", "--yes"]);
    }

    /// A hundred hosts on the machines that there are; nothing is deployed there, and every one is logged in to.
    fn hundred_hosts(&self, count: usize) {
        let host = |index: usize| format!("  h{index}: {{ address: {} }}\n", self.machines.address(index % count));
        let hosts: String = (0..100).map(host).collect();
        let names: Vec<String> = (0..100).map(|index| format!("h{index}")).collect();
        let text = format!(
            "name: hundred\nbase_dir: {}\nssh:\n  user: root\n  identity_file: {}\n  known_hosts_file: {}\nhosts:\n{hosts}nodes:\n  \
             manager: {{ type: manager, host: h0 }}\n  logger: {{ type: logger, host: h0 }}\n  worker: {{ type: worker, host: [{}] }}\n",
            self.folder.path().join("base").display(),
            self.machines.identity().display(),
            self.machines.known_hosts().display(),
            names.join(", ")
        );
        let layout = self.folder.path().join("hundred.yaml");
        fs::write(&layout, text).expect("the layout");
        // Status 1: no node runs there.
        let (cost, _) = measured(
            self.command(&layout, &["status", "--parallel", "100"]).stdout(Stdio::null()).stderr(Stdio::null()),
        );
        println!(
            "status of 100 hosts, all at once: {:.2} s, {:.1} MiB resident at most, the bar is 100",
            s(cost.wall),
            cost.peak_kib as f64 / 1024.0
        );
    }

    fn command(&self, layout: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zeek-cluster"));
        command.arg("--layout").arg(layout).args(args).stdin(Stdio::null());
        command.env("HOME", self.folder.path().join("home")).env_remove("SSH_AUTH_SOCK").env_remove("XDG_DATA_HOME");
        command
    }

    /// Runs a command that has to succeed.
    fn run(&self, layout: &Path, args: &[&str]) -> Cost {
        let said = self.folder.path().join("said");
        let file = fs::File::create(&said).expect("a file");
        let mut command = self.command(layout, args);
        let (cost, status) = measured(command.stdout(Stdio::null()).stderr(file));
        assert_eq!(status, 0, "{args:?}: {}", fs::read_to_string(&said).unwrap_or_default());
        cost
    }

    fn ssh_options(&self) -> Vec<String> {
        let identity = self.machines.identity();
        let known = self.machines.known_hosts();
        let options = ["BatchMode=yes".to_owned(), format!("UserKnownHostsFile={}", known.display())];
        let mut arguments = vec!["-F".to_owned(), "none".to_owned(), "-i".to_owned(), identity.display().to_string()];
        arguments.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
        arguments
    }

    fn ssh(&self, index: usize) -> Command {
        let mut command = Command::new("ssh");
        command.args(BARE).args(self.ssh_options()).arg(format!("root@{}", self.machines.address(index))).arg("true");
        command
    }

    /// So many processes at once, one per machine, until all have succeeded.
    fn parallel(&self, count: usize, command: impl Fn(usize) -> Command) -> Duration {
        let begun = Instant::now();
        let quiet = |index| {
            let mut command = command(index);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
        };
        let children: Vec<Child> = (0..count).map(quiet).collect();
        for mut child in children {
            assert!(child.wait().expect("a child").success());
        }
        begun.elapsed()
    }
}

/// Runs a command to its end: what it took, and its exit status.
fn measured(command: &mut Command) -> (Cost, i32) {
    let begun = Instant::now();
    #[expect(clippy::zombie_processes, reason = "wait4 below waits for it, and tells what it used besides")]
    let child = command.spawn().expect("the program starts");
    let pid = i32::try_from(child.id()).expect("a process id");
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live values of the types that wait4(2) fills in, and the child is ours and not yet waited for.
    let waited = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
    assert_eq!(waited, pid, "the child is ours");
    // SAFETY: wait4 filled it in; all zeroes are a valid value of it besides.
    let usage = unsafe { usage.assume_init() };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    (Cost { wall: begun.elapsed(), cpu, peak_kib: usage.ru_maxrss }, libc::WEXITSTATUS(status))
}

/// Whether a row of `status` is of a node that runs: the fourth column. The last known state of a silent host's stands elsewhere.
fn is_running(line: &str) -> bool {
    line.split('\t').nth(3) == Some("running")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn s(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn ratio(ours: Duration, peers: Duration) -> f64 {
    ours.as_secs_f64() / peers.as_secs_f64()
}
