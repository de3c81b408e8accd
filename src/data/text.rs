//! Text as Broker renders it in Zeek's messages. Source: `formats.md` 4.6.

use std::fmt::{Display, Formatter, Result};

use super::{Data, Port, Protocol, Real, Subnet, TextAddress};

impl Display for Data {
    /// `T`, `nil`, `5000000000ns`, `{a, b}`, `{k -> v}`, `(a, b)`; strings without quotes, octets that are not UTF-8 as
    /// U+FFFD.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Data::None => f.write_str("nil"),
            Data::Boolean(is) => f.write_str(if *is { "T" } else { "F" }),
            Data::Count(n) => n.fmt(f),
            Data::Integer(n) => n.fmt(f),
            Data::Real(real) => real.fmt(f),
            Data::String(octets) | Data::Enum(octets) => f.write_str(&String::from_utf8_lossy(octets)),
            Data::Address(ip) => TextAddress(*ip).fmt(f),
            Data::Subnet(subnet) => subnet.fmt(f),
            Data::Port(port) => port.fmt(f),
            Data::Timestamp(ns) | Data::Timespan(ns) => write!(f, "{ns}ns"),
            Data::Set(elements) => list(f, ('{', '}'), elements, |f, element| element.fmt(f)),
            Data::Table(pairs) => list(f, ('{', '}'), pairs, |f, (key, value)| write!(f, "{key} -> {value}")),
            Data::Vector(elements) => list(f, ('(', ')'), elements, |f, element| element.fmt(f)),
        }
    }
}

fn list<I: IntoIterator>(
    f: &mut Formatter<'_>,
    (open, close): (char, char),
    items: I,
    mut item: impl FnMut(&mut Formatter<'_>, I::Item) -> Result,
) -> Result {
    write!(f, "{open}")?;
    for (index, each) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        item(f, each)?;
    }
    write!(f, "{close}")
}

impl Display for Real {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            x if x.is_nan() => f.write_str("nan"),
            x if x.is_infinite() => f.write_str(if x > 0.0 { "inf" } else { "-inf" }),
            x => write!(f, "{x:.6}"),
        }
    }
}

impl Display for TextAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0.to_ipv4_mapped() {
            Some(v4) => v4.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

impl Display for Subnet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}/{}", TextAddress(self.network), self.family_length())
    }
}

impl Display for Port {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl Display for Protocol {
    /// `tcp`, `udp`, `icmp`, and `?` where Zeek's scripts say `unknown`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Protocol::Unknown => "?",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn check(value: impl Into<Data>, expected: &str) {
        assert_eq!(value.into().to_string(), expected);
    }

    #[test]
    fn values_print_as_broker_prints_them() {
        check(Data::None, "nil");
        check(true, "T");
        check(42u64, "42");
        check(-1i64, "-1");
        check(1.5, "1.500000");
        check("x y", "x y");
        check(Port::tcp(80), "80/tcp");
        check(Port { number: 0, protocol: Protocol::Unknown }, "0/?");
        check(Data::Timestamp(5_000_000_000), "5000000000ns");
        check(Data::Timespan(-1), "-1ns");
        check(Data::enumerator("Conn::LOG"), "Conn::LOG");
        check(Data::set(["b", "a"]), "{a, b}");
        check(Data::table([("k", 1u64), ("l", 2)]), "{k -> 1, l -> 2}");
        check(Data::vector([Data::None, Data::set([1u64])]), "(nil, {1})");
    }

    #[test]
    fn addresses_print_as_broker_prints_them() {
        for text in ["192.168.1.1", "2001:db8::1", "::", "1::2:0:0:3:4", "1:0:2:0:3:0:4:0", "::102:304", "::1"] {
            check(text.parse::<std::net::IpAddr>().expect("an address"), text);
        }
        check("::ffff:1.2.3.4".parse::<Ipv6Addr>().expect("an address"), "1.2.3.4");
    }
}
