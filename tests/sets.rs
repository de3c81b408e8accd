//! Sets of nodes: named, folded, and what the last command left behind.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Output, Sandbox};

/// Two hosts, of which one refuses every connection.
const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: off
hosts: { head: 127.0.0.1, gone-1: { address: 127.0.0.1, ssh: { port: 1 } } }
nodes:
  manager: { type: manager, host: head }
  logger: { type: logger, host: head }
  worker: { type: worker, host: [head, gone-1], count: 2 }
";

fn names(output: &Output) -> Vec<&str> {
    output.stdout.lines().collect()
}

#[test]
fn sets_are_named_and_folded_without_asking_any_host() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let nodes = |args: &[&str]| sandbox.expect(0, &[&["nodes"], args].concat());
    assert_eq!(names(&nodes(&["-o", "name", "@workers,!worker-3"])), ["worker-1", "worker-2", "worker-4"]);
    assert_eq!(names(&nodes(&["--fold", "@workers&@host:gone-1", "logger"])), ["logger,worker-[3-4]"]);
    assert_eq!(names(&nodes(&["--count", "worker-[1-4/2]"])), ["2"]);
    assert_eq!(sandbox.json(0, &["nodes", "--fold"]), "manager,logger,worker-[1-4]");
    assert_eq!(sandbox.json(0, &["nodes", "--count", "@loggers"]), 1);
    let unknown = sandbox.expect(2, &["restart", "wroker-1"]);
    assert!(unknown.stderr.contains("did you mean `worker-1`?"), "{unknown:#?}");
}

#[test]
fn what_the_last_command_left_behind_is_a_set_of_the_next_one() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let none = sandbox.expect(2, &["start", "@failed"]);
    assert!(none.stderr.contains("what the last command left behind, and none is remembered"), "{none:#?}");

    let deployed = sandbox.expect(1, &["deploy", "--timeout", "20s"]);
    let last = deployed.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("ok ") && last.contains("unreachable worker-[3-4] (gone-1)"), "{deployed:#?}");
    let left = sandbox.expect(0, &["nodes", "-o", "name", "@unreachable"]);
    assert_eq!(names(&left), ["worker-3", "worker-4"]);
    let file = sandbox.home().join(".local/state/zeek-cluster/campus/last.json");
    let mode = std::fs::metadata(file).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The manager will not stop by waiting for it.
    sandbox.expect(6, &["wait", "manager", "--for", "stopped=all", "--timeout", "0.2"]);
    assert_eq!(names(&sandbox.expect(0, &["nodes", "--fold", "@failed"])), ["manager"]);
    // Readers without outcomes leave the memory alone.
    sandbox.run(&["status"]);
    sandbox.expect(0, &["restart", "@failed"]);
    let again = sandbox.expect(0, &["restart", "@failed"]);
    assert!(again.stderr.contains("nothing is in `@failed`: the last run was `restart`"), "{again:#?}");
    assert_eq!(again.stdout, "");
}
