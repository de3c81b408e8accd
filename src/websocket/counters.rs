//! Figures of the servers and of their clients' events. Source: `websocket.md` 9.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cluster::{Kept, Topics, Traffic};
use crate::data::Event;
use crate::wire::broker_bin;

/// Most application names that are counted apart; strangers choose them.
const MAX_APPS: usize = 256;
/// `app` of clients that sent no name.
const UNKNOWN: &str = "unknown";
/// `app` of all clients that came when [`MAX_APPS`] names were known.
const OTHERS: &str = "others";

/// What the WebSocket servers of a node have counted.
#[derive(Clone, Debug, Default)]
pub struct WebSocketFigures {
    /// One for each server, in the order in which they began.
    pub servers: Vec<ServerFigures>,
    /// By `app`: the application's name, `unknown` without one, `others` beyond 256 names.
    pub apps: BTreeMap<String, AppFigures>,
}

/// Figures of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFigures {
    /// `WebSocketEventDispatcher:<addr>:<port>`.
    pub tag: String,
    /// `zeek_cluster_onloop_queue_blocks_total`: +1 for each 100 ms that a client waited for the full queue.
    pub queue_blocks: u64,
    /// Connections that are open now.
    pub clients: u64,
    /// Connections that were closed at once because there were too many.
    pub too_many: u64,
    /// Handshakes that failed: TLS, HTTP, name, or subscriptions.
    pub refused: u64,
    /// Clients that were closed because they fell too far behind with their events.
    pub behind: u64,
}

/// Figures of all clients of one name.
#[derive(Clone, Debug, Default)]
pub struct AppFigures {
    /// `zeek_cluster_websocket_*`: outgoing is what clients published into the cluster, incoming what was received from it
    /// for them; as much as `Cluster::Telemetry::websocket_metrics` says.
    pub traffic: Traffic,
    /// Events that were dropped because a client did not take them in time.
    pub missed_events: u64,
    /// Messages of clients that were answered with an error.
    pub bad_messages: u64,
}

/// A figure that only rises, or one that also falls.
#[derive(Debug, Default)]
pub(super) struct Figure(AtomicU64);

impl Figure {
    pub(super) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one server.
#[derive(Debug, Default)]
pub(super) struct ServerCounters {
    pub(super) queue_blocks: Figure,
    pub(super) clients: Figure,
    pub(super) too_many: Figure,
    pub(super) refused: Figure,
    pub(super) behind: Figure,
}

impl ServerCounters {
    pub(super) fn figures(&self, address: &str) -> ServerFigures {
        ServerFigures {
            tag: format!("WebSocketEventDispatcher:{address}"),
            queue_blocks: self.queue_blocks.get(),
            clients: self.clients.get(),
            too_many: self.too_many.get(),
            refused: self.refused.get(),
            behind: self.behind.get(),
        }
    }
}

/// Counters of all clients of one name.
#[derive(Debug)]
pub(super) struct AppCounters {
    topics: Arc<Topics>,
    traffic: Mutex<Traffic>,
    pub(super) missed_events: Figure,
    pub(super) bad_messages: Figure,
}

impl AppCounters {
    fn new(kept: Kept, topics: Arc<Topics>) -> AppCounters {
        let (missed_events, bad_messages) = (Figure::default(), Figure::default());
        AppCounters { topics, traffic: Mutex::new(Traffic::new(kept)), missed_events, bad_messages }
    }

    /// A client publishes.
    pub(super) fn outgoing(&self, topic: &[u8], event: &Event) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = size(&traffic.kept, event);
        traffic.sent(&self.topics, topic, &event.name, octets);
    }

    /// A client is sent an event.
    pub(super) fn incoming(&self, topic: &[u8], event: &Event) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = size(&traffic.kept, event);
        traffic.received(&self.topics, topic, &event.name, octets);
    }

    fn keep(&self, kept: &Kept) {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).keep(kept.clone());
    }

    fn figures(&self) -> AppFigures {
        AppFigures {
            traffic: self.traffic.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            missed_events: self.missed_events.get(),
            bad_messages: self.bad_messages.get(),
        }
    }
}

/// Octets of an event as it travels between nodes, where anybody wants to know.
fn size(kept: &Kept, event: &Event) -> usize {
    if kept.debug { broker_bin::encode_event(event).len() } else { 0 }
}

/// Counters by application name.
#[derive(Debug)]
pub(super) struct Apps {
    /// Never locked before `by_name`.
    kept: Mutex<Kept>,
    topics: Arc<Topics>,
    by_name: Mutex<BTreeMap<String, Arc<AppCounters>>>,
}

impl Apps {
    pub(super) fn new(kept: Kept, topics: Topics) -> Apps {
        Apps { kept: Mutex::new(kept), topics: Arc::new(topics), by_name: Mutex::default() }
    }

    /// The counters of a client.
    pub(super) fn of(&self, name: Option<&str>) -> Arc<AppCounters> {
        let mut apps = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.filter(|name| !name.is_empty()).unwrap_or(UNKNOWN);
        let name = if apps.len() < MAX_APPS || apps.contains_key(name) { name } else { OTHERS };
        let new = || {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Arc::new(AppCounters::new(kept, Arc::clone(&self.topics)))
        };
        Arc::clone(apps.entry(name.to_owned()).or_insert_with(new))
    }

    /// Keeps something else from now on, for clients that are there too.
    pub(super) fn keep(&self, kept: Kept) {
        let apps = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        apps.values().for_each(|app| app.keep(&kept));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    pub(super) fn figures(&self) -> BTreeMap<String, AppFigures> {
        let apps = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        apps.iter().map(|(name, counters)| (name.clone(), counters.figures())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(kept: Kept) -> Apps {
        Apps::new(kept, Topics::zeromq())
    }

    #[test]
    fn strangers_cannot_make_names_without_end() {
        let (apps, event) = (apps(Kept::default()), Event::new("ping", Vec::new()));
        apps.of(None).outgoing(b"t", &event);
        apps.of(Some("")).outgoing(b"t", &event);
        for n in 0..10_000 {
            apps.of(Some(&format!("app-{n}"))).incoming(b"t", &event);
        }
        let figures = apps.figures();
        assert_eq!(figures.len(), MAX_APPS + 1);
        assert_eq!(figures[UNKNOWN].traffic.outgoing.events, 2);
        assert_eq!(figures["app-7"].traffic.incoming.events, 1);
        assert_eq!(figures[OTHERS].traffic.incoming.events, 10_001 - MAX_APPS as u64);
    }

    #[test]
    fn sizes_are_those_of_the_event_between_nodes() {
        let apps = apps(Kept { debug: true, ..Kept::default() });
        let event = Event::new("ping", Vec::new());
        apps.of(Some("probe")).outgoing(b"t", &event);
        let sizes = &apps.figures()["probe"].traffic.outgoing.pairs["t"]["ping"];
        assert_eq!((sizes.count, sizes.octets), (1, broker_bin::encode_event(&event).len() as u64));
    }
}
