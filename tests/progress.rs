//! Progress as a terminal shows it, and what is left of it where there is none.

use std::process::Command;

use serde_json::Value;

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
nodes:
  manager: { type: manager }
";

/// Runs the program on a pseudo-terminal: what it said, its status, and milliseconds until the first octet.
fn on_a_terminal(sandbox: &Sandbox, term: &str, arguments: &[&str]) -> (String, i64, f64) {
    const SCRIPT: &str = r#"
import json, os, pty, sys, time
argv = json.loads(sys.argv[1])
began = time.monotonic()
pid, terminal = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
said, first = b"", None
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    first = first or time.monotonic()
    said += piece
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps([said.decode(), status, 1000 * ((first or time.monotonic()) - began)]))
"#;
    let argv: Vec<&str> = [env!("CARGO_BIN_EXE_zeek-cluster")].iter().chain(arguments).copied().collect();
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).arg(serde_json::json!(argv).to_string());
    python.current_dir(sandbox.path()).env("HOME", sandbox.home()).env("TERM", term);
    python.env_remove("XDG_DATA_HOME").env_remove("XDG_STATE_HOME").env_remove("NO_COLOR");
    let output = python.output().expect("python3 runs");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let part = |index: usize| answer[index].clone();
    (part(0).as_str().expect("text").to_owned(), part(1).as_i64().expect("a status"), part(2).as_f64().expect("a time"))
}

#[test]
fn a_terminal_sees_something_within_a_tenth_of_a_second_and_a_dumb_one_no_cursor_movement() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let (said, status, _) = on_a_terminal(&sandbox, "xterm", &["deploy"]);
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("\r\u{1b}[2K") && said.contains("taking the lock 0/1"),
        "a line that is drawn again: {said:?}"
    );

    // Of a busy machine the quickest run counts.
    let restarts = || on_a_terminal(&sandbox, "xterm", &["restart", "manager"]);
    let quickest = (0..5).map(|_| restarts().2).fold(f64::INFINITY, f64::min);
    assert!(quickest < 100.0, "{quickest} ms");

    let (said, status, _) = on_a_terminal(&sandbox, "dumb", &["restart", "manager"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("restarting: manager\r\n"), "each phase is a line: {said:?}");
    assert!(!said.contains('\u{1b}') && !said.replace("\r\n", "\n").contains('\r'), "{said:?}");

    let piped = sandbox.expect(0, &["restart", "manager"]);
    assert!(piped.stderr.contains("restarting: manager\n"), "{piped:#?}");
    let all = piped.stdout + &piped.stderr;
    assert!(!all.contains('\u{1b}') && !all.contains('\r'), "{all:?}");
}
