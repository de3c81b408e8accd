//! From values back to Rust's types. There is no coercion: a count is no integer, a timestamp no time span.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::times::system_time_from_ns;
use super::{Data, Port, Real, Subnet};

/// A value of another type than the one wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct WrongType {
    /// The type that was wanted.
    pub expected: &'static str,
    /// The value's own type; for a string, what is wrong with it.
    pub found: &'static str,
}

macro_rules! try_from_data {
    ($($target:ty, $expected:literal: $pattern:pat => $value:expr;)*) => {
        $(
            impl TryFrom<Data> for $target {
                type Error = WrongType;

                fn try_from(data: Data) -> Result<$target, WrongType> {
                    match data {
                        $pattern => Ok($value),
                        other => Err(WrongType { expected: $expected, found: other.type_name() }),
                    }
                }
            }
        )*
    };
}

try_from_data! {
    bool, "boolean": Data::Boolean(is) => is;
    u64, "count": Data::Count(n) => n;
    i64, "integer": Data::Integer(n) => n;
    f64, "real": Data::Real(Real(x)) => x;
    IpAddr, "address": Data::Address(ip) => ip.to_canonical();
    Subnet, "subnet": Data::Subnet(subnet) => subnet;
    Port, "port": Data::Port(port) => port;
    SystemTime, "timestamp": Data::Timestamp(ns) => system_time_from_ns(ns);
    BTreeSet<Data>, "set": Data::Set(elements) => elements;
    BTreeMap<Data, Data>, "table": Data::Table(pairs) => pairs;
    Vec<Data>, "vector": Data::Vector(elements) => elements;
}

impl TryFrom<Data> for String {
    type Error = WrongType;

    fn try_from(data: Data) -> Result<String, WrongType> {
        match data {
            Data::String(octets) => {
                String::from_utf8(octets).map_err(|_| WrongType { expected: "string of UTF-8", found: "other octets" })
            }
            other => Err(WrongType { expected: "string", found: other.type_name() }),
        }
    }
}

/// Negative spans have no `Duration`; take them from [`Data::Timespan`].
impl TryFrom<Data> for Duration {
    type Error = WrongType;

    fn try_from(data: Data) -> Result<Duration, WrongType> {
        match data {
            Data::Timespan(ns) => u64::try_from(ns)
                .map(Duration::from_nanos)
                .map_err(|_| WrongType { expected: "timespan of zero or more", found: "negative timespan" }),
            other => Err(WrongType { expected: "timespan", found: other.type_name() }),
        }
    }
}

impl Data {
    /// The octets of a string; none for every other type.
    pub fn as_string(&self) -> Option<&[u8]> {
        match self {
            Data::String(octets) => Some(octets),
            _ => None,
        }
    }

    /// The text of a string; none for every other type and for octets that are not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_string()?).ok()
    }

    /// The elements of a vector, the fields of a record; none for every other type.
    pub fn as_vector(&self) -> Option<&[Data]> {
        match self {
            Data::Vector(elements) => Some(elements),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(value: T)
    where
        T: Clone + Into<Data> + TryFrom<Data, Error = WrongType> + PartialEq + std::fmt::Debug,
    {
        assert_eq!(T::try_from(value.clone().into()), Ok(value));
    }

    #[test]
    fn what_goes_in_comes_out() {
        check(true);
        check(7u64);
        check(-7i64);
        check(1.5f64);
        check(String::from("text"));
        check("10.0.0.1".parse::<IpAddr>().expect("an address"));
        check("2001:db8::1".parse::<IpAddr>().expect("an address"));
        check(Port::udp(53));
        check(Duration::from_millis(1500));
        check(SystemTime::UNIX_EPOCH + Duration::from_nanos(1));
        check(vec![Data::None, Data::Count(1)]);
        assert_eq!(Data::from(None::<u64>), Data::None);
        assert_eq!(Data::from(Some(3u64)), Data::Count(3));
    }

    #[test]
    fn nothing_is_coerced() {
        let refused = u64::try_from(Data::Integer(1)).expect_err("an integer is no count");
        assert_eq!(refused.to_string(), "expected count, found integer");
        assert!(f64::try_from(Data::Count(1)).is_err());
        assert!(String::try_from(Data::enumerator("x")).is_err());
        assert!(String::try_from(Data::String(vec![0xff])).is_err());
        assert!(Duration::try_from(Data::Timespan(-1)).is_err());
    }
}
