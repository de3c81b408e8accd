//! What a member hears, one event after the other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::cluster::{ClusterEvent, Heard, Listening, RemoteEvent};

/// The events of a member: `Cluster::hello`, `Cluster::node_up`, `Cluster::node_down`, and those of others on its own topics
/// and on the ones that it subscribed to. A node never receives its own publications, and an event on several of its
/// prefixes once. Events of one node keep their order; its `node_down` may overtake the last of them, since subscriptions travel
/// on another path.
///
/// **Bound**: at most [`events_capacity`](super::ClusterBuilder::events_capacity) events wait here; while they do, further
/// ones are dropped and [counted](Events::missed). The node itself is never held up: it stays up for the others.
///
/// Also a [`Stream`], for `futures_util::StreamExt`.
#[derive(Debug)]
pub struct Events {
    heard: Listening,
}

impl Events {
    pub(super) fn new(heard: Listening) -> Events {
        Events { heard }
    }

    /// The next event; none when the member has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ClusterEvent> {
        self.heard.next().await.map(event)
    }

    /// What is there already; none when there is nothing now.
    pub fn try_next(&mut self) -> Option<ClusterEvent> {
        self.heard.try_next().map(event)
    }

    /// Waits until `Cluster::node_up` of that node and gives its id; events before it are dropped. None when the member has
    /// ended. Cancel-safe, but what was dropped stays so.
    pub async fn node_up(&mut self, node: &str) -> Option<String> {
        loop {
            match self.next().await? {
                ClusterEvent::NodeUp { name, id } if name == node => return Some(id),
                _ => {}
            }
        }
    }

    /// How many events were dropped because nobody took them in time; only rises.
    pub fn missed(&self) -> u64 {
        self.heard.missed()
    }
}

impl Stream for Events {
    type Item = ClusterEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ClusterEvent>> {
        self.heard.poll_next(context).map(|heard| heard.map(event))
    }
}

fn event(heard: Heard) -> ClusterEvent {
    match heard {
        Heard::Cluster(event) => event,
        Heard::Event(event) => {
            let RemoteEvent { topic, sender, event } = Arc::unwrap_or_clone(event);
            ClusterEvent::Remote { topic, sender, event }
        }
    }
}
