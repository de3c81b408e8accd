//! What of a node's configuration a running node of ours takes over without a restart: options ([`options::is_live`]), how
//! log files are rotated, compressed and kept, how often WebSocket clients are pinged, the intervals of clones. A real Zeek
//! reads everything at its start.

use super::options;
use crate::api::config::{Compress, NodeConfig};

/// The rest of the key of a clone's interval, after the store's name.
const INTERVALS: [&str; 3] =
    [".clone_resync_interval_s", ".clone_stale_interval_s", ".clone_mutation_buffer_interval_s"];

/// What a node that was started with `config` obeys after it was given `new`: only what it can take over is taken.
pub fn taken_over(config: &NodeConfig, new: &NodeConfig) -> NodeConfig {
    let mut config = config.clone();
    if config.zeek.is_some() {
        return config;
    }
    config.options.retain(|name, _| !options::is_live(name));
    let live = new.options.iter().filter(|(name, _)| options::is_live(name));
    config.options.extend(live.map(|(name, value)| (name.clone(), value.clone())));
    config.logging.rotation_interval_s = new.logging.rotation_interval_s;
    config.logging.compress = new.logging.compress;
    config.logging.expire_s = new.logging.expire_s;
    if let (Some(websocket), Some(new)) = (&mut config.websocket, &new.websocket) {
        websocket.ping_interval_ms = new.ping_interval_ms;
    }
    for (name, store) in &mut config.stores {
        if let Some(new) = new.stores.get(name) {
            store.clone_resync_interval_s = new.clone_resync_interval_s;
            store.clone_stale_interval_s = new.clone_stale_interval_s;
            store.clone_mutation_buffer_interval_s = new.clone_mutation_buffer_interval_s;
        }
    }
    config
}

/// What is left of a configuration when everything is away that can be taken over: two that differ in it need a restart
/// between them.
pub fn at_start(config: &NodeConfig) -> NodeConfig {
    let mut nothing = config.clone();
    nothing.options.clear();
    nothing.logging.rotation_interval_s = 0;
    nothing.logging.compress = Compress::None;
    nothing.logging.expire_s = 0;
    if let Some(websocket) = &mut nothing.websocket {
        websocket.ping_interval_ms = None;
    }
    for store in nothing.stores.values_mut() {
        store.clone_resync_interval_s = 0.0;
        store.clone_stale_interval_s = 0.0;
        store.clone_mutation_buffer_interval_s = 0.0;
    }
    taken_over(config, &nothing)
}

/// Whether a value of a configuration, by its dotted key, can be taken over by a node of ours.
pub fn is_live_key(key: &str) -> bool {
    match key.split_once('.') {
        Some(("options", name)) => options::is_live(name),
        Some(("logging", key)) => ["rotation_interval_s", "compress", "expire_s"].contains(&key),
        Some(("websocket", key)) => key == "ping_interval_ms",
        Some(("stores", rest)) => INTERVALS.iter().any(|interval| rest.ends_with(interval)),
        _ => false,
    }
}
