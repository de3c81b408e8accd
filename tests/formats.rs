//! `-o json` is exactly one document for every command that has an answer, whatever happened; `-o jsonl` one object a line.

use std::process::{Command, Stdio};

use crate::support::Sandbox;

/// One host here, one that refuses every connection.
const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: off
hosts: { head: 127.0.0.1, gone: { address: 127.0.0.1, ssh: { port: 1 } } }
nodes:
  manager: { host: head }
  logger: { host: head }
  worker: { host: [head, gone] }
";

/// Commands with an answer.
const COMMANDS: &[&[&str]] = &[
    &["check"],
    &["install"],
    &["deploy", "--timeout", "20s"],
    &["restart", "worker-1"],
    &["wait", "--timeout", "0.2"],
    &["status"],
    &["nodes"],
    &["nodes", "--fold"],
    &["nodes", "--count"],
    &["count"],
    &["count", "--active"],
    &["peers"],
    &["log"],
    &["top", "--once"],
    &["df"],
    &["agent", "status"],
    &["exec", "--", "true"],
    &["stop"],
    &["start", "--timeout", "20s"],
];

/// Those that take the cluster's lock first.
const WRITERS: &[&str] = &["install", "deploy", "restart", "stop", "start"];

/// The status of `jq -e .` on what a command says on standard output.
fn jq(text: &str) -> Option<i32> {
    let mut jq = Command::new("jq").args(["-e", "."]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().ok()?;
    std::io::Write::write_all(&mut jq.stdin.take().expect("piped"), text.as_bytes()).expect("jq reads");
    jq.wait().expect("jq ends").code()
}

fn check(sandbox: &Sandbox, when: &str) {
    for command in COMMANDS {
        let output = sandbox.run(&[&["-o", "json"], *command].concat());
        // Without the lock's host a command that changes something does not begin, and so has no answer.
        if output.status == 4 && output.stdout.is_empty() {
            assert!(
                WRITERS.contains(&command[0]) && output.stderr.contains("lock"),
                "{when}, {command:?}: {output:#?}"
            );
            continue;
        }
        let document: Result<serde_json::Value, _> = serde_json::from_str(&output.stdout);
        assert!(document.is_ok(), "{when}, {command:?}: {output:#?}");
        assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "no colour: {output:#?}");
        if let Some(status) = jq(&output.stdout) {
            assert_eq!(status, 0, "{when}, {command:?}: {output:#?}");
        }
        let lines = sandbox.run(&[&["-o", "jsonl"], *command].concat()).stdout;
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(lines.lines().all(is_json), "{when}, {command:?}: {lines}");
    }
}

#[test]
fn every_answer_is_one_document_of_json_with_a_host_that_is_gone() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    check(&sandbox, "from nothing to a cluster of which a part is missing");
}

#[test]
fn every_answer_is_one_document_of_json_when_no_host_answers() {
    let sandbox =
        Sandbox::with_layout(&LAYOUT.replace("head: 127.0.0.1", "head: { address: 127.0.0.1, ssh: { port: 1 } }"));
    check(&sandbox, "nothing answers");
}
