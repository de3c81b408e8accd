//! 64 nodes on one machine: how long from the start until every node sees every other, and what they cost.
//!
//! Bar: at most a tenth of what 64 Zeek nodes take. Peer: Zeek 8.2.2 on a two-core virtual machine, 2026-11-22: 16.0 s and
//! 3.1 GiB in bare mode, 41.8 s and 5.2 GiB with its default scripts (`design.md`, Bars).
//!
//! `cargo bench --bench mesh -- [WORKERS]`: manager, logger and 62 workers, deployed on loopback and removed again.

#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zeek_cluster::agent::client::AgentClient;
use zeek_cluster::api::node::NodeView;
use zeek_cluster::api::paths::ClusterDir;

const WORKERS: usize = 62;
/// Zeek in bare mode.
const ZEEK_SECONDS: f64 = 16.0;
const ZEEK_MIB: f64 = 3.1 * 1024.0;
const DEADLINE: Duration = Duration::from_secs(120);

fn main() {
    let workers = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(WORKERS);
    let folder = tempfile::Builder::new().prefix("zc-mesh-").tempdir_in("/tmp").expect("a folder");
    let base = folder.path().join("base");
    let layout = folder.path().join("cluster.yaml");
    let text = format!(
        "name: mesh\nbase_dir: {}\nport: 29760\nnodes:\n  manager: {{ type: manager }}\n  logger: {{ type: logger }}\n  \
         worker: {{ type: worker, count: {workers} }}\n",
        base.display()
    );
    std::fs::write(&layout, text).expect("the layout");
    let nodes = workers + 2;

    run(&layout, &["install"]);
    let (begun, wall) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970"));
    run(&layout, &["start"]);
    let command = begun.elapsed().as_secs_f64();
    let views = full_mesh(&ClusterDir::new(base.join("mesh")), nodes);
    let ups = views.iter().flat_map(|view| &view.peers).filter_map(|peer| peer.since);
    let meshed = ups.fold(0.0, f64::max) - wall.as_secs_f64();
    let (pss, cpu) = (memory_mib(&views), cpu_seconds(&views));
    run(&layout, &["remove", "--yes"]);

    println!(
        "{nodes} nodes from start to full mesh: {meshed:.2} s (the command: {command:.2} s; the nodes' CPU: {cpu:.2} s)"
    );
    println!("  Zeek, bare mode: {ZEEK_SECONDS} s; the bar: {:.2} s", ZEEK_SECONDS / 10.0);
    println!("their memory, shared pages counted once: {pss:.0} MiB ({:.1} MiB a node)", pss / nodes as f64);
    println!("  Zeek, bare mode: {ZEEK_MIB:.0} MiB; the bar: {:.0} MiB", ZEEK_MIB / 10.0);
    if meshed > ZEEK_SECONDS / 10.0 || pss > ZEEK_MIB / 10.0 {
        println!("the bar is missed");
        std::process::exit(1);
    }
}

/// Every node's view, once each sees all others.
fn full_mesh(dir: &ClusterDir, nodes: usize) -> Vec<NodeView> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = AgentClient::new(dir.agent_socket());
    let deadline = Instant::now() + DEADLINE;
    loop {
        let views = runtime.block_on(client.peers()).expect("the agent answers");
        let sees_all = |view: &NodeView| view.peers.iter().filter(|peer| peer.up).count() + 1 == nodes;
        if views.len() == nodes && views.iter().all(sees_all) {
            return views;
        }
        assert!(Instant::now() < deadline, "no full mesh within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn memory_mib(views: &[NodeView]) -> f64 {
    let pss_kib = |view: &NodeView| {
        let path = format!("/proc/{}/smaps_rollup", view.pid);
        let text = std::fs::read_to_string(path).expect("the node runs");
        let line = text.lines().find(|line| line.starts_with("Pss:")).expect("the sum");
        line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok()).expect("a number of KiB")
    };
    views.iter().map(pss_kib).sum::<f64>() / 1024.0
}

fn cpu_seconds(views: &[NodeView]) -> f64 {
    let ticks = |view: &NodeView| {
        let process = procfs::process::Process::new(view.pid as i32).expect("the node runs");
        let stat = process.stat().expect("its figures");
        stat.utime + stat.stime
    };
    views.iter().map(ticks).sum::<u64>() as f64 / procfs::ticks_per_second() as f64
}

fn run(layout: &Path, arguments: &[&str]) {
    let program = env!("CARGO_BIN_EXE_zeek-cluster");
    let output =
        Command::new(program).arg("--layout").arg(layout).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
