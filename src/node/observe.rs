//! A member nobody sees: joins a running cluster by its endpoints alone, whoever deployed it.
//!
//! Compatibility: an observer subscribes to no nodeid topic and says no hello, so real Zeek nodes do not notice it
//! (`zeromq.md` 3.4, 3.8). It learns who is there from their node and nodeid subscriptions, and from the hellos that pass
//! while it watches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::error::NodeError;
use super::identity;
use crate::cluster::Watcher;
use crate::cluster::topics::INTERNAL_PREFIX;
use crate::data::{Data, Event};
use crate::transport::zeromq::{self, ZeromqTransport};
use crate::transport::{EventFrame, Inbound, Inbox, LinkEvent, Transport};
use crate::wire::{broker_bin, broker_json};

pub use crate::cluster::{EventSerializer, SeenNode};
pub use crate::transport::zeromq::Keys;

/// Hellos pass on topics that begin so. It is no nodeid topic itself, so nobody greets whoever subscribes to it.
const HELLOS: &str = "zeek.cluster.nodeid";
/// How many subscriptions of others are remembered; a cluster has far fewer, a hostile one is cut off here.
const MOST_TOPICS: usize = 100_000;
/// How much longer a hub is waited for that refused us: the reason is known, and few hubs change their mind.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);

/// Where a cluster is.
#[derive(Clone, Debug)]
pub struct ObserveOptions {
    /// The hub's XSUB, such as `tcp://192.0.2.10:27761`.
    pub connect_xpub_endpoint: String,
    /// The hub's XPUB, such as `tcp://192.0.2.10:27760`.
    pub connect_xsub_endpoint: String,
    /// The cluster's client keys, if it is encrypted.
    pub keys: Option<Keys>,
    /// How events are to be published there; received ones tell it themselves.
    pub event_serializer: EventSerializer,
}

/// An event that an observer received.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedEvent {
    /// The topic that it was published on.
    pub topic: Vec<u8>,
    /// What the sender calls itself.
    pub sender: Vec<u8>,
    /// The event.
    pub event: Event,
}

impl ObservedEvent {
    /// One JSON object on one line: the `data-message` of Zeek's WebSocket API (the event in `broker-json-v1` with its
    /// topic), with `sender` and `ts`, seconds since the epoch, before it.
    pub fn to_json(&self, ts: f64) -> String {
        let message = broker_json::encode_data_message(&String::from_utf8_lossy(&self.topic), &self.event);
        let members = message.strip_prefix('{').unwrap_or(&message);
        format!("{{\"ts\":{ts:.6},\"sender\":{},{members}", broker_json::quote(&self.sender))
    }
}

/// The value that a text of `broker-json-v1` holds; else what is wrong with it.
///
/// # Errors
/// Why [`broker_json::decode`] refuses it, in words.
pub fn value_from_json(text: &str) -> Result<Data, String> {
    broker_json::decode(text.as_bytes()).map_err(|error| error.to_string())
}

/// A value as a text of `broker-json-v1`.
pub fn value_to_json(value: &Data) -> String {
    broker_json::encode(value)
}

/// A connected observer; leaves when dropped.
pub struct Observer {
    transport: Arc<ZeromqTransport>,
    inbox: Inbox,
    watcher: Watcher,
    /// What others are subscribed to.
    wanted: BTreeSet<Vec<u8>>,
    /// What this observer itself is subscribed to.
    own: BTreeSet<Vec<u8>>,
    id: Bytes,
    endpoint: String,
    serializer: EventSerializer,
    probes: u64,
    unreadable: u64,
    refusal: Option<String>,
    connected: bool,
}

impl Observer {
    /// Joins, and waits until the hub has told all that it knows.
    ///
    /// # Errors
    /// [`NodeError::Transport`] for a malformed endpoint or key, and when the hub does not answer in time or refuses us.
    pub async fn join(options: ObserveOptions, within: Duration) -> Result<Observer, NodeError> {
        let id = identity::node_id("")?;
        let endpoint = options.connect_xsub_endpoint.clone();
        let sockets = zeromq::Options {
            ipv6: endpoint.contains('[') || options.connect_xpub_endpoint.contains('['),
            connect_xpub_endpoint: options.connect_xpub_endpoint,
            connect_xsub_endpoint: options.connect_xsub_endpoint,
            keys: options.keys,
            ..zeromq::Options::new(id.clone())
        };
        let (transport, inbox) =
            zeromq::start(sockets).map_err(|error| NodeError::Transport { reason: error.to_string() })?;
        let mut observer = Observer {
            transport: Arc::new(transport),
            inbox,
            watcher: Watcher::new(),
            wanted: BTreeSet::new(),
            own: BTreeSet::new(),
            id: Bytes::from(id.into_bytes()),
            endpoint,
            serializer: options.event_serializer,
            probes: 0,
            unreadable: 0,
            refusal: None,
            connected: false,
        };
        observer.subscribe(HELLOS)?;
        observer.ready(within).await?;
        Ok(observer)
    }

    /// Who is there, by name and id; what the last call of [`Observer::ready`] or [`Observer::next`] brought is included.
    pub fn nodes(&self) -> Vec<SeenNode> {
        self.watcher.nodes()
    }

    /// Subscribes to a topic prefix; a second time it changes nothing.
    ///
    /// # Errors
    /// [`NodeError::Transport`] for the nodeid topic of a node: the others would take the observer for that node.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), NodeError> {
        if let Some(id) = topic.strip_prefix(HELLOS).filter(|rest| rest.starts_with('.')) {
            let reason = format!("nodes would take us for the node with the id `{}`", id.trim_matches('.'));
            return Err(self.failed(&reason));
        }
        if !self.own.insert(topic.as_bytes().to_vec()) {
            return Ok(());
        }
        self.transport.subscribe(topic.as_bytes()).map_err(|error| self.failed(&error.to_string()))
    }

    /// Whether anybody else is subscribed to a topic, as of the last [`Observer::ready`] or [`Observer::next`]. Who
    /// subscribed to the very prefix that this observer subscribed to cannot be told from it.
    pub fn has_subscriber(&self, topic: &[u8]) -> bool {
        let others = self.wanted.iter().filter(|prefix| !self.own.contains(*prefix) && !is_probe(prefix));
        others.into_iter().any(|prefix| topic.starts_with(prefix))
    }

    /// Events that came and were lost, since the observer joined: those that nobody took in time, and those that could not
    /// be read.
    pub fn lost(&self) -> u64 {
        let counters = self.transport.counters();
        counters.onloop_drops + counters.msg_errors + self.unreadable
    }

    /// Waits until everything asked of the hub so far has come into effect: subscriptions are known, and so is who
    /// subscribed to what, so that a publication made now arrives.
    ///
    /// # Errors
    /// [`NodeError::Transport`] when the hub refuses us, does not answer in time, or the transport has ended or has no
    /// room.
    pub async fn ready(&mut self, within: Duration) -> Result<(), NodeError> {
        let mut deadline = Instant::now() + within;
        self.probes += 1;
        let probe = format!("{INTERNAL_PREFIX}{}.{}.", String::from_utf8_lossy(&self.id), self.probes).into_bytes();
        self.transport.subscribe(&probe).map_err(|error| self.failed(&error.to_string()))?;
        loop {
            let Ok(inbound) = timeout_at(deadline, self.inbox.recv()).await else {
                return Err(match self.refusal.take() {
                    Some(reason) => NodeError::Transport { reason },
                    None => self.failed(&format!("the hub gave no answer within {} s", within.as_secs_f64())),
                });
            };
            let inbound = inbound.ok_or_else(|| self.failed("the transport has ended"))?;
            let echoed = matches!(&inbound, Inbound::Subscription(topic) if *topic == probe);
            if let Inbound::Link(LinkEvent::Refused { .. }) = inbound {
                deadline = deadline.min(Instant::now() + AFTER_REFUSAL);
            }
            self.take(inbound);
            if echoed {
                return self.transport.unsubscribe(&probe).map_err(|error| self.failed(&error.to_string()));
            }
        }
    }

    /// Publishes an event; call [`Observer::ready`] first.
    ///
    /// # Errors
    /// [`NodeError::Transport`] when the queue to the sockets is full or the transport has ended; the event was not
    /// sent.
    pub fn publish(&self, topic: &[u8], event: &Event) -> Result<(), NodeError> {
        let payload = match self.serializer {
            EventSerializer::BrokerBinV1 => broker_bin::encode_event(event).into(),
            EventSerializer::BrokerJsonV1 => broker_json::encode_event(event).into(),
        };
        let frame = EventFrame {
            topic: Bytes::copy_from_slice(topic),
            sender: self.id.clone(),
            format: Bytes::from_static(self.serializer.wire_name().as_bytes()),
            payload,
        };
        self.transport.publish(frame).map_err(|error| self.failed(&error.to_string()))
    }

    /// The next event that can be read; none when the connection has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ObservedEvent> {
        loop {
            let inbound = self.inbox.recv().await?;
            if let Some(event) = self.take(inbound) {
                return Some(event);
            }
        }
    }

    /// Takes in one thing that happened, whatever it is; false when the connection has ended. Cancel-safe.
    pub(super) async fn turn(&mut self) -> bool {
        let Some(inbound) = self.inbox.recv().await else { return false };
        self.take(inbound);
        true
    }

    /// Why nothing is known of the cluster; none while the hub is connected.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.connected {
            return None;
        }
        Some(self.refusal.clone().unwrap_or_else(|| format!("the hub {} is not connected", self.endpoint)))
    }

    /// Leaves the cluster after what was published is on its way; blocks for half a second at most.
    pub fn close(self) {
        self.transport.close();
    }

    fn take(&mut self, inbound: Inbound) -> Option<ObservedEvent> {
        match inbound {
            Inbound::Subscription(topic) => {
                self.watcher.subscribed(&topic);
                if self.wanted.len() < MOST_TOPICS {
                    self.wanted.insert(topic);
                }
            }
            Inbound::Unsubscription(topic) => {
                self.watcher.unsubscribed(&topic);
                self.wanted.remove(&topic);
            }
            Inbound::Link(LinkEvent::Up) => {
                self.connected = true;
                self.refusal = None;
            }
            Inbound::Link(LinkEvent::Down) => {
                self.connected = false;
                self.watcher.forget();
                self.wanted.clear();
            }
            Inbound::Link(LinkEvent::Refused { endpoint, reason }) => {
                self.refusal = Some(format!("{endpoint}: {reason}"))
            }
            Inbound::Link(_) | Inbound::Log(_) => {}
            Inbound::Event(frame) => return self.event(frame),
        }
        None
    }

    fn event(&mut self, frame: EventFrame) -> Option<ObservedEvent> {
        let decoded = match &frame.format[..] {
            b"broker-json-v1" => broker_json::decode_event(&frame.payload),
            _ => broker_bin::decode_event(&frame.payload),
        };
        match decoded {
            // A hello that nobody asked to see: it came by the observer's own subscription.
            Ok(event) if self.only_for_us(&frame.topic) => {
                self.watcher.event(&event);
                None
            }
            Ok(event) => {
                self.watcher.event(&event);
                Some(ObservedEvent { topic: frame.topic.to_vec(), sender: frame.sender.to_vec(), event })
            }
            Err(error) => {
                self.unreadable += 1;
                tracing::debug!(topic = %frame.topic.escape_ascii(), %error, "an event could not be read");
                None
            }
        }
    }

    /// Whether the event came only because the observer itself listens for hellos.
    fn only_for_us(&self, topic: &[u8]) -> bool {
        topic.starts_with(HELLOS.as_bytes())
            && !self.own.iter().any(|prefix| prefix != HELLOS.as_bytes() && topic.starts_with(prefix))
    }

    fn failed(&self, reason: &str) -> NodeError {
        NodeError::Transport { reason: format!("{}: {reason}", self.endpoint) }
    }
}

/// Whether a subscription is somebody's probe, which wants no event.
fn is_probe(topic: &[u8]) -> bool {
    topic.starts_with(INTERNAL_PREFIX.as_bytes())
}
