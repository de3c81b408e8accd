//! The walls between the rooms of `src/`, and other promises about the source that the compiler cannot see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms, or the one module of a room, that it may use. A new edge is an edit here, in the open;
/// ARCHITECTURE.md says what each is for.
const ROOMS: &[(&str, &[&str])] = &[
    ("data", &[]),
    ("api", &["data"]),
    ("descriptors", &[]),
    ("kernel_log", &[]),
    ("troubles", &["api"]),
    ("layout", &["api", "data"]),
    ("wire", &["api", "data", "layout"]),
    ("render", &["api", "data", "layout"]),
    ("descriptors", &[]),
    ("socket", &[]),
    ("processes", &["api"]),
    ("trust", &[]),
    ("transport", &["troubles", "wire", "api", "data", "layout"]),
    ("cluster", &["transport", "wire", "api", "data", "layout"]),
    ("logs", &["troubles", "cluster", "wire", "api", "data", "layout"]),
    ("websocket", &["troubles", "cluster", "wire", "api", "data", "layout"]),
    ("telemetry", &["websocket", "logs", "cluster", "transport", "wire", "api", "data", "layout"]),
    (
        "node",
        &[
            "socket",
            "processes",
            "telemetry",
            "websocket",
            "logs",
            "cluster",
            "transport",
            "troubles",
            "render",
            "descriptors",
            "kernel_log",
            "wire",
            "api",
            "data",
            "layout",
        ],
    ),
    ("faults", &[]),
    ("journal", &["api"]),
    (
        "agent",
        &[
            "socket",
            "processes",
            "trust",
            "journal",
            "faults",
            "descriptors",
            "kernel_log",
            "render",
            "api",
            "data",
            "layout",
        ],
    ),
    ("fleet", &["agent", "faults", "descriptors", "api", "data", "layout"]),
    ("deploy", &["fleet", "agent::client", "journal", "faults", "render", "api", "data", "layout"]),
    ("query", &["fleet", "agent::client", "journal", "render", "api", "data", "layout"]),
    ("cli", &["deploy", "query", "render", "api", "data", "layout", "agent", "node", "telemetry"]),
    ("main", &["cli"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the source") {
            let path = entry.expect("an entry of a folder of the source").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The room that a file of `src/` belongs to; `lib.rs` is the door and belongs to none.
fn room_of(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root().join("src")).expect("a file below src");
    let first = relative.components().next()?.as_os_str().to_str()?;
    let room = first.trim_end_matches(".rs");
    (room != "lib").then(|| room.to_owned())
}

/// The source without its unit tests (they may look anywhere) and without comments.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    before_tests.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms named in `crate::ROOM`, `zeek_cluster::ROOM` and `use crate::{a::…, b::…}`.
fn rooms_used(code: &str, known: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for marker in ["crate::", "zeek_cluster::"] {
        for (at, _) in code.match_indices(marker) {
            let rest = &code[at + marker.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let mut depth = 0usize;
                let mut start = true;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            used.extend(first_name(&group[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            } else {
                used.extend(first_name(rest));
            }
        }
    }
    used.retain(|path| known.contains(path.split("::").next().unwrap_or_default()));
    used
}

/// `room`, or `room::client` where that is what is named: a client may be used where its room may not.
fn first_name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if text[name.len()..].starts_with("::client") {
        return Some(format!("{name}::client"));
    }
    (!name.is_empty()).then_some(name)
}

/// Files that exist only for tests: a whole file under `#[cfg(test)] mod NAME;`.
fn is_test_file(path: &Path) -> bool {
    let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    if name == "tests" || path.parent().is_some_and(|folder| folder.ends_with("tests")) {
        return true;
    }
    let parent = path.parent().expect("a file lies in a folder");
    let siblings = [parent.join("mod.rs"), parent.with_extension("rs")];
    siblings.iter().filter_map(|p| fs::read_to_string(p).ok()).any(|text| {
        let declared = [format!("#[cfg(test)]\nmod {name};"), format!("#[cfg(test)]\npub(crate) mod {name};")];
        declared.iter().any(|d| text.contains(d))
    })
}

#[test]
fn each_room_uses_only_the_rooms_that_stand_below_it() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let known: BTreeSet<&str> = allowed.keys().copied().collect();
    let mut crossings = Vec::new();
    for path in sources(&root().join("src")) {
        let Some(room) = room_of(&path) else { continue };
        if is_test_file(&path) {
            continue;
        }
        let Some(may_use) = allowed.get(room.as_str()) else {
            crossings.push(format!("{}: room `{room}` is not in the table of tests/tidy.rs", path.display()));
            continue;
        };
        for used in rooms_used(&code_of(&path), &known) {
            let used_room = used.split("::").next().unwrap_or_default();
            if used_room != room && !may_use.contains(&used.as_str()) && !may_use.contains(&used_room) {
                crossings.push(format!("{}: `{room}` uses `{used}`", path.display()));
            }
        }
    }
    assert!(crossings.is_empty(), "walls crossed:\n{}", crossings.join("\n"));
}

#[test]
fn the_table_of_rooms_has_no_way_up() {
    let place: BTreeMap<&str, usize> = ROOMS.iter().enumerate().map(|(i, (room, _))| (*room, i)).collect();
    for (room, may_use) in ROOMS {
        for used in *may_use {
            let used_room = used.split("::").next().unwrap_or_default();
            let known = place.get(used_room).unwrap_or_else(|| panic!("`{room}` names `{used}`, which is no room"));
            let same_wing = !matches!((*room, *used), ("cli", "agent" | "node"));
            assert!(*known < place[room] || !same_wing, "`{room}` stands below `{used}`");
        }
    }
}

#[test]
fn a_use_of_several_rooms_in_braces_is_seen() {
    let known = BTreeSet::from(["data", "fleet", "wire"]);
    let used = rooms_used("use crate::{data::{Data, Port}, fleet::Host};\nlet x = crate::wire::encode(d);", &known);
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["data", "fleet", "wire"]);
}

#[test]
fn every_file_of_tests_is_part_of_the_test_program() {
    let main = fs::read_to_string(root().join("tests/main.rs")).expect("tests/main.rs");
    for entry in fs::read_dir(root().join("tests")).expect("tests/") {
        let path = entry.expect("an entry of tests/").path();
        let Some(name) = path.file_stem().and_then(|s| s.to_str()) else { continue };
        if path.extension().is_some_and(|e| e == "rs") && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "tests/{name}.rs is in no `mod` of tests/main.rs");
        }
    }
}

#[test]
fn a_table_of_contents_holds_no_functions() {
    let mut found = Vec::new();
    for path in sources(&root().join("src")) {
        if path.file_name().is_some_and(|n| n == "mod.rs") && !is_test_file(&path) {
            let code = code_of(&path);
            if code.lines().any(|l| l.trim_start().trim_start_matches("pub ").starts_with("fn "))
                && !code.contains("trait ")
            {
                found.push(path.display().to_string());
            }
        }
    }
    assert!(found.is_empty(), "functions in: {}", found.join(", "));
}

#[test]
fn nothing_is_left_open_in_the_source() {
    let words = ["todo!(", "unimplemented!(", concat!("TO", "DO"), concat!("FIX", "ME")];
    for folder in ["src", "tests", "examples", "benches"] {
        for path in sources(&root().join(folder)) {
            if path.ends_with("tests/tidy.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file");
            for word in words {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
        }
    }
}

/// Outcomes that are printed past [`Context::conclude`] would be missing from `@failed` and `@unreachable`.
#[test]
fn commands_with_outcomes_conclude_with_them() {
    for path in sources(&root().join("src/cli/commands")) {
        let code = code_of(&path);
        assert!(!code.contains("printer.outcomes("), "{}: use cx.conclude(&layout, …)", path.display());
    }
}
