//! The values that JSON carries as text: addresses, subnets, ports, times, and the spelling of reals.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::civil::DateTime;

use crate::data::{Port, Protocol, Subnet, TextAddress};

const NS_PER_SECOND: i64 = 1_000_000_000;
const NS_PER_MILLISECOND: i64 = 1_000_000;

/// Zeek's `%f` where that is the value and Zeek can read it back (its reader wants an integer part of 64 bits), else the
/// shortest text that is the value. NaN has no text.
pub(super) fn of_real(x: f64) -> String {
    const PAST_U64: f64 = 18_446_744_073_709_551_616.0;
    const I64_MIN: f64 = -9_223_372_036_854_775_808.0;
    if x.is_infinite() {
        return if x > 0.0 { "1e309".into() } else { "-1e309".into() };
    }
    if (I64_MIN..PAST_U64).contains(&x) {
        let fixed = format!("{x:.6}");
        if fixed.parse() == Ok(x) {
            return fixed;
        }
    }
    format!("{x:?}")
}

pub(super) fn of_address(ip: Ipv6Addr) -> TextAddress {
    TextAddress(ip)
}

/// UTC with milliseconds, cut. Before 1970 the fraction is lost and the second rounded towards zero, as in Zeek.
pub(super) fn of_timestamp(ns: i64) -> String {
    let millis = if ns < 0 { 0 } else { ns % NS_PER_SECOND / NS_PER_MILLISECOND };
    let instant = jiff::Timestamp::from_second(ns / NS_PER_SECOND).expect("the seconds of 64-bit nanoseconds");
    let t = jiff::tz::Offset::UTC.to_datetime(instant);
    let (year, month, day) = (t.year(), t.month(), t.day());
    let (hour, minute, second) = (t.hour(), t.minute(), t.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}")
}

/// In the largest unit up to the second that holds it without a fraction.
pub(super) fn of_timespan(ns: i64) -> String {
    let (factor, unit) = [(NS_PER_SECOND, "s"), (NS_PER_MILLISECOND, "ms"), (1000, "us"), (1, "ns")]
        .into_iter()
        .find(|(factor, _)| ns % factor == 0)
        .unwrap_or((1, "ns"));
    format!("{}{unit}", ns / factor)
}

/// A dotted quad, in which leading zeros are tolerated, or IPv6.
pub(super) fn to_address(text: &[u8]) -> Option<Ipv6Addr> {
    let text = std::str::from_utf8(text).ok()?;
    match dotted_quad(text) {
        Some(v4) => Some(v4.to_ipv6_mapped()),
        None => text.parse().ok(),
    }
}

fn dotted_quad(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.');
    let mut octets = [0u8; 4];
    for octet in &mut octets {
        let part = parts.next()?;
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
        *octet = if digits { part.parse().ok()? } else { return None };
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// `ADDRESS/LENGTH`, the length relative to the family and read leniently; too long a length yields `::/0`, as in Zeek.
pub(super) fn to_subnet(text: &[u8]) -> Option<Subnet> {
    let slash = text.iter().position(|&c| c == b'/')?;
    let ip = to_address(&text[..slash])?;
    let length = u8::try_from(leading_integer(&text[slash + 1..])??).ok()?;
    let (bits, base) = if ip.to_ipv4_mapped().is_some() { (32, 96) } else { (128, 0) };
    if length > bits {
        return Some(Subnet { network: Ipv6Addr::UNSPECIFIED, length: 0 });
    }
    Some(Subnet::covering(ip, base + length))
}

/// `NUMBER/PROTOCOL`: the number modulo 65536, 0 when it is none; an unknown protocol is [`Protocol::Unknown`], a missing
/// one TCP.
pub(super) fn to_port(text: &[u8]) -> Option<Port> {
    let (number, protocol) = match text.iter().position(|&c| c == b'/') {
        Some(slash) => (&text[..slash], protocol(&text[slash + 1..])),
        None => (text, Protocol::Tcp),
    };
    let number = leading_integer(number).unwrap_or(Some(0))?;
    Some(Port { number: number.rem_euclid(1 << 16) as u16, protocol })
}

fn protocol(name: &[u8]) -> Protocol {
    match name {
        b"tcp" => Protocol::Tcp,
        b"udp" => Protocol::Udp,
        b"icmp" => Protocol::Icmp,
        _ => Protocol::Unknown,
    }
}

/// What C's `strtoull` makes of the start of `text`; none without a digit, `Some(None)` when it exceeds 64 bits.
fn leading_integer(text: &[u8]) -> Option<Option<i128>> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let end = digits.iter().position(|c| !c.is_ascii_digit()).unwrap_or(digits.len());
    let digits = std::str::from_utf8(&digits[..end]).ok().filter(|digits| !digits.is_empty())?;
    Some(digits.parse::<u64>().ok().map(|value| if negative { -i128::from(value) } else { i128::from(value) }))
}

/// `YYYY-MM-DDThh:mm:ss[.fraction][zone]`. Years that 64-bit nanoseconds do not hold wrap, as in Zeek.
pub(super) fn to_timestamp(text: &[u8]) -> Option<i64> {
    let mut text = Fields(text);
    if text.0.first() == Some(&b'0') {
        return None;
    }
    let year = text.digits(4)? as i16;
    let month = text.after(b'-')?.digits(2)? as i8;
    let day = text.after(b'-')?.digits(2)? as i8;
    let hour = text.after(b'T')?.digits(2)? as i8;
    let minute = text.after(b':')?.digits(2)? as i8;
    let second = text.after(b':')?.digits(2)? as i8;
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let fraction = text.fraction()?;
    let zone = text.zone()?;
    let seconds = civil.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_secs() - zone;
    Some(seconds.wrapping_mul(NS_PER_SECOND).wrapping_add(fraction))
}

/// What is left of a timestamp.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn after(&mut self, separator: u8) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(&[separator])?;
        Some(self)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |value, c| c.is_ascii_digit().then(|| value * 10 + i64::from(c - b'0')))
    }

    /// Up to nine digits after a point, as nanoseconds.
    fn fraction(&mut self) -> Option<i64> {
        if self.after(b'.').is_none() {
            return Some(0);
        }
        let count = self.0.iter().take_while(|c| c.is_ascii_digit()).count();
        let missing = 9usize.checked_sub(count)?;
        Some(self.digits(count)? * 10i64.pow(missing as u32))
    }

    /// Seconds east of UTC: nothing, `Z`, `±hh`, `±hhmm`, `±hh:mm`, and then the end.
    fn zone(&mut self) -> Option<i64> {
        let sign = match self.0 {
            [] | [b'Z'] => return Some(0),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let hours = self.digits(2).filter(|&hours| hours < 24)?;
        let minutes = match self.0 {
            [] => 0,
            [b':', ..] => self.after(b':')?.digits(2)?,
            _ => self.digits(2)?,
        };
        (minutes < 60 && self.0.is_empty()).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// A number and, without a blank, its unit; goes through a double, as in Zeek. None when the nanoseconds exceed 64 bits.
pub(super) fn to_timespan(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim_start_matches([' ', '\t']);
    // No unit has an e in it, so an e is an exponent's.
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'))?;
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    let ns = number.parse::<f64>().ok()? * factor;
    // 2^63 as a double is one more than the greatest i64.
    (ns >= i64::MIN as f64 && ns < i64::MAX as f64).then_some(ns as i64)
}
