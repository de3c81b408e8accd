//! Who is in a cluster, as somebody sees it who takes no part: from subscriptions, and from hellos that pass.

use std::collections::BTreeMap;

use super::topics::Topics;
use crate::data::{Data, Event};

/// How many ids and names are remembered; a cluster has far fewer, a hostile one is cut off here.
const MOST: usize = 100_000;

/// A process that subscribed to a nodeid topic, or a node topic without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNode {
    /// Its name, where that could be found out.
    pub name: Option<String>,
    /// Its id, where a nodeid topic tells it.
    pub id: Option<String>,
}

/// Follows subscriptions and hellos.
#[derive(Debug)]
pub struct Watcher {
    topics: Topics,
    /// Name by id; the name is none until a hello told it.
    ids: BTreeMap<String, Option<String>>,
    /// Names with a node topic.
    names: BTreeMap<String, ()>,
}

impl Default for Watcher {
    fn default() -> Watcher {
        Watcher::new()
    }
}

impl Watcher {
    /// For a cluster of the ZeroMQ backend.
    pub fn new() -> Watcher {
        Watcher { topics: Topics::zeromq(), ids: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Somebody subscribed to that topic.
    pub fn subscribed(&mut self, topic: &[u8]) {
        if self.ids.len() + self.names.len() >= MOST {
            return;
        }
        if let Some(id) = self.topics.id_in(topic) {
            self.ids.entry(id.to_owned()).or_insert(None);
        } else if let Some(name) = self.topics.name_in(topic) {
            self.names.insert(name.to_owned(), ());
        }
    }

    /// Nobody is subscribed to that topic any more.
    pub fn unsubscribed(&mut self, topic: &[u8]) {
        if let Some(id) = self.topics.id_in(topic) {
            self.ids.remove(id);
        } else if let Some(name) = self.topics.name_in(topic) {
            self.names.remove(name);
        }
    }

    /// A hello tells the name that belongs to an id.
    pub fn event(&mut self, event: &Event) {
        let is_hello = event.name.ends_with(b"::hello") && event.name.starts_with(b"Cluster::");
        let [Data::String(name), Data::String(id)] = event.args.as_slice() else { return };
        let (Ok(name), Ok(id)) = (std::str::from_utf8(name), std::str::from_utf8(id)) else { return };
        if let Some(known) = self.ids.get_mut(id).filter(|_| is_hello) {
            *known = Some(name.to_owned());
        }
    }

    /// The connection is gone: whatever is known may be out of date, and will be told again.
    pub fn forget(&mut self) {
        self.ids.clear();
        self.names.clear();
    }

    /// Who is there, by name, then by id.
    pub fn nodes(&self) -> Vec<SeenNode> {
        let mut nodes: Vec<SeenNode> = self
            .ids
            .iter()
            .map(|(id, told)| SeenNode { name: told.clone().or_else(|| self.name_in_id(id)), id: Some(id.clone()) })
            .collect();
        let without_id = self.names.keys().filter(|name| !nodes.iter().any(|node| node.name.as_ref() == Some(name)));
        let without_id: Vec<SeenNode> =
            without_id.map(|name| SeenNode { name: Some(name.clone()), id: None }).collect();
        nodes.extend(without_id);
        nodes.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        nodes
    }

    /// Zeek's ids begin with `zeromq_NAME_`. Nothing is guessed: the name must have its node topic, and the longest wins.
    fn name_in_id(&self, id: &str) -> Option<String> {
        let rest = id.strip_prefix("zeromq_")?;
        let fits = |name: &&String| rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('_'));
        self.names.keys().filter(fits).max_by_key(|name| name.len()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_node_topics_and_hellos_and_are_never_guessed() {
        let mut watcher = Watcher::new();
        for topic in [
            "zeek.cluster.nodeid.zeromq_worker_1_host_5_Nx.",
            "zeek.cluster.node.worker_1.",
            "zeek.cluster.node.worker.",
            "zeek.cluster.nodeid.free-form.",
            "zeek.cluster.worker",
        ] {
            watcher.subscribed(topic.as_bytes());
        }
        let named =
            |name: Option<&str>, id: Option<&str>| SeenNode { name: name.map(Into::into), id: id.map(Into::into) };
        let expected = [
            named(None, Some("free-form")),
            named(Some("worker"), None),
            named(Some("worker_1"), Some("zeromq_worker_1_host_5_Nx")),
        ];
        assert_eq!(watcher.nodes(), expected);
        watcher.event(&Event::new("Cluster::hello", vec![Data::string("worker"), Data::string("free-form")]));
        assert_eq!(watcher.nodes()[0], named(Some("worker"), Some("free-form")));
        watcher.unsubscribed(b"zeek.cluster.nodeid.free-form.");
        assert_eq!(watcher.nodes().len(), 2);
    }
}
