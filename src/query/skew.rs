//! Whether the agents are of this program's version, and of one build among themselves.

use std::collections::BTreeMap;

use crate::api::agent::AgentStatus;
use crate::layout::nodeset;

/// The versions of the agents that answered: by version and build, the hosts.
#[derive(Default)]
pub(super) struct Versions(BTreeMap<(String, String), Vec<String>>);

impl Versions {
    /// A host has answered.
    pub(super) fn note(&mut self, host: &str, status: &AgentStatus) {
        let key = (status.version.clone(), status.binary.clone());
        self.0.entry(key).or_default().push(host.to_owned());
    }

    /// What differs, in words: `this is zeek-cluster 0.2.0, and sensor-[1-2] have an agent of 0.1.0`.
    pub(super) fn skew(&self) -> Option<String> {
        self.against(env!("CARGO_PKG_VERSION"))
    }

    fn against(&self, own: &str) -> Option<String> {
        let hosts = |named: &[&Vec<String>]| {
            let mut names: Vec<&str> = named.iter().flat_map(|names| names.iter().map(String::as_str)).collect();
            names.sort_unstable();
            nodeset::fold(names)
        };
        let mut by_version: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
        for ((version, _), names) in &self.0 {
            by_version.entry(version).or_default().push(names);
        }
        let others: Vec<String> = by_version
            .iter()
            .filter(|(version, _)| **version != own)
            .map(|(version, named)| format!("{version} runs on {}", hosts(named)))
            .collect();
        if !others.is_empty() {
            return Some(format!("this is zeek-cluster {own}, and {}", others.join(", ")));
        }
        if self.0.len() < 2 {
            return None;
        }
        let builds = self.0.iter().map(|((_, build), names)| {
            let build: String = build.chars().take(8).collect();
            format!("{build} on {}", hosts(&[names]))
        });
        Some(format!("the hosts run different builds of zeek-cluster {own}: {}", builds.collect::<Vec<_>>().join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(agents: &[(&str, &str, &str)], expected: Option<&str>) {
        let mut versions = Versions::default();
        for (host, version, build) in agents {
            versions.0.entry(((*version).into(), (*build).into())).or_default().push((*host).into());
        }
        assert_eq!(versions.against("0.2.0").as_deref(), expected);
    }

    #[test]
    fn what_differs_is_said_with_its_hosts() {
        check(&[], None);
        check(&[("head", "0.2.0", "aa"), ("sensor-1", "0.2.0", "aa")], None);
        let old = [("head", "0.2.0", "aa"), ("sensor-2", "0.1.0", "bb"), ("sensor-1", "0.1.0", "cc")];
        check(&old, Some("this is zeek-cluster 0.2.0, and 0.1.0 runs on sensor-[1-2]"));
        let builds = [("head", "0.2.0", "aaaaaaaaaa"), ("sensor-1", "0.2.0", "bb")];
        let expected = "the hosts run different builds of zeek-cluster 0.2.0: aaaaaaaa on head, bb on sensor-1";
        check(&builds, Some(expected));
    }
}
