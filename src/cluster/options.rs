//! The framework's redefinable options, as typed values that the core obeys.

use std::time::Duration;

use super::topics::Topics;
use super::traffic::Kept;

/// What the core obeys. The defaults are those of the ZeroMQ backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The topics, from `Cluster::logger_topic` to `Cluster::Backend::ZeroMQ::nodeid_topic_prefix`.
    pub topics: Topics,
    /// `Cluster::event_serializer`.
    pub event_serializer: EventSerializer,
    /// `Cluster::Backend::ZeroMQ::hello_expiration`: after this long half a handshake is reported.
    pub hello_expiration: Duration,
    /// `Cluster::Telemetry::core_metrics` and `Cluster::Telemetry::message_size_bounds`.
    pub core_metrics: Kept,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            topics: Topics::zeromq(),
            event_serializer: EventSerializer::BrokerBinV1,
            hello_expiration: Duration::from_secs(10),
            core_metrics: Kept::default(),
        }
    }
}

/// `Cluster::EventSerializerTag`: how events travel; all nodes of a cluster must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSerializer {
    /// `EVENT_SERIALIZER_BROKER_BIN_V1`.
    BrokerBinV1,
    /// `EVENT_SERIALIZER_BROKER_JSON_V1`.
    BrokerJsonV1,
}

impl EventSerializer {
    /// What stands in the format part of a message.
    pub fn wire_name(self) -> &'static str {
        match self {
            EventSerializer::BrokerBinV1 => "broker-bin-v1",
            EventSerializer::BrokerJsonV1 => "broker-json-v1",
        }
    }
}
