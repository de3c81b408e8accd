//! What each command says of each fault, and that the remedies it prints are remedies.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Nobody, Output, Sandbox};

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

/// More than the agent and the nodes need to look again, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

/// What the table has a column for.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("status", &["status", "-o", "json"]),
    ("doctor", &["doctor", "-o", "json"]),
    ("count", &["count", "--active", "--expect", "4"]),
    ("wait", &["wait", "--timeout", "1s"]),
    ("nodes", &["nodes"]),
    ("check", &["check"]),
];

/// A fault and what is expected of it.
struct Fault<'a> {
    name: &'a str,
    harm: &'a dyn Fn(&Sandbox),
    /// Exit statuses, in the order of [`COMMANDS`].
    statuses: [i32; 6],
    /// What `status` says of a node: its state and a part of its note.
    node: (&'a str, &'a str, &'a str),
    /// A check of `doctor`, how it is judged, and a part of what it found.
    finding: (&'a str, &'a str, &'a str),
    /// Commands that `doctor` names for it; each of them mends it.
    remedies: &'a [&'a [&'a str]],
}

fn cluster(sandbox: &Sandbox) -> PathBuf {
    sandbox.base().join("campus")
}

fn processes(sandbox: &Sandbox, words: &str) -> Vec<Pid> {
    let needle = format!("--dir {}", cluster(sandbox).display());
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let named = all.filter(|process| {
        let line = process.cmdline().unwrap_or_default().join(" ");
        line.ends_with(&needle) && line.contains(words)
    });
    named.filter_map(|process| Pid::from_raw(process.pid)).collect()
}

fn send(sandbox: &Sandbox, words: &str, signal: Signal) {
    for pid in processes(sandbox, words) {
        // It may end by itself meanwhile.
        let _ended = kill_process(pid, signal);
    }
    if signal == Signal::KILL {
        sandbox.until(SOON, "they are gone", |sandbox| match processes(sandbox, words).as_slice() {
            [] => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

fn is_well(sandbox: &Sandbox) -> Result<(), String> {
    for command in [&["status"][..], &["doctor"], &["count", "--active", "--expect", "4"]] {
        let output = sandbox.run(command);
        if output.status != 0 {
            return Err(format!("{output:#?}"));
        }
    }
    Ok(())
}

impl Fault<'_> {
    /// Does harm, asks each command, and prints the row of the table.
    fn show(&self, sandbox: &Sandbox) -> Vec<Value> {
        (self.harm)(sandbox);
        let (name, state, note) = self.node;
        sandbox.until(SOON, self.name, |sandbox| {
            let status = sandbox.run(&["status", "-o", "json"]);
            let row = rows(&status).into_iter().find(|row| row["name"] == name).expect("a row");
            let is_said = row["state"] == state && row["error"].as_str().unwrap_or_default().contains(note);
            if is_said && status.status == self.statuses[0] { Ok(()) } else { Err(format!("{status:#?}")) }
        });
        let mut told = Vec::new();
        for ((command, words), expected) in COMMANDS.iter().zip(self.statuses) {
            let output = sandbox.until(SOON, self.name, |sandbox| match sandbox.run(words) {
                output if output.status == expected => Ok(output),
                output => Err(format!("{command}: {expected} is expected: {output:#?}")),
            });
            assert!(
                expected == 0 || *command == "status" || !output.stderr.is_empty(),
                "{}: {command} says why: {output:#?}",
                self.name
            );
            told.push(output);
        }
        println!("{:<44} {:?} {name} {state}", self.name, self.statuses);
        let findings = rows(&told[1]);
        let (check, verdict, what) = self.finding;
        let said = |row: &&Value| row["check"] == check && row["what"].as_str().is_some_and(|text| text.contains(what));
        let finding = findings.iter().find(said).unwrap_or_else(|| panic!("{}: {findings:#?}", self.name));
        assert_eq!(finding["verdict"], verdict, "{}: {finding:#}", self.name);
        assert!(!told[1].stderr.contains("all is well"), "{}: {:#?}", self.name, told[1]);
        for remedy in self.remedies {
            let command = format!("zeek-cluster {}", remedy.join(" "));
            assert!(finding["hint"].as_str().is_some_and(|hint| hint.contains(&command)), "{}: {finding:#}", self.name);
        }
        findings
    }

    /// Does each of the remedies, the fault being there again before each.
    fn mend(&self, sandbox: &Sandbox) {
        for (index, remedy) in self.remedies.iter().enumerate() {
            if index > 0 {
                (self.harm)(sandbox);
            }
            let output = sandbox.run(remedy);
            assert_eq!(output.status, 0, "{}: {remedy:?}: {output:#?}", self.name);
            sandbox.until(SOON, &format!("{} is mended by {remedy:?}", self.name), is_well);
        }
    }
}

/// A file of the release that cannot be mended from what is on the host.
fn rot(sandbox: &Sandbox) {
    let config = cluster(sandbox).join("current/nodes/worker-1.yaml");
    let whole = fs::read(&config).expect("a configuration");
    let blobs = fs::read_dir(cluster(sandbox).join("blobs")).expect("blobs").flatten();
    let blob = blobs.map(|entry| entry.path()).find(|path| fs::read(path).is_ok_and(|content| content == whole));
    fs::remove_file(blob.expect("its blob")).expect("removed");
    fs::write(&config, "rot").expect("written");
}

fn remove_program(sandbox: &Sandbox) {
    for file in fs::read_dir(cluster(sandbox).join("bin")).expect("bin/").flatten() {
        if file.file_name().to_string_lossy().starts_with("zeek-cluster-") {
            fs::remove_file(file.path()).expect("a program");
        }
    }
}

#[test]
fn every_fault_is_told_alike_by_every_command_and_mended_by_what_doctor_names() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    println!("{:<44} {}", "FAULT", COMMANDS.map(|(name, _)| name).join(" "));
    let nothing = Fault {
        name: "nothing is deployed",
        harm: &|_| {},
        statuses: [1, 0, 1, 6, 1, 0],
        node: ("manager", "stopped", "not deployed"),
        finding: ("installed", "skipped", "nothing is deployed yet"),
        remedies: &[&["deploy"]],
    };
    nothing.show(&sandbox);
    nothing.mend(&sandbox);
    for fault in [
        Fault {
            name: "the agent and its keeper are killed",
            harm: &|sandbox| send(sandbox, " agent ", Signal::KILL),
            statuses: [1, 1, 1, 6, 1, 0],
            node: ("worker-1", "unknown", "it runs, and no agent watches it"),
            finding: ("agent", "failed", "it does not run"),
            remedies: &[&["doctor", "--fix"], &["start"]],
        },
        Fault {
            name: "every process is killed, as by a reboot",
            harm: &|sandbox| send(sandbox, "", Signal::KILL),
            statuses: [1, 1, 1, 6, 1, 0],
            node: ("worker-1", "stopped", "no agent runs on localhost"),
            finding: ("agent", "failed", "it does not run"),
            remedies: &[&["doctor", "--fix"], &["start"]],
        },
        Fault {
            name: "the agent hangs",
            harm: &|sandbox| send(sandbox, " agent run ", Signal::STOP),
            statuses: [1, 1, 1, 6, 1, 0],
            node: ("worker-1", "unknown", "does not answer"),
            finding: ("agent", "failed", "does not answer"),
            remedies: &[&["doctor", "--fix"]],
        },
        Fault {
            name: "a node was stopped",
            harm: &|sandbox| drop(sandbox.expect(0, &["stop", "worker-1"])),
            statuses: [1, 0, 1, 6, 0, 0],
            node: ("worker-1", "stopped", ""),
            finding: ("nodes", "warning", "worker-1 is stopped"),
            remedies: &[&["start", "worker-1"]],
        },
        Fault {
            name: "a node hangs",
            harm: &|sandbox| send(sandbox, " node run worker-1 ", Signal::STOP),
            statuses: [1, 1, 1, 6, 0, 0],
            node: ("worker-1", "degraded", ""),
            finding: ("nodes", "failed", "worker-1"),
            remedies: &[&["restart", "worker-1"]],
        },
        Fault {
            name: "a file of the release is damaged",
            harm: &rot,
            statuses: [0, 1, 0, 0, 0, 0],
            node: ("worker-2", "running", "nodes/worker-1.yaml of release"),
            finding: ("release", "failed", "is damaged"),
            remedies: &[&["deploy"]],
        },
        Fault {
            name: "the program is gone",
            harm: &remove_program,
            statuses: [0, 1, 0, 0, 0, 0],
            node: ("worker-2", "running", "the program of release"),
            finding: ("installed", "failed", "is missing"),
            remedies: &[&["doctor", "--fix"]],
        },
    ] {
        fault.show(&sandbox);
        fault.mend(&sandbox);
    }
    let of_the_layout = [
        (
            LAYOUT.replace("count: 2 }", "count: 2 }\n  proxy: { type: proxy }"),
            Fault {
                name: "a node of the layout is not deployed",
                harm: &|_| {},
                statuses: [1, 0, 0, 6, 0, 0],
                node: ("proxy", "stopped", "not part of the deployed release"),
                finding: ("nodes", "warning", "proxy is not part of the deployed release"),
                remedies: &[],
            },
        ),
        (
            LAYOUT.replace("count: 2 }", "count: 2 }\n  nosuch: { type: worker, command: [/does/not/exist] }"),
            Fault {
                name: "the program of a node cannot be started",
                // It fails, and says so.
                harm: &|sandbox| drop(sandbox.run(&["deploy", "--timeout", "20s"])),
                statuses: [1, 1, 0, 6, 0, 0],
                node: ("nosuch", "failing", "/does/not/exist"),
                finding: ("nodes", "failed", "nosuch is"),
                remedies: &[],
            },
        ),
        (
            LAYOUT
                .replace("nodes:", "hosts:\n  away: { address: 127.0.0.1, ssh: { port: 1 } }\nnodes:")
                .replace("{ type", "{ host: away, type"),
            Fault {
                name: "the host cannot be reached",
                harm: &|_| {},
                statuses: [4, 4, 4, 6, 4, 4],
                node: ("worker-1", "unknown", "127.0.0.1"),
                finding: ("connect", "failed", ""),
                remedies: &[],
            },
        ),
    ];
    for (layout, fault) in of_the_layout {
        sandbox.write_layout(&layout);
        fault.show(&sandbox);
    }
    sandbox.write_layout(LAYOUT);
}

#[test]
fn whoever_only_asks_starts_nothing() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    send(&sandbox, "", Signal::KILL);
    let asking: [&[&str]; 15] = [
        &["status"],
        &["count"],
        &["nodes"],
        &["peers"],
        &["top", "--once"],
        &["metrics"],
        &["log"],
        &["output", "worker-1"],
        &["df"],
        &["releases"],
        &["history"],
        &["store", "list"],
        &["plan"],
        &["check"],
        &["wait", "--timeout", "1s"],
    ];
    for command in asking {
        let output = sandbox.run(command);
        assert_eq!(processes(&sandbox, ""), [], "{command:?} started something");
        if !["check", "wait"].contains(&command[0]) {
            assert!(output.status == 1 && output.stderr.contains("no agent runs for"), "{command:?}: {output:#?}");
            assert!(output.stderr.contains("zeek-cluster start starts it"), "{command:?}: {output:#?}");
        }
    }
    let elsewhere = sandbox.path().join("lab.yaml");
    fs::copy(sandbox.layout(), &elsewhere).expect("copied");
    let file = elsewhere.to_str().expect("a path");
    let output = sandbox.expect(1, &["-l", file, "status"]);
    assert!(output.stderr.contains(&format!("hint: zeek-cluster -l {file} start")), "{output:#?}");
    sandbox.expect(0, &["start"]);
    is_well(&sandbox).expect("all is well");
}

#[test]
fn a_folder_that_may_not_be_entered_is_told_as_one_and_opened_by_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with_layout(LAYOUT);
    let Some(nobody) = Nobody::new(&sandbox) else { return };
    nobody.expect(0, &["deploy"]);
    fs::set_permissions(cluster(&sandbox), fs::Permissions::from_mode(0o0)).expect("closed");
    let status = nobody.expect(1, &["status", "-o", "json"]);
    let told = rows(&status);
    assert!(told.iter().all(|row| row["state"] == "unknown"), "{status:#?}");
    assert!(status.stderr.contains("may not be entered: permission denied"), "{status:#?}");
    assert!(
        !status.stderr.contains("not deployed") && status.stderr.contains("zeek-cluster doctor --fix"),
        "{status:#?}"
    );
    for command in [&["count"][..], &["nodes"], &["plan"], &["deploy"], &["doctor"]] {
        nobody.expect(1, command);
    }
    nobody.expect(0, &["doctor", "--fix"]);
    nobody.expect(0, &["status"]);
    nobody.expect(0, &["remove", "--all", "--yes"]);
}
