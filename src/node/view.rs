//! What the node says of itself on its socket.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::api::node::{NodeView, PeerView, ProgramView, Trouble};
use crate::cluster::Core;

/// Seconds since the epoch.
pub(super) fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Follows whether the node has joined, and paints its [`NodeView`].
#[derive(Debug)]
pub(super) struct Viewer {
    started_at: f64,
    joined: bool,
    joined_since: f64,
}

impl Viewer {
    pub(super) fn new(started_at: f64) -> Viewer {
        Viewer { started_at, joined: false, joined_since: started_at }
    }

    pub(super) fn view(
        &mut self,
        core: &Core,
        program: Option<ProgramView>,
        troubles: Vec<Trouble>,
        counters: BTreeMap<String, u64>,
        now: f64,
    ) -> NodeView {
        let not_joined_because = core.not_joined_because();
        if self.joined != not_joined_because.is_none() {
            self.joined = !self.joined;
            self.joined_since = now;
        }
        let peers = core.peers().map(|peer| PeerView {
            peer: peer.entry.name.clone(),
            node_type: peer.entry.node_type,
            id: peer.id.clone(),
            up: peer.id.is_some(),
            since: peer.since,
        });
        NodeView {
            name: core.node().to_owned(),
            node_type: core.local_node_type(),
            id: core.node_id().to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            joined: self.joined,
            joined_since: self.joined_since,
            not_joined_because,
            troubles,
            peers: peers.collect(),
            counts: core.counts(),
            program,
            counters,
        }
    }
}
