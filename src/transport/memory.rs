//! A cluster's network in memory, for tests and simulations: no threads, no clock, every frame encoded and decoded.
//!
//! It behaves as the XPUB/XSUB forwarder and the PUSH/PULL pairs of `zeromq.md` do: own subscriptions are echoed, the hub
//! counts references, a late joiner is told every known topic once, a member that is cut off loses its subscriptions at
//! the hub and has them replayed when it is healed, and what it published meanwhile waits up to the high-water mark.
//!
//! Nothing moves by itself: [`Network::step`] carries one message over one hop, chosen by the seed among all members that
//! have something under way (each member's own messages keep their order); [`Network::settle`] steps until all is quiet. A
//! network made by [`Network::immediate`] settles after every call.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::frame::{self, Interest};
use super::{Counters, EventFrame, Inbound, Inbox, LinkEvent, LogFrame, MAX_TOPIC, SendError, Transport};
use ready::{Ready, Way};
use topics::{Published, Subscribed, Topics};

mod ready;
mod topics;

/// `xpub_sndhwm`, `log_sndhwm`: messages that wait for a connection that is down. Source: `zeromq.md` 6.1.
pub const HWM: usize = 1000;

/// `onloop_queue_hwm`: events that wait for the core. Source: `zeromq.md` 6.1.
pub const ONLOOP_QUEUE_HWM: usize = 10_000;

/// Messages under way from one member; the in-process queue of `zeromq.md` 1.5.
pub const QUEUE: usize = 2000;

/// Room of an inbox beyond [`ONLOOP_QUEUE_HWM`] for what is not dropped.
const RESERVE: usize = 4096;

/// What a member does beside publishing and subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends its log batches to the loggers.
    Sender,
    /// Receives log batches (binds PULL).
    Logger,
}

/// An event on its way from the hub to one member, shown to the predicate of [`Network::lose`].
#[derive(Debug)]
pub struct Passing<'a> {
    /// Node id of the member that published it.
    pub from: &'a str,
    /// Node id of the member that would get it.
    pub to: &'a str,
    /// The event.
    pub event: &'a EventFrame,
}

type Loss = Box<dyn FnMut(&Passing<'_>) -> bool + Send>;

/// The network; clones are handles on the same one.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    immediate: bool,
}

/// A member's end; see [`Network::join`].
pub struct MemoryTransport {
    network: Network,
    number: usize,
}

/// What [`Network::advance`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is under way.
    Quiet,
    /// Something went a hop further.
    Moved,
    /// Something came to the member of that [number](MemoryTransport::number).
    Arrived(usize),
}

impl Network {
    /// A network whose messages move only by [`step`](Network::step) and [`settle`](Network::settle), in an order that
    /// the seed decides.
    pub fn new(seed: u64) -> Network {
        Network { state: Arc::new(Mutex::new(State::new(seed))), immediate: false }
    }

    /// A network that settles after every call, for tests that do not care about order.
    pub fn immediate() -> Network {
        Network { immediate: true, ..Network::new(0) }
    }

    /// Adds a connected member. Its id must be new: a restarted process has another one (`zeromq.md` 3.4).
    ///
    /// # Panics
    /// If a member of that id joined before.
    pub fn join(&self, id: &str, role: Role) -> (MemoryTransport, Inbox) {
        let (sender, inbox) = mpsc::channel(ONLOOP_QUEUE_HWM + RESERVE);
        let mut state = self.lock();
        assert!(!state.numbers.contains_key(id), "a member named {id} joined before");
        let number = state.add(id, Member::new(id, sender, role));
        state.connect(number);
        drop(state);
        self.moved();
        (MemoryTransport { network: self.clone(), number }, inbox)
    }

    /// Breaks all connections of a member: the hub takes its subscriptions back at once, what was on the wire is lost.
    pub fn cut(&self, id: &str) {
        let mut state = self.lock();
        if let Some(number) = state.number(id) {
            state.disconnect(number);
        }
        drop(state);
        self.moved();
    }

    /// Lets a member reconnect: it replays its subscriptions and is told all topics.
    pub fn heal(&self, id: &str) {
        let mut state = self.lock();
        if let Some(number) = state.number(id) {
            state.connect(number);
        }
        drop(state);
        self.moved();
    }

    /// Stops the hub without a word, as a crash does: no unsubscription reaches anybody.
    pub fn stop_hub(&self) {
        let mut state = self.lock();
        state.hub = None;
        (0..state.members.len()).for_each(|number| state.link_down(number));
        drop(state);
        self.moved();
    }

    /// Starts a hub that knows nothing; everybody who is not cut off reconnects and replays.
    pub fn start_hub(&self) {
        let mut state = self.lock();
        state.hub = Some(Hub::default());
        (0..state.members.len()).for_each(|number| state.connect(number));
        drop(state);
        self.moved();
    }

    /// From now on loses each event, between the hub and one member, for which the predicate is true.
    pub fn lose(&self, predicate: impl FnMut(&Passing<'_>) -> bool + Send + 'static) {
        self.lock().loss = Some(Box::new(predicate));
    }

    /// Loses nothing any more.
    pub fn lose_nothing(&self) {
        self.lock().loss = None;
    }

    /// Carries one message over one hop. False when nothing is under way.
    pub fn step(&self) -> bool {
        self.advance() != Progress::Quiet
    }

    /// The same, and says who has something to read now.
    pub fn advance(&self) -> Progress {
        self.lock().advance()
    }

    /// Steps until nothing is under way.
    pub fn settle(&self) {
        while self.step() {}
    }

    /// Octets carried so far, ZMTP frame headers included, each hop counted.
    pub fn bytes_carried(&self) -> u64 {
        self.lock().bytes
    }

    /// Puts a message of any number of parts before a hub that forwards it, as a foreign publisher could.
    pub fn publish_raw(&self, parts: &[Bytes]) {
        let mut state = self.lock();
        let wire = frame::to_wire(parts);
        state.bytes += wire.len() as u64;
        if let Some(topic) = parts.first() {
            let topic = state.topics.published(topic);
            state.distribute(None, topic, wire);
        }
        drop(state);
        self.moved();
    }

    /// Hands a message of any number of parts to a logger, as a foreign sender could.
    pub fn push_raw(&self, logger: &str, parts: &[Bytes]) {
        let mut state = self.lock();
        if let Some(number) = state.number(logger) {
            state.enqueue_down(number, Down::Log(frame::to_wire(parts)));
        }
        drop(state);
        self.moved();
    }

    fn moved(&self) {
        if self.immediate {
            self.settle();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, number: usize, call: impl FnOnce(&mut State) -> Result<(), SendError>) -> Result<(), SendError> {
        let mut state = self.lock();
        let result = match state.members.get(number) {
            Some(Some(_)) => call(&mut state),
            _ => Err(SendError::Closed),
        };
        drop(state);
        self.moved();
        result
    }
}

impl MemoryTransport {
    /// Which member this is; numbers are given in the order of joining and never again.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Transport for MemoryTransport {
    fn subscribe(&self, topic: &[u8]) -> Result<(), SendError> {
        self.network.call(self.number, |state| {
            if topic.len() > MAX_TOPIC {
                return state.refuse_as_too_large(self.number);
            }
            let topic = state.topics.subscribed(topic);
            if state.members[self.number].as_mut().is_some_and(|member| member.subscribed.insert(topic)) {
                state.enqueue_up(self.number, Up::Interest(Wish::Subscribe, topic));
            }
            Ok(())
        })
    }

    fn unsubscribe(&self, topic: &[u8]) -> Result<(), SendError> {
        self.network.call(self.number, |state| {
            let topic = state.topics.subscribed(topic);
            if state.members[self.number].as_mut().is_some_and(|member| member.subscribed.remove(&topic)) {
                state.enqueue_up(self.number, Up::Interest(Wish::Unsubscribe, topic));
            }
            Ok(())
        })
    }

    fn publish(&self, event: EventFrame) -> Result<(), SendError> {
        self.network.call(self.number, |state| {
            if !event.fits() {
                return state.refuse_as_too_large(self.number);
            }
            let topic = state.topics.published(&event.topic);
            state.take(self.number, Up::Event { topic, wire: frame::to_wire(&event.into_parts()) })
        })
    }

    fn push_log(&self, batch: LogFrame) -> Result<(), SendError> {
        self.network.call(self.number, |state| {
            if !batch.fits() {
                return state.refuse_as_too_large(self.number);
            }
            state.take(self.number, Up::Log(frame::to_wire(&batch.into_parts())))
        })
    }

    fn counters(&self) -> Counters {
        let state = self.network.lock();
        state.members.get(self.number).and_then(Option::as_ref).map(|member| member.counters).unwrap_or_default()
    }

    fn close(&self) {
        let mut state = self.network.lock();
        while state.carry_up(self.number) {}
        state.disconnect(self.number);
        state.remove(self.number);
        drop(state);
        self.network.moved();
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a message of interest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Subscribe,
    Unsubscribe,
}

/// From a member towards the hub or a logger.
enum Up {
    Interest(Wish, Subscribed),
    Event { topic: Published, wire: Bytes },
    Log(Bytes),
}

/// From the hub or a sender towards a member.
enum Down {
    Interest(Wish, Subscribed),
    Event { from: Option<usize>, wire: Bytes },
    Log(Bytes),
    Link(LinkEvent),
}

struct Member {
    id: String,
    role: Role,
    inbox: mpsc::Sender<Inbound>,
    connected: bool,
    cut: bool,
    /// What its XSUB replays.
    subscribed: BTreeSet<Subscribed>,
    /// What its XPUB knows to be wanted, by number of the topic; kept while disconnected.
    wanted: Vec<bool>,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    /// Messages that wait in its XPUB for the connection.
    waiting: VecDeque<(Published, Bytes)>,
    /// Batches that wait in its PUSH, by logger.
    waiting_logs: BTreeMap<usize, VecDeque<Bytes>>,
    next_logger: usize,
    counters: Counters,
}

impl Member {
    fn new(id: &str, inbox: mpsc::Sender<Inbound>, role: Role) -> Member {
        Member {
            id: id.to_owned(),
            role,
            inbox,
            connected: false,
            cut: false,
            subscribed: BTreeSet::new(),
            wanted: Vec::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            waiting: VecDeque::new(),
            waiting_logs: BTreeMap::new(),
            next_logger: 0,
            counters: Counters::default(),
        }
    }

    /// Whether the inbox has room for the first message under way to this member; events always have, as they are
    /// dropped.
    fn can_receive(&self) -> bool {
        match self.down.front() {
            None => false,
            Some(Down::Event { .. }) => true,
            Some(Down::Log(_)) => self.inbox.is_closed() || self.inbox.capacity() > RESERVE,
            Some(_) => self.inbox.is_closed() || self.inbox.capacity() > 0,
        }
    }

    /// Notes whether the topic is wanted; says whether that is a change.
    fn want(&mut self, topic: Subscribed, wanted: bool) -> bool {
        if self.wanted.len() <= topic.0 {
            self.wanted.resize(topic.0 + 1, false);
        }
        std::mem::replace(&mut self.wanted[topic.0], wanted) != wanted
    }

    fn wants(&self, topics: &[Subscribed]) -> bool {
        topics.iter().any(|topic| self.wanted.get(topic.0).is_some_and(|wanted| *wanted))
    }
}

/// The hub: who subscribed to each topic, by number of the topic.
#[derive(Default)]
struct Hub {
    subscribers: Vec<BTreeSet<usize>>,
}

struct State {
    hub: Option<Hub>,
    members: Vec<Option<Member>>,
    /// By number, those that left included.
    ids: Vec<String>,
    /// Of those that are there.
    numbers: HashMap<String, usize>,
    loggers: BTreeMap<String, usize>,
    topics: Topics,
    ready: Ready,
    loss: Option<Loss>,
    random: u64,
    bytes: u64,
}

impl State {
    fn new(seed: u64) -> State {
        State {
            hub: Some(Hub::default()),
            members: Vec::new(),
            ids: Vec::new(),
            numbers: HashMap::new(),
            loggers: BTreeMap::new(),
            topics: Topics::default(),
            ready: Ready::default(),
            loss: None,
            random: seed.wrapping_mul(2).wrapping_add(1),
            bytes: 0,
        }
    }

    fn add(&mut self, id: &str, member: Member) -> usize {
        let number = self.members.len();
        if member.role == Role::Logger {
            self.loggers.insert(id.to_owned(), number);
        }
        self.numbers.insert(id.to_owned(), number);
        self.ids.push(id.to_owned());
        self.members.push(Some(member));
        number
    }

    fn remove(&mut self, number: usize) {
        if let Some(member) = self.members[number].take() {
            self.numbers.remove(&member.id);
            self.loggers.remove(&member.id);
        }
        self.ready.remove(number);
    }

    fn number(&self, id: &str) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    fn member(&mut self, number: usize) -> Option<&mut Member> {
        self.members.get_mut(number)?.as_mut()
    }

    fn advance(&mut self) -> Progress {
        let mut full = Vec::new();
        let mut progress = Progress::Quiet;
        while !self.ready.is_empty() {
            let choice = self.below(self.ready.len());
            let (number, way) = self.ready.at(choice);
            if way == Way::Up {
                self.carry_up(number);
                progress = Progress::Moved;
                break;
            }
            if self.member(number).is_some_and(|member| member.can_receive()) {
                self.carry_down(number);
                progress = Progress::Arrived(number);
                break;
            }
            self.ready.set(number, Way::Down, 0);
            full.push(number);
        }
        full.into_iter().for_each(|number| self.ready.set(number, Way::Down, 1));
        progress
    }

    /// A number below `limit` (SplitMix64).
    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    /// Counts and refuses a message that peers would not take.
    fn refuse_as_too_large(&mut self, number: usize) -> Result<(), SendError> {
        if let Some(member) = self.member(number) {
            member.counters.too_large += 1;
        }
        Err(SendError::TooLarge)
    }

    fn take(&mut self, number: usize, message: Up) -> Result<(), SendError> {
        let Some(member) = self.member(number) else { return Err(SendError::Closed) };
        if member.up.len() >= QUEUE {
            member.counters.queue_drops += 1;
            return Err(SendError::Full);
        }
        self.enqueue_up(number, message);
        Ok(())
    }

    fn enqueue_up(&mut self, number: usize, message: Up) {
        if let Some(member) = self.member(number) {
            member.up.push_back(message);
            self.ready.set(number, Way::Up, 1);
        }
    }

    fn enqueue_down(&mut self, number: usize, message: Down) {
        if let Some(member) = self.member(number) {
            member.down.push_back(message);
            self.ready.set(number, Way::Down, 1);
        }
    }

    fn carry_up(&mut self, number: usize) -> bool {
        let Some(member) = self.member(number) else { return false };
        let Some(message) = member.up.pop_front() else { return false };
        let left = member.up.len();
        self.ready.set(number, Way::Up, left);
        match message {
            Up::Interest(wish, topic) => self.interest(number, wish, topic),
            Up::Event { topic, wire } => self.publish(number, topic, wire),
            Up::Log(wire) => self.push_log(number, wire),
        }
        true
    }

    fn interest(&mut self, number: usize, wish: Wish, topic: Subscribed) {
        if !self.member(number).is_some_and(|member| member.connected) {
            return; // the socket's own table has it; it is replayed at the next connection
        }
        self.bytes += self.topics.text(topic).len() as u64 + 3;
        match wish {
            Wish::Subscribe => self.hub_subscribe(number, topic),
            Wish::Unsubscribe => self.hub_unsubscribe(number, topic),
        }
    }

    fn hub_subscribe(&mut self, number: usize, topic: Subscribed) {
        let Some(hub) = &mut self.hub else { return };
        if hub.subscribers.len() <= topic.0 {
            hub.subscribers.resize_with(topic.0 + 1, BTreeSet::new);
        }
        hub.subscribers[topic.0].insert(number);
        self.tell_everybody(Wish::Subscribe, topic);
    }

    fn hub_unsubscribe(&mut self, number: usize, topic: Subscribed) {
        let Some(hub) = &mut self.hub else { return };
        let Some(subscribers) = hub.subscribers.get_mut(topic.0) else { return };
        if subscribers.remove(&number) && subscribers.is_empty() {
            self.tell_everybody(Wish::Unsubscribe, topic);
        }
    }

    fn tell_everybody(&mut self, wish: Wish, topic: Subscribed) {
        for (number, member) in self.members.iter_mut().enumerate() {
            if let Some(member) = member.as_mut().filter(|member| member.connected) {
                member.down.push_back(Down::Interest(wish, topic));
                self.ready.set(number, Way::Down, 1);
            }
        }
    }

    fn publish(&mut self, number: usize, topic: Published, wire: Bytes) {
        let Some(member) = self.members[number].as_mut() else { return };
        member.counters.events_sent += 1;
        if !member.wants(self.topics.prefixes(topic)) {
            return; // libzmq discards what nobody is known to want
        }
        if member.connected {
            self.distribute(Some(number), topic, wire);
        } else if member.waiting.len() < HWM {
            member.waiting.push_back((topic, wire));
        } else {
            member.counters.xpub_drops += 1;
            member.counters.events_sent -= 1;
        }
    }

    fn distribute(&mut self, from: Option<usize>, topic: Published, wire: Bytes) {
        let Some(hub) = &self.hub else { return };
        self.bytes += wire.len() as u64;
        let prefixes = self.topics.prefixes(topic);
        let subscribers = prefixes.iter().filter_map(|prefix| hub.subscribers.get(prefix.0)).flatten();
        let to: BTreeSet<usize> = subscribers.copied().collect();
        for number in to {
            self.enqueue_down(number, Down::Event { from, wire: wire.clone() });
        }
    }

    /// PUSH: round robin over the loggers with room. Source: `zeromq.md` 8.3.
    fn push_log(&mut self, number: usize, wire: Bytes) {
        let is_cut = |number: usize| self.members[number].as_ref().is_none_or(|member| member.cut);
        let loggers: Vec<(usize, bool)> = self.loggers.values().map(|logger| (*logger, !is_cut(*logger))).collect();
        let Some(member) = self.member(number) else { return };
        for turn in 0..loggers.len() {
            let choice = (member.next_logger + turn) % loggers.len();
            let (logger, reachable) = loggers[choice];
            let waiting = member.waiting_logs.entry(logger).or_default();
            if (reachable && !member.cut) || waiting.len() < HWM {
                member.next_logger = choice + 1;
                member.counters.logs_sent += 1;
                if reachable && !member.cut {
                    self.enqueue_down(logger, Down::Log(wire));
                } else {
                    waiting.push_back(wire);
                }
                return;
            }
        }
        member.counters.log_drops += 1;
    }

    fn carry_down(&mut self, number: usize) {
        let Some(member) = self.members[number].as_mut() else { return };
        let Some(message) = member.down.pop_front() else { return };
        self.ready.set(number, Way::Down, member.down.len());
        match message {
            Down::Interest(wish, topic) => self.receive_interest(number, wish, topic),
            Down::Event { from, wire } => self.receive_event(number, from, wire),
            Down::Log(wire) => {
                self.bytes += wire.len() as u64;
                match frame::from_wire(wire).map(LogFrame::from_parts) {
                    Some(Ok(batch)) => {
                        member.counters.logs_received += 1;
                        deliver(member, Inbound::Log(batch));
                    }
                    _ => member.counters.msg_errors += 1,
                }
            }
            Down::Link(event) => deliver(member, Inbound::Link(event)),
        }
    }

    fn receive_interest(&mut self, number: usize, wish: Wish, topic: Subscribed) {
        let Some(member) = self.members[number].as_mut() else { return };
        let part = match wish {
            Wish::Subscribe => Interest::Subscribe(self.topics.text(topic)).encode(),
            Wish::Unsubscribe => Interest::Unsubscribe(self.topics.text(topic)).encode(),
        };
        self.bytes += part.len() as u64 + 2;
        match Interest::decode(&part) {
            Some(Interest::Subscribe(text)) => {
                member.want(topic, true);
                deliver(member, Inbound::Subscription(text.to_vec()));
            }
            Some(Interest::Unsubscribe(text)) if member.want(topic, false) => {
                deliver(member, Inbound::Unsubscription(text.to_vec()));
            }
            _ => {}
        }
    }

    fn receive_event(&mut self, number: usize, from: Option<usize>, wire: Bytes) {
        let from = from.map_or("", |from| self.ids[from].as_str());
        let Some(member) = self.members[number].as_mut() else { return };
        self.bytes += wire.len() as u64;
        let event = match frame::from_wire(wire).map(EventFrame::from_parts) {
            Some(Ok(event)) => event,
            _ => {
                member.counters.msg_errors += 1;
                return;
            }
        };
        if event.sender == member.id.as_bytes() {
            return;
        }
        if self.loss.as_mut().is_some_and(|loss| loss(&Passing { from, to: &member.id, event: &event })) {
            return;
        }
        if member.inbox.capacity() <= RESERVE {
            member.counters.onloop_drops += 1;
            return;
        }
        member.counters.events_received += 1;
        deliver(member, Inbound::Event(event));
    }

    fn connect(&mut self, number: usize) {
        let Some(member) = self.member(number) else { return };
        member.cut = false;
        self.flush_logs(number);
        let Some(hub) = &self.hub else { return };
        let Some(member) = self.members[number].as_mut() else { return };
        if member.connected {
            return;
        }
        member.connected = true;
        for topic in self.topics.by_text().filter(|topic| hub.knows(*topic)) {
            member.down.push_back(Down::Interest(Wish::Subscribe, topic));
        }
        member.down.push_back(Down::Link(LinkEvent::Up));
        // What was asked for while disconnected is in `subscribed` already.
        member.up.retain(|message| !matches!(message, Up::Interest(..)));
        let topics: Vec<Subscribed> = member.subscribed.iter().copied().collect();
        let waiting = std::mem::take(&mut member.waiting);
        self.ready.set(number, Way::Down, 1);
        self.ready.set(number, Way::Up, member.up.len());
        for topic in topics {
            self.hub_subscribe(number, topic);
        }
        for (topic, wire) in waiting {
            self.distribute(Some(number), topic, wire);
        }
    }

    /// Hands over the batches that waited for this member's connection, as a sender and as a logger.
    fn flush_logs(&mut self, healed: usize) {
        let is_reachable = |member: &Option<Member>| member.as_ref().is_some_and(|member| !member.cut);
        let reachable: Vec<bool> = self.members.iter().map(is_reachable).collect();
        let mut due: Vec<(usize, Bytes)> = Vec::new();
        for (sender, member) in self.members.iter_mut().enumerate().filter(|(number, _)| reachable[*number]) {
            for (logger, waiting) in member.iter_mut().flat_map(|member| &mut member.waiting_logs) {
                if (sender == healed || *logger == healed) && reachable[*logger] {
                    due.extend(waiting.drain(..).map(|wire| (*logger, wire)));
                }
            }
        }
        for (logger, wire) in due {
            self.enqueue_down(logger, Down::Log(wire));
        }
    }

    fn disconnect(&mut self, number: usize) {
        let Some(member) = self.member(number) else { return };
        member.cut = true;
        self.link_down(number);
        let Some(hub) = &self.hub else { return };
        let topics: Vec<Subscribed> = self.topics.by_text().filter(|topic| hub.has(*topic, number)).collect();
        for topic in topics {
            self.hub_unsubscribe(number, topic);
        }
    }

    fn link_down(&mut self, number: usize) {
        let Some(member) = self.members[number].as_mut().filter(|member| member.connected) else { return };
        member.connected = false;
        let cut = member.cut;
        member.down.retain(|message| match message {
            Down::Link(_) => true,
            Down::Log(_) => !cut,
            _ => false,
        });
        member.down.push_back(Down::Link(LinkEvent::Down));
        member.counters.reconnects += 1;
        self.ready.set(number, Way::Down, 1);
    }
}

impl Hub {
    fn knows(&self, topic: Subscribed) -> bool {
        self.subscribers.get(topic.0).is_some_and(|subscribers| !subscribers.is_empty())
    }

    fn has(&self, topic: Subscribed, number: usize) -> bool {
        self.subscribers.get(topic.0).is_some_and(|subscribers| subscribers.contains(&number))
    }
}

/// Puts something into the inbox; the caller has seen that there is room. A core that hung up wants nothing.
fn deliver(member: &mut Member, inbound: Inbound) {
    let _hung_up = member.inbox.try_send(inbound);
}

#[cfg(test)]
mod tests;
