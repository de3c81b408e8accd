//! Who hears what at one core, and when its topics are in effect.

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::runtime::Builder;

use crate::cluster::{
    Changes, ClusterEvent, Command, Core, Ended, Handle, Heard, Hooks, Listeners, Mailbox, RemoteEvent, Request,
};
use crate::cluster::{Settings, Wish};
use crate::data::{Data, Event};

/// A handle, its mailbox, and the listeners that the mailbox fills.
struct Desk {
    handle: Handle,
    mailbox: Mailbox,
    listeners: Listeners,
    /// What the core would have been told.
    commands: Vec<Command>,
    /// Probes under way.
    probes: Vec<String>,
}

impl Desk {
    fn new() -> Desk {
        let core = Core::new(Settings::new("worker-1", "id-1", Vec::new(), false), Hooks::default());
        let (handle, mailbox) = Handle::new(&core);
        Desk { handle, mailbox, listeners: Listeners::new("id-1"), commands: Vec::new(), probes: Vec::new() }
    }

    /// Does what waits in the mailbox.
    fn work(&mut self) {
        while let Ok(request) = self.mailbox.try_recv() {
            match request {
                Request::Command(command) | Request::Lasting(command, _) => self.commands.push(command),
                Request::Listen(listener) => {
                    let changes = self.listeners.add(listener);
                    self.take(changes);
                }
                Request::Tune(tuning) => {
                    let changes = self.listeners.tune(tuning);
                    self.take(changes);
                }
                Request::Untune { listener, topic } => self.commands.extend(self.listeners.untune(listener, &topic)),
                Request::Sweep => {
                    let changes = self.listeners.sweep();
                    self.take(changes);
                }
                Request::Raise(event) => self.listeners.membership(&event),
                Request::Look(_) | Request::PublishTo { .. } => {}
            }
        }
    }

    fn take(&mut self, changes: Changes) {
        self.commands.extend(changes.commands);
        self.probes.extend(changes.probes);
        self.probes.retain(|probe| !changes.ended_probes.contains(probe));
    }

    fn remote(&self, topic: &str, sender: &str) {
        let (topic, sender) = (topic.as_bytes().to_vec(), sender.as_bytes().to_vec());
        self.listeners.event(RemoteEvent { topic, sender, event: Event::new("ping", Vec::new()) }, false);
    }
}

fn wish(id: &'static str, topics: &[&str], capacity: usize) -> Wish {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Wish { id: Bytes::from_static(id.as_bytes()), topics, capacity, ..Wish::default() }
}

fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().build().unwrap().block_on(test);
}

fn topic_of(heard: Option<Heard>) -> Option<String> {
    match heard? {
        Heard::Event(event) => Some(String::from_utf8(event.topic.clone()).unwrap()),
        Heard::Cluster(event) => panic!("{event:?}"),
    }
}

#[test]
fn a_listener_hears_its_prefixes_and_never_itself() {
    run(async {
        let mut desk = Desk::new();
        let mut heard = desk.handle.listen(wish("client-1", &["a.", "b"], 8)).await.unwrap();
        desk.work();
        for (topic, sender) in [("a.x", "id-9"), ("a.y", "client-1"), ("bcd", "id-1"), ("c", "id-9")] {
            desk.remote(topic, sender);
        }
        assert_eq!(topic_of(heard.try_next()).as_deref(), Some("a.x"));
        assert_eq!(topic_of(heard.try_next()).as_deref(), Some("bcd"));
        assert_eq!(heard.try_next(), None);
    });
}

#[test]
fn a_full_listener_misses_things_and_another_one_does_not() {
    run(async {
        let mut desk = Desk::new();
        let mut slow = desk.handle.listen(wish("slow", &[""], 2)).await.unwrap();
        let mut quick = desk.handle.listen(wish("quick", &[""], 8)).await.unwrap();
        desk.work();
        (0..5).for_each(|number| desk.remote(&format!("t{number}"), "id-9"));
        assert_eq!((slow.missed(), quick.missed()), (3, 0));
        let of = |heard: Option<Heard>| topic_of(heard);
        assert_eq!(std::iter::from_fn(|| of(slow.try_next())).collect::<Vec<_>>(), ["t0", "t1"]);
        assert_eq!(std::iter::from_fn(|| of(quick.try_next())).count(), 5);
    });
}

#[test]
fn topics_are_in_effect_when_the_probe_after_them_came_back() {
    run(async {
        let mut desk = Desk::new();
        let mut first = desk.handle.listen(wish("one", &["a", "b"], 8)).await.unwrap();
        let mut second = desk.handle.listen(wish("two", &["b"], 8)).await.unwrap();
        desk.work();
        let [one, two] = desk.probes.as_slice() else { panic!("{:?}", desk.probes) };
        assert_eq!((one.as_str(), two.as_str()), ("zeek.zeromq.internal.id-1.0.", "zeek.zeromq.internal.id-1.1."));
        let (one, two) = (one.clone(), two.clone());
        assert_eq!(desk.listeners.subscribed(b"a"), None, "it may be somebody else's");
        assert!(first.confirmed().now_or_never().is_none());
        assert_eq!(desk.listeners.subscribed(one.as_bytes()).as_ref(), Some(&one), "it has done its work");
        assert_eq!(desk.listeners.subscribed(one.as_bytes()), None);
        assert_eq!(first.confirmed().await, Ok(()));
        assert_eq!(first.confirmed().await, Ok(()));
        assert!(second.confirmed().now_or_never().is_none());
        desk.listeners.subscribed(two.as_bytes());
        assert_eq!(second.confirmed().await, Ok(()));
        let mut third = desk.handle.listen(wish("three", &["b"], 8)).await.unwrap();
        drop(desk);
        assert_eq!(third.confirmed().await, Err(Ended));
    });
}

#[test]
fn a_listener_is_tuned_while_it_listens_and_hears_of_two_prefixes_once() {
    run(async {
        let mut desk = Desk::new();
        let mut heard = desk.handle.listen(wish("one", &[], 8)).await.unwrap();
        let tuner = heard.tuner();
        for topic in ["a", "ab", "a"] {
            let waiting = tuner.subscribe(topic);
            assert!(waiting.now_or_never().is_none());
        }
        desk.work();
        desk.remote("abc", "id-9");
        assert_eq!(topic_of(heard.try_next()).as_deref(), Some("abc"));
        assert_eq!(heard.try_next(), None);
        for topic in ["a", "ab", "never"] {
            tuner.unsubscribe(topic).await.unwrap();
        }
        desk.work();
        desk.remote("abc", "id-9");
        assert!(heard.try_next().is_some(), "it was subscribed twice");
        tuner.unsubscribe("a").await.unwrap();
        desk.work();
        desk.remote("abc", "id-9");
        assert_eq!(heard.try_next(), None);
        let subscribed = ["a", "ab", "a"].map(|topic| Command::Subscribe(topic.to_owned()));
        let unsubscribed = ["a", "ab", "a"].map(|topic| Command::Unsubscribe(topic.to_owned()));
        assert_eq!(desk.commands, [subscribed, unsubscribed].concat());
    });
}

#[test]
fn probes_that_nobody_waits_for_are_taken_back() {
    run(async {
        let mut desk = Desk::new();
        let heard = desk.handle.listen(wish("one", &[], 8)).await.unwrap();
        for number in 0..100 {
            assert!(heard.tuner().subscribe(number.to_string()).now_or_never().is_none());
        }
        desk.work();
        assert!(desk.probes.len() < 65, "{}", desk.probes.len());
    });
}

#[test]
fn the_node_s_own_listener_hears_what_is_for_the_node() {
    run(async {
        let mut desk = Desk::new();
        let mut node = desk.handle.listen_as_node(wish("id-1", &[], 8)).await.unwrap();
        let mut other = desk.handle.listen(wish("client", &[], 8)).await.unwrap();
        desk.work();
        let event = || Event::new("ping", Vec::new());
        let remote = |sender: &str| RemoteEvent { topic: b"t".to_vec(), sender: sender.into(), event: event() };
        desk.listeners.event(remote("id-9"), true);
        desk.listeners.event(remote("id-9"), false);
        desk.listeners.event(remote("id-1"), true);
        assert_eq!(std::iter::from_fn(|| topic_of(node.try_next())).count(), 1);
        assert_eq!(other.try_next(), None);
    });
}

#[test]
fn a_listener_that_leaves_takes_its_subscriptions_back() {
    run(async {
        let mut desk = Desk::new();
        let listening = desk.handle.listen(wish("one", &["a", "b"], 8)).await.unwrap();
        desk.work();
        drop(listening);
        assert!(desk.listeners.has_gone());
        desk.work();
        assert!(desk.listeners.is_empty());
        let topics = |make: fn(String) -> Command| ["a", "b"].map(|topic| make(topic.to_owned()));
        assert_eq!(desk.commands, [topics(Command::Subscribe), topics(Command::Unsubscribe)].concat());
    });
}

#[test]
fn membership_reaches_those_who_want_it() {
    run(async {
        let mut desk = Desk::new();
        let mut wants = desk.handle.listen(Wish { membership: true, ..wish("one", &[], 8) }).await.unwrap();
        let mut does_not = desk.handle.listen(wish("two", &[""], 8)).await.unwrap();
        desk.work();
        let up = ClusterEvent::NodeUp { name: "proxy".to_owned(), id: "id-2".to_owned() };
        desk.listeners.membership(&up);
        assert_eq!(wants.try_next(), Some(Heard::Cluster(up)));
        assert_eq!(does_not.try_next(), None);
    });
}

#[tokio::test]
async fn what_waits_for_a_listener_is_bounded_in_octets() {
    let mut desk = Desk::new();
    let octets = 3 * 1000;
    let mut listening = desk.handle.listen(Wish { octets, ..wish("one", &["t"], 1000) }).await.unwrap();
    desk.work();
    let event = || RemoteEvent {
        topic: b"t".to_vec(),
        sender: b"x".to_vec(),
        event: Event::new("big", vec![Data::string("x".repeat(900))]),
    };
    for _ in 0..5 {
        desk.listeners.event(event(), false);
    }
    assert_eq!(listening.missed(), 2);
    assert!(listening.try_next().is_some(), "it makes room");
    desk.listeners.event(event(), false);
    assert_eq!(listening.missed(), 2);
    assert_eq!(std::iter::from_fn(|| listening.try_next()).count(), 3);
}

#[tokio::test]
async fn publishers_wait_for_room_and_the_rest_does_not() {
    let mut desk = Desk::new();
    let mut credits = Vec::new();
    let large = || Event::new("large", vec![Data::string("x".repeat(4 << 20))]);
    for _ in 0..3 {
        desk.handle.publish("t", large()).await.unwrap();
    }
    let publish = desk.handle.publish("t", large());
    tokio::pin!(publish);
    assert!(publish.as_mut().now_or_never().is_none(), "16 MiB are on their way, about");
    desk.handle.publish_or_drop("t", large()).await.unwrap();
    while let Ok(request) = desk.mailbox.try_recv() {
        if let Request::Lasting(_, credit) = request {
            credits.push(credit);
        }
    }
    assert_eq!(credits.len(), 3);
    credits.pop();
    publish.await.unwrap();
}
