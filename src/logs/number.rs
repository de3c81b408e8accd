//! Numbers and addresses as text, without an allocation or `format!` for the ordinary ones.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// A whole number.
pub(super) fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [0u8; 20];
    let mut at = text.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        text[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&text[at..]);
}

/// A whole number with its sign.
pub(super) fn push_i64(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_u64(out, value.unsigned_abs());
}

/// Times and intervals in TSV: exactly six decimals, as C++'s `to_chars(…, fixed, 6)`: the value's exact decimal
/// expansion, rounded half to even.
pub(super) fn push_fixed6(out: &mut Vec<u8>, value: f64) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    push_magnitude6(out, value.abs());
}

/// Doubles in TSV: at most six decimals, `.0` when the value is whole (Zeek's `double_to_str` and `ODesc::Add`).
pub(super) fn push_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let start = out.len();
    push_magnitude6(out, value.abs());
    if value.is_infinite() {
        return;
    }
    let digits = out[start..].iter().rposition(|octet| *octet != b'0').unwrap_or(0);
    let keep = if out[start + digits] == b'.' { digits } else { digits + 1 };
    out.truncate(start + keep);
    // Zeek's tolerance: 1.0000001 has all its decimals rounded away and still is not whole.
    if (value - value.round_ties_even()).abs() < 1e-9 {
        out.extend_from_slice(b".0");
    }
}

fn push_magnitude6(out: &mut Vec<u8>, value: f64) {
    const WHOLE_LIMIT: f64 = (1u64 << 63) as f64;
    if value < WHOLE_LIMIT {
        let whole = value.trunc();
        let micros = millionths(value - whole);
        push_u64(out, whole as u64 + micros / 1_000_000);
        push_micros(out, (micros % 1_000_000) as u32);
    } else if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(b"inf");
    } else {
        write!(out, "{value:.6}").expect("a Vec takes everything");
    }
}

fn push_micros(out: &mut Vec<u8>, micros: u32) {
    let pair = |number: u32| {
        let at = number as usize * 2;
        [PAIRS[at], PAIRS[at + 1]]
    };
    let ([a, b], [c, d], [e, f]) = (pair(micros / 10_000), pair(micros / 100 % 100), pair(micros % 100));
    out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
}

/// A fraction in millionths, 0 to 1,000,000, rounded half to even from its exact value.
fn millionths(fraction: f64) -> u64 {
    let bits = fraction.to_bits();
    let biased = (bits >> 52) as u32 & 0x7ff;
    if biased == 0 {
        return 0;
    }
    // fraction = significand / 2^shift, and below 1, so the shift is at least 53.
    let significand = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = 1075 - biased;
    if shift >= 128 {
        return 0;
    }
    let product = u128::from(significand) * 1_000_000;
    let quotient = (product >> shift) as u64;
    let rest = product & ((1u128 << shift) - 1);
    let half = 1u128 << (shift - 1);
    let up = rest > half || (rest == half && quotient & 1 == 1);
    quotient + u64::from(up)
}

/// An address as `inet_ntop` of Zeek writes it.
pub(super) fn push_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(v4) => push_v4(out, v4),
        IpAddr::V6(v6) => push_v6(out, v6),
    }
}

/// A subnet; the length is relative to 128 bits, and nobody has checked it.
pub(super) fn push_subnet(out: &mut Vec<u8>, network: IpAddr, length: u8) {
    push_addr(out, network);
    out.push(b'/');
    let shown = if network.is_ipv4() { i64::from(length) - 96 } else { length.into() };
    push_i64(out, shown);
}

fn push_v4(out: &mut Vec<u8>, addr: Ipv4Addr) {
    // Four octets with a dot behind each, of which the last is left out.
    let mut text = [b'.'; 16];
    let mut length = 0;
    for octet in addr.octets() {
        let (hundreds, pair) = (octet / 100, usize::from(octet % 100) * 2);
        let digits = [b'0' + hundreds, PAIRS[pair], PAIRS[pair + 1]];
        let leading = usize::from(octet < 100) + usize::from(octet < 10);
        let shown = &digits[leading..];
        text[length..length + shown.len()].copy_from_slice(shown);
        length += shown.len();
        text[length] = b'.';
        length += 1;
    }
    out.extend_from_slice(&text[..length - 1]);
}

fn push_v6(out: &mut Vec<u8>, addr: Ipv6Addr) {
    let words = addr.segments();
    let run = longest_zero_run(&words);
    let octets = addr.octets();
    let mut index = 0;
    while index < 8 {
        if run.contains(&index) {
            out.extend_from_slice(b"::");
            index = run.end;
            continue;
        }
        if index > 0 && index != run.end {
            out.push(b':');
        }
        if index == 6 && run.start == 0 && embeds_v4(&words, run.end) {
            push_v4(out, Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]));
            return;
        }
        push_hex(out, words[index]);
        index += 1;
    }
}

/// The first of the longest runs of at least two zero words; empty at 8 if there is none.
fn longest_zero_run(words: &[u16; 8]) -> std::ops::Range<usize> {
    let mut best = 8..8;
    let mut start = 0;
    while start < 8 {
        let end = (start..8).find(|at| words[*at] != 0).unwrap_or(8);
        if end - start > best.len().max(1) {
            best = start..end;
        }
        start = end + 1;
    }
    best
}

/// Whether the last 32 bits are shown as IPv4: compatible, mapped and translated addresses.
fn embeds_v4(words: &[u16; 8], zeros: usize) -> bool {
    match zeros {
        6 => true,
        5 => words[5] == 0xffff,
        4 => words[4] == 0xffff && words[5] == 0,
        _ => false,
    }
}

fn push_hex(out: &mut Vec<u8>, word: u16) {
    let digits = [word >> 12, word >> 8, word >> 4, word].map(|nibble| HEX[usize::from(nibble & 15)]);
    let leading = (word.leading_zeros() as usize / 4).min(3);
    out.extend_from_slice(&digits[leading..]);
}

/// Hexadecimal digits.
pub(super) const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_six_decimals() {
        for (value, expected) in [
            (0.0, "0.000000"),
            (-0.0, "-0.000000"),
            (1_300_475_167.096_535, "1300475167.096535"),
            (-1.5, "-1.500000"),
            (0.999_999_9, "1.000000"),
            (0.000_000_5, "0.000000"),
            (1e-300, "0.000000"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (1e22, "10000000000000000000000.000000"),
        ] {
            assert_eq!(text(|out| push_fixed6(out, value)), expected);
        }
    }

    #[test]
    fn doubles_lose_their_trailing_zeros() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (100.0, "100.0"),
            (0.5, "0.5"),
            (-2.25, "-2.25"),
            (1.000_000_1, "1"),
            (1.000_000_000_1, "1.0"),
            (-1e-10, "-0.0"),
            (2.345_678_901_234, "2.345679"),
            (1e15, "1000000000000000.0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (-f64::NAN, "nan"),
        ] {
            assert_eq!(text(|out| push_double(out, value)), expected);
        }
    }

    #[test]
    fn addresses_look_as_zeeks() {
        for (addr, expected) in [
            ("255.10.0.1", "255.10.0.1"),
            ("::", "::"),
            ("::1", "::1"),
            ("fe80::217:f2ff:fed7:cf65", "fe80::217:f2ff:fed7:cf65"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("1:0:0:0:0:0:0:0", "1::"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::ffff:0:1.2.3.4", "::ffff:0:1.2.3.4"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ] {
            assert_eq!(text(|out| push_addr(out, addr.parse().unwrap())), expected);
        }
        assert_eq!(text(|out| push_subnet(out, "10.0.0.0".parse().unwrap(), 104)), "10.0.0.0/8");
        assert_eq!(text(|out| push_subnet(out, "10.0.0.0".parse().unwrap(), 8)), "10.0.0.0/-88");
        assert_eq!(text(|out| push_subnet(out, "fd00::".parse().unwrap(), 8)), "fd00::/8");
    }

    proptest! {
        /// The standard library formats the exact value, rounded half to even, as C++'s `to_chars` does.
        #[test]
        fn six_decimals_are_exact(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(|out| push_fixed6(out, value)), format!("{value:.6}"));
        }

        #[test]
        fn six_decimals_of_times_are_exact(micros in 0u64..4_000_000_000_000_000, nudge in -3i64..3) {
            let value = f64::from_bits((micros as f64 / 1e6).to_bits().saturating_add_signed(nudge));
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(|out| push_fixed6(out, value)), format!("{value:.6}"));
        }

        #[test]
        fn whole_numbers_are_exact(value: i64) {
            prop_assert_eq!(text(|out| push_i64(out, value)), value.to_string());
        }

        #[test]
        fn ipv4_addresses_are_the_standard_librarys(octets: u32) {
            let addr = Ipv4Addr::from(octets);
            prop_assert_eq!(text(|out| push_addr(out, addr.into())), addr.to_string());
        }

        #[test]
        fn addresses_read_back(octets: u128) {
            let addr = Ipv6Addr::from(octets & !(0xffff << 48));
            prop_assert_eq!(text(|out| push_addr(out, addr.into())).parse::<Ipv6Addr>().unwrap(), addr);
        }
    }
}
