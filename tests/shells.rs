//! The committed completions in the shells that they are for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Sandbox, finish, ignored};

fn completion(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file)
}

/// Runs a script in a shell; none where the shell is not installed.
fn run(shell: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(shell).args(args).output();
    let output = match output {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            ignored(&format!("{shell} is not installed"));
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

/// A layout whose hosts nobody can reach, and its names as a shell completes them.
const UNREACHABLE: &str = "\
hosts: { head: 192.0.2.1, sensor-1: sensor.invalid }
nodes:
  manager: { host: head }
  worker: { host: sensor-1, count: 2 }
";

/// What a shell that has the program's own completion answers to a script; none where the shell is not installed.
fn in_shell(sandbox: &Sandbox, shell: &str, args: &[&str], script: &str) -> Option<Vec<String>> {
    let program = Path::new(env!("CARGO_BIN_EXE_zeek-cluster"));
    let folder = program.parent().expect("a folder").display();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a path"));
    let mut command = Command::new(shell);
    command.args(args).arg(script).current_dir(sandbox.path()).env("HOME", sandbox.home()).env("PATH", path);
    command.env_remove("ZEEK_CLUSTER_LAYOUT").stdin(std::process::Stdio::null());
    let began = std::time::Instant::now();
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ignored(&format!("{shell} is not installed"));
            return None;
        }
        output => output.unwrap_or_else(|error| panic!("{shell}: {error}")),
    };
    assert!(began.elapsed() < Duration::from_secs(5), "no host was asked: {:?}", began.elapsed());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.success(), said.as_ref()), (true, ""), "{shell}");
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn fish_completes_nodes_of_an_unreachable_cluster_and_is_silent_on_a_broken_layout() {
    let sandbox = Sandbox::with_layout(UNREACHABLE);
    let complete = |line: &str| {
        let script = format!("COMPLETE=fish zeek-cluster | source; complete -C '{line}'");
        in_shell(&sandbox, "fish", &["--no-config", "-c"], &script)
    };
    let Some(workers) = complete("zeek-cluster restart wor") else { return };
    assert_eq!(workers, ["worker-1\tworker on sensor-1", "worker-2\tworker on sensor-1"]);
    assert_eq!(complete("zeek-cluster exec sen").expect("as before"), ["sensor-1\tsensor.invalid"]);
    sandbox.write_layout("nodes: [");
    assert_eq!(complete("zeek-cluster restart wor").expect("as before"), Vec::<String>::new());
}

#[test]
fn zsh_completes_nodes_of_an_unreachable_cluster_and_is_silent_on_a_broken_layout() {
    let sandbox = Sandbox::with_layout(UNREACHABLE);
    // The line editor is away: what it would be handed is printed instead.
    let complete = |words: &[&str]| {
        let script = format!(
            "autoload -Uz compinit; compinit -D -u; source <(COMPLETE=zsh zeek-cluster)\n\
             _describe() {{ print -rl -- ${{(P)${{@[-1]}}}}; }}\n\
             words=({}); CURRENT={}; ${{_comps[zeek-cluster]}}",
            words.join(" "),
            words.len()
        );
        in_shell(&sandbox, "zsh", &["-f", "-c"], &script)
    };
    let Some(workers) = complete(&["zeek-cluster", "restart", "wor"]) else { return };
    assert_eq!(workers, ["worker-1:worker on sensor-1", "worker-2:worker on sensor-1"]);
    assert_eq!(complete(&["zeek-cluster", "exec", "sen"]).expect("as before"), ["sensor-1:sensor.invalid"]);
    sandbox.write_layout("nodes: [");
    let broken = complete(&["zeek-cluster", "restart", "wor"]).expect("as before");
    assert!(broken.iter().all(String::is_empty), "{broken:?}");
}
