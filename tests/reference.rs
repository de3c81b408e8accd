//! Every name of Zeek's reference of its cluster framework has a home in this crate, and a test that shows what it does.
//!
//! `tests/reference/names.txt` has the names of Zeek's own page about `base/frameworks/cluster/main.zeek`, one a line, fields
//! as `Cluster::Node$ip`. `tests/reference/names.tsv` says where each is: in the table of options, as one of the values of
//! an enum option, or as a public item whose documentation begins with the name; and which test shows its behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use regex::Regex;
use zeek_cluster::layout::Backend;
use zeek_cluster::layout::options::{self, OptionKind};

const TABLE: &str = include_str!("reference/names.tsv");
const NAMES: &str = include_str!("reference/names.txt");

struct Row<'a> {
    name: &'a str,
    home: &'a str,
    test: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next(), Some("name\tkind\thome\ttest"));
    let row = |line: &'static str| {
        let [name, kind, home, test] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("four columns: {line}") };
        let kinds = "option constant variable type field event hook function stream";
        assert!(kinds.split(' ').any(|known| known == kind) || kind == "enum value", "{name}: what is a {kind}?");
        Row { name, home, test }
    };
    lines.map(row).collect()
}

fn source(path: &str) -> Result<String, String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(file).map_err(|error| format!("{path}: {error}"))
}

/// What is wrong with a home.
fn homeless(row: &Row<'_>) -> Result<(), String> {
    if let Some(room) = row.home.strip_prefix("until ") {
        let there = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(room).exists();
        return if there { Err(format!("{room} is there: name the item in it")) } else { Ok(()) };
    }
    if let Some(option) = row.home.strip_prefix("value of ") {
        return match options::find(option).map(|option| option.kind) {
            Some(OptionKind::Enum(names)) if names.contains(&row.name) => Ok(()),
            _ => Err(format!("the option {option} has no such value")),
        };
    }
    if row.home == "option" {
        return options::find(row.name).map(drop).ok_or_else(|| "the table of options does not have it".to_owned());
    }
    let (path, item) = row.home.split_once(' ').ok_or("a home is a file and an item")?;
    let documentation = documentation(&source(path)?, item).ok_or_else(|| format!("{path} has no public {item}"))?;
    let (of_module, field) =
        (format!("`{}`", row.name), row.name.split_once('$').map(|(_, field)| format!("`{field}`")));
    match field {
        // A field may tell its name in the sentence, or have it.
        Some(field) => {
            let own = format!("`{}`", item.rsplit('.').next().unwrap_or_default());
            if documentation.contains(&field) || (own == field && !documentation.is_empty()) {
                Ok(())
            } else {
                Err(format!("the documentation of {item} does not name {field}"))
            }
        }
        None if documentation.lines().next().is_some_and(|first| first.contains(&of_module)) => Ok(()),
        None => Err(format!("the documentation of {item} does not begin with {of_module}")),
    }
}

/// The documentation of `Type`, `Type.member` or `function` in a file; none when it is not public there.
fn documentation(text: &str, item: &str) -> Option<String> {
    let (owner, member) = item.split_once('.').map_or((item, None), |(owner, member)| (owner, Some(member)));
    let owner_at = Regex::new(&format!(r"(?m)^(pub (struct|enum|trait|const|type|fn) {owner}\b|impl {owner} \{{)"))
        .expect("a pattern");
    let found = owner_at.find(text)?;
    let Some(member) = member else { return above(text, found.start()) };
    let member = format!(r"(?m)^    (pub (async )?(const )?(fn )?{member}\b|{member}\b[^:=(]*[,{{(]?$)");
    let member = Regex::new(&member).expect("a pattern");
    // A field or variant stands in the type, a method in one of its `impl` blocks.
    let blocks = owner_at.find_iter(text).map(|start| start.start());
    blocks
        .filter_map(|start| {
            let end = text[start..].find("\n}").map_or(text.len(), |end| start + end);
            let at = start + member.find(&text[start..end])?.start();
            above(text, at)
        })
        .next()
}

/// The documentation comment above a place.
fn above(text: &str, at: usize) -> Option<String> {
    let mut lines: Vec<&str> = text[..at]
        .lines()
        .rev()
        .map(str::trim)
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .collect();
    lines.reverse();
    let documented = lines.iter().filter_map(|line| line.strip_prefix("///")).map(str::trim);
    Some(documented.collect::<Vec<_>>().join("\n"))
}

/// What is wrong with a test.
fn untested(row: &Row<'_>) -> Result<(), String> {
    if row.home.starts_with("until ") {
        return Ok(());
    }
    let (path, function) = row.test.split_once(' ').ok_or("a test is a file and a function")?;
    match source(path)?.contains(&format!("fn {function}()")) {
        true => Ok(()),
        false => Err(format!("{path} has no test {function}")),
    }
}

#[test]
fn every_name_of_the_reference_has_a_home_and_a_test() {
    let rows = rows();
    let known: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(known.len(), rows.len(), "a name stands twice in the table");
    let mut wrong: Vec<String> =
        NAMES.lines().filter(|name| !known.contains(name)).map(|name| format!("{name}: not in the table")).collect();
    for row in &rows {
        for problem in [homeless(row), untested(row)].into_iter().filter_map(Result::err) {
            wrong.push(format!("{}: {problem}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn options_have_the_reference_s_types_and_defaults() {
    use OptionKind::{Bool, Count, Interval, Text};
    // Topics as the ZeroMQ backend has them.
    let expected: BTreeMap<&str, (OptionKind, &str)> = BTreeMap::from([
        ("default_master_node", (Text, "\"\"")),
        ("default_store_dir", (Text, "\"\"")),
        ("default_websocket_max_event_queue_size", (Count, "32")),
        ("default_websocket_ping_interval", (Interval, "5sec")),
        ("enable_round_robin_logging", (Bool, "T")),
        ("logger_topic", (Text, "\"zeek.cluster.logger\"")),
        ("manager_is_logger", (Bool, "T")),
        ("manager_topic", (Text, "\"zeek.cluster.manager\"")),
        ("node", (Text, "\"\"")),
        ("node_topic_prefix", (Text, "\"zeek/cluster/node/\"")),
        ("nodeid_topic_prefix", (Text, "\"zeek/cluster/nodeid/\"")),
        ("proxy_topic", (Text, "\"zeek.cluster.proxy\"")),
        ("retry_interval", (Interval, "1sec")),
        ("worker_topic", (Text, "\"zeek.cluster.worker\"")),
    ]);
    for (name, (kind, default)) in expected {
        let option = options::find(&format!("Cluster::{name}")).unwrap_or_else(|| panic!("no option {name}"));
        assert_eq!((option.kind, option.default), (kind, default), "{name}");
        assert_eq!(option.kind.zeek_text(&option.default_value(Backend::Zeromq)), default, "{name}");
    }
    for (name, default) in [("default_backend", "Broker::MEMORY"), ("default_persistent_backend", "Broker::SQLITE")] {
        let option = options::find(&format!("Cluster::{name}")).unwrap_or_else(|| panic!("no option {name}"));
        assert!(matches!(option.kind, OptionKind::Enum(names) if names.contains(&default)), "{name}");
        assert_eq!(option.default, default, "{name}");
    }
}

#[test]
fn a_home_is_found_where_it_is_and_nowhere_else() {
    let text = "/// `Cluster::Thing`: one.\n#[derive(Debug)]\npub struct Thing {\n    /// `x`.\n    pub x: u8,\n}\n\nimpl Thing {\n    /// \
                `Cluster::do_it`.\n    pub async fn do_it(&self) {}\n}\n\npub enum Kind {\n    /// `Cluster::ONE`.\n    One,\n}\n";
    assert_eq!(documentation(text, "Thing").as_deref(), Some("`Cluster::Thing`: one."));
    assert_eq!(documentation(text, "Thing.x").as_deref(), Some("`x`."));
    assert_eq!(documentation(text, "Thing.do_it").as_deref(), Some("`Cluster::do_it`."));
    assert_eq!(documentation(text, "Kind.One").as_deref(), Some("`Cluster::ONE`."));
    assert_eq!(documentation(text, "Thing.y"), None);
    assert_eq!(documentation(text, "Other"), None);
    let row = |name, home| Row { name, home, test: "" };
    assert!(homeless(&row("Cluster::nothing", "option")).is_err());
    assert!(homeless(&row("Cluster::NOTHING", "value of Cluster::backend")).is_err());
    assert!(homeless(&row("Cluster::node", "src/data/node_type.rs NodeType")).is_err());
    assert!(homeless(&row("Cluster::X", "until src")).is_err());
    assert!(untested(&Row { test: "tests/reference.rs no_such_test", ..row("Cluster::X", "option") }).is_err());
}
