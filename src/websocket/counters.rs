//! Figures of the servers and of their clients' events. Source: `websocket.md` 9.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most application names that are counted apart; strangers choose them.
const MAX_APPS: usize = 256;
/// `app` of clients that sent no name.
const UNKNOWN: &str = "unknown";
/// `app` of all clients that came when [`MAX_APPS`] names were known.
const OTHERS: &str = "others";

/// What the WebSocket servers of a node have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

/// Figures of all clients of one name, from the cluster's point of view as in Zeek.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppFigures {
    /// `zeek_cluster_websocket_outgoing_events_total`: published by clients into the cluster.
    pub outgoing_events: u64,
    /// `zeek_cluster_websocket_incoming_events_total`: received from the cluster for clients.
    pub incoming_events: u64,
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
}

impl ServerCounters {
    pub(super) fn figures(&self, address: &str) -> ServerFigures {
        ServerFigures {
            tag: format!("WebSocketEventDispatcher:{address}"),
            queue_blocks: self.queue_blocks.get(),
            clients: self.clients.get(),
            too_many: self.too_many.get(),
            refused: self.refused.get(),
        }
    }
}

/// Counters of all clients of one name.
#[derive(Debug, Default)]
pub(super) struct AppCounters {
    pub(super) outgoing_events: Figure,
    pub(super) incoming_events: Figure,
    pub(super) missed_events: Figure,
    pub(super) bad_messages: Figure,
}

/// Counters by application name.
#[derive(Debug, Default)]
pub(super) struct Apps(Mutex<BTreeMap<String, Arc<AppCounters>>>);

impl Apps {
    /// The counters of a client.
    pub(super) fn of(&self, name: Option<&str>) -> Arc<AppCounters> {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.filter(|name| !name.is_empty()).unwrap_or(UNKNOWN);
        let name = if apps.len() < MAX_APPS || apps.contains_key(name) { name } else { OTHERS };
        Arc::clone(apps.entry(name.to_owned()).or_default())
    }

    pub(super) fn figures(&self) -> BTreeMap<String, AppFigures> {
        let figures = |counters: &AppCounters| AppFigures {
            outgoing_events: counters.outgoing_events.get(),
            incoming_events: counters.incoming_events.get(),
            missed_events: counters.missed_events.get(),
            bad_messages: counters.bad_messages.get(),
        };
        let apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        apps.iter().map(|(name, counters)| (name.clone(), figures(counters))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_make_names_without_end() {
        let apps = Apps::default();
        apps.of(None).outgoing_events.add(1);
        apps.of(Some("")).outgoing_events.add(1);
        for n in 0..10_000 {
            apps.of(Some(&format!("app-{n}"))).incoming_events.add(1);
        }
        let figures = apps.figures();
        assert_eq!(figures.len(), MAX_APPS + 1);
        assert_eq!(figures[UNKNOWN].outgoing_events, 2);
        assert_eq!(figures["app-7"].incoming_events, 1);
        assert_eq!(figures[OTHERS].incoming_events, 10_001 - MAX_APPS as u64);
    }
}
