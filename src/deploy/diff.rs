//! What differs between the release that a host has and the one that it gets: files as unified diffs, and a node's
//! configuration key by key, in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_yaml::Value;
use similar::TextDiff;

use super::plan::{Change, FileChange};
use crate::api::agent::{FileEntry, Manifest, ManifestNode};
use crate::layout::live;
use crate::render::HostRelease;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Longer values are cut in reasons; the diff has them whole.
const MAX_VALUE: usize = 60;

/// Digits of a hash that are shown.
const SHOWN_HASH: usize = 12;

/// What a host has now, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Before {
    /// The manifest of its current release.
    pub(super) manifest: Option<Manifest>,
    /// Files of that release that differ from the new one, without those that hold keys.
    pub(super) texts: BTreeMap<PathBuf, String>,
}

/// Keys by which nodes of the old and of the new release would not find or not understand each other.
const SPLITTING: [(&str, &str); 5] = [
    ("zeromq.connect_xpub_endpoint", "the address of the manager's forwarder changes"),
    ("zeromq.connect_xsub_endpoint", "the address of the manager's forwarder changes"),
    ("curve_dir", "encryption is switched on or off"),
    ("options.Cluster::event_serializer", "events are written in another format"),
    ("options.Cluster::Backend::ZeroMQ::nodeid_topic_prefix", "nodes announce themselves under another topic"),
];

impl Before {
    fn file(&self, path: &Path) -> Option<&FileEntry> {
        self.manifest.iter().flat_map(|manifest| &manifest.files).find(|file| file.path == path)
    }

    fn node(&self, name: &str) -> Option<&ManifestNode> {
        self.manifest.iter().flat_map(|manifest| &manifest.nodes).find(|node| node.name == name)
    }
}

/// Whether only its owner may read a file, so that it is never shown.
pub(super) fn is_secret(file: &FileEntry) -> bool {
    file.mode & 0o077 == 0
}

/// The files that differ, by path.
pub(super) fn files(before: &Before, part: &HostRelease) -> Vec<FileChange> {
    let mut changes = Vec::new();
    for file in &part.manifest.files {
        match before.file(&file.path) {
            None => changes.push(change(file, Change::Added, None)),
            Some(old) if old.hash == file.hash => {}
            Some(_) => changes.push(change(file, Change::Changed, unified(before, part, file))),
        }
    }
    let kept = |path: &Path| part.manifest.files.iter().any(|file| file.path == path);
    let old = before.manifest.iter().flat_map(|manifest| &manifest.files);
    changes.extend(old.filter(|file| !kept(&file.path)).map(|file| change(file, Change::Removed, None)));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

fn change(file: &FileEntry, change: Change, diff: Option<String>) -> FileChange {
    FileChange { path: file.path.clone(), change, secret: is_secret(file), diff }
}

fn unified(before: &Before, part: &HostRelease, file: &FileEntry) -> Option<String> {
    let old = before.texts.get(&file.path).filter(|_| !is_secret(file))?;
    let new = text(part, &file.path)?;
    Some(TextDiff::from_lines(old.as_str(), new).unified_diff().context_radius(CONTEXT).to_string())
}

fn text<'a>(part: &'a HostRelease, path: &Path) -> Option<&'a str> {
    let file = part.manifest.files.iter().find(|file| file.path == path)?;
    std::str::from_utf8(part.blobs.get(&file.hash)?).ok()
}

/// Why a node that runs with the host's current release has to restart, in words; at least one reason.
pub(super) fn reasons(before: &Before, part: &HostRelease, node: &ManifestNode) -> Vec<String> {
    let mut why = Vec::new();
    if let (Some(manifest), Some(old)) = (&before.manifest, before.node(&node.name)) {
        if manifest.binary != part.manifest.binary {
            why.push(format!("program {} -> {}", short(&manifest.binary), short(&part.manifest.binary)));
        }
        if old.pin_cpus != node.pin_cpus {
            why.push(format!("`pin_cpus` {:?} -> {:?}", old.pin_cpus, node.pin_cpus));
        }
        why.extend(node.limits.at_start().differences(&old.limits.at_start()));
        if old.command != node.command {
            why.push("its command changed".to_owned());
        }
        why.extend(environment(&old.env, &node.env));
        why.extend(configuration(before, part, old, node).iter().filter_map(|key| key.in_words(&node.name)));
        why.extend(keys_changed(before, part).then(|| "new keys".to_owned()));
        why.extend(scripts(before, part, node));
    }
    why.dedup();
    if why.is_empty() {
        why.push("its configuration changed".to_owned());
    }
    why
}

/// What a running node takes over, in words; at least one reason.
pub(super) fn live_reasons(before: &Before, part: &HostRelease, node: &ManifestNode) -> Vec<String> {
    let changed = before.node(&node.name).map(|old| configuration(before, part, old, node)).unwrap_or_default();
    let is_live = |change: &&KeyChange| live::is_live_key(&change.key);
    let mut why: Vec<String> = changed.iter().filter(is_live).filter_map(|key| key.in_words(&node.name)).collect();
    let limits = before.node(&node.name).map(|old| node.limits.live().differences(&old.limits.live()));
    why.extend(limits.into_iter().flatten());
    if why.is_empty() || changed.iter().any(|change| change.key.starts_with("nodes.")) {
        why.insert(0, "the table of nodes changed".to_owned());
    }
    why
}

/// Why the nodes of both releases cannot work side by side, when they cannot.
pub(super) fn splits(before: &Before, part: &HostRelease) -> Option<String> {
    if keys_changed(before, part) {
        return Some("the keys change".to_owned());
    }
    part.manifest.nodes.iter().find_map(|node| {
        let changed = configuration(before, part, before.node(&node.name)?, node);
        let splitting = SPLITTING.iter().find(|(key, _)| changed.iter().any(|change| change.key == *key));
        splitting.map(|(_, why)| (*why).to_owned())
    })
}

/// Values of the environment may be secrets: only names are said.
fn environment(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let said = differing.map(|name| match (old.contains_key(name), new.contains_key(name)) {
        (false, _) => format!("`env_vars` sets {name}"),
        (true, false) => format!("`env_vars` no longer sets {name}"),
        (true, true) => format!("`env_vars` sets {name} to something else"),
    });
    said.collect()
}

/// Both or neither have keys, and they differ; switching encryption on or off is seen in the configuration.
fn keys_changed(before: &Before, part: &HostRelease) -> bool {
    let mut keys = part.manifest.files.iter().filter(|file| is_secret(file));
    keys.any(|file| before.file(&file.path).is_some_and(|old| old.hash != file.hash))
}

/// A real Zeek reads its scripts at its start.
fn scripts(before: &Before, part: &HostRelease, node: &ManifestNode) -> Vec<String> {
    if !node.live.is_empty() {
        return Vec::new();
    }
    let scripts = part.manifest.files.iter().filter(|file| file.path.extension().is_some_and(|ext| ext == "zeek"));
    let changed = scripts.filter(|file| before.file(&file.path).is_none_or(|old| old.hash != file.hash));
    changed.map(|file| format!("{} changed", file.path.display())).collect()
}

/// A key of a node's configuration that differs.
#[derive(Debug, PartialEq)]
struct KeyChange {
    key: String,
    old: Option<Value>,
    new: Option<Value>,
}

impl KeyChange {
    /// None for what is no reason to restart: other nodes' entries of the table.
    fn in_words(&self, node: &str) -> Option<String> {
        if self.key == "zeromq.connect_log_endpoints" {
            return Some("the addresses of the log receivers changed".to_owned());
        }
        let key = match self.key.strip_prefix("nodes.") {
            Some(entry) => entry.strip_prefix(node)?.strip_prefix('.')?,
            None => self.key.trim_start_matches("zeek.").trim_start_matches("options."),
        };
        Some(match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("`{key}` {} -> {}", shown(old), shown(new)),
            (None, Some(new)) => format!("`{key}` is set to {}", shown(new)),
            (Some(old), None) => format!("`{key}` is no longer set to {}", shown(old)),
            (None, None) => return None,
        })
    }
}

fn configuration(before: &Before, part: &HostRelease, old: &ManifestNode, new: &ManifestNode) -> Vec<KeyChange> {
    let parse = |text: &str| serde_yaml::from_str::<Value>(text).ok();
    let (Some(old), Some(new)) =
        (before.texts.get(&old.config).and_then(|text| parse(text)), text(part, &new.config).and_then(parse))
    else {
        return Vec::new();
    };
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    flatten(String::new(), &old, &mut was);
    flatten(String::new(), &new, &mut is);
    let keys: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = keys.into_iter().filter(|key| was.get(*key) != is.get(*key));
    differing.map(|key| KeyChange { key: key.clone(), old: was.get(key).cloned(), new: is.get(key).cloned() }).collect()
}

/// Every value by its dotted key; entries of a list with names are keyed by them, other lists are one value.
fn flatten(key: String, value: &Value, into: &mut BTreeMap<String, Value>) {
    let join = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Mapping(map) => {
            for (name, value) in map {
                flatten(join(name.as_str().unwrap_or_default()), value, into);
            }
        }
        Value::Sequence(list) if list.iter().all(|entry| name_of(entry).is_some()) && !list.is_empty() => {
            for entry in list {
                flatten(join(name_of(entry).unwrap_or_default()), entry, into);
            }
        }
        Value::Null => {}
        other => {
            into.insert(key, other.clone());
        }
    }
}

fn name_of(entry: &Value) -> Option<&str> {
    entry.get("name")?.as_str()
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The first digits of a hash.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..SHOWN_HASH).unwrap_or(hash)
}
