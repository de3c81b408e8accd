//! `-o json` is exactly one document for every command, whatever happened; `-o jsonl` one object a line. Each object says its
//! schema.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::Sandbox;

/// One host here, one that refuses every connection.
const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: off
hosts: { head: 127.0.0.1, gone: { address: 127.0.0.2, ssh: { port: 1 } } }
nodes:
  manager: { host: head }
  logger: { host: head }
  worker: { host: [head, gone] }
stores:
  scratch: {}
";

/// Commands in an order in which they find something to do.
const COMMANDS: &[&[&str]] = &[
    &["layout", "check"],
    &["layout", "show"],
    &["layout", "show", "--options"],
    &["layout", "schema"],
    &["keys", "show-public"],
    &["keys", "generate"],
    &["keys", "show-public"],
    &["keys", "fetch"],
    &["keys", "export", "keys.json"],
    &["keys", "import", "keys.json"],
    &["keys", "rotate", "--yes"],
    &["check"],
    &["plan"],
    &["install"],
    &["deploy", "--timeout", "20s"],
    &["deploy", "head", "--timeout", "20s"],
    &["plan", "head"],
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
    &["output", "worker-1", "manager"],
    &["top", "--once"],
    &["df"],
    &["metrics"],
    &["releases"],
    &["agent", "status"],
    &["events"],
    &["diag", "worker-1"],
    &["notify", "--test"],
    &["doctor"],
    &["exec", "--", "true"],
    &["subscribe", "zeek.", "-n", "1", "--timeout", "1"],
    &["publish", "no.such.topic", "Some::event", "--timeout", "5"],
    &["store", "list"],
    &["store", "put", "scratch", "count:1", "2"],
    &["store", "get", "scratch", "count:1"],
    &["store", "get", "scratch", "count:7"],
    &["store", "keys", "scratch"],
    &["store", "size", "scratch"],
    &["store", "del", "scratch", "count:1"],
    &["store", "clear", "scratch", "--yes"],
    &["stop"],
    &["start", "--timeout", "20s"],
    &["start", "no-such-node"],
    &["rollback", "--dry-run"],
    &["plan", "--to", "0123456789ab"],
    &["rollback", "--timeout", "20s"],
    &["history"],
    &["history", "show", "last"],
    &["history", "show", "last", "--replay"],
    &["unlock"],
    &["remove", "--yes"],
];

/// Commands that are not run here, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("store watch", "goes on until Ctrl-C, one object a line: tests/stores.rs"),
    ("agent run", "is a process of the cluster and has no answer"),
    ("agent keep", "is a process of the cluster and has no answer"),
    ("agent connect", "is a process of the cluster; its standard output is the agent's"),
    ("agent install", "needs systemd as process 1: tests/boot.rs"),
    ("agent uninstall", "needs systemd as process 1: tests/boot.rs"),
    ("agent free-cgroup", "needs a cgroup that systemd made: tests/boot.rs"),
    ("node run", "is a process of the cluster and has no answer"),
    ("node archive-log", "is started by Zeek and has no answer"),
    ("node archive-leftovers", "is started by agents and has no answer"),
    ("node check", "is started by the agent, which reads its own document: tests/zeek.rs"),
    ("completions", "writes a script for a shell"),
    ("man", "writes a manual page"),
    ("help", "writes a text"),
    ("layout import", "writes YAML, or with -o json a document of its own: tests/movein.rs"),
    ("config", "is layout show under zeekctl's name"),
    ("capstats", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("cleanup", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("cron", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("exit", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("netstats", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("print", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("process", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("quit", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
    ("scripts", "is a command of zeekctl and says what replaces it: tests/movein.rs"),
];

/// Answers that are a document of another schema, or a single value.
const OWN: &[&[&str]] =
    &[&["layout", "show"], &["layout", "schema"], &["nodes", "--fold"], &["nodes", "--count"], &["count", "--active"]];

/// The words of every command that does something.
fn leaves(command: &clap::Command, words: &str, found: &mut Vec<String>) {
    for sub in command.get_subcommands() {
        let words = format!("{words} {}", sub.get_name()).trim_start().to_owned();
        leaves(sub, &words, found);
        if !sub.is_subcommand_required_set() {
            found.push(words);
        }
    }
}

#[test]
fn every_command_is_run_here_or_has_a_reason_not_to_be() {
    let mut commands = Vec::new();
    leaves(&zeek_cluster::cli::command(), "", &mut commands);
    let is_run = |words: &str| {
        COMMANDS.iter().any(|command| format!("{} ", command.join(" ")).starts_with(&format!("{words} ")))
    };
    let is_left_out = |words: &str| NOT_RUN.iter().any(|(left_out, _)| *left_out == words);
    let missing: Vec<&String> = commands.iter().filter(|words| !is_run(words) && !is_left_out(words)).collect();
    assert!(missing.is_empty(), "neither run nor left out with a reason: {missing:?}");
    let both: Vec<&&str> = NOT_RUN.iter().map(|(words, _)| words).filter(|words| is_run(words)).collect();
    assert!(both.is_empty(), "run, and left out: {both:?}");
    let gone: Vec<&&str> =
        NOT_RUN.iter().map(|(words, _)| words).filter(|words| !commands.iter().any(|known| known == *words)).collect();
    assert!(gone.is_empty(), "left out, and no command: {gone:?}");
}

/// The status of `jq -e .` on what a command says on standard output.
fn jq(text: &str) -> Option<i32> {
    let mut jq = Command::new("jq").args(["-e", "."]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().ok()?;
    std::io::Write::write_all(&mut jq.stdin.take().expect("piped"), text.as_bytes()).expect("jq reads");
    jq.wait().expect("jq ends").code()
}

/// Whether every object that an answer consists of begins with its schema.
fn says_schema(document: &Value) -> bool {
    let of_object = |value: &Value| value["schema"].as_str().is_some_and(|schema| schema.starts_with("zeek-cluster/"));
    match document {
        Value::Array(rows) => rows.iter().all(of_object),
        other => of_object(other),
    }
}

fn check(sandbox: &Sandbox, when: &str) {
    for command in COMMANDS {
        let output = sandbox.run(&[&["-o", "json"], *command].concat());
        assert_ne!(output.status, 101, "{when}, {command:?}: {output:#?}");
        let document: Result<Value, _> = serde_json::from_str(&output.stdout);
        let document = document.unwrap_or_else(|error| panic!("{when}, {command:?}, {error}: {output:#?}"));
        let is_own = OWN.contains(command) && document.get("exit_status").is_none();
        assert!(is_own || says_schema(&document), "{when}, {command:?}: {output:#?}");
        assert!(!output.stderr.ends_with("\n\n"), "no empty line: {when}, {command:?}: {output:#?}");
        assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "no colour: {output:#?}");
        if let Some(status) = jq(&output.stdout) {
            assert_eq!(status, 0, "{when}, {command:?}: {output:#?}");
        }
        let lines = sandbox.run(&[&["-o", "jsonl"], *command].concat()).stdout;
        if OWN.contains(command) {
            continue;
        }
        for line in lines.lines() {
            let line: Result<Value, _> = serde_json::from_str(line);
            let line = line.unwrap_or_else(|error| panic!("{when}, {command:?}, {error}: {lines}"));
            assert!(line.is_object() && says_schema(&line), "{when}, {command:?}: {lines}");
        }
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

#[test]
fn a_command_that_could_not_begin_says_why_in_its_document() {
    let sandbox =
        Sandbox::with_layout(&LAYOUT.replace("head: 127.0.0.1", "head: { address: 127.0.0.1, ssh: { port: 1 } }"));
    let no_lock = sandbox.json(4, &["deploy"]);
    assert_eq!((&no_lock["schema"], &no_lock["exit_status"]), (&"zeek-cluster/v1".into(), &4.into()));
    assert!(no_lock["error"]["what"].as_str().is_some_and(|what| what.contains("lock")), "{no_lock}");
    assert!(no_lock["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--no-lock")), "{no_lock}");
    for wrong in
        [&["-o", "json", "status", "--nonsense"][..], &["releases", "--cuont", "-o", "json"], &["-o=json", "stauts"]]
    {
        let output = sandbox.expect(2, wrong);
        assert!(output.stderr.starts_with("error: "), "{output:#?}");
        let usage: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"));
        assert_eq!((&usage["schema"], &usage["exit_status"]), (&"zeek-cluster/v1".into(), &2.into()));
        let what = usage["error"]["what"].as_str().expect("a reason");
        assert!(output.stderr.contains(what) && what.contains(" '"), "{usage}");
    }
    assert_eq!(sandbox.expect(2, &["status", "--nonsense"]).stdout, "");
    sandbox.write_layout(&LAYOUT.replace("worker:", "worrker:").replace("encryption: off", "encryption: of"));
    let invalid = sandbox.json(3, &["status"]);
    let problems = invalid["problems"].as_array().expect("an array");
    assert!(
        !problems.is_empty() && problems[0].as_str().is_some_and(|text| text.contains("cluster.yaml:")),
        "{invalid}"
    );
}
