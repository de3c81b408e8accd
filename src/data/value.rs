//! The value itself: one of fifteen types, in the order of their tags.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::{Port, Real, Subnet};

/// One Broker value. The derived order is by type tag first, then by value: the order in which sets and tables travel.
///
/// ```
/// use zeek_cluster::Data;
///
/// let record = Data::vector([Data::from("sensor-1"), Data::from(3u64), Data::from(None::<u64>)]);
/// assert_eq!(record.to_string(), "(sensor-1, 3, nil)");
/// // Nothing is converted on the way out: a count is no integer.
/// assert_eq!(u64::try_from(Data::Count(3)), Ok(3));
/// assert!(i64::try_from(Data::Count(3)).is_err());
/// ```
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

impl Data {
    /// A string value from text.
    pub fn string(text: impl Into<String>) -> Data {
        Data::String(text.into().into_bytes())
    }

    /// An enum value from the enumerator's full name, such as `Notice::ACTION_LOG`.
    pub fn enumerator(name: impl Into<String>) -> Data {
        Data::Enum(name.into().into_bytes())
    }

    /// The type's name as Zeek prints it in messages: `none`, `count`, `enum_value` … (JSON writes `enum-value`.)
    pub fn type_name(&self) -> &'static str {
        match self {
            Data::None => "none",
            Data::Boolean(_) => "boolean",
            Data::Count(_) => "count",
            Data::Integer(_) => "integer",
            Data::Real(_) => "real",
            Data::String(_) => "string",
            Data::Address(_) => "address",
            Data::Subnet(_) => "subnet",
            Data::Port(_) => "port",
            Data::Timestamp(_) => "timestamp",
            Data::Timespan(_) => "timespan",
            Data::Enum(_) => "enum_value",
            Data::Set(_) => "set",
            Data::Table(_) => "table",
            Data::Vector(_) => "vector",
        }
    }

    /// Whether this is [`Data::None`].
    pub fn is_none(&self) -> bool {
        matches!(self, Data::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Protocol;

    fn check_ascending(values: &[Data]) {
        for pair in values.windows(2) {
            assert!(
                pair[0] < pair[1],
                "{} {} comes before {} {}",
                pair[0].type_name(),
                pair[0],
                pair[1].type_name(),
                pair[1]
            );
        }
    }

    fn ip(text: &str) -> Data {
        Data::address(text.parse().expect("an address"))
    }

    fn vector<const N: usize>(counts: [u64; N]) -> Data {
        Data::vector(counts)
    }

    #[test]
    fn the_type_orders_before_the_value() {
        check_ascending(&[
            Data::None,
            Data::from(true),
            Data::Count(9),
            Data::Integer(-5),
            Data::from(-1e9),
            Data::from("x"),
            ip("::"),
            Data::Subnet(Subnet::new("10.0.0.0".parse().expect("an address"), 8).expect("a prefix")),
            Data::Port(Port { number: 1, protocol: Protocol::Tcp }),
            Data::Timestamp(-1),
            Data::Timespan(-2),
            Data::enumerator("A"),
            Data::set([9u64]),
            Data::table([(9u64, 9u64)]),
            Data::vector([0u64]),
        ]);
    }

    #[test]
    fn values_of_one_type_order_as_in_broker() {
        check_ascending(&[Data::from(false), Data::from(true)]);
        check_ascending(&[Data::Integer(i64::MIN), Data::Integer(-1), Data::Integer(0)]);
        check_ascending(&["", "a", "ab", "b", "é"].map(Data::from));
        check_ascending(&[Data::String(vec![0x7f]), Data::String(vec![0x80])]);
        check_ascending(&[ip("::1"), ip("10.0.0.1"), ip("192.168.0.1"), ip("2001:db8::1")]);
        let port = |number, protocol| Data::Port(Port { number, protocol });
        check_ascending(&[port(22, Protocol::Tcp), port(80, Protocol::Tcp), port(80, Protocol::Udp)]);
        let net = |address: &str, length| {
            Data::Subnet(Subnet::new(address.parse().expect("an address"), length).expect("a prefix"))
        };
        check_ascending(&[net("::", 0), net("10.0.0.0", 8), net("10.0.0.0", 9), net("11.0.0.0", 8)]);
        check_ascending(&[vector([]), vector([1]), vector([1, 0]), vector([2])]);
        check_ascending(&[Data::set([1u64, 2]), Data::set([1u64, 3]), Data::set([2u64])]);
        check_ascending(&[
            Data::table([(1u64, 1u64)]),
            Data::table([(1u64, 1u64), (2, 0)]),
            Data::table([(1u64, 2u64)]),
            Data::table([(2u64, 0u64)]),
        ]);
    }

    #[test]
    fn values_of_different_types_are_never_equal() {
        assert_ne!(Data::Count(1), Data::Integer(1));
        assert_ne!(Data::Count(1), Data::from(1.0));
        assert_ne!(Data::Timestamp(0), Data::Timespan(0));
        assert_ne!(Data::from("x"), Data::enumerator("x"));
        assert_eq!(Data::from(0.0), Data::from(-0.0));
    }
}
