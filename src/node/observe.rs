//! A member nobody sees: joins a running cluster by its endpoints alone, whoever deployed it.
//!
//! Compatibility: an observer subscribes to no nodeid topic and says no hello, so real Zeek nodes do not notice it
//! (`zeromq.md` 3.4, 3.8). It learns who is there from their node and nodeid subscriptions, and from the hellos that pass
//! while it watches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::error::NodeError;
use super::identity;
use crate::cluster::topics::INTERNAL_PREFIX;
use crate::cluster::{EventSerializer, Watcher};
use crate::data::Event;
use crate::transport::zeromq::{self, Keys, ZeromqTransport};
use crate::transport::{EventFrame, Inbound, Inbox, LinkEvent, Transport};
use crate::wire::{broker_bin, broker_json};

pub use crate::cluster::SeenNode;

/// Where a cluster is.
#[derive(Clone, Debug)]
pub struct ObserveOptions {
    /// The hub's XSUB, such as `tcp://192.0.2.10:27761`.
    pub connect_xpub_endpoint: String,
    /// The hub's XPUB, such as `tcp://192.0.2.10:27760`.
    pub connect_xsub_endpoint: String,
    /// The cluster's client keys, if it is encrypted.
    pub keys: Option<Keys>,
    /// How events travel there.
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

/// A connected observer; leaves when dropped.
pub struct Observer {
    transport: Arc<ZeromqTransport>,
    inbox: Inbox,
    watcher: Watcher,
    id: Bytes,
    endpoint: String,
    serializer: EventSerializer,
    probes: u64,
    refusal: Option<String>,
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
            id: Bytes::from(id.into_bytes()),
            endpoint,
            serializer: options.event_serializer,
            probes: 0,
            refusal: None,
        };
        // Hellos pass on nodeid topics. This prefix of them is no nodeid topic itself, so nobody greets it.
        observer.subscribe("zeek.cluster.nodeid")?;
        observer.ready(within).await?;
        Ok(observer)
    }

    /// Who is there, by name and id; what the last call of [`Observer::ready`] or [`Observer::next`] brought is included.
    pub fn nodes(&self) -> Vec<SeenNode> {
        self.watcher.nodes()
    }

    /// Subscribes to a topic prefix.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), NodeError> {
        self.transport.subscribe(topic.as_bytes()).map_err(|error| self.failed(&error.to_string()))
    }

    /// Waits until everything asked of the hub so far has come into effect: subscriptions are known, and so is who
    /// subscribed to what, so that a publication made now arrives.
    pub async fn ready(&mut self, within: Duration) -> Result<(), NodeError> {
        let deadline = Instant::now() + within;
        self.probes += 1;
        let probe = format!("{INTERNAL_PREFIX}{}.{}.", String::from_utf8_lossy(&self.id), self.probes).into_bytes();
        self.transport.subscribe(&probe).map_err(|error| self.failed(&error.to_string()))?;
        loop {
            let Ok(inbound) = timeout_at(deadline, self.inbox.recv()).await else {
                let silent = format!("the hub gave no answer within {} s", within.as_secs_f64());
                return Err(self.failed(self.refusal.as_ref().unwrap_or(&silent)));
            };
            let inbound = inbound.ok_or_else(|| self.failed("the transport has ended"))?;
            let echoed = matches!(&inbound, Inbound::Subscription(topic) if *topic == probe);
            self.take(inbound);
            if echoed {
                return self.transport.unsubscribe(&probe).map_err(|error| self.failed(&error.to_string()));
            }
        }
    }

    /// Publishes an event; call [`Observer::ready`] first.
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

    /// Leaves the cluster after what was published is on its way; blocks for half a second at most.
    pub fn close(self) {
        self.transport.close();
    }

    fn take(&mut self, inbound: Inbound) -> Option<ObservedEvent> {
        match inbound {
            Inbound::Subscription(topic) => self.watcher.subscribed(&topic),
            Inbound::Unsubscription(topic) => self.watcher.unsubscribed(&topic),
            Inbound::Link(LinkEvent::Down) => self.watcher.forget(),
            Inbound::Link(LinkEvent::Refused { endpoint, reason }) => {
                self.refusal = Some(format!("{endpoint}: {reason}"))
            }
            Inbound::Link(_) | Inbound::Log(_) => {}
            Inbound::Event(frame) => return self.event(frame),
        }
        None
    }

    fn event(&mut self, frame: EventFrame) -> Option<ObservedEvent> {
        let decoded = match self.serializer {
            EventSerializer::BrokerBinV1 => broker_bin::decode_event(&frame.payload),
            EventSerializer::BrokerJsonV1 => broker_json::decode_event(&frame.payload),
        };
        match decoded {
            Ok(event) => {
                self.watcher.event(&event);
                Some(ObservedEvent { topic: frame.topic.to_vec(), sender: frame.sender.to_vec(), event })
            }
            Err(error) => {
                tracing::debug!(topic = %frame.topic.escape_ascii(), %error, "an event could not be read");
                None
            }
        }
    }

    fn failed(&self, reason: &str) -> NodeError {
        NodeError::Transport { reason: format!("{}: {reason}", self.endpoint) }
    }
}
