//! What an operator sees who mistyped something.

use crate::support::Sandbox;

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
