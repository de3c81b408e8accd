//! The program in shell pipelines.

use std::process::Command;

use crate::support::Sandbox;

const LAYOUT: &str = "base_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  logger: { type: logger }\n  \
                      worker: { type: worker, count: 2 }\n";

/// Runs a line of shell in which `zc` is the program.
fn shell(sandbox: &Sandbox, line: &str) -> (i32, String, String) {
    let script = format!("set -o pipefail; zc() {{ '{}' \"$@\"; }}; {line}", env!("CARGO_BIN_EXE_zeek-cluster"));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(sandbox.path())
        .env("HOME", sandbox.home())
        .output()
        .expect("bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn data_is_for_pipes_and_a_closed_pipe_is_no_error() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let (status, names, said) = shell(&sandbox, "zc nodes | cut -f1");
    assert_eq!((status, names.as_str(), said.as_str()), (0, "manager\nlogger\nworker-1\nworker-2\n", ""));
    let (status, states, _) = shell(&sandbox, "zc status -o json | jq -r '.[].state' | sort -u");
    assert_eq!((status, states.as_str()), (0, "running\n"));
    let (_, first, said) = shell(&sandbox, "zc log -f | head -1");
    assert_eq!(first.lines().count(), 1, "{said}");
    assert_eq!(said, "");
    let (status, names, _) = shell(&sandbox, "zc nodes -o name @workers");
    assert_eq!((status, names.as_str()), (0, "worker-1\nworker-2\n"));
    let (_, lines, said) = shell(&sandbox, "zc log -o jsonl -n 3 | jq -e .message | wc -l");
    assert_eq!((lines.trim(), said.as_str()), ("3", ""));
}
