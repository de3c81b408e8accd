//! `doctor --fix`: what is broken by hand is found, mended without root, and nothing else is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Sandbox, finish};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: on
nodes:
  manager: { type: manager }
  worker: { type: worker }
";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode is set");
}

fn row(rows: &Value, check: &str) -> Value {
    let found = rows.as_array().expect("an array").iter().find(|row| row["check"] == check);
    found.unwrap_or_else(|| panic!("no row for {check}: {rows:#}")).clone()
}

/// Verdict and fate of some checks.
fn told(rows: &Value, checks: &[&str]) -> Vec<(String, Value)> {
    let verdict = |row: &Value| row["verdict"].as_str().unwrap_or_default().to_owned();
    checks.iter().map(|check| row(rows, check)).map(|row| (verdict(&row), row["fix"].clone())).collect()
}

fn doctor(sandbox: &Sandbox, args: &[&str]) -> Value {
    let output = sandbox.run(&[&["doctor", "-o", "json"], args].concat());
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

/// Kills the agent, which leaves its socket behind, and whatever would start it again.
fn kill_agent(sandbox: &Sandbox) {
    let pid = sandbox.json(0, &["agent", "status"])[0]["pid"].as_i64().expect("a pid");
    let pid = i32::try_from(pid).expect("a pid");
    crate::support::kill_agent(pid);
    sandbox.until(std::time::Duration::from_secs(10), "the agent is gone", |_| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") { Ok(()) } else { Err(stat) }
    });
}

fn program(cluster: &Path) -> PathBuf {
    let manifest = fs::read_to_string(cluster.join("current/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    cluster.join("bin").join(format!("zeek-cluster-{}", manifest["binary"].as_str().expect("a hash")))
}

#[test]
fn what_can_be_mended_without_root_is_mended_and_said() {
    const ALL: [&str; 5] = ["permissions", "uploads", "installed", "agent", "keys"];
    let sandbox = Sandbox::with_layout(LAYOUT);
    let untouched = doctor(&sandbox, &["--fix"]);
    assert!(untouched.as_array().is_some_and(|rows| rows.iter().all(|row| row["check"] != "agent")), "{untouched:#}");
    sandbox.expect(0, &["deploy"]);
    let well = ALL.map(|_| ("ok".to_owned(), Value::Null));
    assert_eq!(told(&doctor(&sandbox, &[]), &ALL), well);
    assert_eq!(told(&doctor(&sandbox, &["--fix"]), &ALL), well);

    let cluster = sandbox.base().join("campus");
    let key = fs::read_dir(cluster.join("current/keys")).expect("keys").next().expect("a key").expect("a key").path();
    let own = sandbox.home().join(".local/share/zeek-cluster/keys/campus");
    let own = fs::read_dir(own).expect("keys").next().expect("a key").expect("a key").path();
    let (old, young) = (cluster.join("bin/.upload-old"), cluster.join("bin/.upload-young"));
    fs::write(&old, "half").expect("written");
    fs::write(&young, "half").expect("written");
    assert!(Command::new("touch").args(["-d", "2 hours ago"]).arg(&old).status().expect("touch").success());
    set_mode(&cluster, 0o755);
    set_mode(&key, 0o644);
    set_mode(&own, 0o640);
    let worker = sandbox.node("worker")["pid"].clone();
    kill_agent(&sandbox);

    let sick = doctor(&sandbox, &[]);
    let verdicts = told(&sick, &ALL).into_iter().map(|(verdict, _)| verdict).collect::<Vec<_>>();
    assert_eq!(verdicts, ["failed", "warning", "ok", "failed", "failed"], "{sick:#}");
    assert!(
        row(&sick, "agent")["what"].as_str().is_some_and(|what| what.contains("left its socket behind")),
        "{sick:#}"
    );
    let refused = finish({
        let mut command = sandbox.command(&["doctor", "--fix"]);
        command.env("ZEEK_CLUSTER_READ_ONLY", "1");
        command
    });
    assert_eq!(refused.status, 2, "{refused:#?}");
    assert!(refused.stderr.contains("`doctor` changes the cluster, and ZEEK_CLUSTER_READ_ONLY is set"), "{refused:#?}");
    assert_eq!((mode(&cluster), mode(&own)), (0o755, 0o640));

    let fixed = doctor(&sandbox, &["--fix"]);
    let mended = || ("fixed".to_owned(), Value::from("fixed"));
    let expected = [mended(), mended(), ("ok".to_owned(), Value::Null), mended(), mended()];
    assert_eq!(told(&fixed, &ALL), expected, "{fixed:#}");
    assert_eq!((mode(&cluster), mode(&key), mode(&own)), (0o700, 0o600, 0o600));
    assert!(!old.exists() && young.exists(), "an upload may be under way");
    assert_eq!(sandbox.node("worker")["pid"], worker, "nodes that run are not touched");
    let run = &sandbox.json(0, &["history", "-n", "1"])[0];
    assert_eq!((&run["command"], &run["outcome"]), (&"doctor -o json --fix".into(), &"ok".into()), "{run}");
    assert_eq!(told(&doctor(&sandbox, &[]), &ALL), well);
    sandbox.expect(0, &["plan"]);
}

#[test]
fn a_missing_program_is_brought_when_it_is_this_one_and_what_is_not_mended_says_why() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    let cluster = sandbox.base().join("campus");
    let program = program(&cluster);
    kill_agent(&sandbox);
    fs::remove_file(&program).expect("the program");
    sandbox.write_layout(&LAYOUT.replace("type: worker", "type: worker, pin_cpus: [4095]"));
    let table = sandbox.expect(1, &["doctor", "--fix", "-o", "table"]);
    let line = |check: &str| {
        let found = table.stdout.lines().find(|line| line.starts_with(check));
        found.unwrap_or_else(|| panic!("no line for {check}: {table:#?}")).to_owned()
    };
    assert!(line("installed ").contains(" fixed ") && line("agent ").contains(" fixed "), "{table:#?}");
    let remedy = table.stdout.lines().skip_while(|line| !line.starts_with("pin_cpus ")).nth(1).unwrap_or_default();
    assert!(remedy.starts_with("    ") && remedy.contains("(not fixed: it needs root, or a decision)"), "{table:#?}");
    assert!(table.stderr.contains("2 fixed on localhost · 1 failed on localhost"), "{table:#?}");
    assert!(program.is_file());
    sandbox.write_layout(LAYOUT);
    sandbox.expect(0, &["status"]);

    // A release of another version of the program; an agent that runs remembers its own.
    kill_agent(&sandbox);
    let path = cluster.join("current/manifest.json");
    let manifest = fs::read_to_string(&path).expect("a manifest");
    let hash = program.file_name().and_then(|name| name.to_str()).expect("text").trim_start_matches("zeek-cluster-");
    fs::write(&path, manifest.replacen(hash, &"0".repeat(64), 1)).expect("written");
    let rows = doctor(&sandbox, &["--fix"]);
    let installed = row(&rows, "installed");
    assert_eq!(installed["verdict"], "failed", "{installed}");
    assert!(
        installed["fix"].as_str().is_some_and(|why| why.contains("another version of this program")),
        "{installed}"
    );
    fs::write(&path, manifest).expect("written");
}
