//! What the processes of a node may take of their host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Limits of one node; what is not set is as the agent has it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most memory of all its processes together, bytes; beyond it the kernel ends them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u64>,
    /// Memory above which its processes are slowed down and made to give some back, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_high: Option<u64>,
    /// Nice value, -20 to 19.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    /// CPUs that they may run on; `ManifestNode::pin_cpus` wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_set: Option<CpuSet>,
    /// Where their memory lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numa: Option<Numa>,
    /// Most open files of each process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Whether a crash leaves a core file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_dumps: Option<bool>,
}

/// CPUs, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuSet {
    /// These.
    List(Vec<u32>),
    /// One of its own, which the agent chooses: the node is the `nth` from 0 of the host's nodes that are given one, and
    /// others are pinned to those of `avoid`.
    Auto {
        /// Its place among them.
        nth: u32,
        /// Ascending.
        avoid: Vec<u32>,
    },
}

/// A memory policy of set_mempolicy(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numa {
    /// Only these NUMA nodes.
    Bind(Vec<u32>),
    /// The NUMA node of the CPU that asks.
    Local,
    /// All NUMA nodes in turn.
    Interleave,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }

    /// What only a start can bring about: a memory policy is a process's own affair.
    pub fn at_start(&self) -> Limits {
        Limits { numa: self.numa.clone(), ..Limits::default() }
    }

    /// What a running process can be given.
    pub fn live(&self) -> Limits {
        Limits { numa: None, ..self.clone() }
    }

    /// What differs from `old`, a sentence fragment for each key.
    pub fn differences(&self, old: &Limits) -> Vec<String> {
        let (was, is) = (old.words(), self.words());
        let keys: std::collections::BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
        let differing = keys.into_iter().filter(|key| was.get(key) != is.get(key));
        let said = differing.map(|key| match (was.get(key), is.get(key)) {
            (Some(old), Some(new)) => format!("`{key}` {old} -> {new}"),
            (None, Some(new)) => format!("`{key}` is set to {new}"),
            (Some(old), None) => format!("`{key}` is no longer set to {old}"),
            (None, None) => format!("`{key}`"),
        });
        said.collect()
    }

    /// Each key that is set, as a layout writes its value.
    pub fn words(&self) -> BTreeMap<&'static str, String> {
        let all = [
            ("memory_max", self.memory_max.map(bytes_in_words)),
            ("memory_high", self.memory_high.map(bytes_in_words)),
            ("nice", self.nice.map(|nice| nice.to_string())),
            ("cpu_set", self.cpu_set.as_ref().map(CpuSet::in_words)),
            ("numa", self.numa.as_ref().map(Numa::in_words)),
            ("open_files", self.open_files.map(|files| files.to_string())),
            ("core_dumps", self.core_dumps.map(|dumps| dumps.to_string())),
        ];
        all.into_iter().filter_map(|(key, words)| Some((key, words?))).collect()
    }
}

impl CpuSet {
    fn in_words(&self) -> String {
        match self {
            CpuSet::List(cpus) => ranges(cpus),
            CpuSet::Auto { .. } => "auto".to_owned(),
        }
    }
}

impl Numa {
    fn in_words(&self) -> String {
        match self {
            Numa::Bind(nodes) => ranges(nodes),
            Numa::Local => "local".to_owned(),
            Numa::Interleave => "interleave".to_owned(),
        }
    }
}

/// Such as `512MiB`; a number of bytes that is no whole number of a unit stays one.
pub fn bytes_in_words(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fitting = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    fitting.map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

/// Such as `0,2-5`.
pub fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let words = parts.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_a_layout_writes_them() {
        assert_eq!(
            [bytes_in_words(512 << 20), bytes_in_words(3 << 40), bytes_in_words(1001)],
            ["512MiB", "3TiB", "1001"]
        );
        assert_eq!(ranges(&[0, 2, 3, 4, 7]), "0,2-4,7");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn a_difference_names_its_key_and_both_values() {
        let old = Limits { memory_max: Some(1 << 30), nice: Some(5), ..Limits::default() };
        let new = Limits { memory_max: Some(2 << 30), cpu_set: Some(CpuSet::List(vec![2, 3])), ..Limits::default() };
        assert_eq!(
            new.differences(&old),
            ["`cpu_set` is set to 2-3", "`memory_max` 1GiB -> 2GiB", "`nice` is no longer set to 5"]
        );
        assert!(new.differences(&new).is_empty());
    }
}
