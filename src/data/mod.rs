//! Broker's data model: the fifteen types that every value of an event, a store or an option has.
//!
//! Plain values, ordering and text; nothing here opens, waits or logs. Source: `protocol/formats.md`, chapter 1.

mod addresses;
mod containers;
mod convert;
mod event;
mod node_type;
mod numbers;
mod text;
mod times;
mod value;

pub use addresses::{Port, Protocol, Subnet, TextAddress};
pub use convert::WrongType;
pub use event::{Event, NETWORK_TIMESTAMP};
pub use node_type::NodeType;
pub use numbers::Real;
pub use times::{ns_from_seconds, ns_from_system_time, seconds_from_ns, system_time_from_ns};
pub use value::Data;
