//! How long `--help` takes, and what an idle node costs.
//!
//! Bars: `zeek-cluster --help` at most 5 ms; an idle node at most 12 MiB resident and 0.2 % of a core. The peer of the first is
//! `true`, the least that a process can cost, run in turn with it; the second is counted over [`IDLE`], once the nodes have
//! [settled](SETTLE), of a five-node cluster that this program deploys on loopback and removes again.
//!
//! `cargo bench --bench startup`

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 100;
/// How long the idle cluster is watched.
const IDLE: Duration = Duration::from_secs(10);
/// How long after its start a node has given back what only the start needed.
const SETTLE: Duration = Duration::from_secs(6);

fn main() {
    help();
    idle_nodes();
}

fn help() {
    let program = env!("CARGO_BIN_EXE_zeek-cluster");
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(time(Command::new(program).arg("--help")));
        floor.push(time(&mut Command::new("true")));
    }
    print("zeek-cluster --help", &mut ours);
    print("true", &mut floor);
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("the program starts");
    assert!(status.success());
    start.elapsed()
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    let ms = |i: usize| times[i].as_secs_f64() * 1e3;
    println!("{what:24} median {:.2} ms, 90 % within {:.2} ms", ms(times.len() / 2), ms(times.len() * 9 / 10));
}

fn idle_nodes() {
    let folder = tempfile::Builder::new().prefix("zc-bench-").tempdir_in("/tmp").expect("a folder");
    let layout = folder.path().join("cluster.yaml");
    let text = format!(
        "name: idle\nbase_dir: {}\nport: 28760\nnodes:\n  manager: {{ type: manager }}\n  logger: {{ type: logger }}\n  \
         proxy: {{ type: proxy }}\n  worker: {{ type: worker, count: 2 }}\n",
        folder.path().join("base").display()
    );
    std::fs::write(&layout, text).expect("the layout");
    run(&layout, &["deploy"]);
    let status = run(&layout, &["status", "-o", "json"]);
    let rows: serde_json::Value = serde_json::from_slice(&status).expect("one document");
    let nodes: Vec<(String, i32)> = rows
        .as_array()
        .expect("an array")
        .iter()
        .map(|r| (r["name"].as_str().expect("a name").to_owned(), r["pid"].as_i64().expect("a pid") as i32))
        .collect();
    std::thread::sleep(SETTLE);
    let before: Vec<u64> = nodes.iter().map(|(_, pid)| ticks(*pid)).collect();
    // Time has to pass here: the cost of doing nothing is what is measured.
    std::thread::sleep(IDLE);
    for ((name, pid), before) in nodes.iter().zip(before) {
        let process = procfs::process::Process::new(*pid).expect("the node runs");
        let status = process.status().expect("its status");
        let resident = status.vmrss.expect("vmrss") as f64 / 1024.0;
        let private = (status.rssanon.unwrap_or(0)) as f64 / 1024.0;
        let cpu = (ticks(*pid) - before) as f64 / procfs::ticks_per_second() as f64 / IDLE.as_secs_f64() * 100.0;
        println!("idle {name:12} {resident:6.1} MiB resident ({private:.1} of its own), {cpu:.2} % of a core");
    }
    run(&layout, &["remove", "--all", "--yes"]);
}

fn ticks(pid: i32) -> u64 {
    let stat = procfs::process::Process::new(pid).and_then(|p| p.stat()).expect("the node runs");
    stat.utime + stat.stime
}

fn run(layout: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_zeek-cluster"))
        .arg("--layout")
        .arg(layout)
        .args(args)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
