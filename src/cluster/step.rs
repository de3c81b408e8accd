//! The core of a node as a function: what happened and when goes in, what is to be done comes out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::event::{ClusterEvent, Command, Effect, Input, Now, Report, Severity};
use super::hooks::{Hooks, LogRecord, Verdict};
use super::hrw::Key;
use super::members::{Action, Limits, Members, PeerState};
use super::options::{EventSerializer, Options};
use super::pools::{self, PoolError, PoolId, Pools};
use super::topics::{self, MAX_ID, Topics};
use super::traffic::Traffic;
use super::types::NamedNode;
use crate::api::config::NodeEntry;
use crate::api::node::Count;
use crate::data::{Data, Event, NodeType};
use crate::transport::{EventFrame, Inbound, LinkEvent};
use crate::wire::{broker_bin, broker_json};

/// Name of the event that opens a handshake (`zeromq.md` 4.2).
const ZEROMQ_HELLO: &str = "Cluster::Backend::ZeroMQ::hello";
/// Name of the event that ends it.
const CLUSTER_HELLO: &str = "Cluster::hello";
/// How much of a foreign payload is quoted in a report.
const QUOTED: usize = 64;

/// What a core is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `Cluster::node`; empty for a process outside the layout, which says hello to nobody.
    pub name: String,
    /// `Cluster::node_id()`.
    pub id: String,
    /// `Cluster::nodes`.
    pub nodes: Vec<Arc<NodeEntry>>,
    /// `Cluster::manager_is_logger`.
    pub manager_is_logger: bool,
    /// The pools, filled; [`Settings::with_pools`] fills others.
    pub pools: Pools,
    /// The options it obeys.
    pub options: Options,
    /// Intervals and bounds of the handshake.
    pub limits: Limits,
}

impl Settings {
    /// Settings of a layout's node with the predefined pools and the ZeroMQ backend's defaults.
    pub fn new(name: &str, id: &str, nodes: Vec<NodeEntry>, manager_is_logger: bool) -> Settings {
        let options = Options::default();
        let pools = Pools::new(&options.topics);
        let settings = Settings {
            name: name.to_owned(),
            id: id.to_owned(),
            pools: pools.clone(),
            manager_is_logger,
            limits: Limits { hello_expiration: options.hello_expiration, ..Limits::default() },
            options,
            nodes: nodes.into_iter().map(Arc::new).collect(),
        };
        settings.with_pools(pools).expect("pools of all nodes of their types can always be had")
    }

    /// The same settings with these pools, filled from the layout.
    ///
    /// # Errors
    /// Specs that this layout cannot satisfy.
    pub fn with_pools(mut self, mut pools: Pools) -> Result<Settings, PoolError> {
        fill(
            &mut pools,
            self.nodes.iter().map(|entry| &**entry),
            &self.name,
            self.manager_is_logger,
            &self.options.topics,
        )?;
        self.pools = pools;
        Ok(self)
    }
}

/// Figures of the core since its start; all only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreCounters {
    /// Events that could not be read, or came in another format than the cluster's.
    pub bad_events: u64,
    /// Ids of strangers that were forgotten because there were too many.
    pub forgotten_strangers: u64,
    /// Times that `Cluster::node_up` was raised.
    pub node_ups: u64,
    /// Times that `Cluster::node_down` was raised.
    pub node_downs: u64,
}

/// The state of one node of a cluster.
#[derive(Debug)]
pub struct Core {
    name: String,
    id: String,
    own_type: NodeType,
    manager_is_logger: bool,
    pools: Pools,
    /// What the pools are to be filled by; they differ from it while the layout cannot satisfy it.
    pool_specs: Pools,
    options: Options,
    hooks: Hooks,
    members: Members,
    /// What the framework subscribed to for this node.
    own_topics: Vec<String>,
    /// How often each own topic was subscribed; the hub hears of it once.
    subscriptions: HashMap<String, u64>,
    link_up: bool,
    /// The own nodeid subscription came back through the hub.
    echoed: bool,
    refusal: Option<String>,
    stopping: bool,
    counters: CoreCounters,
    traffic: Traffic,
    audience: Audience,
}

/// The recipients of other members' events in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Listeners beside the core: every event is decoded and raised.
    #[default]
    Listeners,
    /// The core alone: of events that are no hellos only the name is read and the size counted.
    Core,
}

impl Core {
    /// A core that has not begun: the first input must be [`Input::Start`].
    pub fn new(settings: Settings, hooks: Hooks) -> Core {
        let own = settings.nodes.iter().find(|entry| entry.name == settings.name);
        Core {
            own_type: own.map_or(NodeType::None, |entry| entry.node_type),
            members: Members::new(&settings.name, &settings.id, settings.nodes, settings.limits),
            name: settings.name,
            id: settings.id,
            manager_is_logger: settings.manager_is_logger,
            pool_specs: settings.pools.unfilled(),
            pools: settings.pools,
            traffic: Traffic::new(settings.options.core_metrics.clone()),
            options: settings.options,
            hooks,
            own_topics: Vec::new(),
            subscriptions: HashMap::new(),
            link_up: false,
            echoed: false,
            refusal: None,
            stopping: false,
            counters: CoreCounters::default(),
            audience: Audience::default(),
        }
    }

    /// Changes the recipients of events from now on.
    pub fn set_audience(&mut self, audience: Audience) {
        self.audience = audience;
    }

    /// Takes what happened and says what is to be done, in order.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Start => self.start(&mut effects),
            Input::Inbound(inbound) => self.inbound(inbound, now, &mut effects),
            Input::Timer if self.stopping => {}
            Input::Timer => self.members.timer(now),
            Input::Command(command) => self.command(command, now, &mut effects),
            Input::Layout(nodes) => self.layout(nodes, now, &mut effects),
            Input::PoolSpecs(specs) => self.take_pool_specs(&specs, &mut effects),
            Input::Shutdown => self.stopping = true,
        }
        self.perform(now, &mut effects);
        effects
    }

    /// Takes over what can change while the node works: `Cluster::Backend::ZeroMQ::hello_expiration`, for handshakes that
    /// begin from now on, and `Cluster::Telemetry::core_metrics`, where figures by topic begin anew.
    pub fn take_options(&mut self, options: &Options) {
        self.options.hello_expiration = options.hello_expiration;
        self.members.set_hello_expiration(options.hello_expiration);
        self.options.core_metrics.clone_from(&options.core_metrics);
        self.traffic.keep(options.core_metrics.clone());
    }

    /// When [`Input::Timer`] is due, on the clock of [`Now::elapsed`]; none when nothing waits.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.members.deadline().filter(|_| !self.stopping)
    }

    /// `Cluster::is_enabled`: whether the node has a name, in the layout or not.
    pub fn is_enabled(&self) -> bool {
        !self.name.is_empty()
    }

    /// `Cluster::node`.
    pub fn node(&self) -> &str {
        &self.name
    }

    /// `Cluster::node_id`.
    pub fn node_id(&self) -> &str {
        &self.id
    }

    /// `Cluster::local_node_type`: `NONE` for a name that the layout does not have.
    pub fn local_node_type(&self) -> NodeType {
        self.own_type
    }

    /// `Cluster::local_node_metrics_port`; none stands for `0/unknown`.
    pub fn local_node_metrics_port(&self) -> Option<u16> {
        self.members.node(&self.name).and_then(|node| node.entry.metrics_port)
    }

    /// `Cluster::get_node_count`: layout entries of that type, this node included.
    pub fn get_node_count(&self, node_type: NodeType) -> u64 {
        self.members.count(node_type)
    }

    /// `Cluster::get_active_node_count`: nodes of that type that are up for this node, which never counts itself.
    pub fn get_active_node_count(&self, node_type: NodeType) -> u64 {
        self.members.active(node_type)
    }

    /// `Cluster::nodeid_to_node`; [`NamedNode::none`] for an id that is not up, the own one included.
    pub fn nodeid_to_node(&self, id: &str) -> NamedNode {
        self.members.named_node(id)
    }

    /// `Cluster::nodes_with_type`, sorted bytewise by name.
    pub fn nodes_with_type(&self, node_type: NodeType) -> Vec<NamedNode> {
        let of_type = self.members.nodes().iter().filter(|node| node.entry.node_type == node_type);
        let mut found: Vec<NamedNode> = of_type.map(|node| NamedNode::of(&node.entry, node.id.as_deref())).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Every other node of the layout, in its order.
    pub fn peers(&self) -> impl Iterator<Item = &PeerState> {
        self.members.nodes().iter().filter(|node| node.entry.name != self.name)
    }

    /// `Cluster::nodes`: every entry of the layout, this node included, in its order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &NodeEntry> {
        self.members.nodes().iter().map(|node| &*node.entry)
    }

    /// Counts of all types that the layout has.
    pub fn counts(&self) -> BTreeMap<NodeType, Count> {
        let types = self.members.nodes().iter().map(|node| node.entry.node_type);
        let count = |t| Count { defined: self.get_node_count(t), active: self.get_active_node_count(t) };
        types.map(|node_type| (node_type, count(node_type))).collect()
    }

    /// The pools: who is in each, and who of them is up.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// `Cluster::rr_topic`: the topic of the pool's next member that is up; each key goes round for itself. None when
    /// nobody is up, and for a pool that this node does not have.
    pub fn rr_topic(&mut self, pool: PoolId, key: &str) -> Option<String> {
        self.pools.pool_mut(pool)?.rr_topic(key).map(str::to_owned)
    }

    /// `Cluster::hrw_topic`: the topic of the pool's member that the key chooses; none as for [`Core::rr_topic`].
    pub fn hrw_topic(&self, pool: PoolId, key: impl Into<Key>) -> Option<String> {
        self.pools.pool(pool)?.hrw_topic(key).map(str::to_owned)
    }

    /// Whether the framework itself subscribed to a prefix of that topic for this node: its name, id, type and pools.
    pub fn is_for_this_node(&self, topic: &[u8]) -> bool {
        self.own_topics.iter().any(|own| topic.starts_with(own.as_bytes()))
    }

    /// `Cluster::unsubscribe` of a topic that the caller has not subscribed to: runs the hooks, and changes nothing.
    pub fn unsubscribe_in_vain(&mut self, topic: &str) {
        self.hooks.run_on_unsubscribe(topic);
    }

    /// Topics of the cluster.
    pub fn topics(&self) -> &Topics {
        &self.options.topics
    }

    /// How many ids membership remembers.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.members.remembered()
    }

    /// Figures so far.
    pub fn counters(&self) -> CoreCounters {
        CoreCounters { forgotten_strangers: self.members.forgotten(), ..self.counters }
    }

    /// Figures of events, as much of them as `Cluster::Telemetry::core_metrics` says.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Why the node does not take part in its cluster; none when it does.
    pub fn not_joined_because(&self) -> Option<String> {
        if let Some(refusal) = self.refusal.as_ref().filter(|_| !self.link_up) {
            return Some(refusal.clone());
        }
        if !self.link_up {
            return Some("the hub on the manager cannot be reached".to_owned());
        }
        if self.is_enabled() && !self.echoed {
            return Some("its subscriptions did not come back through the hub".to_owned());
        }
        let mut managers = self.peers().filter(|peer| peer.entry.node_type == NodeType::Manager).peekable();
        if self.own_type == NodeType::Manager || managers.peek().is_none() || managers.any(|peer| peer.id.is_some()) {
            return None;
        }
        Some("it has not seen the manager come up".to_owned())
    }

    fn start(&mut self, effects: &mut Vec<Effect>) {
        self.own_topics = self.framework_topics();
        for topic in self.own_topics.clone() {
            self.subscribe(topic, effects);
        }
    }

    /// What the framework itself subscribes to, in Zeek's order: the nodeid topic last but one, so that whoever has finished
    /// the handshake knows the other subscriptions (`zeromq.md` 3.3). Outside the layout: nothing.
    fn framework_topics(&self) -> Vec<String> {
        if self.own_type == NodeType::None {
            return Vec::new();
        }
        let names = &self.options.topics;
        let mut list = vec![topics::SUPERVISOR.to_owned(), topics::TABLES.to_owned()];
        list.extend(self.pools.topics_of(&self.name));
        list.extend(names.type_topic(self.own_type).map(str::to_owned));
        list.extend([names.nodeid_topic(&self.id), names.node_topic(&self.name)]);
        list
    }

    fn inbound(&mut self, inbound: Inbound, now: Now, effects: &mut Vec<Effect>) {
        match inbound {
            Inbound::Subscription(topic) => self.subscription(&topic, now),
            Inbound::Unsubscription(topic) => self.unsubscription(&topic, now),
            Inbound::Event(frame) => self.event(frame, now, effects),
            Inbound::Link(link) => self.link(link, now, effects),
            // Batches go to the log writer, past the core.
            Inbound::Log(_) => {}
        }
    }

    fn subscription(&mut self, topic: &[u8], now: Now) {
        let Some(id) = self.options.topics.id_in(topic) else { return };
        if id == self.id {
            self.echoed = true;
        } else if self.handshakes() {
            self.members.subscribed(id, now);
        }
    }

    fn unsubscription(&mut self, topic: &[u8], now: Now) {
        let Some(id) = self.options.topics.id_in(topic) else { return };
        if id == self.id {
            self.echoed = false;
        } else if self.handshakes() {
            self.members.unsubscribed(id, now);
        }
    }

    /// Only nodes of the layout take part in handshakes, and not while they leave.
    fn handshakes(&self) -> bool {
        self.own_type != NodeType::None && !self.stopping
    }

    fn link(&mut self, link: LinkEvent, now: Now, effects: &mut Vec<Effect>) {
        match link {
            LinkEvent::Up => {
                self.link_up = true;
                self.refusal = None;
                self.members.link_up(now);
            }
            LinkEvent::Down => {
                self.link_up = false;
                self.echoed = false;
                self.members.link_down();
            }
            LinkEvent::Refused { endpoint, reason } => {
                let text = format!("{endpoint}: {reason}");
                if self.refusal.as_ref() != Some(&text) {
                    effects.push(report(Severity::Error, text.clone()));
                    self.refusal = Some(text);
                }
            }
            LinkEvent::Unaccepted { endpoint, reason } => {
                effects.push(report(Severity::Error, format!("{endpoint}: {reason}")));
            }
            LinkEvent::SlowSubscriber { subscriber, topic } => {
                let text = format!("{subscriber} does not read; events for it are withheld, first on topic {topic}");
                effects.push(report(Severity::Warning, text));
            }
        }
    }

    fn event(&mut self, frame: EventFrame, now: Now, effects: &mut Vec<Effect>) {
        if frame.sender == self.id.as_bytes() {
            return;
        }
        self.members.heard(&frame.sender, now);
        if self.pass_over(&frame) {
            return;
        }
        let event = match self.decode(&frame) {
            Ok(event) => event,
            Err(text) => {
                self.counters.bad_events += 1;
                effects.push(report(Severity::Error, text));
                return;
            }
        };
        self.traffic.received(&self.options.topics, &frame.topic, &event.name, frame.payload.len());
        if event.name == ZEROMQ_HELLO.as_bytes() || event.name == CLUSTER_HELLO.as_bytes() {
            self.hello(&frame, &event, now, effects);
        } else {
            let (topic, sender) = (frame.topic.to_vec(), frame.sender.to_vec());
            effects.push(Effect::Raise(ClusterEvent::Remote { topic, sender, event }));
        }
    }

    /// Counts an event that is no hello and has no listeners, without decoding its arguments; false for every other one.
    fn pass_over(&mut self, frame: &EventFrame) -> bool {
        let skimmed = self.audience == Audience::Core
            && self.options.event_serializer == EventSerializer::BrokerBinV1
            && frame.format == broker_bin::NAME.as_bytes();
        if !skimmed {
            return false;
        }
        match broker_bin::event_name(&frame.payload) {
            Ok(name) if name != ZEROMQ_HELLO.as_bytes() && name != CLUSTER_HELLO.as_bytes() => {
                self.traffic.received(&self.options.topics, &frame.topic, name, frame.payload.len());
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    fn hello(&mut self, frame: &EventFrame, event: &Event, now: Now, effects: &mut Vec<Effect>) {
        let Some((name, id)) = hello_arguments(event) else {
            self.counters.bad_events += 1;
            effects.push(report(Severity::Error, unreadable(frame)));
            return;
        };
        if !self.handshakes() {
            return;
        }
        if event.name == CLUSTER_HELLO.as_bytes() {
            self.members.hello(name, id, now);
        } else {
            self.members.greeted(name, id, now);
        }
    }

    fn decode(&self, frame: &EventFrame) -> Result<Event, String> {
        let want = self.options.event_serializer.wire_name();
        if frame.format != want.as_bytes() {
            let got = quoted(&frame.format);
            let from = quoted(&frame.sender);
            return Err(format!("ProcessEventMessage: Wrong format: {got} vs {want} (from {from})"));
        }
        let decoded = match self.options.event_serializer {
            EventSerializer::BrokerBinV1 => broker_bin::decode_event(&frame.payload),
            EventSerializer::BrokerJsonV1 => broker_json::decode_event(&frame.payload),
        };
        decoded.map_err(|error| format!("{} ({error})", unreadable(frame)))
    }

    fn encode(&self, event: &Event) -> Bytes {
        match self.options.event_serializer {
            EventSerializer::BrokerBinV1 => broker_bin::encode_event(event).into(),
            EventSerializer::BrokerJsonV1 => broker_json::encode_event(event).into(),
        }
    }

    fn command(&mut self, command: Command, now: Now, effects: &mut Vec<Effect>) {
        match command {
            Command::Subscribe(topic) => self.subscribe(topic, effects),
            Command::Unsubscribe(topic) => self.unsubscribe(topic, effects),
            Command::Publish { topic, event } => effects.push(self.publish(topic, &event)),
            Command::PublishAs { sender, topic, event } => {
                effects.push(Effect::Publish(self.frame(sender, topic, &event)));
            }
            Command::Log(message) => self.log(message, now, effects),
        }
    }

    fn subscribe(&mut self, topic: String, effects: &mut Vec<Effect>) {
        self.hooks.run_on_subscribe(&topic);
        let count = self.subscriptions.entry(topic.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            effects.push(Effect::Subscribe(topic));
        }
    }

    fn unsubscribe(&mut self, topic: String, effects: &mut Vec<Effect>) {
        self.hooks.run_on_unsubscribe(&topic);
        let Some(count) = self.subscriptions.get_mut(&topic) else { return };
        *count -= 1;
        if *count == 0 {
            self.subscriptions.remove(&topic);
            effects.push(Effect::Unsubscribe(topic));
        }
    }

    fn publish(&mut self, topic: impl Into<Bytes>, event: &Event) -> Effect {
        let frame = self.frame(Bytes::copy_from_slice(self.id.as_bytes()), topic, event);
        self.traffic.sent(&self.options.topics, &frame.topic, &event.name, frame.payload.len());
        Effect::Publish(frame)
    }

    fn frame(&self, sender: Bytes, topic: impl Into<Bytes>, event: &Event) -> EventFrame {
        EventFrame {
            topic: topic.into(),
            sender,
            format: Bytes::from_static(self.options.event_serializer.wire_name().as_bytes()),
            payload: self.encode(event),
        }
    }

    fn log(&mut self, message: String, now: Now, effects: &mut Vec<Effect>) {
        let record = LogRecord { ts: now.wall, node: self.name.clone(), message };
        if self.hooks.run_log_policy(&record) == Verdict::Keep {
            effects.push(Effect::Log(record));
        }
    }

    fn layout(&mut self, nodes: Vec<NodeEntry>, now: Now, effects: &mut Vec<Effect>) {
        // A node keeps its own entry: its type decides what it subscribed to, and only a restart changes that.
        let own = self.members.node(&self.name).map(|node| NodeEntry::clone(&node.entry));
        let mut nodes = nodes;
        if let Some(own) = own {
            match nodes.iter_mut().find(|entry| entry.name == own.name) {
                Some(entry) => entry.node_type = own.node_type,
                None => nodes.push(own),
            }
        }
        self.members.set_layout(nodes, now);
        self.refill_pools(effects);
    }

    /// `max_nodes` and `exclusive` of the predefined pools; topics wait for the next start.
    fn take_pool_specs(&mut self, specs: &Pools, effects: &mut Vec<Effect>) {
        if self.pool_specs.take_limits(specs) {
            self.refill_pools(effects);
        }
    }

    /// Fills the pools from the layout and follows with the subscriptions; what it cannot satisfy changes nothing, and is tried
    /// again with the next layout.
    fn refill_pools(&mut self, effects: &mut Vec<Effect>) {
        let mut pools = self.pool_specs.clone();
        let entries = self.members.nodes().iter().map(|node| &*node.entry);
        if let Err(error) = fill(&mut pools, entries, &self.name, self.manager_is_logger, &self.options.topics) {
            effects.push(report(Severity::Error, format!("the pools stay as they were: {error}")));
            return;
        }
        let up = self.members.nodes().iter().filter(|node| node.id.is_some());
        up.for_each(|node| pools.node_up(&node.entry.name));
        self.pools = pools;
        let now = self.framework_topics();
        let before = std::mem::replace(&mut self.own_topics, now.clone());
        let left = before.iter().filter(|topic| !now.contains(topic));
        left.for_each(|topic| self.unsubscribe(topic.clone(), effects));
        let joined = now.iter().filter(|topic| !before.contains(topic));
        joined.for_each(|topic| self.subscribe(topic.clone(), effects));
    }

    /// Turns what membership decided into effects.
    fn perform(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for action in self.members.take_actions() {
            match action {
                Action::Greet(id) => effects.push(self.say(ZEROMQ_HELLO, &id)),
                Action::Hello(id) => effects.push(self.say(CLUSTER_HELLO, &id)),
                Action::GotHello { name, id } => effects.push(Effect::Raise(ClusterEvent::Hello { name, id })),
                Action::Up { name, id } => {
                    self.counters.node_ups += 1;
                    self.pools.node_up(&name);
                    effects.push(Effect::Raise(ClusterEvent::NodeUp { name, id }));
                }
                Action::Down { name, id } => {
                    self.counters.node_downs += 1;
                    self.pools.node_down(&name);
                    effects.push(Effect::Raise(ClusterEvent::NodeDown { name, id }));
                }
                Action::Log(message) => self.log(message, now, effects),
                Action::Report(severity, text) => effects.push(report(severity, text)),
            }
        }
    }

    fn say(&mut self, what: &str, id: &str) -> Effect {
        let event = Event::new(what, vec![Data::string(self.name.clone()), Data::string(self.id.clone())]);
        let topic = self.options.topics.nodeid_topic(id);
        self.publish(topic, &event)
    }
}

/// Fills pools from the layout as one node sees it.
fn fill<'a>(
    pools: &mut Pools,
    nodes: impl Iterator<Item = &'a NodeEntry>,
    local: &'a str,
    manager_is_logger: bool,
    topics: &Topics,
) -> Result<(), PoolError> {
    let nodes = nodes.map(|entry| (entry.name.as_str(), entry.node_type)).collect();
    pools.fill(&pools::Members { nodes, local, manager_is_logger, node_topic: &|name| topics.node_topic(name) })
}

/// Name and id in a hello; none when they are not two short texts.
fn hello_arguments(event: &Event) -> Option<(&str, &str)> {
    let [Data::String(name), Data::String(id)] = event.args.as_slice() else { return None };
    let text = |octets| std::str::from_utf8(octets).ok().filter(|text: &&str| text.len() <= MAX_ID);
    Some((text(name)?, text(id)?))
}

fn report(severity: Severity, text: String) -> Effect {
    Effect::Report(Report { severity, text })
}

fn unreadable(frame: &EventFrame) -> String {
    let [topic, payload, sender] = [&frame.topic, &frame.payload, &frame.sender].map(|octets| quoted(octets));
    format!("Failed to unserialize message: {topic}: {payload} (from {sender})")
}

/// The beginning of foreign octets, escaped.
fn quoted(octets: &[u8]) -> String {
    let cut = octets.len().min(QUOTED);
    let dots = if octets.len() > cut { "…" } else { "" };
    format!("{}{dots}", octets[..cut].escape_ascii())
}
