//! A program under a node: a member of the cluster in any language.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Sandbox, python_with};

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
    let deployed = sandbox.expect(1, &["deploy"]);
    assert!(deployed.stderr.contains("no such interface: eth9"), "{deployed:#?}");
    let row = sandbox.until(Duration::from_secs(30), "it ended five times", |s| {
        let row = s.node("worker-2");
        if row["state"] == "failing" { Ok(row) } else { Err(row.to_string()) }
    });
    let error = row["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("its program ended ") && error.contains(" times, and is started again after "), "{row}");
    assert!(error.ends_with("; the last time it exited with status 4: no such interface: eth9"), "{row}");
    let table = sandbox.expect(1, &["status", "-o", "table"]).stdout;
    assert!(table.contains("zeek-cluster restart worker-2"), "{table}");
    let waited = sandbox.expect(6, &["wait", "--timeout", "1s"]);
    assert!(waited.stdout.contains("failing") || waited.stderr.contains("failing"), "{waited:#?}");
    let output = sandbox.expect(0, &["output", "worker-2"]).stdout;
    assert!(output.contains("no such interface: eth9"), "{output}");
}

#[test]
fn a_program_that_cannot_be_started_fails_the_deploy_and_one_that_is_ill_is_degraded() {
    let layout = layout("touch well; while :; do sleep 0.1; done");
    let broken = layout.replace("[/bin/sh, -c, ", "[/no/such/sensor, -c, ");
    let sandbox = Sandbox::with_layout(&broken);
    let deployed = sandbox.expect(1, &["deploy"]);
    assert!(deployed.stderr.contains("could not be started: /no/such/sensor"), "{deployed:#?}");
    sandbox.expect(1, &["status"]);

    let health = "health: { command: [/usr/bin/test, -e, well], interval: 500ms }";
    sandbox.write_layout(&layout.replace("    env_vars:", &format!("    {health}\n    env_vars:")));
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["status"]);
    fs::remove_file(sandbox.base().join("campus/run/worker-1/well")).expect("the program is up");
    let row = sandbox.until(Duration::from_secs(40), "it is ill", |s| {
        let row = s.node("worker-1");
        if row["state"] == "degraded" { Ok(row) } else { Err(row.to_string()) }
    });
    assert_eq!(row["error"], "its health command exited with status 1", "{row}");
    sandbox.expect(1, &["status", "worker-1"]);
    sandbox.expect(0, &["status", "worker-2"]);
}

/// Shells and sleepers that run in a node's folder: its program.
fn processes_of(sandbox: &Sandbox, node: &str) -> Vec<i32> {
    let folder = sandbox.base().join("campus/run").join(node);
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let here = all.filter(|process| process.cwd().is_ok_and(|cwd| cwd == folder));
    let program = here.filter(|process| process.stat().is_ok_and(|stat| stat.comm == "sh" || stat.comm == "sleep"));
    program.map(|process| process.pid).collect()
}

#[test]
fn the_python_example_publishes_and_subscribes_as_a_member() {
    let Some(python) = python_with("websockets") else { return };
    let sandbox = Sandbox::new();
    let example =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sensor.yaml")).expect("the example");
    let program = concat!("[PYTHON, ", env!("CARGO_MANIFEST_DIR"), "/examples/sensor.py]").replace("PYTHON", python);
    let text = example
        .replace("[python3, /opt/sensor/sensor.py]", &program)
        .replace("27759", &(sandbox.port + 10).to_string())
        .replace("name: sensors\n", "name: sensors\nbase_dir: BASE\nport: PORT\n");
    sandbox.write_layout(&text);
    sandbox.expect(0, &["deploy"]);

    let heard = Background::start(sandbox.command(&["subscribe", "zeek.cluster.manager", "-o", "json", "-n", "1"]));
    heard.says("subscribed to");
    let alive: Value = serde_json::from_str(&heard.prints()).expect("one JSON object a line");
    assert_eq!(alive["data"][2]["data"][0]["data"], "Sensor::alive", "{alive}");

    let answers = Background::start(sandbox.command(&["subscribe", "sensor/answer", "-o", "json", "-n", "2"]));
    answers.says("subscribed to");
    sandbox.until(Duration::from_secs(20), "both are members", |s| {
        let log = s.expect(0, &["log", "--grep", "WebSocket client"]).stdout;
        let both = ["sensor-1", "sensor-2"].iter().all(|name| log.contains(&format!("application_name={name} ")));
        if both { Ok(()) } else { Err(log) }
    });
    sandbox.expect(0, &["publish", "sensor/ask", "Sensor::ask", "string:how are you"]);
    let mut from: Vec<String> = Vec::new();
    for _ in 0..2 {
        let answer: Value = serde_json::from_str(&answers.prints()).expect("one JSON object a line");
        let args = &answer["data"][2]["data"][1]["data"];
        assert_eq!(args[1]["data"], "how are you", "{answer}");
        from.extend(args[0]["data"].as_str().map(str::to_owned));
    }
    from.sort();
    assert_eq!(from, ["sensor-1", "sensor-2"]);

    let counted = sandbox.expect(0, &["metrics", "manager", "--grep", "websocket_outgoing_events"]).stdout;
    for name in ["sensor-1", "sensor-2"] {
        let sent = counted.lines().find(|line| line.contains(&format!("app={name}\t"))).unwrap_or_default();
        assert!(sent.rsplit('\t').next().is_some_and(|count| count.parse::<u64>().is_ok_and(|n| n >= 2)), "{counted}");
    }
}
