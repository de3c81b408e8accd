//! Each remedy that `doctor` prints for a host, done as it is printed on the fault that it names. Those that every fault of
//! the table in `truth.rs` names are done there.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Machines, Nobody, Output, Sandbox, finish, has_machines, ignored, kill_agent};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: on
stop_grace: 2s
nodes:
  manager: { type: manager }
  worker: { type: worker }
";

/// More than the agent and the nodes need to look again, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

fn cluster(sandbox: &Sandbox) -> PathBuf {
    sandbox.base().join("campus")
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

/// The first row of a check that is as judged.
fn found(output: &Output, check: &str, verdict: &str) -> Value {
    let row = rows(output).into_iter().find(|row| row["check"] == check && row["verdict"] == verdict);
    row.unwrap_or_else(|| panic!("{check} is not {verdict}: {output:#?}"))
}

fn examine(sandbox: &Sandbox) -> Output {
    sandbox.run(&["doctor", "-o", "json"])
}

fn hint(row: &Value) -> &str {
    row["hint"].as_str().unwrap_or_else(|| panic!("no hint: {row}"))
}

/// The command that a row prints for a shell on the host.
fn printed(row: &Value) -> String {
    let (_, command) = hint(row).split_once("there: ").unwrap_or_else(|| panic!("no command: {row}"));
    command.split("; ").next().expect("a part").to_owned()
}

fn shell(command: &str) {
    let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Harms, and for each command that the row of that check names: does it, and finds that row well.
fn is_mended_by(sandbox: &Sandbox, harm: &dyn Fn(), check: &str, verdict: &str, commands: &[&[&str]]) {
    for command in commands {
        harm();
        let row = found(&examine(sandbox), check, verdict);
        let words = format!("zeek-cluster {}", command.join(" "));
        assert!(hint(&row).contains(&words), "{words}: {row}");
        let mended = sandbox.run(command);
        let doctor = *command == ["doctor", "--fix"];
        assert!(mended.status == 0 || doctor, "{words}: {mended:#?}");
        let is_sick = |row: &Value| row["check"] == check && row["verdict"] != "ok";
        sandbox.until(SOON, &words, |sandbox| match rows(&examine(sandbox)).into_iter().find(is_sick) {
            None => Ok(()),
            Some(sick) => Err(sick.to_string()),
        });
        // What it does not mend is mended by what its own row names.
        if mended.status != 0 {
            sandbox.expect(0, &["deploy"]);
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode is set");
}

fn first_in(folder: &Path) -> PathBuf {
    fs::read_dir(folder).expect("a folder").next().expect("a file").expect("a file").path()
}

fn end_agent(sandbox: &Sandbox) {
    let pid = sandbox.json(0, &["agent", "status"])[0]["pid"].as_i64().expect("a pid");
    let pid = i32::try_from(pid).expect("a pid");
    kill_agent(pid);
    sandbox.until(SOON, "the agent is gone", |_| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") { Ok(()) } else { Err(stat) }
    });
}

fn remove_program(sandbox: &Sandbox) {
    for file in fs::read_dir(cluster(sandbox).join("bin")).expect("bin/").flatten() {
        fs::remove_file(file.path()).expect("a program");
    }
}

#[test]
fn what_is_damaged_in_the_folder_is_mended_by_each_command_that_is_printed_for_it() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let pids = ["manager", "worker"].map(|name| sandbox.node(name)["pid"].clone());
    let folder = cluster(&sandbox);
    let key = first_in(&folder.join("current/keys"));
    let harm: [&dyn Fn(); 4] =
        [&|| set_mode(&folder, 0o755), &|| set_mode(&folder, 0o2710), &|| set_mode(&folder, 0o1700), &|| {
            set_mode(&key, 0o644)
        }];
    for harm in harm {
        harm();
        shell(&printed(&found(&examine(&sandbox), "permissions", "failed")));
        found(&examine(&sandbox), "permissions", "ok");
        is_mended_by(&sandbox, harm, "permissions", "failed", &[&["doctor", "--fix"]]);
    }
    let old = folder.join("bin/.upload-old");
    let leave = || {
        fs::write(&old, "half").expect("written");
        shell(&format!("touch -d '2 hours ago' '{}'", old.display()));
    };
    is_mended_by(&sandbox, &leave, "uploads", "warning", &[&["doctor", "--fix"]]);

    let unlink = || {
        end_agent(&sandbox);
        fs::remove_file(folder.join("current")).expect("the link");
    };
    is_mended_by(&sandbox, &unlink, "installed", "failed", &[&["deploy"]]);
    is_mended_by(&sandbox, &unlink, "agent", "failed", &[&["doctor", "--fix"], &["deploy"]]);
    let truncate = || {
        end_agent(&sandbox);
        fs::write(folder.join("current/manifest.json"), "{").expect("written");
    };
    is_mended_by(&sandbox, &truncate, "installed", "failed", &[&["deploy"]]);
    is_mended_by(&sandbox, &truncate, "agent", "failed", &[&["doctor", "--fix"], &["deploy"]]);
    let lose = || remove_program(&sandbox);
    is_mended_by(&sandbox, &lose, "installed", "failed", &[&["doctor", "--fix"], &["deploy"]]);
    let lose_both = || {
        end_agent(&sandbox);
        remove_program(&sandbox);
    };
    is_mended_by(&sandbox, &lose_both, "agent", "failed", &[&["doctor", "--fix"], &["deploy"]]);
    assert_eq!(["manager", "worker"].map(|name| sandbox.node(name)["pid"].clone()), pids, "nodes ran on");
}

#[test]
fn nodes_that_differ_from_the_layout_or_fail_are_mended_by_the_command_that_is_printed() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let more = LAYOUT.replace("nodes:", "nodes:\n  proxy: { type: proxy }");
    is_mended_by(&sandbox, &|| sandbox.write_layout(&more), "nodes", "warning", &[&["deploy"]]);
    is_mended_by(&sandbox, &|| sandbox.write_layout(LAYOUT), "nodes", "warning", &[&["deploy", "--yes"]]);

    let tool = sandbox.path().join("tool");
    let command = format!("nodes:\n  tool: {{ type: worker, command: [{}] }}", tool.display());
    sandbox.write_layout(&LAYOUT.replace("nodes:", &command));
    // It fails, and says so.
    sandbox.run(&["deploy", "--timeout", "10s"]);
    let fail = || {
        sandbox.until(SOON, "the node is failing", |sandbox| match sandbox.node("tool") {
            node if node["state"] == "failing" => Ok(()),
            node => Err(node.to_string()),
        });
        fs::write(&tool, "#!/bin/sh\nexec sleep 1000\n").expect("written");
        set_mode(&tool, 0o755);
    };
    is_mended_by(&sandbox, &fail, "nodes", "failed", &[&["restart", "tool"]]);
}

#[test]
fn what_the_layout_asks_in_vain_is_mended_by_changing_it_as_is_printed() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let worker = |words: &str| LAYOUT.replace("type: worker", &format!("type: worker, {words}"));
    let check = |check: &str, words: &str, bad: &str, good: &str| {
        sandbox.write_layout(&worker(bad));
        let row = found(&examine(&sandbox), check, "failed");
        assert!(hint(&row).contains(words), "{row}");
        sandbox.write_layout(&worker(good));
        found(&examine(&sandbox), check, "ok");
        row
    };
    check("pin_cpus", "correct `pin_cpus` in the layout", "pin_cpus: [4095]", "pin_cpus: [0]");
    let row = check("interface", "correct `interface` in the layout", "interface: eth-none", "interface: lo");
    assert!(hint(&row).split_whitespace().any(|word| word == "lo"), "{row}");

    let holder = TcpListener::bind(("127.0.0.1", sandbox.port)).expect("the hub's port");
    let other = format!("port: {}", sandbox.port + 1);
    sandbox.write_layout(LAYOUT);
    let row = found(&examine(&sandbox), "ports", "failed");
    assert!(hint(&row).contains("stop that program, or give the nodes other ports in the layout"), "{row}");
    sandbox.write_layout(&LAYOUT.replace("port: PORT", &other));
    found(&examine(&sandbox), "ports", "ok");
    drop(holder);
    sandbox.write_layout(LAYOUT);
    found(&examine(&sandbox), "ports", "ok");

    let prefix = sandbox.path().join("zeek");
    let zeek = |prefix: &Path| {
        format!("{}\nzeek: {{ prefix: {} }}\n", worker("engine: zeek, interface: lo"), prefix.display())
    };
    sandbox.write_layout(&zeek(&prefix.join("elsewhere")));
    let row = found(&examine(&sandbox), "zeek", "failed");
    assert!(hint(&row).contains("install Zeek there, or set `prefix` under `zeek` in the layout"), "{row}");
    stand_in(&prefix);
    sandbox.write_layout(&zeek(&prefix));
    found(&examine(&sandbox), "zeek", "ok");
}

/// What `doctor` asks of a Zeek.
fn stand_in(prefix: &Path) -> PathBuf {
    let zeek = prefix.join("bin/zeek");
    fs::create_dir_all(prefix.join("bin")).expect("the prefix");
    fs::write(&zeek, "#!/bin/sh\necho zeek version 8.0.1\n").expect("written");
    set_mode(&zeek, 0o755);
    zeek
}

#[test]
fn rights_that_root_gives_as_is_printed_are_enough() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let Some(nobody) = Nobody::new(&sandbox) else { return };
    let examine = || nobody.run(&["doctor", "-o", "json"]);
    fs::create_dir(sandbox.base()).expect("a folder of root");
    let row = found(&examine(), "base_dir", "failed");
    assert!(row["what"].as_str().is_some_and(|what| what.contains("may not write in")), "{row}");
    shell(&printed(&row));
    found(&examine(), "base_dir", "ok");
    nobody.expect(0, &["deploy"]);
    nobody.expect(0, &["status"]);

    let prefix = sandbox.path().join("zeek");
    let zeek = stand_in(&prefix);
    let captures = LAYOUT.replace("type: worker", "type: worker, engine: zeek, interface: lo");
    sandbox.write_layout(&format!("{captures}zeek: {{ prefix: {} }}\n", prefix.display()));
    let row = found(&examine(), "capture", "failed");
    assert!(printed(&row).ends_with(&zeek.display().to_string()), "{row}");
    shell(&printed(&row));
    found(&examine(), "capture", "ok");
    sandbox.write_layout(LAYOUT);
    nobody.expect(0, &["remove", "--all", "--yes"]);
}

/// Runs `doctor` in namespaces of its own: after `before`, and again after the command that the row printed.
fn mended_in(sandbox: &Sandbox, unshare: &[&str], before: &str, check: &str) -> bool {
    let doctor = format!("'{}' doctor -o json", env!("CARGO_BIN_EXE_zeek-cluster"));
    let run = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(unshare).args(["sh", "-c", script]).current_dir(sandbox.path()).env("HOME", sandbox.home());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command)
    };
    if run("true").status != 0 {
        ignored("namespaces need root");
        return false;
    }
    let row = found(&run(&format!("{before}\n{doctor}")), check, "failed");
    found(&run(&format!("{before}\n{} && {doctor}", printed(&row))), check, "ok");
    true
}

#[test]
fn what_root_does_to_the_machine_as_is_printed_is_enough() {
    let sandbox = Sandbox::with_layout(&LAYOUT.replace("type: worker", "type: worker, interface: lo"));
    // Of a new network the loopback is down.
    if !mended_in(&sandbox, &["--net", "--mount"], "mount -t sysfs none /sys", "interface") {
        return;
    }
    fs::create_dir(sandbox.base()).expect("a base folder");
    let noexec = format!("mount -t tmpfs -o noexec,size=512m none '{}'", sandbox.base().display());
    mended_in(&sandbox, &["--mount"], &noexec, "base_dir");
}

/// One node on a machine of its own.
fn remote(machines: &Machines, more: &str) -> String {
    let hosts = machines.layout(more);
    format!("name: campus\nbase_dir: BASE\nport: PORT\n{hosts}nodes:\n  manager: {{ type: manager, host: head }}\n")
}

#[test]
fn a_login_is_mended_by_what_is_printed_for_the_step_that_failed() {
    if !has_machines() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.base()).expect("a base folder");
    let mut machines = Machines::start(sandbox.path(), &sandbox.base(), 1);
    let layout = remote(&machines, "");
    sandbox.write_layout(&layout);
    for client in [&["doctor", "-o", "json"][..], &["doctor", "-o", "json", "--ssh", "system"]] {
        let examine = || sandbox.run(client);
        let other = fs::read_to_string(machines.identity().with_extension("pub")).expect("a public key");
        fs::write(machines.known_hosts(), format!("{} {other}", machines.address(0))).expect("known_hosts");
        let changed = found(&examine(), "host-key", "failed");
        shell(hint(&changed).strip_prefix("if this is expected: ").unwrap_or_else(|| panic!("{changed}")));

        let unknown = found(&examine(), "host-key", "failed");
        let (accept, _) = hint(&unknown).split_once(" (or host_key_checking: accept-new)").expect("both ways");
        let accept = accept.strip_prefix("compare the fingerprint and accept it: ssh ").expect("a command");
        // The answer yes; who has no key to log in with accepts it all the same.
        let yes = format!("ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes {accept} || true");
        shell(&format!("HOME='{}' {yes}", sandbox.home().display()));
        found(&examine(), "host-key", "ok");

        fs::write(machines.known_hosts(), "").expect("known_hosts");
        sandbox.write_layout(&remote(&machines, "  host_key_checking: accept-new\n"));
        found(&examine(), "host-key", "ok");

        let wrong = sandbox.path().join("another_key");
        shell(&format!("rm -f '{0}'; ssh-keygen -q -t ed25519 -N '' -f '{0}'", wrong.display()));
        let right = machines.identity().display().to_string();
        sandbox.write_layout(&layout.replace(&right, &wrong.display().to_string()));
        let refused = found(&examine(), "auth", "failed");
        assert!(hint(&refused).starts_with("name the right key with identity_file, or bring one there"), "{refused}");
        sandbox.write_layout(&layout);
        found(&examine(), "auth", "ok");
    }
    sandbox.expect(0, &["deploy"]);
    let config = sandbox.path().join("host-0/sshd_config");
    let plain = fs::read_to_string(&config).expect("sshd_config");
    for (forwards, verdict) in [("no", "warning"), ("yes", "ok")] {
        machines.stop_sshd(0);
        fs::write(&config, format!("{plain}AllowStreamLocalForwarding {forwards}\n")).expect("sshd_config");
        machines.start_sshd(0);
        let row = found(&examine(&sandbox), "sockets", verdict);
        assert!(verdict == "ok" || hint(&row).starts_with("AllowStreamLocalForwarding yes in sshd_config"), "{row}");
    }
}
