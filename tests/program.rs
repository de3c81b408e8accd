//! A program under a node: a member of the cluster in any language.

use std::fs;
use std::time::Duration;

use crate::support::Sandbox;

fn layout(script: &str) -> String {
    format!(
        "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: {{ type: manager }}\n  worker:\n    type: worker\n    \
         count: 2\n    command: [/bin/sh, -c, \"{script}\"]\n    env_vars: {{ SENSOR_MODE: quiet }}\n"
    )
}

#[test]
fn a_program_runs_under_its_node_writes_to_its_output_and_ends_with_it() {
    let script = "echo $ZEEK_CLUSTER_NODE $SENSOR_MODE; touch up; while :; do sleep 0.1; done";
    let sandbox = Sandbox::with_layout(&layout(script));
    sandbox.expect(0, &["deploy"]);
    let of = |node: &str| sandbox.base().join("campus/run").join(node).join("up");
    for node in ["worker-1", "worker-2"] {
        sandbox.until(Duration::from_secs(10), "the program runs", |_| {
            fs::metadata(of(node)).map(drop).map_err(|error| error.to_string())
        });
    }
    sandbox.until(Duration::from_secs(10), "its output is kept", |s| {
        let text = s.expect(0, &["output", "worker-1", "--stream", "stdout"]).stdout;
        if text.contains("worker-1 quiet\n") { Ok(()) } else { Err(text) }
    });
    let metrics = sandbox.expect(0, &["metrics", "@workers", "--grep", "program_running"]).stdout;
    assert_eq!(metrics.lines().filter(|line| line.ends_with("\t1")).count(), 2, "{metrics}");
    sandbox.expect(0, &["stop", "worker-1"]);
    let left = processes_of(&sandbox, "worker-1");
    assert!(left.is_empty(), "{left:?}");
    assert!(!processes_of(&sandbox, "worker-2").is_empty());
}

#[test]
fn status_says_what_is_wrong_with_a_program() {
    let sandbox = Sandbox::with_layout(&layout("echo 'no such interface: eth9' >&2; exit 4"));
    sandbox.expect(0, &["deploy"]);
    let row = sandbox.until(Duration::from_secs(10), "it ended twice", |s| {
        let row = s.node("worker-2");
        let twice = row["error"].as_str().is_some_and(|error| error.contains("ended 2 times"));
        if twice { Ok(row) } else { Err(row.to_string()) }
    });
    assert_eq!(row["state"], "running", "the node itself is there: {row}");
    assert_eq!(
        row["error"],
        "its program ended 2 times; the last time it exited with status 4: no such interface: eth9"
    );
    let output = sandbox.expect(0, &["output", "worker-2"]).stdout;
    assert!(output.contains("no such interface: eth9"), "{output}");
}

/// Shells and sleepers that run in a node's folder: its program.
fn processes_of(sandbox: &Sandbox, node: &str) -> Vec<i32> {
    let folder = sandbox.base().join("campus/run").join(node);
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let here = all.filter(|process| process.cwd().is_ok_and(|cwd| cwd == folder));
    let program = here.filter(|process| process.stat().is_ok_and(|stat| stat.comm == "sh" || stat.comm == "sleep"));
    program.map(|process| process.pid).collect()
}
