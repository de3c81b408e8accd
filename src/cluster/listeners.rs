//! Everybody who listens at one core: who hears what, and which topics still wait for their echo.

use std::collections::HashSet;
use std::sync::Arc;

use super::event::{ClusterEvent, Command};
use super::handle::{Heard, Listener, RemoteEvent};

/// The listeners of one core.
#[derive(Default)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Topics that came back through the hub since the connection is up, among those that somebody listens to.
    echoed: HashSet<String>,
}

impl Listeners {
    /// Takes a listener in; its subscriptions are to be performed.
    pub fn add(&mut self, mut listener: Listener) -> Vec<Command> {
        let topics = listener.wish.topics.clone();
        settle(&mut listener, &self.echoed);
        self.all.push(listener);
        topics.into_iter().map(Command::Subscribe).collect()
    }

    /// Forgets those who left; their subscriptions are to be taken back.
    pub fn sweep(&mut self) -> Vec<Command> {
        let gone: Vec<Listener> = self.all.extract_if(.., |listener| listener.is_gone()).collect();
        let topics: Vec<String> = gone.into_iter().flat_map(|listener| listener.wish.topics).collect();
        self.echoed.retain(|topic| self.all.iter().any(|listener| listener.wish.topics.contains(topic)));
        topics.into_iter().map(Command::Unsubscribe).collect()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A subscription became visible at the hub.
    pub fn subscribed(&mut self, topic: &[u8]) {
        let Ok(topic) = std::str::from_utf8(topic) else { return };
        if !self.all.iter().any(|listener| listener.wish.topics.iter().any(|wanted| wanted == topic)) {
            return;
        }
        self.echoed.insert(topic.to_owned());
        self.all.iter_mut().for_each(|listener| settle(listener, &self.echoed));
    }

    /// The connection to the hub is gone; everything will be told again.
    pub fn link_down(&mut self) {
        self.echoed.clear();
    }

    /// Whether somebody left since the last sweep.
    pub fn has_gone(&self) -> bool {
        self.all.iter().any(Listener::is_gone)
    }

    /// Hands an event to all who want it.
    pub fn event(&self, event: RemoteEvent) {
        let event = Arc::new(event);
        for listener in self.all.iter().filter(|listener| listener.wants(&event)) {
            listener.tell(Heard::Event(Arc::clone(&event)));
        }
    }

    /// Tells of hellos and of nodes that come and go.
    pub fn membership(&self, event: &ClusterEvent) {
        for listener in self.all.iter().filter(|listener| listener.wish.membership) {
            listener.tell(Heard::Cluster(event.clone()));
        }
    }
}

/// Tells a listener when all its topics are in effect.
fn settle(listener: &mut Listener, echoed: &HashSet<String>) {
    if listener.wish.topics.iter().all(|topic| echoed.contains(topic))
        && let Some(confirmed) = listener.confirmed.take()
    {
        // It may have gone meanwhile.
        let _gone = confirmed.send(());
    }
}
