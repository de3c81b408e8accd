//! Who is in the cluster: the handshake with each peer and what becomes of it.
//!
//! Compatibility: the state machine of `zeromq.md` 4.3 with the texts of 4.5 and 4.7. Where Zeek loses a peer for good, this
//! one does not, and a real Zeek peer notices nothing but the events that it waits for:
//! - a `ZeroMQ::hello` without an answer is repeated (4.6);
//! - a known peer that greets again is answered with both hellos, since it has forgotten us (4.8);
//! - a peer whose nodeid subscription comes back under the same id is up again (4.8);
//! - a hello from a new instance replaces the old one at once, so hellos in one batch end in `node_up` (4.9);
//! - a hello counts once the nodeid topic of its id is subscribed, so a forged one neither makes a node up nor displaces it;
//! - after the hub was away each peer must show a sign of life, or it is taken down (4.9).
//!
//! Failure: what is kept for ids that nobody vouches for is bounded ([`Limits::strangers`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::event::{Now, Severity};
use super::types::NamedNode;
use crate::api::config::NodeEntry;
use crate::data::NodeType;

/// Intervals and bounds of the handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// `Cluster::Backend::ZeroMQ::hello_expiration`.
    pub hello_expiration: Duration,
    /// First wait for an answer to `ZeroMQ::hello`; doubles with each repetition. Zeek tolerates one every few seconds (4.6).
    pub repeat_after: Duration,
    /// How often a `ZeroMQ::hello` is repeated before the peer is left alone.
    pub repetitions: u32,
    /// After how many of them a peer that has told its name counts as up even without `Cluster::hello`.
    pub repetitions_until_trusted: u32,
    /// How long after a `ZeroMQ::hello` the `Cluster::hello` to the same peer follows at the earliest: a real Zeek peer that
    /// handles both in one batch loses us (4.9).
    pub hello_gap: Duration,
    /// After the hub came back: when a peer without a sign of life is greeted again.
    pub probe_after: Duration,
    /// After the hub came back: when a peer without a sign of life is taken down. Zeek's sockets are back within 200 ms.
    pub silent_after: Duration,
    /// How many ids without a place in the layout are remembered; the oldest goes first.
    pub strangers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            hello_expiration: Duration::from_secs(10),
            repeat_after: Duration::from_secs(3),
            repetitions: 5,
            repetitions_until_trusted: 3,
            hello_gap: Duration::from_millis(20),
            probe_after: Duration::from_millis(1500),
            silent_after: Duration::from_secs(4),
            strangers: 1024,
        }
    }
}

/// What membership wants done; `step` turns it into effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Publish `Cluster::Backend::ZeroMQ::hello` to that id.
    Greet(String),
    /// Publish `Cluster::hello` to that id.
    Hello(String),
    /// Raise `Cluster::hello` here.
    GotHello { name: String, id: String },
    /// Raise `Cluster::node_up` here.
    Up { name: String, id: String },
    /// Raise `Cluster::node_down` here.
    Down { name: String, id: String },
    /// `Cluster::log`.
    Log(String),
    /// Tell the operator.
    Report(Severity, String),
}

/// One node of the layout as the others' hellos paint it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerState {
    /// Its layout entry.
    pub entry: Arc<NodeEntry>,
    /// Its id while it is up.
    pub id: Option<String>,
    /// When that last changed, seconds since the epoch; none when it was never up.
    pub since: Option<f64>,
}

/// One process that subscribed to a nodeid topic or said hello, by its id.
#[derive(Clone, Debug)]
struct Contact {
    /// Its nodeid topic is subscribed, as far as we were told.
    subscribed: bool,
    /// It was subscribed once and is not any more, or it was taken for dead: its hellos count only once it is back.
    gone: Option<Gone>,
    /// When we first heard of it.
    first: Duration,
    /// Our last `ZeroMQ::hello` to it.
    greeted: Option<Duration>,
    /// When `ZeroMQ::hello` is repeated.
    repeat_at: Option<Duration>,
    repetitions: u32,
    /// Zeek's `subs`: subscription seen, `ZeroMQ::hello` outstanding; when that is reported.
    greeting_due: Option<Duration>,
    /// Zeek's `hellos`: `ZeroMQ::hello` seen, subscription outstanding; when that is reported.
    subscription_due: Option<Duration>,
    /// When our `Cluster::hello` goes out.
    hello_at: Option<Duration>,
    /// The name in its last hello.
    name: Option<String>,
    /// It said `Cluster::hello`, so it sees us.
    confirmed: bool,
    /// The connection to the hub was lost and this peer's subscription has not been replayed since.
    unseen: bool,
    /// Without a sign of life by then it is taken down.
    silent_at: Option<Duration>,
    /// The node, by its place in the layout, that is up under this id.
    up_as: Option<usize>,
    /// What the summaries over all contacts say of this one.
    summary: Summary,
}

/// What the summaries over all contacts hold of one of them, so that a change costs no walk over the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    /// Its earliest deadline.
    deadline: Option<Duration>,
    /// It has to show a sign of life.
    probed: bool,
    /// It told a name and is not subscribed: a new instance of that node ends it.
    departed: bool,
}

/// Why a contact is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// Its subscription ended.
    Unsubscribed,
    /// It gave no sign of life after the hub was back.
    Silent,
}

impl Contact {
    fn new(now: Now) -> Contact {
        Contact {
            subscribed: false,
            gone: None,
            first: now.elapsed,
            greeted: None,
            repeat_at: None,
            repetitions: 0,
            greeting_due: None,
            subscription_due: None,
            hello_at: None,
            name: None,
            confirmed: false,
            unseen: false,
            silent_at: None,
            up_as: None,
            summary: Summary::default(),
        }
    }

    fn deadlines(&self) -> [Option<Duration>; 5] {
        [self.repeat_at, self.greeting_due, self.subscription_due, self.hello_at, self.silent_at]
    }

    fn summarize(&self) -> Summary {
        Summary {
            deadline: self.deadlines().into_iter().flatten().min(),
            probed: self.silent_at.is_some() || self.gone == Some(Gone::Silent),
            departed: !self.subscribed && self.name.is_some(),
        }
    }

    fn forget_deadlines(&mut self) {
        (self.repeat_at, self.greeting_due, self.subscription_due) = (None, None, None);
        (self.hello_at, self.silent_at) = (None, None);
    }
}

/// The membership of one node.
#[derive(Debug)]
pub(super) struct Members {
    own_name: String,
    own_id: String,
    limits: Limits,
    nodes: Vec<PeerState>,
    index: HashMap<String, usize>,
    contacts: BTreeMap<String, Contact>,
    /// How many contacts wait for a sign of life.
    probing: usize,
    /// The earliest deadline of each contact that has one.
    deadlines: BTreeSet<(Duration, String)>,
    /// Contacts with a name and without a subscription.
    departed: BTreeSet<String>,
    /// How many ids were forgotten because of [`Limits::strangers`].
    forgotten: u64,
    actions: Vec<Action>,
}

impl Members {
    pub(super) fn new(own_name: &str, own_id: &str, nodes: Vec<Arc<NodeEntry>>, limits: Limits) -> Members {
        let mut members = Members {
            own_name: own_name.to_owned(),
            own_id: own_id.to_owned(),
            limits,
            nodes: Vec::new(),
            index: HashMap::new(),
            contacts: BTreeMap::new(),
            probing: 0,
            deadlines: BTreeSet::new(),
            departed: BTreeSet::new(),
            forgotten: 0,
            actions: Vec::new(),
        };
        members.set_nodes(nodes.into_iter().map(|entry| PeerState { entry, id: None, since: None }).collect());
        members
    }

    /// All nodes of the layout in its order, the own one included.
    pub(super) fn nodes(&self) -> &[PeerState] {
        &self.nodes
    }

    pub(super) fn node(&self, name: &str) -> Option<&PeerState> {
        self.index.get(name).map(|&at| &self.nodes[at])
    }

    /// `Cluster::nodeid_to_node`.
    pub(super) fn named_node(&self, id: &str) -> NamedNode {
        let found = self.node_with_id(id);
        found.map_or_else(NamedNode::none, |node| NamedNode::of(&node.entry, Some(id)))
    }

    pub(super) fn count(&self, node_type: NodeType) -> u64 {
        self.nodes.iter().filter(|node| node.entry.node_type == node_type).count() as u64
    }

    pub(super) fn active(&self, node_type: NodeType) -> u64 {
        self.nodes.iter().filter(|node| node.entry.node_type == node_type && node.id.is_some()).count() as u64
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How many ids are remembered, at most [`Limits::strangers`] beyond the nodes of the layout.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.contacts.len()
    }

    /// Takes what is to be done since the last call.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// For handshakes that begin from now on.
    pub(super) fn set_hello_expiration(&mut self, hello_expiration: Duration) {
        self.limits.hello_expiration = hello_expiration;
    }

    /// A nodeid topic was subscribed.
    pub(super) fn subscribed(&mut self, id: &str, now: Now) {
        if id == self.own_id {
            return;
        }
        let contact = self.contact(id, now);
        if contact.subscribed {
            self.sign_of_life(id);
            self.refresh(id);
            return;
        }
        contact.subscribed = true;
        contact.repetitions = 0;
        contact.gone = None;
        contact.unseen = false;
        self.greet(id, now);
        let expiry = now.elapsed + self.limits.hello_expiration;
        let contact = self.contact(id, now);
        if contact.subscription_due.take().is_some() {
            self.answer(id, now);
            self.take_earlier_hellos(id, now);
        } else {
            contact.greeting_due = Some(expiry);
        }
        self.back_under_the_same_id(id, now);
        self.refresh(id);
    }

    /// A nodeid topic has no subscriber any more.
    pub(super) fn unsubscribed(&mut self, id: &str, now: Now) {
        if id == self.own_id {
            return;
        }
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.subscribed = false;
            contact.gone = Some(Gone::Unsubscribed);
            contact.forget_deadlines();
        }
        match self.name_of(id) {
            Some(name) => self.down(&name, id, now),
            None => {
                // A stranger that leaves takes its record along.
                if self.contacts.get(id).is_some_and(|contact| contact.name.is_none()) {
                    self.forget(id);
                }
                self.warn(format!("unsubscription of unknown node with id '{id}'"));
            }
        }
        self.refresh(id);
    }

    /// `Cluster::Backend::ZeroMQ::hello(name, id)` came in.
    pub(super) fn greeted(&mut self, name: &str, id: &str, now: Now) {
        if self.is_impostor(name, id) {
            return;
        }
        let recorded = self.node(name).and_then(|node| node.id.clone());
        match recorded {
            Some(old) if old == id => self.answer_known_peer(name, id, now),
            _ => {
                if self.is_subscribed(id) {
                    self.displace_earlier_instance(name, id, now);
                }
                self.take_handshake(name, id, now);
            }
        }
        self.refresh(id);
    }

    /// `Cluster::hello(name, id)` came in.
    pub(super) fn hello(&mut self, name: &str, id: &str, now: Now) {
        if self.is_impostor(name, id) {
            return;
        }
        let known = self.index.contains_key(name);
        let hello_expiration = self.limits.hello_expiration;
        let contact = self.contact(id, now);
        contact.name = Some(name.to_owned());
        contact.confirmed = true;
        if !known {
            contact.repeat_at = None;
            self.error(format!("Got Cluster::hello msg from unexpected node: {name}"));
            self.refresh(id);
            return;
        }
        // Subscriptions and events travel on two paths: this may be the last word of a process whose end we know already.
        if contact.gone.is_some() {
            self.refresh(id);
            return;
        }
        // Anyone can write an id into a hello; only a process that is there has its nodeid topic subscribed.
        if !contact.subscribed {
            contact.subscription_due = Some(now.elapsed + hello_expiration);
            self.refresh(id);
            return;
        }
        contact.repeat_at = None;
        // It saw our greeting, but its own was lost: it waits for this answer, and never asks again if it is a Zeek.
        if contact.greeting_due.take().is_some() {
            self.answer(id, now);
        }
        self.welcome(name, id, now);
        self.refresh(id);
    }

    /// Some event of that sender came in; cheap unless somebody is being waited for.
    pub(super) fn heard(&mut self, sender: &[u8], now: Now) {
        if self.probing == 0 {
            return;
        }
        let Ok(id) = std::str::from_utf8(sender) else { return };
        let Some(contact) = self.contacts.get_mut(id) else { return };
        if contact.gone == Some(Gone::Silent) {
            contact.gone = None;
            contact.subscribed = true;
            self.back_under_the_same_id(id, now);
        }
        self.sign_of_life(id);
        self.refresh(id);
    }

    /// The connection to the hub was lost.
    pub(super) fn link_down(&mut self) {
        for contact in self.contacts.values_mut().filter(|contact| contact.subscribed) {
            contact.unseen = true;
            contact.silent_at = None;
        }
        self.refresh_all();
    }

    /// The connection to the hub is there. Who lives through a loss replays its subscriptions to the hub, and the hub tells
    /// us again; a peer that ended meanwhile is the one of whom nothing is heard (4.9).
    pub(super) fn link_up(&mut self, now: Now) {
        for contact in self.contacts.values_mut().filter(|contact| contact.unseen) {
            contact.repetitions = 0;
            contact.repeat_at = Some(now.elapsed + self.limits.probe_after);
            contact.silent_at = Some(now.elapsed + self.limits.silent_after);
        }
        self.refresh_all();
    }

    /// The layout changed.
    pub(super) fn set_layout(&mut self, nodes: Vec<NodeEntry>, now: Now) {
        let kept: BTreeSet<&str> = nodes.iter().map(|entry| entry.name.as_str()).collect();
        let removed: Vec<(String, String)> = self
            .nodes
            .iter()
            .filter(|node| !kept.contains(node.entry.name.as_str()))
            .filter_map(|node| Some((node.entry.name.clone(), node.id.clone()?)))
            .collect();
        for (name, id) in removed {
            self.down(&name, &id, now);
        }
        let states = nodes.into_iter().map(|entry| {
            let before = self.node(&entry.name);
            PeerState {
                id: before.and_then(|n| n.id.clone()),
                since: before.and_then(|n| n.since),
                entry: Arc::new(entry),
            }
        });
        let states = states.collect();
        self.set_nodes(states);
        self.welcome_newly_named(now);
        self.refresh_all();
    }

    /// A deadline has passed.
    pub(super) fn timer(&mut self, now: Now) {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.elapsed);
        let mut ids: Vec<String> = due.map(|(_, id)| id.clone()).collect();
        ids.sort_unstable();
        for id in ids {
            self.contact_timer(&id, now);
            self.refresh(&id);
        }
    }

    fn contact_timer(&mut self, id: &str, now: Now) {
        let passed = |deadline: &mut Option<Duration>| deadline.take_if(|at| *at <= now.elapsed).is_some();
        let Some(contact) = self.contacts.get_mut(id) else { return };
        if passed(&mut contact.hello_at) {
            self.actions.push(Action::Hello(id.to_owned()));
        }
        let Some(contact) = self.contacts.get_mut(id) else { return };
        if passed(&mut contact.greeting_due) {
            self.warn(format!("Expired subscription from nodeid {id}"));
        }
        let Some(contact) = self.contacts.get_mut(id) else { return };
        if passed(&mut contact.subscription_due) {
            self.warn(format!("Expired hello from nodeid {id}"));
        }
        let Some(contact) = self.contacts.get_mut(id) else { return };
        if passed(&mut contact.silent_at) {
            self.take_silent_peer_down(id, now);
            return;
        }
        let Some(contact) = self.contacts.get_mut(id) else { return };
        if passed(&mut contact.repeat_at) && contact.subscribed {
            contact.repetitions += 1;
            let patient = contact.repetitions >= self.limits.repetitions_until_trusted;
            self.greet(id, now);
            if patient {
                self.trust_half_a_handshake(id, now);
            }
        }
    }

    /// A peer that told its name and is subscribed, but whose `Cluster::hello` was lost: a real Zeek never repeats it (4.6).
    fn trust_half_a_handshake(&mut self, id: &str, now: Now) {
        let Some(name) = self.contact(id, now).name.clone() else { return };
        if self.node(&name).is_some_and(|node| node.id.is_none()) {
            self.warn(format!("node '{name}' is there but its Cluster::hello was lost (id:{id})"));
            self.up(&name, id, now);
        }
    }

    /// Publishes `ZeroMQ::hello` and plans its repetition.
    fn greet(&mut self, id: &str, now: Now) {
        let (first_wait, most) = (self.limits.repeat_after, self.limits.repetitions);
        let contact = self.contact(id, now);
        contact.greeted = Some(now.elapsed);
        let wait = first_wait * 2_u32.saturating_pow(contact.repetitions.saturating_sub(1).min(8));
        contact.repeat_at = (contact.repetitions < most).then(|| now.elapsed + wait);
        self.actions.push(Action::Greet(id.to_owned()));
    }

    /// Publishes `Cluster::hello`, a little after the last `ZeroMQ::hello`.
    fn answer(&mut self, id: &str, now: Now) {
        let gap = self.limits.hello_gap;
        let contact = self.contact(id, now);
        match contact.greeted.map(|at| at + gap) {
            Some(earliest) if earliest > now.elapsed => contact.hello_at = Some(earliest),
            _ => self.actions.push(Action::Hello(id.to_owned())),
        }
    }

    /// A peer that we have up greets us: it has lost us. Zeek warns and stays silent; both hellos bring us back (4.8).
    fn answer_known_peer(&mut self, name: &str, id: &str, now: Now) {
        let contact = self.contact(id, now);
        contact.greeting_due = None;
        contact.subscription_due = None;
        contact.name = Some(name.to_owned());
        // Two nodes that know each other would greet for ever: who has just greeted only answers.
        let greeted_lately = contact.greeted.is_some_and(|at| now.elapsed < at + self.limits.repeat_after);
        if !greeted_lately {
            self.greet(id, now);
            self.contact(id, now).repeat_at = None;
        }
        self.answer(id, now);
        self.sign_of_life(id);
    }

    /// The common part of Zeek's `ZeroMQ::hello` handler.
    fn take_handshake(&mut self, name: &str, id: &str, now: Now) {
        let expiry = now.elapsed + self.limits.hello_expiration;
        let contact = self.contact(id, now);
        contact.name = Some(name.to_owned());
        if contact.subscribed {
            contact.greeting_due = None;
            self.answer(id, now);
        } else {
            contact.subscription_due = Some(expiry);
        }
    }

    /// A subscribed peer of the layout has said `Cluster::hello`.
    fn welcome(&mut self, name: &str, id: &str, now: Now) {
        self.recognise(name, id, now);
        self.actions.push(Action::GotHello { name: name.to_owned(), id: id.to_owned() });
        self.actions.push(Action::Log(format!("got hello from {name} ({id})")));
        self.sign_of_life(id);
    }

    /// Acts on what an id said before its nodeid topic was subscribed.
    fn take_earlier_hellos(&mut self, id: &str, now: Now) {
        let contact = self.contact(id, now);
        let (name, confirmed) = (contact.name.clone(), contact.confirmed);
        let Some(name) = name.filter(|name| self.index.contains_key(name)) else { return };
        self.displace_earlier_instance(&name, id, now);
        if confirmed {
            self.welcome(&name, id, now);
        }
    }

    /// Takes down the instance that a subscribed one of the same name replaces: it was killed or hangs, and its own
    /// unsubscription is still to come.
    fn displace_earlier_instance(&mut self, name: &str, id: &str, now: Now) {
        let Some(old) = self.node(name).and_then(|node| node.id.clone()).filter(|old| old != id) else { return };
        self.warn(format!("node '{name}' never said goodbye (old id:{old} new id:{id}"));
        self.down(name, &old, now);
    }

    fn is_subscribed(&self, id: &str) -> bool {
        self.contacts.get(id).is_some_and(|contact| contact.subscribed)
    }

    /// A peer of the layout is there under that id.
    fn recognise(&mut self, name: &str, id: &str, now: Now) {
        let recorded = self.node(name).and_then(|node| node.id.clone());
        match recorded {
            Some(old) if old == id => return,
            Some(old) => {
                self.error(format!("Got Cluster::hello msg from duplicate node:{name}"));
                self.down(name, &old, now);
            }
            None => {}
        }
        self.up(name, id, now);
    }

    fn up(&mut self, name: &str, id: &str, now: Now) {
        let Some(&at) = self.index.get(name) else { return };
        self.nodes[at].id = Some(id.to_owned());
        self.nodes[at].since = Some(now.wall);
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.repeat_at = None;
            contact.up_as = Some(at);
        }
        // Ids never come back after a restart: what was kept of earlier instances is of no use any more.
        let of_that_name = |other: &&String| {
            *other != id && self.contacts.get(*other).is_some_and(|contact| contact.name.as_deref() == Some(name))
        };
        let earlier: Vec<String> = self.departed.iter().filter(of_that_name).cloned().collect();
        earlier.iter().for_each(|other| self.forget(other));
        self.actions.push(Action::Up { name: name.to_owned(), id: id.to_owned() });
    }

    fn down(&mut self, name: &str, id: &str, now: Now) {
        let Some(&at) = self.index.get(name) else { return };
        self.nodes[at].id = None;
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.up_as = None;
        }
        self.nodes[at].since = Some(now.wall);
        self.actions.push(Action::Down { name: name.to_owned(), id: id.to_owned() });
        self.actions.push(Action::Log(format!("node down: {name}")));
    }

    /// A real Zeek peer that flapped believes that we are up and will not say `Cluster::hello` again (4.8).
    fn back_under_the_same_id(&mut self, id: &str, now: Now) {
        let contact = self.contact(id, now);
        let (name, confirmed) = (contact.name.clone(), contact.confirmed);
        let Some(name) = name.filter(|_| confirmed) else { return };
        if self.node(&name).is_some_and(|node| node.id.is_none()) {
            self.up(&name, id, now);
            self.actions.push(Action::Report(Severity::Info, format!("node '{name}' is back (id:{id})")));
        }
    }

    fn take_silent_peer_down(&mut self, id: &str, now: Now) {
        let contact = self.contact(id, now);
        contact.subscribed = false;
        contact.gone = Some(Gone::Silent);
        contact.forget_deadlines();
        if let Some(name) = self.name_of(id) {
            self.warn(format!("node '{name}' gave no sign of life after the hub came back (id:{id})"));
            self.down(&name, id, now);
        }
    }

    /// The peer is there: nothing more to prove.
    fn sign_of_life(&mut self, id: &str) {
        let up = self.name_of(id).is_some();
        let Some(contact) = self.contacts.get_mut(id) else { return };
        contact.unseen = false;
        if contact.silent_at.take().is_some() && up {
            contact.repeat_at = None;
        }
    }

    /// Whether a hello uses our own name or id, where Zeek would list itself as a peer (3.9), or the id of a peer that is up
    /// under another name.
    fn is_impostor(&mut self, name: &str, id: &str) -> bool {
        if id == self.own_id {
            return true;
        }
        if let Some(known) = self.name_of(id).filter(|known| known != name) {
            self.error(format!("a hello of '{name}' uses the id of node '{known}' (id:{id})"));
            return true;
        }
        if name != self.own_name {
            return false;
        }
        self.error(format!("another process says hello as '{name}', the name of this node (id:{id})"));
        true
    }

    /// Contacts that were refused because of their name, and whose name the layout has now. Of several of one name, as when
    /// one was killed while the hub was away, the one that was heard of since, and of those the newest.
    fn welcome_newly_named(&mut self, now: Now) {
        let mut waiting: Vec<(bool, Reverse<Duration>, String, String)> = self
            .contacts
            .iter()
            .filter(|(_, contact)| contact.subscribed && contact.confirmed)
            .filter_map(|(id, contact)| {
                Some((contact.unseen, Reverse(contact.first), contact.name.clone()?, id.clone()))
            })
            .collect();
        waiting.sort_unstable();
        for (_, _, name, id) in waiting {
            if self.node(&name).is_some_and(|node| node.id.is_none()) {
                self.up(&name, &id, now);
            }
        }
    }

    fn name_of(&self, id: &str) -> Option<String> {
        self.node_with_id(id).map(|node| node.entry.name.clone())
    }

    fn node_with_id(&self, id: &str) -> Option<&PeerState> {
        self.contacts.get(id)?.up_as.map(|at| &self.nodes[at])
    }

    /// The record of that id, made if need be; then the oldest stranger may have to go.
    fn contact(&mut self, id: &str, now: Now) -> &mut Contact {
        if !self.contacts.contains_key(id) {
            self.make_room();
        }
        self.contacts.entry(id.to_owned()).or_insert_with(|| Contact::new(now))
    }

    fn make_room(&mut self) {
        if self.contacts.len() < self.limits.strangers + self.nodes.len() {
            return;
        }
        let strangers = self.contacts.iter().filter(|(_, contact)| contact.up_as.is_none());
        let oldest = strangers.min_by_key(|(_, contact)| (contact.name.is_some(), contact.first));
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            self.forget(&id);
            self.forgotten += 1;
        }
    }

    fn set_nodes(&mut self, nodes: Vec<PeerState>) {
        self.index = nodes.iter().enumerate().map(|(at, node)| (node.entry.name.clone(), at)).collect();
        self.nodes = nodes;
        self.contacts.values_mut().for_each(|contact| contact.up_as = None);
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(contact) = node.id.as_deref().and_then(|id| self.contacts.get_mut(id)) {
                contact.up_as = Some(at);
            }
        }
    }

    /// Brings the summaries over all contacts up to date with one of them.
    fn refresh(&mut self, id: &str) {
        let Some(contact) = self.contacts.get_mut(id) else { return };
        let now = contact.summarize();
        let before = std::mem::replace(&mut contact.summary, now);
        self.summarize(id, before, now);
    }

    /// The same with all of them.
    fn refresh_all(&mut self) {
        let ids: Vec<String> = self.contacts.keys().cloned().collect();
        ids.iter().for_each(|id| self.refresh(id));
    }

    /// Forgets a contact, and what the summaries hold of it.
    fn forget(&mut self, id: &str) {
        if let Some(contact) = self.contacts.remove(id) {
            self.summarize(id, contact.summary, Summary::default());
        }
    }

    fn summarize(&mut self, id: &str, before: Summary, now: Summary) {
        if before.deadline != now.deadline {
            if let Some(at) = before.deadline {
                self.deadlines.remove(&(at, id.to_owned()));
            }
            self.deadlines.extend(now.deadline.map(|at| (at, id.to_owned())));
        }
        match (before.departed, now.departed) {
            (false, true) => drop(self.departed.insert(id.to_owned())),
            (true, false) => drop(self.departed.remove(id)),
            _ => {}
        }
        self.probing = self.probing + usize::from(now.probed) - usize::from(before.probed);
    }

    fn warn(&mut self, text: String) {
        self.actions.push(Action::Report(Severity::Warning, text));
    }

    fn error(&mut self, text: String) {
        self.actions.push(Action::Report(Severity::Error, text));
    }
}
