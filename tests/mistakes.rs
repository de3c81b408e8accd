//! What an operator sees who mistyped something.

use crate::support::{Sandbox, finish};

#[test]
fn a_typo_in_the_layout_gets_a_caret_a_suggestion_status_3_and_touches_nothing() {
    let text = "base_dir: BASE\nnodes:\n  manager: { type: manager }\n  worker: { type: worker, interfce: eth1 }\n";
    let sandbox = Sandbox::with_layout(text);
    let output = sandbox.expect(3, &["deploy"]);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("cluster.yaml:4:27"), "{output:#?}");
    assert!(output.stderr.contains("^^^^^^^^"), "{output:#?}");
    assert!(output.stderr.contains("interface"), "the nearest key: {output:#?}");
    assert!(!sandbox.base().exists(), "nothing was touched");
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "base_dir: BASE\nnodes:\n  a: { type: manager }\n  b: { type: manager }\n  c: { type: worker, port: 99999 }\n  \
                d: { type: wroker }\n";
    let sandbox = Sandbox::with_layout(text);
    let output = sandbox.expect(3, &["layout", "check"]);
    for (line, word) in [(4, "manager"), (5, "99999"), (6, "worker")] {
        let found = output.stderr.lines().any(|l| l.contains(&format!("cluster.yaml:{line}:")));
        assert!(found && output.stderr.contains(word), "line {line}: {output:#?}");
    }
}

#[test]
fn a_word_that_is_no_command_is_usage_and_a_missing_layout_says_where_it_looked() {
    let sandbox = Sandbox::new();
    sandbox.expect(2, &["staus"]);
    let output = sandbox.expect(3, &["status"]);
    assert!(output.stderr.contains("cluster.yaml"), "{output:#?}");
}

#[test]
fn a_node_that_does_not_exist_is_usage_and_the_nearest_name_is_told() {
    let sandbox =
        Sandbox::with_layout("base_dir: BASE\nnodes:\n  manager: { type: manager }\n  worker: { type: worker }\n");
    let output = sandbox.expect(2, &["stop", "wroker"]);
    assert!(output.stderr.contains("worker"), "{output:#?}");
}

#[test]
fn a_misspelt_host_is_told_once() {
    let text = "base_dir: BASE\nhosts: { head: 192.0.2.6, sensor-1: 192.0.2.7 }\nnodes:\n  \
                manager: { type: manager, hsot: head }\n  worker: { type: worker, hosts: [sensor-1] }\n";
    let sandbox = Sandbox::with_layout(text);
    let said = sandbox.expect(3, &["layout", "check"]).stderr;
    assert_eq!(said.matches("error:").count(), 2, "one for each misspelt key: {said}");
    assert!(said.contains("`hsot`") && said.contains("`hosts`") && said.contains("did you mean `host`?"), "{said}");
}

#[test]
fn where_only_looking_is_allowed_a_command_that_changes_the_cluster_is_refused() {
    let sandbox = Sandbox::with_layout(
        "base_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  worker: { type: worker }\n",
    );
    let run = |value: &str, args: &[&str]| {
        let mut command = sandbox.command(args);
        command.env("ZEEK_CLUSTER_READ_ONLY", value);
        finish(command)
    };
    for args in [&["deploy"][..], &["remove", "--yes"], &["stop"], &["keys", "generate"], &["publish", "t", "e"]] {
        let refused = run("1", args);
        assert_eq!(refused.status, 2, "{args:?}: {refused:#?}");
        assert!(refused.stderr.contains("ZEEK_CLUSTER_READ_ONLY"), "{refused:#?}");
    }
    assert!(!sandbox.base().exists(), "nothing was touched");
    assert_eq!(run("1", &["count", "--defined"]).status, 0);
    assert_eq!(run("1", &["layout", "check"]).status, 0);
    assert_eq!(run("0", &["keys", "generate"]).status, 0, "0 is off");
}

#[test]
fn what_would_be_destroyed_is_named_before_it_is() {
    let sandbox = Sandbox::with_layout(
        "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  worker: { type: worker, count: 2 }\n",
    );
    let refused = sandbox.expect(2, &["remove", "--all"]).stderr;
    for word in ["campus", "localhost", "manager,worker-[1-2]", "logs and stores", "--yes"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
}

/// Another layout with the same name: in a pipe it stops nothing, on a terminal it asks.
#[test]
fn a_wrong_layout_with_the_right_name_stops_nothing_without_a_yes() {
    let right = "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  logger: { type: logger }\n  \
                 proxy: { type: proxy }\n  worker: { type: worker, count: 2 }\n";
    let wrong = "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  logger: { type: logger }\n  \
                 sensor: { type: worker }\n";
    let sandbox = Sandbox::with_layout(right);
    sandbox.expect(0, &["deploy"]);
    std::fs::copy(sandbox.layout(), sandbox.path().join("right.yaml")).expect("copied");
    let pids = |sandbox: &Sandbox| {
        let rows = sandbox.json(0, &["-l", "right.yaml", "status"]);
        rows.as_array().expect("rows").iter().map(|row| row["pid"].clone()).collect::<Vec<_>>()
    };
    let before = pids(&sandbox);
    sandbox.write_layout(wrong);
    let refused = sandbox.expect(2, &["deploy"]);
    let said = "these nodes are not in the layout and would be stopped: proxy,worker-[1-2] on localhost";
    assert!(refused.stderr.contains(said) && refused.stderr.contains("--yes"), "{refused:#?}");
    assert_eq!(pids(&sandbox), before, "in a pipe");

    let question = "Stop 3 nodes that the layout does not have: proxy,worker-[1-2] on localhost? [y/N]";
    let declined = sandbox.on_a_terminal(&["deploy"], &[(question, "n")]);
    assert!(declined.contains(question), "{declined}");
    assert_eq!(pids(&sandbox), before, "declined");
    let agreed = sandbox.on_a_terminal(&["deploy"], &[(question, "y")]);
    assert!(agreed.contains("stopped proxy,worker-[1-2] (no longer in the layout)"), "{agreed}");
}
