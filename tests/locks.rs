//! Two operators at once, an operator who is killed, and what is known of both afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Line, Sandbox};

const LAYOUT: &str = "name: pair\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  \
                      worker: { type: worker }\n";

/// A command of ana's that is held at a point until the file goes away.
fn held(sandbox: &Sandbox, point: &str, args: &[&str]) -> (Background, PathBuf) {
    let file = sandbox.path().join("hold");
    let mut command = sandbox.command(args);
    command.env("LOGNAME", "ana").env("ZEEK_CLUSTER_FAULT", format!("{point}:hold={}", file.display()));
    let running = Background::start(command);
    sandbox.until(Duration::from_secs(20), "the command comes to its point", |_| {
        if file.exists() { Ok(()) } else { Err("it has not come there yet".to_owned()) }
    });
    (running, file)
}

fn go_on(file: &Path) {
    std::fs::remove_file(file).expect("the file that holds a command");
}

fn runs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.json(0, &["history"]).as_array().expect("an array").clone()
}

#[test]
fn the_second_operator_is_told_who_is_at_work_or_waits() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let (first, file) = held(&sandbox, "lock", &["stop", "worker"]);

    let refused = sandbox.expect(5, &["restart", "worker"]);
    let said = refused.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
    assert!(said.starts_with("error: locked by ana@"), "{refused:#?}");
    assert!(said.contains(" (pid ") && said.contains(" since ") && said.ends_with(": stop worker"), "{refused:#?}");
    let late = sandbox.expect(6, &["restart", "worker", "--wait=200ms"]);
    assert!(late.stderr.contains("locked by ana@"), "{late:#?}");
    let out = sandbox.expect(2, &["unlock"]);
    assert!(out.stderr.contains("locked by ana@") && out.stderr.contains("--yes"), "{out:#?}");

    // Readers are not held up, and say in one line what goes on.
    let status = sandbox.expect(0, &["status", "worker"]);
    assert!(status.stderr.starts_with("`stop worker` by ana@"), "{status:#?}");
    assert!(status.stderr.contains(" in progress since "), "{status:#?}");
    for reader in [&["log"][..], &["output", "worker"]] {
        let output = sandbox.expect(0, reader);
        assert_eq!(output.stderr.matches("`stop worker` by ana@").count(), 1, "{output:#?}");
    }
    let watching = Background::start(sandbox.command(&["status", "--watch"]));
    watching.says(" in progress since ");
    watching.interrupt();
    assert_eq!(watching.end().0, 130);
    assert_eq!(runs(&sandbox).iter().filter(|run| run["outcome"] == "in progress").count(), 1);

    let waiting = Background::start(sandbox.command(&["restart", "worker", "--wait"]));
    waiting.says("; waiting");
    go_on(&file);
    assert_eq!(first.end().0, 0);
    let (status, lines) = waiting.end();
    assert_eq!(status, 0, "{lines:#?}");
    assert_eq!(sandbox.node("worker")["state"], "running");
    sandbox.expect(0, &["unlock"]);
}

#[test]
fn a_command_whose_lock_is_taken_away_begins_nothing_more() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let (hung, file) = held(&sandbox, "lock", &["stop", "worker"]);
    let unlocked = sandbox.expect(0, &["unlock", "--yes"]);
    assert!(unlocked.stderr.contains("unlocked"), "{unlocked:#?}");
    sandbox.expect(0, &["start", "worker"]);
    go_on(&file);
    let (status, lines) = hung.end();
    assert_eq!(status, 1, "{lines:#?}");
    let said = |text: &str| lines.iter().any(|line| matches!(line, Line::Err(said) if said.contains(text)));
    assert!(said("does not hold the lock"), "{lines:#?}");
    assert_eq!(sandbox.node("worker")["state"], "running");
}

#[test]
fn the_lock_of_a_killed_command_is_free_at_once_and_the_histories_know_how_far_it_came() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let (mut killed, file) = held(&sandbox, "lock", &["stop", "worker"]);
    killed.kill();
    go_on(&file);
    sandbox.expect(0, &["restart", "worker"]);

    let found = runs(&sandbox);
    let shown =
        |run: &Value| format!("{} {}", run["command"].as_str().unwrap_or("-"), run["outcome"].as_str().unwrap_or("-"));
    assert_eq!(
        found.iter().map(shown).collect::<Vec<_>>(),
        ["restart worker ok", "stop worker broken off", "deploy ok"]
    );
    assert!(found[1]["operator"].as_str().is_some_and(|who| who.starts_with("ana@")), "{found:#?}");
    assert_eq!(found[2]["release"].as_str().map(str::len), Some(12), "{found:#?}");

    let run = found[1]["run"].as_str().expect("a name");
    let steps = sandbox.json(0, &["history", "show", &run[..6]]);
    let of = |host: Value| steps.as_array().into_iter().flatten().filter(move |step| step["host"] == host);
    assert_eq!(of(Value::Null).next().map(|step| step["outcome"].clone()), Some("broken off".into()), "{steps}");
    assert_eq!(of("localhost".into()).next().map(|step| step["step"].clone()), Some("take the lock".into()), "{steps}");
    sandbox.expect(2, &["history", "show", "no-such-run"]);

    // Nobody stopped the worker since.
    let replay = sandbox.expect(0, &["history", "show", run, "--replay"]);
    assert_eq!(replay.stdout, "zeek-cluster stop worker\n", "{replay:#?}");
    let done = sandbox.expect(0, &["history", "show", "last", "--replay"]);
    assert_eq!(done.stdout, "", "{done:#?}");
    assert!(done.stderr.contains("nothing is left to do: it ended ok"), "{done:#?}");

    // What is lost here the host still knows, also what others did.
    std::fs::remove_dir_all(sandbox.home().join(".local/state")).expect("the history on this machine");
    assert_eq!(runs(&sandbox).iter().map(shown).collect::<Vec<_>>()[0], "restart worker ok");
    assert!(sandbox.json(0, &["history", "--here"]).as_array().is_some_and(Vec::is_empty));
}
