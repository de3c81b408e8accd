//! Addresses, subnets and ports. IPv4 travels as IPv4-mapped IPv6 (`::ffff:a.b.c.d`) throughout.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Data;

/// A subnet; the length counts from 128 bits, also for IPv4 (a `/8` of IPv4 is 104).
///
/// ```
/// use std::net::Ipv4Addr;
/// use zeek_cluster::data::Subnet;
///
/// let net = Subnet::new(Ipv4Addr::new(10, 1, 2, 3).into(), 8).expect("at most 32 bits");
/// assert_eq!(net.to_string(), "10.0.0.0/8");
/// assert_eq!(net.length, 104);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    /// The network address, IPv4 as IPv4-mapped IPv6.
    pub network: Ipv6Addr,
    /// Prefix length relative to 128 bits; a decoder hands on what came, so it may exceed 128.
    pub length: u8,
}

/// Bits of an address before the IPv4 part of an IPv4-mapped one.
const MAPPED_BITS: u8 = 96;

impl Subnet {
    /// The subnet of `address` with a length relative to its family: 0 to 32 for IPv4, 0 to 128 for IPv6; none beyond.
    /// Host bits are cleared.
    pub fn new(address: IpAddr, length: u8) -> Option<Subnet> {
        let (most, base) = if address.is_ipv4() { (32, MAPPED_BITS) } else { (128, 0) };
        (length <= most).then(|| Subnet::covering(to_v6(address), base + length))
    }

    /// The subnet around `address` with a length of at most 128 bits. Host bits are cleared.
    pub fn covering(address: Ipv6Addr, length: u8) -> Subnet {
        let host_bits = 128u32.saturating_sub(u32::from(length));
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Subnet { network: Ipv6Addr::from_bits(address.to_bits() & mask), length }
    }

    /// The length relative to the family of the network: `/8` for 10.0.0.0 with a raw length of 104.
    pub fn family_length(&self) -> u8 {
        match self.network.to_ipv4_mapped() {
            Some(_) => self.length.saturating_sub(MAPPED_BITS),
            None => self.length,
        }
    }
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

impl Port {
    /// A TCP port.
    pub fn tcp(number: u16) -> Port {
        Port { number, protocol: Protocol::Tcp }
    }

    /// A UDP port.
    pub fn udp(number: u16) -> Port {
        Port { number, protocol: Protocol::Udp }
    }
}

impl TryFrom<u8> for Protocol {
    /// The number that is no protocol's.
    type Error = u8;

    fn try_from(code: u8) -> Result<Protocol, u8> {
        Ok(match code {
            0 => Protocol::Unknown,
            1 => Protocol::Tcp,
            2 => Protocol::Udp,
            3 => Protocol::Icmp,
            other => return Err(other),
        })
    }
}

/// An address whose text is Broker's: IPv4-mapped as a dotted quad, else IPv6 as RFC 5952 writes it, without dotted tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextAddress(pub Ipv6Addr);

impl Data {
    /// An address value; IPv4 becomes IPv4-mapped IPv6.
    pub fn address(ip: IpAddr) -> Data {
        Data::Address(to_v6(ip))
    }
}

fn to_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

impl From<IpAddr> for Data {
    fn from(ip: IpAddr) -> Data {
        Data::address(ip)
    }
}

impl From<Ipv4Addr> for Data {
    fn from(ip: Ipv4Addr) -> Data {
        Data::Address(ip.to_ipv6_mapped())
    }
}

impl From<Ipv6Addr> for Data {
    fn from(ip: Ipv6Addr) -> Data {
        Data::Address(ip)
    }
}

impl From<Subnet> for Data {
    fn from(subnet: Subnet) -> Data {
        Data::Subnet(subnet)
    }
}

impl From<Port> for Data {
    fn from(port: Port) -> Data {
        Data::Port(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, length: u8, expected: Option<&str>) {
        let subnet = Subnet::new(address.parse().expect("an address"), length);
        assert_eq!(subnet.map(|subnet| subnet.to_string()).as_deref(), expected);
    }

    #[test]
    fn a_subnet_clears_host_bits_and_counts_by_family() {
        check("10.1.2.3", 8, Some("10.0.0.0/8"));
        check("10.1.2.3", 0, Some("0.0.0.0/0"));
        check("10.1.2.3", 32, Some("10.1.2.3/32"));
        check("10.1.2.3", 33, None);
        check("2001:db8::1", 32, Some("2001:db8::/32"));
        check("2001:db8::1", 0, Some("::/0"));
        check("2001:db8::1", 129, None);
    }
}
