//! The handshake as Zeek does it, frame by frame.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::world::{World, entry};
use crate::cluster::{Audience, ClusterEvent, Command, Core, Effect, Hooks, Input, Now, Settings};
use crate::data::{Data, Event, NodeType};
use crate::transport::{EventFrame, Inbound, LinkEvent};
use crate::wire::broker_bin;

const PEER: &str = "zeromq_worker-1_h_2_Nb";

/// A core of its own, without a network: the manager `zeromq_manager_h_1_Na`.
pub struct Alone {
    pub core: Core,
    pub millis: u64,
}

impl Alone {
    pub fn new() -> Alone {
        let layout = ["manager", "worker-1", "worker-2", "control"].map(entry).to_vec();
        let settings = Settings::new("manager", "zeromq_manager_h_1_Na", layout, true);
        let mut alone = Alone { core: Core::new(settings, Hooks::default()), millis: 0 };
        alone.step(Input::Start);
        alone.step(Input::Inbound(Inbound::Link(LinkEvent::Up)));
        alone
    }

    pub fn step(&mut self, input: Input) -> Vec<String> {
        let now = Now { elapsed: Duration::from_millis(self.millis), wall: 1e9 };
        self.core.step(input, now).iter().map(word).collect()
    }

    /// Lets that many milliseconds pass, at the deadlines that the core names.
    pub fn wait(&mut self, millis: u64) -> Vec<String> {
        let end = self.millis + millis;
        let mut words = Vec::new();
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= Duration::from_millis(end)) {
            self.millis = self.millis.max(at.as_micros().div_ceil(1000) as u64);
            words.extend(self.step(Input::Timer));
        }
        self.millis = end;
        words
    }

    pub fn subscription(&mut self, id: &str) -> Vec<String> {
        self.step(Input::Inbound(Inbound::Subscription(format!("zeek.cluster.nodeid.{id}.").into_bytes())))
    }

    pub fn unsubscription(&mut self, id: &str) -> Vec<String> {
        self.step(Input::Inbound(Inbound::Unsubscription(format!("zeek.cluster.nodeid.{id}.").into_bytes())))
    }

    pub fn greeting(&mut self, name: &str, id: &str) -> Vec<String> {
        self.event("Cluster::Backend::ZeroMQ::hello", name, id)
    }

    pub fn hello(&mut self, name: &str, id: &str) -> Vec<String> {
        self.event("Cluster::hello", name, id)
    }

    pub fn link_lost_and_back(&mut self) {
        self.step(Input::Inbound(Inbound::Link(LinkEvent::Down)));
        self.step(Input::Inbound(Inbound::Link(LinkEvent::Up)));
    }

    pub fn foreign_event(&mut self, sender: &str) -> Vec<String> {
        let event = Event::new("ping", Vec::new());
        self.step(Input::Inbound(Inbound::Event(frame(sender, broker_bin::encode_event(&event)))))
    }

    fn event(&mut self, what: &str, name: &str, id: &str) -> Vec<String> {
        let event = Event::new(what, vec![Data::string(name), Data::string(id)]);
        self.step(Input::Inbound(Inbound::Event(frame(id, broker_bin::encode_event(&event)))))
    }
}

pub fn frame(sender: &str, payload: Vec<u8>) -> EventFrame {
    EventFrame {
        topic: Bytes::from_static(b"zeek.cluster.nodeid.zeromq_manager_h_1_Na."),
        sender: Bytes::copy_from_slice(sender.as_bytes()),
        format: Bytes::from_static(b"broker-bin-v1"),
        payload: payload.into(),
    }
}

/// An effect in a few words.
fn word(effect: &Effect) -> String {
    match effect {
        Effect::Subscribe(topic) => format!("subscribe {topic}"),
        Effect::Unsubscribe(topic) => format!("unsubscribe {topic}"),
        Effect::Publish(frame) => {
            let event = broker_bin::decode_event(&frame.payload).unwrap();
            let topic = String::from_utf8(frame.topic.to_vec()).unwrap();
            format!("{} to {topic}", String::from_utf8(event.name).unwrap())
        }
        Effect::Log(record) => format!("log {}", record.message),
        Effect::Raise(ClusterEvent::Hello { name, id }) => format!("hello {name} {id}"),
        Effect::Raise(ClusterEvent::NodeUp { name, id }) => format!("up {name} {id}"),
        Effect::Raise(ClusterEvent::NodeDown { name, id }) => format!("down {name} {id}"),
        Effect::Raise(ClusterEvent::Remote { event, .. }) => format!("event {}", event.name.escape_ascii()),
        Effect::Raise(client) => format!("{client:?}"),
        Effect::Report(report) => format!("{:?} {}", report.severity, report.text),
    }
}

#[test]
fn subscriptions_go_out_in_zeek_s_order_with_nodeid_and_node_last() {
    let check = |name: &str, manager_is_logger: bool, expected: &[&str]| {
        let mut layout = ["manager", "logger-1", "proxy-1", "worker-1", "control"].map(entry).to_vec();
        if manager_is_logger {
            layout.remove(1);
        }
        let settings = Settings::new(name, "I", layout, manager_is_logger);
        let now = Now { elapsed: Duration::ZERO, wall: 0.0 };
        let effects = Core::new(settings, Hooks::default()).step(Input::Start, now);
        let words: Vec<String> = effects.iter().map(word).collect();
        let expected: Vec<String> = expected.iter().map(|topic| format!("subscribe {topic}")).collect();
        assert_eq!(words, expected, "{name}");
    };
    let own = |name: &'static str| ["zeek.cluster.nodeid.I.".to_owned(), format!("zeek.cluster.node.{name}.")];
    for (name, pool) in [("worker-1", "worker"), ("proxy-1", "proxy"), ("logger-1", "logger")] {
        let pool_topic = format!("zeek.cluster.pool.{pool}");
        let type_topic = format!("zeek.cluster.{pool}");
        let [id, node] = own(name);
        check(name, false, &["zeek/supervisor", "zeek/table/", &pool_topic, &type_topic, &id, &node]);
    }
    let [id, node] = own("manager");
    check("manager", false, &["zeek/supervisor", "zeek/table/", "zeek.cluster.manager", &id, &node]);
    let both = ["zeek/supervisor", "zeek/table/", "zeek.cluster.pool.logger", "zeek.cluster.manager", &id, &node];
    check("manager", true, &both);
    let [id, node] = own("control");
    check("control", false, &["zeek/supervisor", "zeek/table/", &id, &node]);
    check("stranger", false, &[]);
}

#[test]
fn two_healthy_nodes_exchange_four_events() {
    let mut manager = Alone::new();
    let topic = format!("zeek.cluster.nodeid.{PEER}.");
    assert_eq!(manager.subscription(PEER), [format!("Cluster::Backend::ZeroMQ::hello to {topic}")]);
    assert!(manager.greeting("worker-1", PEER).is_empty(), "Cluster::hello waits a little");
    assert_eq!(manager.wait(20), [format!("Cluster::hello to {topic}")]);
    let expected = [
        format!("up worker-1 {PEER}"),
        format!("hello worker-1 {PEER}"),
        format!("log got hello from worker-1 ({PEER})"),
    ];
    assert_eq!(manager.hello("worker-1", PEER), expected);
    assert_eq!(manager.core.get_active_node_count(NodeType::Worker), 1);
    assert_eq!(manager.core.get_active_node_count(NodeType::Manager), 0, "a node never counts itself");
    assert_eq!(manager.core.get_node_count(NodeType::Worker), 2);
    assert_eq!(manager.core.nodeid_to_node(PEER).name, "worker-1");
    assert_eq!(manager.core.nodeid_to_node("zeromq_manager_h_1_Na").name, "");
    assert!(manager.wait(60_000).is_empty(), "a finished handshake leaves nothing behind");
    let expected = [format!("down worker-1 {PEER}"), "log node down: worker-1".to_owned()];
    assert_eq!(manager.unsubscription(PEER), expected);
    assert_eq!(manager.core.get_active_node_count(NodeType::Worker), 0);
}

#[test]
fn a_greeting_before_the_subscription_is_answered_when_that_comes() {
    let mut manager = Alone::new();
    assert!(manager.greeting("worker-1", PEER).is_empty());
    let topic = format!("zeek.cluster.nodeid.{PEER}.");
    assert_eq!(manager.subscription(PEER), [format!("Cluster::Backend::ZeroMQ::hello to {topic}")]);
    assert_eq!(manager.wait(20), [format!("Cluster::hello to {topic}")]);
}

#[test]
fn half_handshakes_expire_in_zeek_s_words() {
    let mut manager = Alone::new();
    manager.greeting("worker-1", "a");
    assert_eq!(manager.wait(10_000), ["Warning Expired hello from nodeid a"]);
    let mut manager = Alone::new();
    manager.subscription("b");
    assert!(manager.wait(10_000).contains(&"Warning Expired subscription from nodeid b".to_owned()));
    let mut manager = Alone::new();
    assert_eq!(manager.unsubscription("c"), ["Warning unsubscription of unknown node with id 'c'"]);
}

#[test]
fn hellos_of_unknown_names_are_refused_in_zeek_s_words() {
    let mut manager = Alone::new();
    manager.subscription("x");
    assert_eq!(manager.hello("stranger", "x")[0], "Error Got Cluster::hello msg from unexpected node: stranger");
    let expected = "Error another process says hello as 'manager', the name of this node (id:y)";
    assert_eq!(manager.hello("manager", "y"), [expected]);
    assert_eq!(manager.core.get_active_node_count(NodeType::Manager), 0);
}

#[test]
fn a_control_entry_is_a_peer_like_any_other() {
    let mut manager = Alone::new();
    manager.subscription("c");
    manager.greeting("control", "c");
    assert_eq!(manager.hello("control", "c")[0], "up control c");
    assert_eq!(manager.core.get_active_node_count(NodeType::Control), 1);
}

#[test]
fn a_repeated_hello_is_logged_again_and_raises_no_second_node_up() {
    let mut manager = Alone::new();
    manager.subscription(PEER);
    manager.greeting("worker-1", PEER);
    manager.hello("worker-1", PEER);
    let again = manager.hello("worker-1", PEER);
    assert!(again.contains(&format!("log got hello from worker-1 ({PEER})")));
    assert!(!again.iter().any(|word| word.starts_with("up ")));
}

#[test]
fn unreadable_events_are_counted_and_reported() {
    let mut manager = Alone::new();
    let words = manager.step(Input::Inbound(Inbound::Event(frame("x", vec![0xff, 0x00]))));
    assert!(words[0].starts_with("Error Failed to unserialize message: zeek.cluster.nodeid."), "{words:?}");
    let mut other = frame("x", Vec::new());
    other.format = Bytes::from_static(b"broker-json-v1");
    let words = manager.step(Input::Inbound(Inbound::Event(other)));
    assert_eq!(words, ["Error ProcessEventMessage: Wrong format: broker-json-v1 vs broker-bin-v1 (from x)"]);
    let hello = Event::new("Cluster::hello", vec![Data::Count(1)]);
    let words = manager.step(Input::Inbound(Inbound::Event(frame("x", broker_bin::encode_event(&hello)))));
    assert!(words[0].starts_with("Error Failed to unserialize message"), "{words:?}");
    assert_eq!(manager.core.counters().bad_events, 3);
}

#[test]
fn own_subscriptions_reach_the_hub_once_however_often_they_are_asked_for() {
    let mut manager = Alone::new();
    let subscribe = || Input::Command(Command::Subscribe("t".to_owned()));
    let unsubscribe = || Input::Command(Command::Unsubscribe("t".to_owned()));
    assert_eq!(manager.step(subscribe()), ["subscribe t"]);
    assert!(manager.step(subscribe()).is_empty());
    assert!(manager.step(unsubscribe()).is_empty());
    assert_eq!(manager.step(unsubscribe()), ["unsubscribe t"]);
    assert!(manager.step(unsubscribe()).is_empty());
}

#[test]
fn a_node_of_a_layout_that_grows_is_taken_in_without_a_restart() {
    let mut world = World::settled(1, &["manager", "worker-1"]);
    let grown = ["manager", "worker-1", "worker-2"].map(entry).to_vec();
    world.layout = grown.iter().cloned().map(Arc::new).collect();
    world.start("worker-2");
    world.run(Duration::from_secs(1));
    assert!(world.processes["manager"].warned("Got Cluster::hello msg from unexpected node: worker-2"));
    world.input("manager", Input::Layout(grown.clone()));
    world.input("worker-1", Input::Layout(grown));
    world.run(Duration::from_secs(1));
    world.assert_all_see_each_other();
    let shrunk = ["manager", "worker-1"].map(entry).to_vec();
    world.input("manager", Input::Layout(shrunk));
    assert_eq!(world.processes["manager"].downs("worker-2"), 1);
}

#[test]
fn events_without_listeners_are_counted_and_not_decoded() {
    let mut manager = Alone::new();
    manager.core.set_audience(Audience::Core);
    assert!(manager.foreign_event("x").is_empty());
    let words = manager.step(Input::Inbound(Inbound::Event(frame("x", vec![0xff, 0x00]))));
    assert!(words[0].ends_with("(from x) (decode octet 0: expected a type tag from 0 to 14, found 255)"), "{words:?}");
    manager.subscription(PEER);
    manager.greeting("worker-1", PEER);
    assert!(manager.hello("worker-1", PEER).contains(&format!("up worker-1 {PEER}")), "hellos are still read");
}
