//! A cluster's network in memory, for tests and simulations: no threads, no clock, every frame encoded and decoded.
//!
//! It behaves as the XPUB/XSUB forwarder and the PUSH/PULL pairs of `zeromq.md` do: own subscriptions are echoed, the hub
//! counts references, a late joiner is told every known topic once, a member that is cut off loses its subscriptions at
//! the hub and has them replayed when it is healed, and what it published meanwhile waits up to the high-water mark.
//!
//! Nothing moves by itself: [`Network::step`] carries one message over one hop, chosen by the seed among all members that
//! have something under way (each member's own messages keep their order); [`Network::settle`] steps until all is quiet. A
//! network made by [`Network::immediate`] settles after every call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::frame::{self, Interest};
use super::{Counters, EventFrame, Inbound, Inbox, LinkEvent, LogFrame, MAX_TOPIC, SendError, Transport};

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
    id: String,
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
        let known = state.members.insert(id.to_owned(), Member::new(sender, role));
        assert!(known.is_none(), "a member named {id} joined before");
        state.connect(id);
        drop(state);
        self.moved();
        (MemoryTransport { network: self.clone(), id: id.to_owned() }, inbox)
    }

    /// Breaks all connections of a member: the hub takes its subscriptions back at once, what was on the wire is lost.
    pub fn cut(&self, id: &str) {
        self.lock().disconnect(id);
        self.moved();
    }

    /// Lets a member reconnect: it replays its subscriptions and is told all topics.
    pub fn heal(&self, id: &str) {
        self.lock().connect(id);
        self.moved();
    }

    /// Stops the hub without a word, as a crash does: no unsubscription reaches anybody.
    pub fn stop_hub(&self) {
        let mut state = self.lock();
        state.hub = None;
        let ids: Vec<String> = state.members.keys().cloned().collect();
        for id in ids {
            state.link_down(&id);
        }
        drop(state);
        self.moved();
    }

    /// Starts a hub that knows nothing; everybody who is not cut off reconnects and replays.
    pub fn start_hub(&self) {
        let mut state = self.lock();
        state.hub = Some(Hub::default());
        let ids: Vec<String> = state.members.keys().cloned().collect();
        for id in ids {
            state.connect(&id);
        }
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
        self.lock().step()
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
        state.bytes += frame::to_wire(parts).len() as u64;
        state.distribute("", frame::to_wire(parts));
        drop(state);
        self.moved();
    }

    /// Hands a message of any number of parts to a logger, as a foreign sender could.
    pub fn push_raw(&self, logger: &str, parts: &[Bytes]) {
        self.lock().enqueue_down(logger, Down::Log(frame::to_wire(parts)));
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

    fn call(&self, id: &str, call: impl FnOnce(&mut Member) -> Result<(), SendError>) -> Result<(), SendError> {
        let result = match self.lock().members.get_mut(id) {
            Some(member) => call(member),
            None => Err(SendError::Closed),
        };
        self.moved();
        result
    }
}

impl Transport for MemoryTransport {
    fn subscribe(&self, topic: &[u8]) -> Result<(), SendError> {
        self.network.call(&self.id, |member| {
            if topic.len() > MAX_TOPIC {
                return member.refuse_as_too_large();
            }
            if member.subscribed.insert(topic.to_vec()) {
                member.up.push_back(Up::Interest(Interest::Subscribe(topic).encode()));
            }
            Ok(())
        })
    }

    fn unsubscribe(&self, topic: &[u8]) -> Result<(), SendError> {
        self.network.call(&self.id, |member| {
            if member.subscribed.remove(topic) {
                member.up.push_back(Up::Interest(Interest::Unsubscribe(topic).encode()));
            }
            Ok(())
        })
    }

    fn publish(&self, event: EventFrame) -> Result<(), SendError> {
        self.network.call(&self.id, |member| {
            if !event.fits() {
                return member.refuse_as_too_large();
            }
            member.take(Up::Event(frame::to_wire(&event.into_parts())))
        })
    }

    fn push_log(&self, batch: LogFrame) -> Result<(), SendError> {
        self.network.call(&self.id, |member| {
            if !batch.fits() {
                return member.refuse_as_too_large();
            }
            member.take(Up::Log(frame::to_wire(&batch.into_parts())))
        })
    }

    fn counters(&self) -> Counters {
        self.network.lock().members.get(&self.id).map(|member| member.counters).unwrap_or_default()
    }

    fn close(&self) {
        let mut state = self.network.lock();
        while state.carry_up(&self.id) {}
        state.disconnect(&self.id);
        state.members.remove(&self.id);
        drop(state);
        self.network.moved();
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.close();
    }
}

/// From a member towards the hub or a logger.
enum Up {
    Interest(Vec<u8>),
    Event(Bytes),
    Log(Bytes),
}

/// From the hub or a sender towards a member.
enum Down {
    Interest(Vec<u8>),
    Event { from: String, wire: Bytes },
    Log(Bytes),
    Link(LinkEvent),
}

struct Member {
    role: Role,
    inbox: mpsc::Sender<Inbound>,
    connected: bool,
    cut: bool,
    /// What its XSUB replays.
    subscribed: BTreeSet<Vec<u8>>,
    /// What its XPUB knows to be wanted; kept while disconnected.
    wanted: BTreeSet<Vec<u8>>,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    /// Messages that wait in its XPUB for the connection.
    waiting: VecDeque<Bytes>,
    /// Batches that wait in its PUSH, by logger.
    waiting_logs: BTreeMap<String, VecDeque<Bytes>>,
    next_logger: usize,
    counters: Counters,
}

impl Member {
    /// Counts and refuses a message that peers would not take.
    fn refuse_as_too_large(&mut self) -> Result<(), SendError> {
        self.counters.too_large += 1;
        Err(SendError::TooLarge)
    }

    fn new(inbox: mpsc::Sender<Inbound>, role: Role) -> Member {
        Member {
            role,
            inbox,
            connected: false,
            cut: false,
            subscribed: BTreeSet::new(),
            wanted: BTreeSet::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            waiting: VecDeque::new(),
            waiting_logs: BTreeMap::new(),
            next_logger: 0,
            counters: Counters::default(),
        }
    }

    fn take(&mut self, message: Up) -> Result<(), SendError> {
        if self.up.len() >= QUEUE {
            self.counters.queue_drops += 1;
            return Err(SendError::Full);
        }
        self.up.push_back(message);
        Ok(())
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
}

#[derive(Default)]
struct Hub {
    /// The hub's XPUB: each connection's topics.
    topics_of: BTreeMap<String, BTreeSet<Vec<u8>>>,
    /// The hub's XSUB: references by topic.
    references: BTreeMap<Vec<u8>, usize>,
}

struct State {
    hub: Option<Hub>,
    members: BTreeMap<String, Member>,
    loss: Option<Loss>,
    random: u64,
    bytes: u64,
}

impl State {
    fn new(seed: u64) -> State {
        State {
            hub: Some(Hub::default()),
            members: BTreeMap::new(),
            loss: None,
            random: seed.wrapping_mul(2).wrapping_add(1),
            bytes: 0,
        }
    }

    fn step(&mut self) -> bool {
        let mut ready: Vec<(String, bool)> = Vec::new();
        for (id, member) in &self.members {
            if !member.up.is_empty() {
                ready.push((id.clone(), true));
            }
            if member.can_receive() {
                ready.push((id.clone(), false));
            }
        }
        if ready.is_empty() {
            return false;
        }
        let choice = self.below(ready.len());
        match &ready[choice] {
            (id, true) => self.carry_up(id),
            (id, false) => self.carry_down(id),
        }
    }

    /// A number below `limit` (SplitMix64).
    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn carry_up(&mut self, id: &str) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let Some(message) = member.up.pop_front() else { return false };
        match message {
            Up::Interest(part) => self.interest(id, &part),
            Up::Event(wire) => self.publish(id, wire),
            Up::Log(wire) => self.push_log(id, wire),
        }
        true
    }

    fn interest(&mut self, id: &str, part: &[u8]) {
        if !self.members.get(id).is_some_and(|member| member.connected) {
            return; // the socket's own table has it; it is replayed at the next connection
        }
        self.bytes += frame::to_wire(&[Bytes::copy_from_slice(part)]).len() as u64;
        match Interest::decode(part) {
            Some(Interest::Subscribe(topic)) => self.hub_subscribe(id, topic),
            Some(Interest::Unsubscribe(topic)) => self.hub_unsubscribe(id, topic),
            None => {}
        }
    }

    fn hub_subscribe(&mut self, id: &str, topic: &[u8]) {
        let Some(hub) = &mut self.hub else { return };
        hub.topics_of.entry(id.to_owned()).or_default().insert(topic.to_vec());
        *hub.references.entry(topic.to_vec()).or_default() += 1;
        self.tell_everybody(Interest::Subscribe(topic));
    }

    fn hub_unsubscribe(&mut self, id: &str, topic: &[u8]) {
        let Some(hub) = &mut self.hub else { return };
        if !hub.topics_of.get_mut(id).is_some_and(|topics| topics.remove(topic)) {
            return;
        }
        if let Some(count) = hub.references.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                hub.references.remove(topic);
                self.tell_everybody(Interest::Unsubscribe(topic));
            }
        }
    }

    fn tell_everybody(&mut self, interest: Interest<'_>) {
        let part = interest.encode();
        for member in self.members.values_mut().filter(|member| member.connected) {
            member.down.push_back(Down::Interest(part.clone()));
        }
    }

    fn publish(&mut self, id: &str, wire: Bytes) {
        let Some(member) = self.members.get_mut(id) else { return };
        let wanted = frame::from_wire(wire.clone())
            .is_some_and(|parts| member.wanted.iter().any(|prefix| parts[0].starts_with(prefix)));
        member.counters.events_sent += 1;
        if !wanted {
            return; // libzmq discards what nobody is known to want
        }
        if !member.connected {
            if member.waiting.len() < HWM {
                member.waiting.push_back(wire);
            } else {
                member.counters.xpub_drops += 1;
                member.counters.events_sent -= 1;
            }
            return;
        }
        self.distribute(id, wire);
    }

    fn distribute(&mut self, from: &str, wire: Bytes) {
        let Some(hub) = &self.hub else { return };
        let Some(parts) = frame::from_wire(wire.clone()) else { return };
        self.bytes += wire.len() as u64;
        for (id, topics) in &hub.topics_of {
            let Some(member) = self.members.get_mut(id) else { continue };
            if topics.iter().any(|prefix| parts[0].starts_with(prefix)) {
                member.down.push_back(Down::Event { from: from.to_owned(), wire: wire.clone() });
            }
        }
    }

    /// PUSH: round robin over the loggers with room. Source: `zeromq.md` 8.3.
    fn push_log(&mut self, id: &str, wire: Bytes) {
        let loggers: Vec<(String, bool)> = self
            .members
            .iter()
            .filter(|(_, member)| member.role == Role::Logger)
            .map(|(logger, member)| (logger.clone(), !member.cut))
            .collect();
        let Some(member) = self.members.get_mut(id) else { return };
        for turn in 0..loggers.len() {
            let choice = (member.next_logger + turn) % loggers.len();
            let (logger, reachable) = &loggers[choice];
            let waiting = member.waiting_logs.entry(logger.clone()).or_default();
            if (*reachable && !member.cut) || waiting.len() < HWM {
                member.next_logger = choice + 1;
                member.counters.logs_sent += 1;
                if *reachable && !member.cut {
                    self.enqueue_down(logger, Down::Log(wire));
                } else {
                    waiting.push_back(wire);
                }
                return;
            }
        }
        member.counters.log_drops += 1;
    }

    fn enqueue_down(&mut self, id: &str, message: Down) {
        if let Some(member) = self.members.get_mut(id) {
            member.down.push_back(message);
        }
    }

    fn carry_down(&mut self, id: &str) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let Some(message) = member.down.pop_front() else { return false };
        match message {
            Down::Interest(part) => {
                self.bytes += part.len() as u64 + 2;
                let inbound = match Interest::decode(&part) {
                    Some(Interest::Subscribe(topic)) => {
                        member.wanted.insert(topic.to_vec());
                        Inbound::Subscription(topic.to_vec())
                    }
                    Some(Interest::Unsubscribe(topic)) if member.wanted.remove(topic) => {
                        Inbound::Unsubscription(topic.to_vec())
                    }
                    _ => return true,
                };
                deliver(member, inbound);
            }
            Down::Event { from, wire } => self.receive_event(id, &from, wire),
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
        true
    }

    fn receive_event(&mut self, id: &str, from: &str, wire: Bytes) {
        let Some(member) = self.members.get_mut(id) else { return };
        self.bytes += wire.len() as u64;
        let event = match frame::from_wire(wire).map(EventFrame::from_parts) {
            Some(Ok(event)) => event,
            _ => {
                member.counters.msg_errors += 1;
                return;
            }
        };
        if event.sender == id.as_bytes() {
            return;
        }
        if self.loss.as_mut().is_some_and(|loss| loss(&Passing { from, to: id, event: &event })) {
            return;
        }
        if member.inbox.capacity() <= RESERVE {
            member.counters.onloop_drops += 1;
            return;
        }
        member.counters.events_received += 1;
        deliver(member, Inbound::Event(event));
    }

    fn connect(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.cut = false;
        self.flush_logs(id);
        let Some(member) = self.members.get_mut(id) else { return };
        let Some(hub) = &self.hub else { return };
        if member.connected {
            return;
        }
        member.connected = true;
        for topic in hub.references.keys() {
            member.down.push_back(Down::Interest(Interest::Subscribe(topic).encode()));
        }
        member.down.push_back(Down::Link(LinkEvent::Up));
        let topics: Vec<Vec<u8>> = member.subscribed.iter().cloned().collect();
        // What was asked for while disconnected is in `subscribed` already.
        member.up.retain(|message| !matches!(message, Up::Interest(_)));
        let waiting = std::mem::take(&mut member.waiting);
        for topic in topics {
            self.hub_subscribe(id, &topic);
        }
        for wire in waiting {
            self.distribute(id, wire);
        }
    }

    /// Hands over the batches that waited for this member's connection, as a sender and as a logger.
    fn flush_logs(&mut self, healed: &str) {
        let reachable: BTreeSet<String> =
            self.members.iter().filter(|(_, member)| !member.cut).map(|(id, _)| id.clone()).collect();
        let mut due: Vec<(String, Bytes)> = Vec::new();
        for (sender, member) in self.members.iter_mut().filter(|(id, _)| reachable.contains(*id)) {
            for (logger, waiting) in &mut member.waiting_logs {
                if (sender == healed || logger == healed) && reachable.contains(logger) {
                    due.extend(waiting.drain(..).map(|wire| (logger.clone(), wire)));
                }
            }
        }
        for (logger, wire) in due {
            self.enqueue_down(&logger, Down::Log(wire));
        }
    }

    fn disconnect(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.cut = true;
        self.link_down(id);
        let topics = match &self.hub {
            Some(hub) => hub.topics_of.get(id).cloned().unwrap_or_default(),
            None => return,
        };
        for topic in topics {
            self.hub_unsubscribe(id, &topic);
        }
        if let Some(hub) = &mut self.hub {
            hub.topics_of.remove(id);
        }
    }

    fn link_down(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        if !member.connected {
            return;
        }
        member.connected = false;
        let cut = member.cut;
        member.down.retain(|message| match message {
            Down::Link(_) => true,
            Down::Log(_) => !cut,
            _ => false,
        });
        member.down.push_back(Down::Link(LinkEvent::Down));
        member.counters.reconnects += 1;
    }
}

/// Puts something into the inbox; the caller has seen that there is room. A core that hung up wants nothing.
fn deliver(member: &mut Member, inbound: Inbound) {
    let _hung_up = member.inbox.try_send(inbound);
}

#[cfg(test)]
mod tests;
