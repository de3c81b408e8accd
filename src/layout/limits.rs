//! The words of a node's limits: sizes, CPUs, NUMA nodes.

use super::problem::Spanned;
use crate::api::limits::{CpuSet, Limits, Numa};

/// The highest number of a CPU or NUMA node that is taken for one.
const MAX_NUMBER: u32 = 65_535;

/// Below this no node runs, not even an idle one.
const LEAST_MEMORY: u64 = 16 << 20;

pub(crate) const EXPECTED_BYTES: &str = "a size such as `512MiB` or `4GiB`, at least 16MiB, or `none`";
pub(crate) const EXPECTED_CPUS: &str = "CPUs such as `2-5` or `0,2,4`, `auto` for one of its own, or `all`";
pub(crate) const EXPECTED_NUMA: &str = "NUMA nodes such as `0` or `0-1`, `local`, `interleave` or `none`";

/// The limits that a file declares, for a node or as defaults. The inner `None` lifts a default.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitsSpec {
    pub(crate) memory_max: Option<Spanned<Option<u64>>>,
    pub(crate) memory_high: Option<Spanned<Option<u64>>>,
    pub(crate) nice: Option<i32>,
    pub(crate) cpu_set: Option<Spanned<CpuChoice>>,
    pub(crate) numa: Option<Option<Numa>>,
    pub(crate) open_files: Option<u64>,
    pub(crate) core_dumps: Option<bool>,
}

/// `cpu_set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CpuChoice {
    All,
    Auto,
    List(Vec<u32>),
}

impl LimitsSpec {
    /// A node's own over the defaults. An automatic CPU gets its place when all nodes are known.
    pub(crate) fn over(&self, defaults: &LimitsSpec) -> Limits {
        let memory = |own: &Option<Spanned<Option<u64>>>, default: &Option<Spanned<Option<u64>>>| {
            own.as_ref().or(default.as_ref()).and_then(|limit| limit.value)
        };
        let cpus = self.cpu_set.as_ref().or(defaults.cpu_set.as_ref()).map(|choice| &choice.value);
        Limits {
            memory_max: memory(&self.memory_max, &defaults.memory_max),
            memory_high: memory(&self.memory_high, &defaults.memory_high),
            nice: self.nice.or(defaults.nice),
            cpu_set: match cpus {
                None | Some(CpuChoice::All) => None,
                Some(CpuChoice::Auto) => Some(CpuSet::Auto { nth: 0, avoid: Vec::new() }),
                Some(CpuChoice::List(cpus)) => Some(CpuSet::List(cpus.clone())),
            },
            numa: self.numa.clone().or_else(|| defaults.numa.clone()).flatten(),
            open_files: self.open_files.or(defaults.open_files),
            core_dumps: self.core_dumps.or(defaults.core_dumps),
        }
    }
}

/// A size in bytes, or `none`.
pub(crate) fn bytes(text: &str) -> Option<Option<u64>> {
    if text == "none" {
        return Some(None);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)?;
    let unit: u64 = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    let bytes = number * unit as f64;
    (bytes >= LEAST_MEMORY as f64 && bytes < 2f64.powi(60)).then_some(Some(bytes as u64))
}

/// The numbers of `0,2-5`: ascending, each once; none when it is no such list.
pub(crate) fn numbers(text: &str) -> Option<Vec<u32>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten().filter(|number| *number <= MAX_NUMBER)
    };
    let mut all = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let (first, last) = (number(first.trim())?, number(last.trim())?);
        if first > last {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all.into_iter().collect())
}

/// One element of `cpu_set`.
pub(crate) fn cpus(text: &str) -> Option<CpuChoice> {
    match text {
        "all" => Some(CpuChoice::All),
        "auto" => Some(CpuChoice::Auto),
        list => numbers(list).map(CpuChoice::List),
    }
}

/// One element of `numa`.
pub(crate) fn numa(text: &str) -> Option<Option<Numa>> {
    match text {
        "none" => Some(None),
        "local" => Some(Some(Numa::Local)),
        "interleave" => Some(Some(Numa::Interleave)),
        list => numbers(list).map(|nodes| Some(Numa::Bind(nodes))),
    }
}

/// A list of CPUs is one set; a word stands alone.
pub(crate) fn one_choice(choices: Vec<CpuChoice>) -> Option<CpuChoice> {
    match choices.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => {
            let lists = several.iter().map(|choice| match choice {
                CpuChoice::List(cpus) => Some(cpus),
                CpuChoice::All | CpuChoice::Auto => None,
            });
            let all: std::collections::BTreeSet<u32> =
                lists.collect::<Option<Vec<_>>>()?.into_iter().flatten().copied().collect();
            Some(CpuChoice::List(all.into_iter().collect()))
        }
    }
}

/// The same for NUMA nodes; the inner `None` is the word `none`.
pub(crate) fn one_policy(policies: Vec<Option<Numa>>) -> Option<Option<Numa>> {
    match policies.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => {
            let lists = several.iter().map(|policy| match policy {
                Some(Numa::Bind(nodes)) => Some(nodes),
                _ => None,
            });
            let all: std::collections::BTreeSet<u32> =
                lists.collect::<Option<Vec<_>>>()?.into_iter().flatten().copied().collect();
            Some(Some(Numa::Bind(all.into_iter().collect())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_a_least() {
        for (text, bytes_there) in [
            ("512MiB", 512 << 20),
            ("4G", 4u64 << 30),
            ("1.5 GiB", 3 << 29),
            ("100MB", 100_000_000),
            ("16777216", 16 << 20),
        ] {
            assert_eq!(bytes(text), Some(Some(bytes_there)), "{text}");
        }
        assert_eq!(bytes("none"), Some(None));
        for bad in ["", "5", "1MiB", "-4G", "4 parsecs", "MiB", "nan", "inf", "1e300G"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn lists_of_numbers_are_ranges_and_commas() {
        assert_eq!(numbers("2-5"), Some(vec![2, 3, 4, 5]));
        assert_eq!(numbers("7, 0,2-3,3"), Some(vec![0, 2, 3, 7]));
        for bad in ["", "5-2", "a", "1-", "-1", "1--2", "70000", "0-99999999"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
