//! A cluster over three machines that are reached through the installed `ssh`, one of them behind a ProxyCommand.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Line, Machines, Sandbox, has_machines};

/// Five nodes on three machines; what `ssh_config` says of the last one leads through the first.
fn start(client: &str) -> Option<(Sandbox, Machines)> {
    if !has_machines() {
        return None;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("the base folder");
    let machines = Machines::start(sandbox.path(), &sandbox.base(), 3);
    let layout = format!(
        "name: campus\nbase_dir: BASE\n{}nodes:\n  manager: {{ type: manager, host: head }}\n  \
         logger: {{ type: logger, host: head }}\n  worker: {{ type: worker, host: [sensor-1, sensor-2, head] }}\n",
        machines.layout(&format!("  connect_timeout: 2s\n{client}"))
    );
    sandbox.write_layout(&layout);
    fs::create_dir(sandbox.home().join(".ssh")).expect("a folder");
    let config = format!(
        "Host {}\n  ProxyCommand ssh -F none -o BatchMode=yes -o UserKnownHostsFile={} -i {} -W %h:%p root@{}\n",
        machines.address(2),
        machines.known_hosts().display(),
        machines.identity().display(),
        machines.address(0),
    );
    fs::write(sandbox.home().join(".ssh/config"), config).expect("ssh_config");
    Some((sandbox, machines))
}

/// A process of `ssh`: its words, and whether it leads a process group.
#[derive(Debug)]
struct Ssh {
    words: String,
    leads: bool,
}

/// Every process of `ssh` that has to do with the sandbox.
fn ssh_processes(sandbox: &Sandbox) -> Vec<Ssh> {
    let needle = sandbox.path().display().to_string();
    let all = procfs::process::all_processes().expect("/proc").flatten();
    let found = all.filter_map(|process| {
        let (words, stat) = (process.cmdline().ok()?.join(" "), process.stat().ok()?);
        Some(Ssh { words, leads: stat.pgrp == stat.pid })
    });
    found.filter(|ssh| ssh.words.starts_with("ssh ") && ssh.words.contains(&needle)).collect()
}

fn no_ssh_is_left(sandbox: &Sandbox) {
    sandbox.until(Duration::from_secs(5), "no ssh is left", |s| {
        let left = ssh_processes(s);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
    });
}

fn all_run(sandbox: &Sandbox, args: &[&str]) {
    let words: Vec<&str> = ["status"].iter().chain(args).copied().collect();
    let rows = sandbox.json(0, &words);
    let rows = rows.as_array().expect("an array");
    assert!(rows.len() == 5 && rows.iter().all(|row| row["state"] == "running"), "{rows:#?}");
}

#[test]
fn a_cluster_behind_a_proxy_command_is_deployed_asked_and_stopped_and_no_ssh_is_left() {
    let Some((sandbox, machines)) = start("") else { return };
    let system = ["--ssh", "system"];
    let refused = sandbox.expect(1, &["exec", "sensor-2", "--", "true"]);
    assert!(refused.stderr.contains("ProxyCommand") && refused.stderr.contains("--ssh system"), "{refused:#?}");

    sandbox.expect(0, &["deploy", "--ssh", "system"]);
    all_run(&sandbox, &system);
    let again = sandbox.expect(0, &["deploy", "--ssh", "system"]);
    assert!(again.stderr.contains("unchanged"), "{again:#?}");
    let said = sandbox.expect(0, &["exec", "--ssh", "system", "-o", "table", "--", "echo", "it's", "$HOME"]);
    assert!(said.stdout.contains("it's $HOME") && said.stdout.contains("head,sensor-[1-2]"), "{said:#?}");
    let failed = sandbox.expect(1, &["exec", "--ssh", "system", "sensor-2", "--", "sh", "-c", "exit 3"]);
    assert!(failed.stderr.contains("sensor-2"), "{failed:#?}");
    sandbox.until(Duration::from_secs(10), "hellos in cluster.log", |s| {
        let log = s.json(0, &["log", "--ssh", "system", "--grep", "got hello from"]);
        let count = log.as_array().map_or(0, Vec::len);
        if count >= 20 { Ok(()) } else { Err(count.to_string()) }
    });
    let doctor = sandbox.json(0, &["doctor", "--ssh", "system", "sensor-2"]);
    let found = |check: &str| {
        let rows = doctor.as_array().expect("an array");
        rows.iter().find(|row| row["check"] == check).unwrap_or_else(|| panic!("{check}: {doctor:#}"))["what"].clone()
    };
    assert_eq!(found("ssh.client"), "system (--ssh)");
    assert!(found("host-key").as_str().is_some_and(|what| what.starts_with("ssh-ed25519 SHA256:")), "{doctor:#}");
    assert_eq!(found("auth"), "as root with publickey");
    no_ssh_is_left(&sandbox);

    // A control that is killed leaves nothing behind either.
    let mut following = Background::start(sandbox.command(&["log", "-f", "-n", "1", "--ssh", "system"]));
    following.prints();
    let running = ssh_processes(&sandbox);
    // Ctrl-C on the terminal reaches none of them: the command has to finish through them.
    assert!(!running.is_empty() && running.iter().all(|ssh| ssh.leads), "{running:#?}");
    following.kill();
    no_ssh_is_left(&sandbox);

    // A machine that takes TCP and says nothing costs its own node; so does one with another key.
    machines.pause_sshd(1);
    let silent = sandbox.expect(1, &["status", "--ssh", "system", "-o", "json"]);
    machines.resume_sshd(1);
    let rows: Value = serde_json::from_str(&silent.stdout).expect("one document");
    let of = |host: &str| rows.as_array().into_iter().flatten().find(|row| row["host"] == host).expect("a row").clone();
    let error = of("sensor-1")["error"].as_str().expect("a reason").to_owned();
    let place = format!("sensor-1 ({}:22): took the connection and says nothing (banner, after ", machines.address(1));
    assert!(error.starts_with(&place), "{error}");
    assert_eq!((&of("sensor-2")["state"], &of("head")["state"]), (&"running".into(), &"running".into()));
    assert!(silent.elapsed < Duration::from_secs(8), "{:?}", silent.elapsed);
    let known = fs::read_to_string(machines.known_hosts()).expect("known_hosts");
    let key =
        |index: usize| known.lines().nth(index).and_then(|line| line.split_once(' ')).expect("a line").1.to_owned();
    fs::write(machines.known_hosts(), known.replace(&key(1), &key(0))).expect("known_hosts");
    let changed = sandbox.expect(1, &["exec", "--ssh", "system", "sensor-1", "--", "true"]);
    let said = [
        "host key changed: ",
        " line 2 has another ED25519 key, the server sent ssh-ed25519 SHA256:",
        "ssh-keygen -f ",
    ];
    assert!(said.iter().all(|part| changed.stderr.contains(part)), "{changed:#?}");
    fs::write(machines.known_hosts(), known).expect("known_hosts");

    sandbox.expect(0, &["stop", "--ssh", "system"]);
    let rows = sandbox.json(1, &["status", "--ssh", "system"]);
    assert!(rows.as_array().into_iter().flatten().all(|row| row["state"] == "stopped"), "{rows:#}");
    sandbox.expect(0, &["remove", "--all", "--yes", "--ssh", "system"]);
    no_ssh_is_left(&sandbox);
}

#[test]
fn the_layout_chooses_the_installed_ssh_for_one_host_and_its_questions_come_through_this_program() {
    let Some((sandbox, machines)) = start("") else { return };
    let layout = fs::read_to_string(sandbox.layout()).expect("the layout");
    let mut without_folder = sandbox.command(&["exec", "sensor-1", "--ssh", "system", "--", "echo", "got in"]);
    without_folder.env("TMPDIR", "/nonexistent").env_remove("XDG_RUNTIME_DIR");
    let (status, lines) = Background::start(without_folder).end();
    assert_eq!(status, 0, "{lines:#?}");
    let locked = sandbox.path().join("locked");
    fs::copy(machines.identity(), &locked).expect("a copy of the key");
    let lock = Command::new("ssh-keygen").args(["-q", "-p", "-N", "sesame", "-f"]).arg(&locked).status();
    assert!(lock.expect("ssh-keygen runs").success());
    let own = format!("identity_file: {}", machines.identity().display());
    let with_key = layout.replace(&own, &format!("identity_file: {}", locked.display()));
    let sensor = format!("sensor-2: {{ address: {} }}", machines.address(2));
    assert!(with_key.contains(&sensor), "{with_key}");
    let mixed = with_key.replace(&sensor, &sensor.replace(" }", ", ssh: { client: system } }"));
    sandbox.write_layout(&mixed);

    // A question stays to be read until it is answered.
    let said = sandbox.on_a_terminal(&["check"], &[("locked: ", "sesame")]);
    let behind: Vec<&str> = said.split("locked: ").skip(1).collect();
    assert!(behind.len() == 1 && behind[0].starts_with("\r\n"), "{said:?}");
    assert!(said.contains("reaching hosts"), "{said:?}");

    // One question for the key, whoever speaks SSH.
    let said = sandbox.on_a_terminal(&["doctor"], &[("locked: ", "sesame")]);
    assert_eq!(said.matches("passphrase of ").count(), 1, "{said}");
    assert!(said.contains("nothing is deployed yet on head,sensor-[1-2]") && !said.contains("sesame"), "{said}");
    let nobody = sandbox.expect(1, &["exec", "sensor-2", "--", "true"]);
    assert!(nobody.stderr.contains("needs a passphrase and there is nobody to ask"), "{nobody:#?}");

    machines.set_password(1, "open says me");
    sandbox.write_layout(&layout.replace(&own, "identity_file: /nonexistent"));
    let answers = [("password: ", "open says me")];
    let said = sandbox.on_a_terminal(&["exec", "sensor-1", "--ssh", "system", "--", "echo", "got in"], &answers);
    assert!(said.contains("got in") && !said.contains("open says me"), "{said}");
    let nobody = sandbox.expect(1, &["exec", "sensor-1", "--ssh", "system", "--", "true"]);
    assert!(nobody.stderr.contains("login as root refused: "), "{nobody:#?}");
    no_ssh_is_left(&sandbox);
    fs::remove_file(sandbox.layout()).expect("nothing was deployed");
}

#[test]
fn a_machine_without_ssh_says_what_to_install() {
    let sandbox = Sandbox::with_layout(
        "name: far\nssh: { client: system }\nhosts: { a: { address: 192.0.2.1, ssh: {} } }\nnodes:\n  manager: { type: manager, host: a }\n",
    );
    let mut command = sandbox.command(&["exec", "--", "true"]);
    command.env("PATH", Path::new("/nonexistent"));
    let (status, lines) = Background::start(command).end();
    assert_eq!(status, 1, "{lines:#?}");
    let said = |text: &str| lines.iter().any(|line| matches!(line, Line::Err(said) if said.contains(text)));
    assert!(said("a (192.0.2.1:22): there is no program `ssh` on this machine"), "{lines:#?}");
    assert!(said("openssh-client"), "{lines:#?}");
    fs::remove_file(sandbox.layout()).expect("nothing was deployed");
}
