//! `df` and `top`: what hosts have, and what nodes use of it.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Background, Line, Sandbox};

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: off
hosts: { head: 127.0.0.1, gone: { address: 127.0.0.2, ssh: { port: 1 } } }
nodes:
  manager: { host: head }
  logger: { host: head }
  worker: { host: [head, gone] }
";

fn deployed() -> Sandbox {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(1, &["deploy", "--timeout", "30s"]);
    sandbox
}

fn row<'a>(rows: &'a Value, name: &str) -> &'a Value {
    let rows = rows.as_array().expect("an array");
    rows.iter().find(|row| row["name"] == name || row["host"] == name).expect("every one has a row")
}

#[test]
fn df_tells_the_file_system_and_what_the_cluster_takes_of_it() {
    let sandbox = deployed();
    let rows = sandbox.json(1, &["df"]);
    let head = row(&rows, "head");
    let number = |field: &str| head[field].as_u64().unwrap_or_else(|| panic!("{field}: {head}"));
    assert!(number("total_bytes") > number("free_bytes") && number("inodes") >= number("inodes_free"), "{head}");
    assert!(number("releases_bytes") > 1 << 20, "the program is there: {head}");
    assert!(number("logs_bytes") > 0, "{head}");
    assert_eq!(head["path"], sandbox.base().join("campus").display().to_string());
    let gone = row(&rows, "gone");
    assert!(gone["total_bytes"].is_null() && gone["error"].as_str().is_some_and(|e| e.contains("refused")), "{gone}");
    let one = sandbox.expect(0, &["df", "manager", "-o", "table"]).stdout;
    assert_eq!(one.lines().count(), 2, "{one}");
    assert!(one.contains("GiB") && one.contains('%'), "{one}");
    let unreachable = sandbox.expect(4, &["df", "gone"]);
    assert!(unreachable.stderr.ends_with("unreachable gone\n"), "{unreachable:#?}");
}

#[test]
fn top_tells_what_each_node_uses_once_or_again_and_again() {
    let sandbox = deployed();
    let rows = sandbox.json(1, &["top"]);
    let logger = row(&rows, "logger");
    let number = |field: &str| logger[field].as_f64().unwrap_or_else(|| panic!("{field}: {logger}"));
    assert!(number("rss_bytes") > 1e6 && number("threads") >= 2.0 && number("fds") > 3.0, "{logger}");
    assert!((0.0..400.0).contains(&number("cpu_percent")) && number("cpu_s") > 0.0, "{logger}");
    assert_eq!(logger["log_waiting"], 0, "{logger}");
    assert_eq!(logger["pid"], sandbox.node("logger")["pid"]);
    assert_eq!((&row(&rows, "worker-2")["state"], &row(&rows, "worker-2")["pid"]), (&"unknown".into(), &Value::Null));

    let table = sandbox.expect(0, &["top", "@host:head", "-o", "table"]).stdout;
    assert!(table.starts_with("head: load "), "{table}");
    assert_eq!(table.lines().count(), 5, "a line for the host, the headings, three nodes: {table}");

    let twice = sandbox.expect(0, &["top", "manager", "-n", "2", "-d", "0.2", "-o", "jsonl"]).stdout;
    assert_eq!(twice.lines().count(), 2, "{twice}");

    let endless = Background::start(sandbox.command(&["top", "-n", "1000", "-d", "0.1", "-o", "name", "logger"]));
    for _ in 0..3 {
        endless.wait_for("logger", |line| (*line == Line::Out("logger".into())).then_some(()));
    }
    sandbox.expect(2, &["top", "-d", "1h"]);
    drop(endless);
    // It went away in the middle of a look; the agent is none the worse.
    sandbox.until(Duration::from_secs(5), "an answer", |s| match s.run(&["top", "logger", "-o", "name"]).status {
        0 => Ok(()),
        other => Err(other.to_string()),
    });
}
