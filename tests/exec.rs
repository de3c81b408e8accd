//! A command on many hosts: as it is, folded, streamed, compared, bounded in time and in size.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Machines, Sandbox, has_machines};

const LOCAL: &str = "base_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  worker: { type: worker }\n";

/// Whether a process with that argument runs on this machine; those of machines in namespaces count too.
fn runs(argument: &str) -> bool {
    let named =
        |process: procfs::process::Process| process.cmdline().is_ok_and(|args| args.iter().any(|a| a == argument));
    procfs::process::all_processes().expect("/proc").flatten().any(named)
}

/// Waits until nothing with that argument runs any more: who was killed may take a moment to be gone.
fn until_ended(sandbox: &Sandbox, argument: &str) {
    let ended = |_: &Sandbox| if runs(argument) { Err("it runs".to_owned()) } else { Ok(()) };
    sandbox.until(Duration::from_secs(5), "the late command is ended, with its children", ended);
}

/// Like [`Sandbox::json`], with the format before the command.
fn json(sandbox: &Sandbox, status: i32, args: &[&str]) -> Value {
    let output = sandbox.expect(status, &[&["-o", "json"], args].concat());
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:#?}"))
}

fn rows(json: &Value) -> &Vec<Value> {
    json.as_array().expect("an array")
}

#[test]
fn arguments_reach_the_command_as_they_are_and_a_shell_only_when_asked_for() {
    let sandbox = Sandbox::with_layout(LOCAL);
    let said = json(&sandbox, 0, &["exec", "--", "printf", "%s|", "a b", "$HOME", "it's", "*"]);
    let row = &rows(&said)[0];
    assert_eq!(row["stdout"], "a b|$HOME|it's|*|", "{row}");
    assert_eq!((&row["kind"], &row["status"], &row["error"]), (&Value::from("ok"), &Value::from(0), &Value::Null));
    let home = sandbox.home().display().to_string();
    assert_eq!(sandbox.expect(0, &["exec", "-o", "table", "--", "pwd"]).stdout, format!("==== localhost\n{home}\n"));
    let shell = json(&sandbox, 0, &["exec", "--shell", "worker", "--", "echo $HOME |", "tr a-z A-Z"]);
    assert_eq!(rows(&shell)[0]["stdout"], format!("{}\n", home.to_uppercase()));
    assert!(!sandbox.base().exists(), "nothing is installed for it");
}

#[test]
fn the_exit_status_tells_whether_all_went_well_or_the_highest_one_there_was() {
    let sandbox = Sandbox::with_layout(LOCAL);
    let failed = sandbox.expect(1, &["exec", "-o", "table", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!(failed.stdout, "==== localhost: exit status 3\nout\nstderr: err\n");
    assert!(failed.stderr.ends_with("failed localhost (exit status 3)\n"), "{failed:#?}");
    sandbox.expect(3, &["exec", "--max-rc", "--", "sh", "-c", "exit 3"]);
    sandbox.expect(1, &["exec", "--max-rc", "--", "/no/such/program"]);
    let killed = json(&sandbox, 1, &["exec", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!((&rows(&killed)[0]["signal"], &rows(&killed)[0]["status"]), (&Value::from("KILL"), &Value::Null));
    sandbox.expect(2, &["exec", "@workesr", "--", "true"]);
    sandbox.expect(2, &["exec", "all"]);
}

#[test]
fn time_and_output_are_bounded_and_what_was_said_before_is_shown() {
    let sandbox = Sandbox::with_layout(LOCAL);
    let late =
        json(&sandbox, 1, &["exec", "--timeout", "1", "--", "sh", "-c", "echo before; sleep 271.25; echo after"]);
    let row = &rows(&late)[0];
    assert_eq!((&row["kind"], &row["stdout"]), (&Value::from("timed_out"), &Value::from("before\n")), "{row}");
    until_ended(&sandbox, "271.25");
    let long = sandbox.expect(0, &["exec", "-o", "json", "--", "head", "-c", "3000000", "/dev/zero"]);
    let json: Value = serde_json::from_str(&long.stdout).expect("a document");
    assert_eq!(rows(&json)[0]["stdout"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(rows(&json)[0]["cut"], true);
    assert!(long.stderr.contains("said more than 1 MiB"), "{}", long.stderr);
}

#[test]
fn lines_are_shown_as_they_come_and_a_reader_who_leaves_ends_it() {
    let sandbox = Sandbox::with_layout(LOCAL);
    let script = "echo one; echo two >&2; printf three";
    let table = sandbox.expect(0, &["exec", "--stream", "-o", "table", "--", "sh", "-c", script]);
    assert_eq!(table.stdout, "localhost: one\nlocalhost: three\n");
    assert!(table.stderr.contains("localhost: two\n"), "{table:#?}");
    let jsonl =
        sandbox.expect(0, &["exec", "--stream", "-o", "jsonl", "--", "sh", "-c", "echo one; sleep 0; echo two"]);
    let lines: Vec<Value> = jsonl.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({ "schema": "zeek-cluster/v1", "host": "localhost", "stream": "stdout", "line": "one" })
    );
    assert_eq!((lines.len(), &lines[2]["kind"]), (3, &Value::from("ok")));
    sandbox.expect(2, &["exec", "--stream", "-o", "json", "--", "true"]);

    // `yes` never ends, and says more than anybody keeps.
    let script = format!("'{}' exec --stream -o table -- yes 272.5 | head -2", env!("CARGO_BIN_EXE_zeek-cluster"));
    let piped = Command::new("bash").args(["-c", &script]).current_dir(sandbox.path()).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&piped.stdout), "localhost: 272.5\nlocalhost: 272.5\n");
    assert_eq!(String::from_utf8_lossy(&piped.stderr), "");
    until_ended(&sandbox, "272.5");
}

#[test]
fn each_hosts_answer_is_a_file() {
    let sandbox = Sandbox::with_layout(LOCAL);
    sandbox.expect(0, &["exec", "--outdir", "out/today", "-o", "table", "--", "sh", "-c", "echo out; echo err >&2"]);
    let read = |name: &str| std::fs::read_to_string(sandbox.path().join("out/today").join(name)).expect("a file");
    assert_eq!((read("localhost"), read("localhost.err")), ("out\n".to_owned(), "err\n".to_owned()));
}

fn three_machines() -> Option<(Sandbox, Machines)> {
    if !has_machines() {
        return None;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.base()).expect("the base folder");
    let machines = Machines::start(sandbox.path(), &sandbox.base(), 3);
    let host =
        |n: usize| format!("  sensor-{}: {{ address: {}, ssh: {{ user: root }} }}\n", n + 1, machines.address(n));
    sandbox.write_layout(&format!(
        "base_dir: BASE\nssh: {{ identity_file: {}, known_hosts_file: {} }}\nhosts:\n{}{}{}\
         nodes:\n  manager: {{ host: sensor-1 }}\n  worker: {{ host: [sensor-2, sensor-3] }}\n",
        machines.identity().display(),
        machines.known_hosts().display(),
        host(0),
        host(1),
        host(2),
    ));
    Some((sandbox, machines))
}

#[test]
fn many_hosts_answer_at_once_and_a_dead_one_costs_the_others_nothing() {
    let Some((sandbox, machines)) = three_machines() else { return };
    let argv = ["exec", "-o", "table", "--", "printf", "%s\n", "a  b", "$PATH"];
    let all = sandbox.expect(0, &argv);
    assert_eq!(all.stdout, "==== sensor-[1-3] (3 hosts)\na  b\n$PATH\n");
    assert!(all.stderr.ends_with("ok sensor-[1-3]\n"), "{all:#?}");

    let odd = format!("case $SSH_CONNECTION in *\" {} \"*) echo odd;; *) echo even;; esac", machines.address(1));
    let diff = sandbox.expect(0, &["exec", "--diff", "--shell", "--", &odd]).stdout;
    assert!(diff.starts_with("==== sensor-[1,3] (2 hosts)\neven\n==== sensor-2 differs from sensor-[1,3]\n"), "{diff}");
    assert!(diff.ends_with("-even\n+odd\n"), "{diff}");
    let workers = json(&sandbox, 0, &["exec", "@workers", "--shell", "--", &odd]);
    let said: Vec<&Value> = rows(&workers).iter().map(|row| &row["stdout"]).collect();
    assert_eq!(said, ["odd\n", "even\n"]);

    // Both streams apart, more than a pipe holds, and a status.
    let script = "head -c 500000 /dev/zero | tr '\\0' x; echo end >&2; exit 7";
    let much = json(&sandbox, 7, &["exec", "sensor-1", "--max-rc", "--shell", "--", script]);
    let row = &rows(&much)[0];
    assert_eq!(row["stdout"].as_str().map(str::len), Some(500_000));
    assert_eq!((&row["stderr"], &row["status"]), (&Value::from("end\n"), &Value::from(7)));

    let late = json(&sandbox, 1, &["exec", "sensor-2", "--timeout", "2", "--", "sh", "-c", "echo on; sleep 273.75"]);
    assert_eq!((&rows(&late)[0]["kind"], &rows(&late)[0]["stdout"]), (&Value::from("timed_out"), &Value::from("on\n")));
    until_ended(&sandbox, "273.75");

    // `yes` would fill any memory: it waits for whoever reads.
    let program = env!("CARGO_BIN_EXE_zeek-cluster");
    let script = format!("'{program}' exec --stream -o table sensor-1 -- yes 274.5 | head -20000 | tail -1");
    let piped =
        Command::new("bash").args(["-c", &script]).current_dir(sandbox.path()).env("HOME", sandbox.home()).output();
    let piped = piped.expect("bash");
    assert_eq!(String::from_utf8_lossy(&piped.stdout), "sensor-1: 274.5\n", "{piped:?}");

    machines.set_link(2, false);
    let output = sandbox.expect(1, &["exec", "-o", "jsonl", "--", "true"]);
    let rows: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 3);
    let last = &rows[2];
    assert_eq!(
        (&last["host"], &last["kind"], &last["step"]),
        (&"sensor-3".into(), &"unreachable".into(), &"connect".into())
    );
    assert!(rows[..2].iter().all(|row| row["kind"] == "ok" && row["elapsed_ms"].as_u64().is_some_and(|ms| ms < 4000)));
    assert!(output.stderr.ends_with("ok sensor-[1-2] · unreachable sensor-3\n"), "{output:#?}");
    machines.set_link(2, true);
    let again = sandbox.expect(0, &["exec", "@unreachable", "-o", "name", "--", "true"]);
    assert_eq!(again.stdout, "sensor-3\n");
}
