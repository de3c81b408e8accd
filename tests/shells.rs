//! The committed completions in the shells that they are for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Sandbox, finish};

fn completion(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file)
}

/// Runs a script in a shell; none where the shell is not installed.
fn run(shell: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(shell).args(args).output();
    let output = match output {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "{shell} is not installed, and tests/run should have done it");
            eprintln!("left out: {shell} is not installed");
            return None;
        }
        Err(e) => panic!("{shell}: {e}"),
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}

#[test]
fn bash_completes_commands_and_flags() {
    let file = completion("zeek-cluster.bash");
    let complete = |words: &str, count: usize| {
        let script = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD={count}; COMPREPLY=(); \
             cur=\"${{COMP_WORDS[$COMP_CWORD]}}\"; prev=\"${{COMP_WORDS[$COMP_CWORD-1]}}\"; \
             _zeek__cluster zeek-cluster \"$cur\" \"$prev\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display()
        );
        run("bash", &["-c", &script]).map(|(ok, said)| {
            assert!(ok, "{said}");
            said
        })
    };
    if let Some(said) = complete("zeek-cluster dep", 1) {
        assert_eq!(said.trim(), "deploy");
        let flags = complete("zeek-cluster count --ex", 2).expect("bash ran before");
        assert_eq!(flags.trim(), "--expect");
    }
}

#[test]
fn zsh_and_fish_can_read_their_files() {
    for (shell, file) in [("zsh", "_zeek-cluster"), ("fish", "zeek-cluster.fish")] {
        let path = completion(file).display().to_string();
        if let Some((ok, said)) = run(shell, &["-n", &path]) {
            assert!(ok, "{shell}: {said}");
        }
    }
}

#[test]
fn fish_completes_commands() {
    let path = completion("zeek-cluster.fish").display().to_string();
    let script = format!("source '{path}'; complete -C 'zeek-cluster dep'");
    if let Some((ok, said)) = run("fish", &["--no-config", "-c", &script]) {
        assert!(ok && said.lines().any(|line| line.starts_with("deploy")), "{said}");
    }
}

/// What the program answers a shell that completes the last of `words`.
fn candidates(sandbox: &Sandbox, words: &[&str]) -> (Vec<String>, String) {
    let mut command = sandbox.command(&[&["--", "zeek-cluster"], words].concat());
    command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string()).env("_CLAP_IFS", "\n");
    let output = finish(command);
    assert_eq!(output.status, 0, "{output:#?}");
    assert!(output.elapsed < Duration::from_millis(500), "a shell waits for it: {output:#?}");
    (output.stdout.lines().map(str::to_owned).collect(), output.stderr)
}

#[test]
fn completion_knows_the_cluster_from_its_layout_alone() {
    let sandbox = Sandbox::with_layout(
        "hosts: { head: 192.0.2.1, sensor-1: sensor.invalid }\nnodes:\n  manager: { host: head }\n  \
         worker: { host: sensor-1, count: 2 }\n",
    );
    let names = |words: &[&str]| candidates(&sandbox, words).0;
    assert_eq!(names(&["restart", "wor"]), ["worker-1", "worker-2"]);
    assert_eq!(names(&["restart", "worker-1,!man"]), ["worker-1,!manager"]);
    assert_eq!(names(&["stop", "@w"]), ["@workers"]);
    assert_eq!(names(&["start", "@f"]), ["@failed"]);
    assert_eq!(names(&["exec", "sen"]), ["sensor-1"]);
    assert_eq!(names(&["df", "@host:"]), ["@host:head", "@host:sensor-1"]);
    assert!(names(&["--layout", "clu"]).contains(&"cluster.yaml".to_owned()));
    sandbox.write_layout("nodes: [");
    assert_eq!(candidates(&sandbox, &["restart", "wor"]), (Vec::new(), String::new()), "a broken layout is silent");
}
