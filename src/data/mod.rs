//! Broker's data model: the fifteen types that every value of an event, a store or an option has.
//!
//! Plain values, ordering and text; nothing here opens, waits or logs. Source: `protocol/formats.md`, chapter 1.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

/// One Broker value. The derived order is by type tag first, then by value: the order in which sets and tables travel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// Tag 0, `none`: an unset record field.
    None,
    /// Tag 1.
    Boolean(bool),
    /// Tag 2, unsigned.
    Count(u64),
    /// Tag 3, signed.
    Integer(i64),
    /// Tag 4.
    Real(Real),
    /// Tag 5: arbitrary octets, no encoding implied.
    String(Vec<u8>),
    /// Tag 6: IPv4 as IPv4-mapped IPv6.
    Address(Ipv6Addr),
    /// Tag 7.
    Subnet(Subnet),
    /// Tag 8.
    Port(Port),
    /// Tag 9: nanoseconds since 1970-01-01T00:00:00 UTC.
    Timestamp(i64),
    /// Tag 10: nanoseconds.
    Timespan(i64),
    /// Tag 11: the enumerator's full name, as octets.
    Enum(Vec<u8>),
    /// Tag 12.
    Set(BTreeSet<Data>),
    /// Tag 13.
    Table(BTreeMap<Data, Data>),
    /// Tag 14; records are vectors too.
    Vector(Vec<Data>),
}

/// A real number with a total order, so that it can be in a set.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Real {}
impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Real {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.partial_cmp(&other.0).unwrap_or_else(|| self.0.total_cmp(&other.0))
    }
}

/// A subnet; the length counts from 128 bits, also for IPv4 (a `/8` of IPv4 is 104).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    /// The network address, IPv4 as IPv4-mapped IPv6.
    pub network: Ipv6Addr,
    /// Prefix length relative to 128 bits; a decoder hands on what came, so it may exceed 128.
    pub length: u8,
}

/// A port number with its transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// 0 to 65535.
    pub number: u16,
    /// The transport protocol.
    pub protocol: Protocol,
}

/// Transport protocol of a [`Port`], with Broker's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// 0, printed `?` by Broker and `unknown` by Zeek.
    Unknown = 0,
    /// 1.
    Tcp = 1,
    /// 2.
    Udp = 2,
    /// 3.
    Icmp = 3,
}

/// One event as it travels: the inner vector of the envelope (`formats.md` 2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Fully qualified name, such as `Cluster::hello`.
    pub name: Vec<u8>,
    /// One value per parameter.
    pub args: Vec<Data>,
    /// Metadata entries `(id, value)` in order; id 1 is the network timestamp.
    pub metadata: Vec<(u64, Data)>,
}

impl Event {
    /// An event without metadata.
    pub fn new(name: &str, args: Vec<Data>) -> Event {
        Event { name: name.as_bytes().to_vec(), args, metadata: Vec::new() }
    }
}

impl Data {
    /// A string value from text.
    pub fn string(text: impl Into<String>) -> Data {
        Data::String(text.into().into_bytes())
    }

    /// An address value; IPv4 becomes IPv4-mapped IPv6.
    pub fn address(ip: IpAddr) -> Data {
        Data::Address(match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        })
    }
}

/// `Cluster::NodeType`, in the reference's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeType {
    /// `Cluster::NONE`: not in a cluster.
    None,
    /// `Cluster::CONTROL`.
    Control,
    /// `Cluster::LOGGER`.
    Logger,
    /// `Cluster::MANAGER`.
    Manager,
    /// `Cluster::PROXY`.
    Proxy,
    /// `Cluster::WORKER`.
    Worker,
}

impl NodeType {
    /// The lower-case word of layouts and outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeType::None => "none",
            NodeType::Control => "control",
            NodeType::Logger => "logger",
            NodeType::Manager => "manager",
            NodeType::Proxy => "proxy",
            NodeType::Worker => "worker",
        }
    }

    /// The enumerator's full name, such as `Cluster::LOGGER`.
    pub fn zeek_name(self) -> &'static str {
        match self {
            NodeType::None => "Cluster::NONE",
            NodeType::Control => "Cluster::CONTROL",
            NodeType::Logger => "Cluster::LOGGER",
            NodeType::Manager => "Cluster::MANAGER",
            NodeType::Proxy => "Cluster::PROXY",
            NodeType::Worker => "Cluster::WORKER",
        }
    }

    /// The order in which node types start; stopping goes the other way round. Source: `zeekctl.md` 12.
    pub fn start_rank(self) -> u8 {
        match self {
            NodeType::Logger => 0,
            NodeType::Manager => 1,
            NodeType::Proxy => 2,
            NodeType::Worker => 3,
            NodeType::Control | NodeType::None => 4,
        }
    }
}

impl std::fmt::Display for NodeType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
