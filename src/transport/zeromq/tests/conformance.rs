//! The common suite, over a real hub; links are cut by TCP relays.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::relay::Relay;
use super::{ANY_PORT, hub};
use crate::transport::conformance::{Harness, Member, suite};
use crate::transport::zeromq::socket::{Context, ContextOptions, Kind, More, Opt, Socket};
use crate::transport::zeromq::{Hub, HubOptions, Options};

struct Zeromq {
    hub: Option<Hub>,
    relays: BTreeMap<String, [Relay; 2]>,
    log_endpoints: Vec<String>,
    foreign: Context,
    foreign_xpub: Socket,
    foreign_push: BTreeMap<String, Socket>,
}

impl Zeromq {
    fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("running")
    }

    fn options(&mut self, id: &str) -> Options {
        let relays = [Relay::to(self.hub().xsub_endpoint()), Relay::to(self.hub().xpub_endpoint())];
        let options = Options {
            connect_xpub_endpoint: relays[0].endpoint(),
            connect_xsub_endpoint: relays[1].endpoint(),
            ..Options::new(id)
        };
        self.relays.insert(id.to_owned(), relays);
        options
    }
}

impl Harness for Zeromq {
    fn new() -> Zeromq {
        let hub = hub();
        let foreign = Context::new(ContextOptions { io_threads: 1, ipv6: false }).expect("a context");
        let foreign_xpub = foreign.socket(Kind::Xpub).expect("a socket");
        foreign_xpub.connect(hub.xsub_endpoint()).expect("connecting");
        Zeromq {
            hub: Some(hub),
            relays: BTreeMap::new(),
            log_endpoints: Vec::new(),
            foreign,
            foreign_xpub,
            foreign_push: BTreeMap::new(),
        }
    }

    fn join(&mut self, id: &str) -> Member {
        let connect_log_endpoints = self.log_endpoints.clone();
        let options = self.options(id);
        super::member(Options { connect_log_endpoints, ..options })
    }

    fn join_logger(&mut self, id: &str) -> Member {
        let options = self.options(id);
        let member = super::member(Options { listen_log_endpoint: Some(ANY_PORT.to_owned()), ..options });
        let endpoint = member.log_endpoint.clone().expect("a logger listens");
        let push = self.foreign.socket(Kind::Push).expect("a socket");
        push.set(Opt::Linger, 0).expect("an option");
        push.connect(&endpoint).expect("connecting");
        self.foreign_push.insert(endpoint.clone(), push);
        self.log_endpoints.push(endpoint);
        member
    }

    fn cut(&mut self, id: &str) {
        self.relays.get_mut(id).expect("a member").iter_mut().for_each(Relay::cut);
    }

    fn heal(&mut self, id: &str) {
        self.relays.get_mut(id).expect("a member").iter_mut().for_each(Relay::heal);
    }

    fn restart_hub(&mut self) {
        let hub = self.hub.take().expect("running");
        let options = HubOptions {
            listen_xpub_endpoint: hub.xpub_endpoint().to_owned(),
            listen_xsub_endpoint: hub.xsub_endpoint().to_owned(),
            ..HubOptions::default()
        };
        drop(hub);
        self.hub = Some(Hub::start(options, |_| {}).expect("the ports are still free"));
    }

    fn publish_raw(&mut self, parts: &[Bytes]) {
        // The foreign node publishes only what it knows to be wanted, so it has to have heard of it.
        super::until("the subscription at the foreign node", || {
            self.foreign_xpub.receive_part().is_ok_and(|part| part.as_ref() == [&[1], &parts[0][..]].concat())
                || self.hub().counters().frontend_messages_received > 0
        });
        send_raw(&self.foreign_xpub, parts);
        let sent = self.hub().counters().frontend_messages_received;
        super::until("the foreign event at the hub", || self.hub().counters().frontend_messages_received >= sent);
    }

    fn push_raw(&mut self, logger: &Member, parts: &[Bytes]) {
        send_raw(&self.foreign_push[logger.log_endpoint.as_ref().expect("a logger")], parts);
    }

    fn pump(&mut self) -> bool {
        std::thread::sleep(Duration::from_micros(200));
        true
    }
}

/// Waits for room: a connection that still has to come about counts as none.
fn send_raw(socket: &Socket, parts: &[Bytes]) {
    for (index, part) in parts.iter().enumerate() {
        let more = if index + 1 < parts.len() { More::Yes } else { More::No };
        let mut message = crate::transport::zeromq::socket::Message::copied(part);
        super::until("room in the socket", || socket.send_part(&mut message, more).is_ok());
    }
}

suite!(Zeromq);
