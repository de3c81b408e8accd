//! The transport over real sockets on loopback.

mod conformance;
mod curve;
mod hub;
mod logs;
mod peer;
mod relay;
mod strangers;

use std::time::{Duration, Instant};

use super::{Hub, HubOptions, Keys, Options, start};
use crate::transport::conformance::{Harness, Member};

pub(super) const ANY_PORT: &str = "tcp://127.0.0.1:*";

/// Waits for what arrives by itself.
pub(super) struct Real;

impl Harness for Real {
    fn new() -> Real {
        Real
    }

    fn join(&mut self, _id: &str) -> Member {
        unreachable!("these tests make their members themselves")
    }

    fn join_logger(&mut self, _id: &str) -> Member {
        unreachable!("these tests make their members themselves")
    }

    fn cut(&mut self, _id: &str) {}

    fn heal(&mut self, _id: &str) {}

    fn restart_hub(&mut self) {}

    fn publish_raw(&mut self, _parts: &[bytes::Bytes]) {}

    fn push_raw(&mut self, _logger: &Member, _parts: &[bytes::Bytes]) {}

    fn pump(&mut self) -> bool {
        std::thread::sleep(Duration::from_millis(1));
        true
    }
}

pub(super) fn hub_options(keys: Option<&Keys>) -> HubOptions {
    HubOptions {
        listen_xpub_endpoint: ANY_PORT.to_owned(),
        listen_xsub_endpoint: ANY_PORT.to_owned(),
        keys: keys.cloned(),
        ..HubOptions::default()
    }
}

pub(super) fn hub() -> Hub {
    Hub::start(hub_options(None), |_| {}).expect("a hub on a free port")
}

pub(super) fn node_options(id: &str, hub: &Hub) -> Options {
    Options {
        connect_xpub_endpoint: hub.xsub_endpoint().to_owned(),
        connect_xsub_endpoint: hub.xpub_endpoint().to_owned(),
        ..Options::new(id)
    }
}

pub(super) fn member(options: Options) -> Member {
    let id = options.node_id.clone();
    let (transport, inbox) = start(options).expect("sockets");
    let log_endpoint = transport.log_endpoint().map(str::to_owned);
    Member { id, transport: Box::new(transport), inbox, log_endpoint }
}

/// Waits until a figure says so.
pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < crate::transport::conformance::DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
