//! Everybody who listens at one core: who hears what, and which subscriptions still wait to be in effect.
//!
//! Whether a subscription is in effect is found out as Zeek's ZeroMQ backend does: by a subscription of its own that
//! nobody else makes, sent after it on the same connection; when that one comes back from the hub, so has the other.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::event::{ClusterEvent, Command};
use super::handle::{Heard, Listener, ListenerId, RemoteEvent, Tuning};
use super::topics::INTERNAL_PREFIX;

/// Probes of callers who do not wait any more are taken back when there are so many.
const MANY_PROBES: usize = 64;

/// What is to be done when what is listened to changes.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// For the core, in this order.
    pub commands: Vec<Command>,
    /// Topics to subscribe to after them, past the core.
    pub probes: Vec<String>,
    /// Topics to take back, past the core.
    pub ended_probes: Vec<String>,
}

/// A subscription whose echo tells that those before it are in effect.
struct Probe {
    topic: String,
    confirm: oneshot::Sender<()>,
}

/// The listeners of one core.
pub struct Listeners {
    all: Vec<Listener>,
    probes: Vec<Probe>,
    probe_prefix: String,
    next_probe: u64,
}

impl Listeners {
    /// Nobody listens at the core of that node id.
    pub fn new(node_id: &str) -> Listeners {
        let probe_prefix = format!("{INTERNAL_PREFIX}{node_id}.");
        Listeners { all: Vec::new(), probes: Vec::new(), probe_prefix, next_probe: 0 }
    }

    /// Takes a listener in.
    pub fn add(&mut self, mut listener: Listener) -> Changes {
        let commands: Vec<Command> = listener.wish.topics.iter().cloned().map(Command::Subscribe).collect();
        let confirm = listener.confirm.take();
        self.all.push(listener);
        let mut changes = Changes { commands, ..Changes::default() };
        if let Some(confirm) = confirm {
            self.probe(confirm, &mut changes);
        }
        changes
    }

    /// A listener wants one topic more.
    pub fn tune(&mut self, tuning: Tuning) -> Changes {
        let Tuning { listener, topic, confirm } = tuning;
        let mut changes = Changes::default();
        // Who has left meanwhile is told by the end of its confirmation.
        if let Some(listener) = self.all.iter_mut().find(|each| each.id == listener) {
            listener.wish.topics.push(topic.clone());
            changes.commands.push(Command::Subscribe(topic));
            self.probe(confirm, &mut changes);
        }
        changes
    }

    /// A listener wants one topic less; none when it has not got it.
    pub fn untune(&mut self, listener: ListenerId, topic: &str) -> Option<Command> {
        let topics = &mut self.all.iter_mut().find(|each| each.id == listener)?.wish.topics;
        let at = topics.iter().position(|each| each == topic)?;
        Some(Command::Unsubscribe(topics.swap_remove(at)))
    }

    /// Forgets those who left; their subscriptions are to be taken back.
    pub fn sweep(&mut self) -> Changes {
        let gone = self.all.extract_if(.., |listener| listener.is_gone());
        let commands = gone.flat_map(|listener| listener.wish.topics).map(Command::Unsubscribe).collect();
        let mut changes = Changes { commands, ..Changes::default() };
        self.end_probes(&mut changes);
        changes
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A subscription came back from the hub; a probe is to be taken back.
    pub fn subscribed(&mut self, topic: &[u8]) -> Option<String> {
        let at = self.probes.iter().position(|probe| probe.topic.as_bytes() == topic)?;
        let probe = self.probes.remove(at);
        // Whoever asked may have gone meanwhile.
        let _gone = probe.confirm.send(());
        Some(probe.topic)
    }

    /// Whether somebody left since the last sweep.
    pub fn has_gone(&self) -> bool {
        self.all.iter().any(Listener::is_gone)
    }

    /// Hands an event to all who want it; it may be one for the node itself.
    pub fn event(&self, event: RemoteEvent, for_this_node: bool) {
        let event = Arc::new(event);
        for listener in self.all.iter().filter(|listener| listener.wants(&event, for_this_node)) {
            listener.tell(Heard::Event(Arc::clone(&event)));
        }
    }

    /// Tells of hellos, of nodes and of WebSocket clients that come and go.
    pub fn membership(&self, event: &ClusterEvent) {
        for listener in self.all.iter().filter(|listener| listener.wish.membership) {
            listener.tell(Heard::Cluster(event.clone()));
        }
    }

    fn probe(&mut self, confirm: oneshot::Sender<()>, changes: &mut Changes) {
        if self.probes.len() >= MANY_PROBES {
            self.end_probes(changes);
        }
        let topic = format!("{}{}.", self.probe_prefix, self.next_probe);
        self.next_probe += 1;
        changes.probes.push(topic.clone());
        self.probes.push(Probe { topic, confirm });
    }

    /// Takes back the probes that nobody waits for.
    fn end_probes(&mut self, changes: &mut Changes) {
        let ended = self.probes.extract_if(.., |probe| probe.confirm.is_closed());
        changes.ended_probes.extend(ended.map(|probe| probe.topic));
    }
}
