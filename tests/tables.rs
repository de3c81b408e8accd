//! Tables on terminals of several widths, of every command that writes one.

use std::time::Duration;

use crate::support::Sandbox;

const LAYOUT: &str = "\
name: campus
base_dir: BASE
port: PORT
encryption: on
nodes:
  manager: { type: manager }
  logger: { type: logger }
  proxy: { type: proxy }
  worker: { type: worker, count: 3 }
stores:
  known/hosts: {}
notify:
  pager: { command: [/bin/true] }
";

const WIDTHS: [u16; 4] = [60, 80, 100, 132];

/// Commands of which every healthy row is one line.
const ROWS: &[&[&str]] = &[
    &["status"],
    &["nodes"],
    &["peers"],
    &["df"],
    &["count"],
    &["history"],
    &["releases"],
    &["agent", "status"],
    &["store", "list"],
    &["keys", "show-public"],
    &["notify", "--test"],
];

/// Commands of which some rows are explained at such length that it may stand below them.
const EXPLAINED: &[&[&str]] = &[&["doctor"], &["metrics"], &["events"], &["log"], &["layout", "show", "--options"]];

fn wide(line: &str) -> usize {
    line.chars().count()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn a_healthy_row_is_one_line_and_no_line_is_wider_than_its_terminal() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["wait", "--timeout", "60"]);
    for command in ROWS {
        let rows = sandbox.expect(0, command).stdout.lines().count();
        for width in WIDTHS {
            let said = sandbox.on_a_terminal_of(width, command);
            assert_eq!(said.lines().count(), rows + usize::from(rows > 0), "{command:?} at {width}:\n{said}");
            assert!(said.lines().all(|line| wide(line) <= usize::from(width)), "{command:?} at {width}:\n{said}");
        }
    }
    for width in WIDTHS {
        let said = sandbox.on_a_terminal_of(width, &["top", "--once"]);
        assert_eq!(said.lines().count(), 1 + 1 + 6, "a line for the host, headings, a line for each node: {said}");
        assert!(said.lines().skip(1).all(|line| wide(line) <= usize::from(width)), "{width}:\n{said}");
    }
    // Something of every row is there at the smallest width, and at the largest what matters less as well.
    let narrow = sandbox.on_a_terminal_of(60, &["status"]);
    let names = ["manager", "logger", "proxy", "worker-1", "worker-2", "worker-3"];
    assert!(narrow.lines().skip(1).zip(names).all(|(line, name)| line.starts_with(name) && line.contains("running")));
    let broad = sandbox.on_a_terminal_of(132, &["status"]);
    assert!(!narrow.contains("RELEASE") && broad.contains("RELEASE"), "{narrow}\n{broad}");
}

#[test]
fn what_explains_a_row_keeps_its_words_whole() {
    let sandbox = Sandbox::with_layout(LAYOUT);
    sandbox.expect(0, &["deploy"]);
    sandbox.expect(0, &["wait", "--timeout", "60"]);
    for command in EXPLAINED {
        for width in WIDTHS {
            let said = sandbox.on_a_terminal_of(width, command);
            let too_wide = said.lines().filter(|line| wide(line) > usize::from(width));
            // A path or a label that is wider than the terminal alone stays whole, on a line of its own.
            let broken: Vec<&str> = too_wide.filter(|line| words(line).count() > 1).collect();
            assert!(broken.is_empty(), "{command:?} at {width}: {broken:#?}\n{said}");
        }
    }
    let metrics = sandbox.expect(0, &["metrics"]).stdout;
    let said = sandbox.on_a_terminal_of(80, &["metrics"]);
    let shown: std::collections::BTreeSet<&str> = words(&said).collect();
    for metric in metrics.lines().filter_map(|line| line.split('\t').nth(1)) {
        assert!(shown.contains(metric), "{metric} is whole: {said}");
    }
}

#[test]
fn the_note_of_a_node_that_fails_stands_below_its_row_and_no_other_row_changes() {
    let layout = "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  \
         sensor: { type: worker, command: [/bin/sh, -c, 'echo the interface of this sensor cannot be opened, as it was taken away by somebody >&2; exit 3'] }\n";
    let sandbox = Sandbox::with_layout(layout);
    sandbox.run(&["deploy"]);
    for width in WIDTHS {
        let said = sandbox.until(Duration::from_secs(60), "a note", |s| {
            let said = s.on_a_terminal_of(width, &["status"]);
            if words(&said).any(|word| word.starts_with("somebody")) { Ok(said) } else { Err(said) }
        });
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.iter().all(|line| wide(line) <= usize::from(width)), "{width}:\n{said}");
        let at = lines.iter().position(|line| line.starts_with("sensor")).unwrap_or_else(|| panic!("{said}"));
        assert!(lines.len() - at <= 5, "a note is a few lines, not one for each letter: {said}");
        assert!(lines[at + 1..].iter().all(|line| line.starts_with("    ")), "{said}");
        let note: Vec<&str> = lines[at..].iter().flat_map(|line| words(line)).collect();
        for word in ["exited", "status", "interface", "taken"] {
            assert!(note.contains(&word), "{word} is whole: {said}");
        }
    }
}

#[test]
fn commands_that_are_told_to_be_typed_have_the_layout_that_was_typed() {
    let sandbox = Sandbox::new();
    let layout = "name: campus\nbase_dir: BASE\nport: PORT\nnodes:\n  manager: { type: manager }\n  \
                  sensor: { type: worker, command: [/bin/false] }\n";
    sandbox.write_layout(layout);
    std::fs::rename(sandbox.path().join("cluster.yaml"), sandbox.path().join("other.yaml")).expect("it is renamed");
    let absent = sandbox.run(&["-l", "other.yaml", "status"]);
    assert!(absent.stderr.contains("zeek-cluster -l other.yaml deploy"), "{absent:#?}");
    sandbox.run(&["-l", "other.yaml", "deploy"]);
    let remedy = sandbox.until(Duration::from_secs(60), "a remedy in the table", |s| {
        let said = s.run(&["-l", "other.yaml", "status", "-o", "table"]).stdout;
        if said.contains("restart sensor") { Ok(said) } else { Err(said) }
    });
    assert!(remedy.contains("zeek-cluster -l other.yaml restart sensor"), "{remedy}");
    sandbox.run(&["-l", "other.yaml", "remove", "--yes"]);
}

#[test]
fn names_of_forty_five_letters_and_a_host_that_is_away_leave_a_table_of_a_few_lines() {
    let name = "sensor-in-the-northern-building-on-the-campus";
    let layout = format!(
        "name: campus\nbase_dir: BASE\nport: PORT\nhosts:\n  head: localhost\n  {name}: {{ address: 127.0.0.1, ssh: {{ port: 1 }} }}\n\
         nodes:\n  manager: {{ type: manager, host: head }}\n  {name}-worker: {{ type: worker, count: 8, host: {name} }}\n"
    );
    let sandbox = Sandbox::with_layout(&layout);
    for width in WIDTHS {
        let said = sandbox.on_a_terminal_of(width, &["status", "--timeout", "3"]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.iter().all(|line| wide(line) <= usize::from(width)), "{width}:\n{said}");
        assert!(lines.len() < 60 && lines.iter().any(|line| line.contains("worker-8")), "{width}:\n{said}");
    }
}
