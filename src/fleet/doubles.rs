//! Hosts of a layout that are one machine: its agent answers under each of their names.

use std::collections::BTreeMap;

use crate::api::agent::AgentStatus;
use crate::api::outcome::ErrorInfo;

/// Two hosts or more that are one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Double {
    /// Their names, sorted.
    pub hosts: Vec<String>,
    /// The agent's process on that machine.
    pub pid: u32,
    /// What identifies the machine and the cluster's folder on it.
    pub place: String,
}

impl Double {
    /// The names, such as `h0 and h1`, and the advice for the operator.
    pub fn error(&self) -> ErrorInfo {
        let (last, others) = self.hosts.split_last().expect("at least two hosts");
        let what = format!(
            "{} and {last} are one machine: the same agent (pid {}) answers for all of them, so what one of them is told \
             undoes what the other was told",
            others.join(", "),
            self.pid
        );
        let hint = "put their nodes on one host in the layout, and remove the other names from `hosts`".to_owned();
        ErrorInfo { what, hint: Some(hint) }
    }
}

/// The hosts that are one machine, by what their agents say.
pub fn doubles<'a>(seen: impl IntoIterator<Item = (&'a str, &'a AgentStatus)>) -> Vec<Double> {
    let mut by_place: BTreeMap<String, Double> = BTreeMap::new();
    for (host, status) in seen {
        let place = status.place_id();
        let double = Double { hosts: Vec::new(), pid: status.pid, place: place.clone() };
        by_place.entry(place).or_insert(double).hosts.push(host.to_owned());
    }
    by_place.values_mut().for_each(|double| double.hosts.sort_unstable());
    by_place.into_values().filter(|double| double.hosts.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(folder_id: Option<&str>, pid: u32) -> AgentStatus {
        let text = serde_json::json!({
            "api_version": 1, "version": "0", "binary": "", "pid": pid, "started_at": 5.0, "nodes": [],
            "folder_id": folder_id,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn one_folder_is_one_machine_however_often_its_agent_was_started() {
        let (a, b, c) = (status(Some("x"), 7), status(Some("y"), 7), status(Some("x"), 9));
        let found = doubles([("h2", &c), ("h1", &b), ("h0", &a)]);
        assert_eq!(found, [Double { hosts: vec!["h0".into(), "h2".into()], pid: 9, place: "x".into() }]);
        assert!(found[0].error().what.starts_with("h0 and h2 are one machine"));
        assert_eq!(doubles([("h0", &a), ("h1", &b)]), []);
    }

    #[test]
    fn agents_that_do_not_say_are_told_apart_by_their_process() {
        let (a, b) = (status(None, 7), status(None, 8));
        assert_eq!(doubles([("h0", &a), ("h1", &b)]), []);
        assert_eq!(doubles([("h0", &a), ("h1", &a)]).len(), 1);
    }
}
