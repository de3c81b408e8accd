//! Limits of nodes: at their start, while they run, and what is said of those that the host does not keep.

use std::fs;

use rustix::process::Signal;

use super::harness::*;
use crate::agent::testing::node;
use crate::api::agent::{ManifestNode, NodeStatus};
use crate::api::limits::{CpuSet, Limits, Numa};

fn limit_of(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line[name.len()..].split_whitespace().next().unwrap().to_owned()
}

fn status_of(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name}:\t"))).unwrap().to_owned()
}

/// Field 19 of `/proc/PID/stat`.
fn nice_of(pid: u32) -> i64 {
    procfs::process::Process::new(pid as i32).unwrap().stat().unwrap().nice
}

/// Waits for a process: these programs never join.
async fn up(host: &Host, name: &str) -> NodeStatus {
    let status = host.until(|status| of(status, name).pid.is_some()).await;
    of(&status, name).clone()
}

fn first_cpu() -> u32 {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    (0..1024).find(|cpu| allowed.is_set(*cpu)).unwrap() as u32
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_with_its_limits_and_is_given_others_while_it_runs() {
    let host = Host::new();
    host.start_agent();
    let cpu = first_cpu();
    let limits = Limits {
        nice: Some(5),
        open_files: Some(512),
        core_dumps: Some(false),
        memory_max: Some(1 << 30),
        memory_high: Some(1 << 29),
        cpu_set: Some(CpuSet::List(vec![cpu])),
        numa: Some(Numa::Bind(vec![0])),
    };
    let worker = ManifestNode { limits: limits.clone(), ..node("worker-1", &["sleep", "1000"]) };
    host.run_nodes("r1", vec![worker.clone()]).await;
    let status = up(&host, "worker-1").await;
    let pid = status.pid.unwrap();
    assert_eq!((limit_of(pid, "Max open files").as_str(), nice_of(pid)), ("512", 5));
    assert_eq!(limit_of(pid, "Max core file size"), "0");
    assert_eq!(limit_of(pid, "Max data size"), (1u64 << 30).to_string());
    assert_eq!(status_of(pid, "Cpus_allowed_list"), cpu.to_string());
    assert_eq!(status.limits, limits);
    // The agent of a test has no cgroup, and says what that means.
    let missed = status.limits_missed.join("\n");
    assert!(missed.contains("memory_max is kept for each process alone, by RLIMIT_DATA: "), "{missed}");
    assert!(missed.contains("memory_high is not kept: "), "{missed}");
    if rustix::process::geteuid().is_root() {
        assert_eq!(status.limits_missed.len(), 2, "{missed}");
    }

    let fewer = Limits { nice: Some(7), open_files: Some(256), numa: limits.numa.clone(), ..Limits::default() };
    host.run_nodes("r2", vec![ManifestNode { limits: fewer.clone(), ..worker }]).await;
    let status = host.until(|status| of(status, "worker-1").limits == fewer).await;
    assert_eq!(of(&status, "worker-1").pid, Some(pid), "it was not started anew");
    assert_eq!((limit_of(pid, "Max open files").as_str(), nice_of(pid)), ("256", 7));
    assert_ne!(limit_of(pid, "Max data size"), (1u64 << 30).to_string());
    assert!(of(&status, "worker-1").limits_missed.is_empty(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cpus_that_are_not_there_keep_a_node_from_starting_and_are_named() {
    let host = Host::fast();
    host.start_agent();
    let limits = Limits { cpu_set: Some(CpuSet::List(vec![900, 901])), ..Limits::default() };
    host.run_nodes("r1", vec![ManifestNode { limits, ..node("worker-1", &["sleep", "1000"]) }]).await;
    let status = host.until(|status| of(status, "worker-1").error.is_some()).await;
    let error = of(&status, "worker-1").error.clone().unwrap();
    assert!(error.contains("none of the CPUs 900-901 of cpu_set is on this host"), "{error}");
}

/// A node may have fewer files open than its agent has at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_few_files_is_started_by_an_agent_with_many() {
    let host = Host::fast();
    host.start_agent();
    let connect = || std::os::unix::net::UnixStream::connect(host.dir.agent_socket()).unwrap();
    let open: Vec<_> = (0..100).map(|_| connect()).collect();
    let limits = Limits { open_files: Some(64), ..Limits::default() };
    host.run_nodes("r1", vec![ManifestNode { limits, ..node("worker-1", &["sleep", "1000"]) }]).await;
    let status = up(&host, "worker-1").await;
    assert_eq!(limit_of(status.pid.unwrap(), "Max open files"), "64");
    drop(open);
}

/// The kernel itself ends the node: in a cgroup of version 1, where memory is that version's, as in one of version 2.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_for_lack_of_memory_is_called_by_its_name() {
    let group = std::path::Path::new("/sys/fs/cgroup/memory").join(format!("zc-oom-{}", std::process::id()));
    let readable = fs::File::open("/dev/kmsg").is_ok();
    if !readable || fs::create_dir(&group).is_err() {
        // Not every machine has one, also under `CI`; version 2 and machines without have tests of their own.
        eprintln!("ignored: no cgroup of memory can be made, or the kernel's log not be read");
        return;
    }
    fs::write(group.join("memory.limit_in_bytes"), "33554432").unwrap();
    // Where there is swap it would only become slow.
    let _ = fs::write(group.join("memory.memsw.limit_in_bytes"), "33554432");
    let host = Host::fast();
    host.start_agent();
    let script = format!(
        "echo $$ >{}/cgroup.procs; exec python3 -c 'kept = [bytearray(1 << 20) for _ in range(256)]'",
        group.display()
    );
    host.run_nodes("r1", vec![node("worker-1", &["sh", "-c", &script])]).await;
    let told = |error: &Option<String>| error.as_ref().is_some_and(|error| error.contains("for lack of memory"));
    let status = host.until(|status| told(&of(status, "worker-1").error)).await;
    let error = of(&status, "worker-1").error.clone().unwrap();
    assert!(error.contains("killed by signal 9 (SIGKILL): the kernel ended it for lack of memory"), "{error}");
    host.client().stop(&names(&["worker-1"]), DEADLINE).await.unwrap();

    // A node that an operator kills is not called so.
    host.run_nodes("r2", vec![node("worker-2", &["sleep", "1000"])]).await;
    let pid = up(&host, "worker-2").await.pid.unwrap();
    kill(pid, Signal::KILL);
    let status =
        host.until(|status| of(status, "worker-2").restarts > 0 || of(status, "worker-2").error.is_some()).await;
    let error = of(&status, "worker-2").error.clone().unwrap_or_default();
    assert!(!error.contains("memory"), "{error}");
    drop(host);
    while fs::remove_dir(&group).is_err() && group.exists() {
        tokio::task::yield_now().await;
    }
}
