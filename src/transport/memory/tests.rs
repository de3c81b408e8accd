use super::*;
use crate::transport::conformance::{self, Harness, Member as End, event, suite};

/// The network in seeded steps, so that orders differ from test to test.
struct Stepped(Network);

impl Stepped {
    fn end(&self, id: &str, role: Role) -> End {
        let (transport, inbox) = self.0.join(id, role);
        End { id: id.to_owned(), transport: Box::new(transport), inbox, log_endpoint: None }
    }
}

impl Harness for Stepped {
    fn new() -> Stepped {
        Stepped(Network::new(42))
    }

    fn join(&mut self, id: &str) -> End {
        self.end(id, Role::Sender)
    }

    fn join_logger(&mut self, id: &str) -> End {
        self.end(id, Role::Logger)
    }

    fn cut(&mut self, id: &str) {
        self.0.settle();
        self.0.cut(id);
    }

    fn heal(&mut self, id: &str) {
        self.0.heal(id);
    }

    fn restart_hub(&mut self) {
        self.0.stop_hub();
        self.0.settle();
        self.0.start_hub();
    }

    fn publish_raw(&mut self, parts: &[Bytes]) {
        self.0.publish_raw(parts);
    }

    fn push_raw(&mut self, logger: &End, parts: &[Bytes]) {
        self.0.push_raw(&logger.id, parts);
    }

    fn pump(&mut self) -> bool {
        self.0.step()
    }
}

suite!(Stepped);

fn inbound(inbox: &mut Inbox) -> Vec<Inbound> {
    std::iter::from_fn(|| inbox.try_recv().ok()).collect()
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let run = |seed| {
        let network = Network::new(seed);
        let members: Vec<_> = (0..5).map(|number| network.join(&format!("m{number}"), Role::Sender)).collect();
        for (number, (transport, _)) in members.iter().enumerate() {
            transport.subscribe(format!("topic.{number}").as_bytes()).expect("room");
        }
        network.settle();
        members.into_iter().flat_map(|(_, mut inbox)| inbound(&mut inbox)).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert!((2..10).any(|seed| run(seed) != run(1)));
}

#[test]
fn chosen_events_are_lost_and_nothing_else() {
    let network = Network::immediate();
    let (a, _a_inbox) = network.join("a", Role::Sender);
    let (b, mut b_inbox) = network.join("b", Role::Sender);
    b.subscribe(b"topic").expect("room");
    network.lose(|passing| passing.from == "a" && passing.to == "b" && passing.event.payload == "hello");
    a.publish(event("a", "topic", "hello")).expect("room");
    a.publish(event("a", "topic", "other")).expect("room");
    network.lose_nothing();
    a.publish(event("a", "topic", "hello")).expect("room");
    let payloads: Vec<Bytes> = inbound(&mut b_inbox)
        .into_iter()
        .filter_map(|inbound| match inbound {
            Inbound::Event(event) => Some(event.payload),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, ["other", "hello"]);
    assert!(network.bytes_carried() > 0);
}

#[test]
fn events_published_while_cut_off_wait_up_to_the_high_water_mark() {
    let network = Network::immediate();
    let (a, mut a_inbox) = network.join("a", Role::Sender);
    let (b, _b_inbox) = network.join("b", Role::Sender);
    a.subscribe(b"topic").expect("room");
    network.cut("b");
    for _ in 0..HWM + 5 {
        b.publish(event("b", "topic", "late")).expect("room");
    }
    b.publish(event("b", "unwanted", "late")).expect("room");
    assert_eq!(b.counters().xpub_drops, 5);
    inbound(&mut a_inbox);
    network.heal("b");
    assert_eq!(inbound(&mut a_inbox).len(), HWM);
}

#[test]
fn a_cut_off_logger_gets_its_share_when_it_is_back() {
    let network = Network::immediate();
    let (_one, mut first) = network.join("logger-1", Role::Logger);
    let (_two, mut second) = network.join("logger-2", Role::Logger);
    let (sender, _inbox) = network.join("sender", Role::Sender);
    inbound(&mut first);
    network.cut("logger-2");
    for _ in 0..10 {
        sender.push_log(conformance::batch("sender", "records")).expect("room");
    }
    assert_eq!(inbound(&mut first).len(), 5);
    inbound(&mut second);
    network.heal("logger-2");
    let logs = inbound(&mut second).into_iter().filter(|inbound| matches!(inbound, Inbound::Log(_))).count();
    assert_eq!(logs, 5);
}

#[test]
fn the_queue_of_a_member_is_bounded() {
    let network = Network::new(1);
    let (a, _inbox) = network.join("a", Role::Sender);
    for _ in 0..QUEUE {
        a.publish(event("a", "topic", "event")).expect("room");
    }
    assert_eq!(a.publish(event("a", "topic", "event")), Err(SendError::Full));
    assert_eq!(a.counters().queue_drops, 1);
    assert_eq!(a.subscribe(b"still taken"), Ok(()));
}
