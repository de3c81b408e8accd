//! Topics by number: of subscriptions, and of events with the subscriptions that are their prefixes.

use std::collections::{BTreeMap, HashMap};

/// The number of a topic that somebody subscribed to at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subscribed(pub(super) usize);

/// The number of a topic that somebody published on at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published(usize);

/// All topics of a network; as many as its tests use.
#[derive(Debug, Default)]
pub(super) struct Topics {
    subscribed: BTreeMap<Vec<u8>, Subscribed>,
    texts: Vec<Vec<u8>>,
    published: HashMap<Vec<u8>, Published>,
    /// For each published topic the subscribed ones that it begins with.
    prefixes: Vec<Vec<Subscribed>>,
    /// Published topics in order, to find those that a new subscription matches.
    in_order: BTreeMap<Vec<u8>, Published>,
}

impl Topics {
    /// The number of a topic of a subscription.
    pub(super) fn subscribed(&mut self, topic: &[u8]) -> Subscribed {
        if let Some(known) = self.subscribed.get(topic) {
            return *known;
        }
        let number = Subscribed(self.texts.len());
        self.texts.push(topic.to_vec());
        self.subscribed.insert(topic.to_vec(), number);
        let matching = self.in_order.range(topic.to_vec()..).take_while(|(text, _)| text.starts_with(topic));
        for (_, Published(at)) in matching {
            self.prefixes[*at].push(number);
        }
        number
    }

    /// The number of a topic of an event.
    pub(super) fn published(&mut self, topic: &[u8]) -> Published {
        if let Some(known) = self.published.get(topic) {
            return *known;
        }
        let number = Published(self.prefixes.len());
        let prefixes = (0..=topic.len()).filter_map(|length| self.subscribed.get(&topic[..length]).copied());
        self.prefixes.push(prefixes.collect());
        self.published.insert(topic.to_vec(), number);
        self.in_order.insert(topic.to_vec(), number);
        number
    }

    /// The subscribed topics that a published one begins with.
    pub(super) fn prefixes(&self, topic: Published) -> &[Subscribed] {
        &self.prefixes[topic.0]
    }

    /// The octets of a subscription's topic.
    pub(super) fn text(&self, topic: Subscribed) -> &[u8] {
        &self.texts[topic.0]
    }

    /// All topics of subscriptions, sorted by their octets.
    pub(super) fn by_text(&self) -> impl Iterator<Item = Subscribed> {
        self.subscribed.values().copied()
    }
}
