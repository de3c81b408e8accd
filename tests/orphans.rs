//! What is taken away underneath a running cluster, and who hangs: found within seconds, mended, and never a process that nobody
//! knows of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Output, Sandbox};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
stop_grace: 2s
nodes:
  manager: { type: manager }
  logger: { type: logger }
  worker: { type: worker, count: 2 }
";

const NODES: [&str; 4] = ["logger", "manager", "worker-1", "worker-2"];

/// More than the agent and the nodes need to look again, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

fn deployed(layout: &str) -> Sandbox {
    let sandbox = Sandbox::with_layout(layout);
    sandbox.expect(0, &["deploy"]);
    sandbox
}

fn cluster(sandbox: &Sandbox) -> PathBuf {
    sandbox.base().join("campus")
}

fn signal(pid: u64, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is ours");
}

fn is_alive(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Command lines of processes that name the sandbox's folder, by pid; commands of the test itself have ended.
fn processes(sandbox: &Sandbox) -> BTreeMap<u64, String> {
    let needle = format!("--dir {}", cluster(sandbox).display());
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let lines = all.filter_map(|process| Some((u64::try_from(process.pid).ok()?, process.cmdline().ok()?.join(" "))));
    lines.filter(|(pid, line)| line.ends_with(&needle) && is_alive(*pid)).collect()
}

fn agents(sandbox: &Sandbox) -> Vec<u64> {
    processes(sandbox).into_iter().filter(|(_, line)| line.contains(" agent run ")).map(|(pid, _)| pid).collect()
}

/// Node names and pids of the processes that run, whatever anybody says of them; twice where there are two.
fn nodes(sandbox: &Sandbox) -> Vec<(String, u64)> {
    let name = |line: &str| Some(line.split_once(" node run ")?.1.split(' ').next()?.to_owned());
    let mut found: Vec<(String, u64)> =
        processes(sandbox).into_iter().filter_map(|(pid, line)| Some((name(&line)?, pid))).collect();
    found.sort();
    found
}

fn kill_agent(sandbox: &Sandbox) {
    let agents = agents(sandbox);
    let pid = |pid: &u64| i32::try_from(*pid).expect("a process id");
    agents.iter().for_each(|agent| crate::support::kill_agent(pid(agent)));
    sandbox.until(SOON, "the agent is gone", |_| match agents.iter().any(|pid| is_alive(*pid)) {
        true => Err("it is there".to_owned()),
        false => Ok(()),
    });
}

/// What an operator types; who only asks starts nothing.
fn start_agent(sandbox: &Sandbox) {
    let fixed = sandbox.run(&["doctor", "--fix", "-o", "json"]);
    assert_eq!(rows_of(&fixed, "agent")[0]["fix"], "fixed", "{fixed:#?}");
}

fn until_running(sandbox: &Sandbox) -> Value {
    sandbox.until(SOON, "all nodes run", |sandbox| {
        let output = sandbox.run(&["status", "-o", "json"]);
        match output.status {
            0 => serde_json::from_str(&output.stdout).map_err(|error| error.to_string()),
            _ => Err(format!("{output:?}")),
        }
    })
}

/// All nodes run, each of them once and in the very process of before, nobody was restarted, and there is one agent.
fn assert_untouched(sandbox: &Sandbox, before: &[(String, u64)]) {
    assert_untouched_in(sandbox, &until_running(sandbox), before);
}

/// The same where logs were taken away, too: the logger tells for a while that it has lost some.
fn assert_untouched_but_logs(sandbox: &Sandbox, before: &[(String, u64)]) {
    let rows = sandbox.until(SOON, "all nodes run", |sandbox| {
        let output = sandbox.run(&["status", "-o", "json"]);
        let rows: Value = serde_json::from_str(&output.stdout).map_err(|error| error.to_string())?;
        let tells = |row: &Value| row["error"].as_str().is_some_and(|text| text.contains("moved away"));
        let is_up = |row: &Value| row["state"] == "running" || (row["state"] == "degraded" && tells(row));
        if rows.as_array().is_some_and(|rows| rows.iter().all(is_up)) { Ok(rows) } else { Err(format!("{output:?}")) }
    });
    assert_untouched_in(sandbox, &rows, before);
}

fn assert_untouched_in(sandbox: &Sandbox, rows: &Value, before: &[(String, u64)]) {
    assert_eq!(nodes(sandbox), before);
    assert_eq!(agents(sandbox).len(), 1);
    for row in rows.as_array().expect("rows") {
        assert_eq!(row["restarts"], 0, "{row}");
        assert!(before.iter().any(|(name, pid)| row["name"] == **name && row["pid"] == *pid), "{row}");
    }
}

fn rows_of(output: &Output, check: &str) -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    rows.into_iter().filter(|row| row["check"] == check).collect()
}

#[test]
fn a_deleted_socket_of_the_agent_or_of_a_node_is_made_again_by_whoever_it_belonged_to() {
    let sandbox = deployed(LAYOUT);
    let (before, agent) = (nodes(&sandbox), agents(&sandbox));
    assert_eq!(before.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NODES);
    let socket = cluster(&sandbox).join("run/agent.sock");
    fs::remove_file(&socket).expect("the agent's socket");
    sandbox.until(SOON, "the agent's socket is back", |_| match socket.exists() {
        true => Ok(()),
        false => Err("it is not there".to_owned()),
    });
    assert_untouched(&sandbox, &before);
    assert_eq!(agents(&sandbox), agent, "it was not replaced");

    // A command that comes before the socket is back waits for it, and starts no other agent.
    fs::remove_file(&socket).expect("the agent's socket");
    sandbox.expect(0, &["status"]);
    assert_eq!(agents(&sandbox), agent);

    fs::remove_file(cluster(&sandbox).join("run/worker-1/node.sock")).expect("the node's socket");
    kill_agent(&sandbox);
    start_agent(&sandbox);
    assert_untouched(&sandbox, &before);
    sandbox.expect(0, &["metrics", "worker-1"]);
}

#[test]
fn nodes_are_adopted_without_their_records_and_stop_and_remove_leave_no_process() {
    let sandbox = deployed(LAYOUT);
    let before = nodes(&sandbox);
    kill_agent(&sandbox);
    let run = cluster(&sandbox).join("run");
    for name in ["worker-1", "manager"] {
        fs::write(run.join(name).join("pid"), "").expect("truncated");
        fs::write(run.join(name).join("state.json"), "{").expect("truncated");
    }
    fs::remove_file(run.join("worker-2/pid")).expect("the record");
    fs::remove_file(run.join("worker-2/node.sock")).expect("the socket");
    start_agent(&sandbox);
    assert_untouched(&sandbox, &before);
    let again = sandbox.expect(0, &["deploy"]);
    assert!(again.stderr.contains("unchanged"), "they run what was deployed: {again:?}");
    assert_eq!(nodes(&sandbox), before);

    // What the agent was told of them is on disk again.
    sandbox.until(SOON, "the record is written again", |_| {
        let record = fs::read_to_string(run.join("worker-1/pid")).unwrap_or_default();
        if record.lines().count() == 2 { Ok(()) } else { Err(record) }
    });

    // No release and no state names the node any more.
    kill_agent(&sandbox);
    fs::remove_file(cluster(&sandbox).join("current")).expect("the link");
    for name in NODES {
        fs::remove_file(run.join(name).join("state.json")).expect("its state");
        fs::remove_file(run.join(name).join("pid")).expect("its record");
    }
    sandbox.expect(0, &["remove", "--yes"]);
    sandbox.until(SOON, "no process is left", |sandbox| match processes(sandbox) {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    });
    assert!(before.iter().all(|(_, pid)| !is_alive(*pid)));
}

#[test]
fn an_agent_that_hangs_is_named_by_every_command_and_replaced_by_doctor_and_deploy() {
    let sandbox = deployed(LAYOUT);
    let before = nodes(&sandbox);
    let hung = agents(&sandbox)[0];
    signal(hung, Signal::STOP);
    let commands: [&[&str]; 6] =
        [&["status"], &["count"], &["stop", "worker-1"], &["wait", "--timeout", "20s"], &["plan"], &["peers"]];
    for command in commands {
        let output = sandbox.run(command);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(&format!("the agent (pid {hung}) does not answer")), "{command:?}: {output:#?}");
        assert!(said.contains("zeek-cluster doctor --fix"), "{command:?}: {output:#?}");
        assert!(output.status != 0 && output.elapsed < Duration::from_secs(40), "{command:?}: {output:#?}");
    }
    let sick = sandbox.expect(1, &["doctor", "-o", "json"]);
    assert_eq!(rows_of(&sick, "agent")[0]["verdict"], "failed", "{sick:#?}");
    assert!(!sick.stderr.contains("all is well"), "{sick:#?}");
    let mended = sandbox.expect(0, &["doctor", "--fix", "-o", "json"]);
    assert_eq!(rows_of(&mended, "agent")[0]["fix"], "fixed", "{mended:#?}");
    assert!(!is_alive(hung));
    assert_untouched(&sandbox, &before);

    signal(agents(&sandbox)[0], Signal::STOP);
    sandbox.expect(0, &["deploy"]);
    assert_untouched(&sandbox, &before);
}

/// In one step, as those who run in it begin to make it again.
fn take_away(sandbox: &Sandbox, to: &str) {
    fs::rename(cluster(sandbox), sandbox.path().join(to)).expect("the folder");
}

#[test]
fn a_folder_that_is_removed_underneath_is_taken_again_and_nothing_runs_twice() {
    let sandbox = deployed(LAYOUT);
    let before = nodes(&sandbox);
    // At once: there is no time for the agent to notice.
    take_away(&sandbox, "first");
    sandbox.expect(0, &["deploy"]);
    assert!(cluster(&sandbox).join("current/nodes/worker-1.yaml").is_file(), "the deploy saw what was gone");
    assert_untouched_but_logs(&sandbox, &before);

    let agent = agents(&sandbox);
    take_away(&sandbox, "second");
    sandbox.until(SOON, "the agent and the nodes are back", |_| {
        let back = |name: &str| cluster(&sandbox).join("run").join(name).exists();
        let missing = ["agent.sock", "agent.lock", "worker-1/node.sock", "worker-1/pid", "worker-1/state.json"];
        let missing: Vec<&str> = missing.into_iter().filter(|name| !back(name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?}")) }
    });
    let told = sandbox.until(SOON, "status says what is gone", |sandbox| {
        let row = sandbox.node("worker-1");
        match row["error"].as_str() {
            Some(error) if row["state"] == "running" => Ok(error.to_owned()),
            _ => Err(row.to_string()),
        }
    });
    assert!(told.contains("zeek-cluster deploy"), "{told}");
    sandbox.expect(0, &["deploy"]);
    assert_untouched_but_logs(&sandbox, &before);
    assert_eq!(agents(&sandbox), agent);
    sandbox.until(SOON, "nothing is damaged any more", |sandbox| match &sandbox.node("worker-1")["error"] {
        Value::Null => Ok(()),
        error => Err(error.to_string()),
    });
    sandbox.expect(0, &["restart", "worker-1"]);
}

fn program(cluster: &Path) -> PathBuf {
    let manifest = fs::read_to_string(cluster.join("current/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    cluster.join("bin").join(format!("zeek-cluster-{}", manifest["binary"].as_str().expect("a hash")))
}

#[test]
fn what_is_deployed_is_put_back_by_the_agent_or_brought_again_by_deploy_and_doctor() {
    let sandbox = deployed(LAYOUT);
    let (before, cluster) = (nodes(&sandbox), cluster(&sandbox));
    let release = fs::read_link(cluster.join("current")).expect("a link");
    let config = cluster.join(&release).join("nodes/worker-1.yaml");
    let whole = fs::read(&config).expect("a configuration");
    let harm: [&dyn Fn(); 3] = [
        &|| fs::remove_file(cluster.join("current")).expect("the link"),
        &|| fs::write(&config, "rot").expect("written"),
        &|| fs::write(cluster.join(&release).join("manifest.json"), "{").expect("written"),
    ];
    for harm in harm {
        harm();
        sandbox.until(SOON, "it is as it was", |_| {
            let read = fs::read(cluster.join("current/nodes/worker-1.yaml")).map_err(|error| error.to_string())?;
            let manifest =
                fs::read_to_string(cluster.join("current/manifest.json")).map_err(|error| error.to_string())?;
            if read == whole && manifest.len() > 10 { Ok(()) } else { Err("not yet".to_owned()) }
        });
    }
    assert_untouched(&sandbox, &before);

    // The blob is gone too: it can only be brought.
    let blobs = fs::read_dir(cluster.join("blobs")).expect("blobs").flatten();
    let blob = blobs.map(|entry| entry.path()).find(|path| fs::read(path).is_ok_and(|content| content == whole));
    fs::remove_file(blob.expect("its blob")).expect("removed");
    fs::write(&config, "rot").expect("written");
    sandbox.until(SOON, "status and doctor say so", |sandbox| {
        let note = sandbox.node("worker-2")["error"].as_str().unwrap_or_default().to_owned();
        if note.contains("nodes/worker-1.yaml of release") && note.contains("damaged") { Ok(()) } else { Err(note) }
    });
    let sick = sandbox.expect(1, &["doctor", "-o", "json"]);
    assert_eq!(rows_of(&sick, "release")[0]["verdict"], "failed", "{sick:#?}");
    let plan = sandbox.json(10, &["plan"]);
    assert!(plan.to_string().contains("it is brought again"), "{plan:#}");
    sandbox.expect(0, &["deploy"]);
    assert_eq!(fs::read(&config).expect("a configuration"), whole);
    assert_untouched(&sandbox, &before);

    for mend in [&["deploy"][..], &["doctor", "--fix"]] {
        let program = program(&cluster);
        fs::remove_file(&program).expect("the program");
        sandbox.until(SOON, "status says so", |sandbox| {
            let note = sandbox.node("logger")["error"].as_str().unwrap_or_default().to_owned();
            if note.contains("the program of release") { Ok(()) } else { Err(note) }
        });
        sandbox.expect(1, &["doctor"]);
        sandbox.expect(0, mend);
        assert!(program.is_file(), "{mend:?}");
    }
    sandbox.expect(0, &["restart", "worker-1"]);
}

fn daemons(marker: &str) -> Vec<u64> {
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let named = all.filter(|process| process.cmdline().is_ok_and(|words| words.iter().any(|word| word == marker)));
    named.filter_map(|process| u64::try_from(process.pid).ok()).filter(|pid| is_alive(*pid)).collect()
}

#[test]
fn a_program_that_became_a_daemon_is_ended_with_its_node_whatever_ended_that() {
    // As long as no other test sleeps, and its own mark.
    let marker = format!("98765{}", std::process::id());
    let script = format!("setsid sh -c 'trap : TERM INT; sleep {marker} & wait; wait' & exec sleep 1{marker}");
    let worker = format!("worker: {{ type: worker, command: [/bin/sh, -c, \"{script}\"] }}");
    let layout = LAYOUT.replace("worker: { type: worker, count: 2 }", &worker);
    let sandbox = deployed(&layout);
    let until_up = || {
        sandbox.until(SOON, "its daemon runs", |_| match daemons(&marker).as_slice() {
            [one] => Ok(*one),
            other => Err(format!("{other:?}")),
        })
    };
    let until_gone = |pid: u64| {
        sandbox.until(SOON, "the daemon is gone", |_| if is_alive(pid) { Err(pid.to_string()) } else { Ok(()) });
    };
    until_up();
    sandbox.expect(0, &["stop", "worker"]);
    assert_eq!(daemons(&marker), Vec::<u64>::new());

    // A node that is killed leaves nothing to its successor.
    sandbox.expect(0, &["start", "worker"]);
    let first = until_up();
    signal(sandbox.node("worker")["pid"].as_u64().expect("a pid"), Signal::KILL);
    until_gone(first);
    until_up();

    // Nor to nobody, when there is no agent: `stop` ends it though the node is down already.
    let second = until_up();
    let node = sandbox.node("worker")["pid"].as_u64().expect("a pid");
    kill_agent(&sandbox);
    signal(node, Signal::KILL);
    sandbox.expect(0, &["stop", "worker"]);
    assert!(!is_alive(second) && daemons(&marker).is_empty());

    sandbox.expect(0, &["start", "worker"]);
    until_up();
    sandbox.expect(0, &["remove", "--yes"]);
    assert_eq!(daemons(&marker), Vec::<u64>::new());
}

#[test]
fn what_is_not_deployed_is_said_truly_by_every_command() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    let table: [(&[&str], i32, &str); 6] = [
        (&["status"], 1, "not deployed on localhost"),
        (&["count"], 1, "not deployed on localhost"),
        (&["stop"], 0, "unchanged"),
        (&["remove", "--yes"], 0, "unchanged"),
        (&["doctor"], 0, "nothing is deployed yet"),
        (&["start"], 1, "nothing is installed"),
    ];
    let check = |when: &str| {
        for (command, status, words) in table {
            let output = sandbox.run(command);
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(output.status == status && said.contains(words), "{when}: {command:?}: {output:#?}");
        }
    };
    check("never deployed");
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["remove", "--yes"]);
    check("after remove");
    let logs = cluster(&sandbox).join("logs");
    assert!(logs.is_dir(), "they were kept");
    sandbox.expect(0, &["remove", "--all", "--yes"]);
    assert!(!logs.exists() && !cluster(&sandbox).exists());
    let said = sandbox.on_a_terminal(&["remove"], &[("[y/N] ", "n")]);
    assert!(said.contains("nothing was done") && !said.contains("interrupted"), "{said}");
}

#[test]
fn a_base_dir_that_others_can_write_in_is_refused_by_control_and_agent() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with_layout(LAYOUT);
    fs::create_dir(sandbox.base()).expect("a base folder");
    let mode = |mode| fs::set_permissions(sandbox.base(), fs::Permissions::from_mode(mode)).expect("its mode");
    mode(0o777);
    let refused = sandbox.expect(1, &["deploy"]);
    assert!(refused.stderr.contains("can be written by everyone"), "{refused:#?}");
    let dir = cluster(&sandbox).display().to_string();
    let agent = sandbox.expect(1, &["agent", "run", "--dir", &dir]);
    assert!(agent.stderr.contains("can be written by everyone"), "{agent:#?}");
    assert!(!cluster(&sandbox).join("bin").exists(), "nothing was brought there");
    mode(0o1777);
    let mut deploy = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_zeek-cluster");
    deploy.args(["-c", "umask 000; exec \"$0\" deploy", program]).current_dir(sandbox.path());
    let deployed = deploy.env("HOME", sandbox.home()).output().expect("a shell");
    assert!(deployed.status.success(), "{deployed:?}");
    let open: Vec<PathBuf> = walk(&cluster(&sandbox)).into_iter().filter(|path| is_open(path)).collect();
    assert_eq!(open, Vec::<PathBuf>::new(), "others can write there, whatever the umask was");
}

/// Needs root, for a file system of its own.
#[test]
fn a_base_dir_that_runs_no_programs_is_named_by_deploy_and_doctor() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    fs::create_dir(sandbox.base()).expect("a base folder");
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "noexec,size=64m", "none"]).arg(sandbox.base());
    if !mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no tmpfs can be mounted here");
        eprintln!("ignored: no tmpfs can be mounted here");
        return;
    }
    let (deployed, doctor) = (sandbox.run(&["deploy"]), sandbox.run(&["doctor", "-o", "json"]));
    let unmounted = std::process::Command::new("umount").arg(sandbox.base()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert!(deployed.status == 1 && deployed.stderr.contains("mounted noexec"), "{deployed:#?}");
    let row = &rows_of(&doctor, "base_dir")[0];
    assert_eq!((&row["verdict"], doctor.status), (&"failed".into(), 1), "{doctor:#?}");
    assert!(row["what"].as_str().is_some_and(|what| what.contains("mounted noexec")), "{row}");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder { found.extend(walk(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::symlink_metadata(path).is_ok_and(|there| !there.is_symlink() && there.permissions().mode() & 0o022 != 0)
}
