//! Every example runs and prints what it promises.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Background, Line, free_ports};

/// The built example. `cargo test` has built it; a run of this test program alone may find an old one, or none.
pub fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let program = std::env::current_exe().expect("the path of this program");
        let profile = program.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked", "--examples"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo starts").success(), "the examples do not build");
        profile.join("examples")
    });
    folder.join(name)
}

/// Runs an example to its end; the lines of its standard output.
fn lines(name: &str, args: &[&str]) -> Vec<String> {
    let mut command = Command::new(example(name));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args);
    let (status, lines) = Background::start(command).end();
    assert_eq!(status, 0, "{name}: {lines:#?}");
    let mut out = Vec::new();
    for line in lines {
        match line {
            Line::Out(text) => out.push(text),
            Line::Err(text) => panic!("{name} says on standard error: {text}"),
        }
    }
    out
}

fn with_ports(name: &str) -> Vec<String> {
    lines(name, &[&free_ports().to_string()])
}

#[test]
fn every_example_has_its_test() {
    let own = std::fs::read_to_string(file!()).expect("this file");
    for entry in std::fs::read_dir("examples").expect("examples/") {
        let path = entry.expect("an entry of examples/").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
            assert!(own.contains(&format!("(\"{name}\"")), "examples/{name}.rs is not run here");
            let text = std::fs::read_to_string(&path).expect("an example");
            assert!(
                text.starts_with("//! ") && text.lines().next().is_some_and(|first| first.ends_with('?')),
                "{name}"
            );
            assert!(text.contains(&format!("cargo run --example {name}")), "{name} does not say how to run it");
            assert!((50..=150).contains(&text.lines().count()), "{name} has {} lines", text.lines().count());
        }
    }
}

#[test]
fn two_nodes_meet_in_one_process() {
    let expected = [
        "worker sees manager as itself",
        "manager sees 1 worker",
        "worker hears My::question(how many packets?)",
        "manager hears My::answer(1234)",
        "manager sees worker go down",
    ];
    assert_eq!(with_ports("two_nodes"), expected);
}

#[test]
fn a_guest_publishes_and_subscribes() {
    let mut expected = vec!["subscribed to example.".to_owned()];
    expected.extend((1..=3).map(|number| format!("example.ticks Example::tick({number})")));
    expected.push("missed 0 events".to_owned());
    assert_eq!(with_ports("publish_subscribe"), expected);
}

#[test]
fn a_logger_prints_the_records_of_the_others() {
    let lines = with_ports("logger");
    assert!(lines.iter().all(|line| line.starts_with("cluster: 1")), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.ends_with(" worker hello from the worker")), "{lines:#?}");
}

#[test]
fn a_recorded_log_batch_tells_its_columns() {
    let lines = lines("decode_log_batch", &[]);
    for expected in ["Conn::LOG: 107 records in 56 batches", "  node (string) = manager"] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    }
}

#[test]
fn a_layout_tells_what_each_host_receives() {
    let lines = lines("render_layout", &[]);
    for expected in [
        "cluster campus: manager,logger-[1-2],proxy,worker-[1-4]",
        "worker-4 on sensor-2 connects to the hub at tcp://192.0.2.10:27760",
        "option Cluster::retry_interval = 1sec (layout)",
        "sensor-2: 3 files",
        "  nodes/worker-4.yaml (644)",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    }
}

#[test]
fn a_program_becomes_a_worker() {
    let mut expected: Vec<String> = (1..=3).map(|number| format!("Sensor::line(packet {number})")).collect();
    expected.push("Sensor::ended(exit status: 0)".to_owned());
    assert_eq!(with_ports("worker"), expected);
}

#[test]
fn a_store_is_written_on_one_node_and_read_on_another() {
    let expected = [
        "manager has the master",
        "worker-1 has a clone",
        "worker-2 has a clone",
        "the master has 2 entries",
        "192.0.2.7 was seen 22 times, says the master",
        "192.0.2.7 was seen 22 times, says the other clone",
    ];
    assert_eq!(with_ports("store"), expected);
}

#[test]
fn a_writer_knows_what_is_safe_and_sees_it_in_its_own_copy() {
    let mut said = with_ports("store_writer");
    assert_eq!(said.remove(0), "worker: 4 acknowledged");
    said.sort_unstable();
    assert_eq!(said, ["worker:0", "worker:1", "worker:2", "worker:3"]);
}

#[test]
fn a_websocket_client_talks_to_the_manager() {
    let expected = ["a client subscribed to example.", "zeek.cluster.manager Example::answer(a browser)"];
    assert_eq!(with_ports("websocket"), expected);
}
