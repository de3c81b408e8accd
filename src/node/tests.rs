//! Nodes of one cluster, each on its own thread with its own sockets, over real ZeroMQ on loopback.

mod cluster;
mod foreign;
mod life;
mod live;
mod metrics;
mod stores;

use crate::api::config::{NodeConfig, ZeekConfig};

/// The configuration of a worker that is a real Zeek, beside a manager.
pub(super) fn zeek_config(name: &str) -> NodeConfig {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let zeek = ZeekConfig {
        prefix: None,
        interface: Some("af_packet::eth0".to_owned()),
        scripts: vec!["local".to_owned()],
        aux_scripts: vec!["tap.zeek".to_owned()],
        args: vec!["-C".to_owned()],
        env: owned(&[("SNF_FLAGS", "0x101"), ("SNF_NUM_RINGS", "2")]),
        redefs: owned(&[("AF_Packet::fanout_id", "23")]),
    };
    NodeConfig { zeek: Some(zeek), ..cluster::TestCluster::new(&["manager", name]).config(name) }
}
