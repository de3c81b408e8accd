//! Real numbers as RapidJSON writes them: Florian Loitsch's Grisu2 ("Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", PLDI 2010).
//!
//! The standard library always finds the shortest digits, Grisu2 in about 99.9 % of all cases; Zeek's JSON logs are
//! compared byte for byte, so the remaining ones have to come out the same.

/// A number `f * 2^e`.
#[derive(Clone, Copy)]
struct Scaled {
    f: u64,
    e: i32,
}

impl Scaled {
    fn normalized(self) -> Scaled {
        let shift = self.f.leading_zeros();
        Scaled { f: self.f << shift, e: self.e - shift as i32 }
    }

    /// The product's upper half, rounded by its highest lost bit.
    fn times(self, other: Scaled) -> Scaled {
        let product = u128::from(self.f) * u128::from(other.f);
        let rounded = ((product >> 64) as u64) + ((product as u64) >> 63);
        Scaled { f: rounded, e: self.e + other.e + 64 }
    }
}

const FRACTION_BITS: u32 = 52;
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;

/// A positive finite number and the middles to its neighbours, all but the first with the same exponent.
fn boundaries(value: f64) -> (Scaled, Scaled, Scaled) {
    let bits = value.to_bits();
    let fraction = bits & (HIDDEN_BIT - 1);
    let v = match (bits >> FRACTION_BITS) as i32 {
        0 => Scaled { f: fraction, e: -1074 },
        biased => Scaled { f: fraction | HIDDEN_BIT, e: biased - 1075 },
    };
    let above = Scaled { f: (v.f << 1) + 1, e: v.e - 1 }.normalized();
    // Below a power of two the neighbours are half as far apart.
    let below = if v.f == HIDDEN_BIT {
        Scaled { f: (v.f << 2) - 1, e: v.e - 2 }
    } else {
        Scaled { f: (v.f << 1) - 1, e: v.e - 1 }
    };
    (v.normalized(), Scaled { f: below.f << (below.e - above.e), e: above.e }, above)
}

/// A power of ten that brings a number with the binary exponent `e` into reach, and the decimal exponent it takes away.
fn cached_power(e: i32) -> (Scaled, i32) {
    let steps = (f64::from(-61 - e) * 0.301_029_995_663_981_14 + 347.0).ceil() as i32;
    let index = (steps >> 3) + 1;
    let (f, e) = POWERS[index as usize];
    (Scaled { f, e: e.into() }, 348 - index * 8)
}

/// Digits of a number, at most 17: the value is `digits * 10^exponent`.
struct Digits {
    digits: [u8; 20],
    length: usize,
    exponent: i32,
}

impl Digits {
    fn push(&mut self, digit: u8) {
        if digit != 0 || self.length > 0 {
            self.digits[self.length] = b'0' + digit;
            self.length += 1;
        }
    }

    /// Moves the last digit down while that brings the digits closer to the value.
    fn round(&mut self, delta: u64, mut rest: u64, unit: u64, distance: u64) {
        while rest < distance
            && delta - rest >= unit
            && (rest.wrapping_add(unit) < distance || distance - rest > rest.wrapping_add(unit).wrapping_sub(distance))
        {
            self.digits[self.length - 1] -= 1;
            rest += unit;
        }
    }
}

/// `value` has to be positive and finite.
fn digits(value: f64) -> Digits {
    let (v, below, above) = boundaries(value);
    let (power, exponent) = cached_power(above.e);
    let value = v.times(power);
    let mut high = above.times(power);
    let mut low = below.times(power);
    low.f += 1;
    high.f -= 1;
    generate(value, high, high.f - low.f, exponent)
}

/// Digits of `high` until what is left is within `delta`.
fn generate(value: Scaled, high: Scaled, mut delta: u64, exponent: i32) -> Digits {
    let shift = -high.e as u32;
    let one = 1u64 << shift;
    let distance = high.f - value.f;
    let mut whole = high.f >> shift;
    let mut part = high.f & (one - 1);
    let mut out = Digits { digits: [0; 20], length: 0, exponent };

    let mut kappa = whole.checked_ilog10().map_or(1, |log| log + 1).min(9);
    while kappa > 0 {
        kappa -= 1;
        let unit = 10u64.pow(kappa);
        out.push((whole / unit) as u8);
        whole %= unit;
        let rest = (whole << shift) + part;
        if rest <= delta {
            out.exponent += kappa as i32;
            out.round(delta, rest, unit << shift, distance);
            return out;
        }
    }
    let mut places = 0;
    loop {
        part = part.wrapping_mul(10);
        delta = delta.wrapping_mul(10);
        places += 1;
        out.push((part >> shift) as u8);
        part &= one - 1;
        if part < delta {
            out.exponent -= places as i32;
            let scale = 10u64.checked_pow(places).unwrap_or(0);
            out.round(delta, part, one, distance.wrapping_mul(scale));
            return out;
        }
    }
}

/// Appends a finite number as RapidJSON's `Writer::Double` does.
pub(super) fn push(out: &mut Vec<u8>, value: f64) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value == 0.0 {
        out.extend_from_slice(b"0.0");
        return;
    }
    let found = digits(value.abs());
    let digits = &found.digits[..found.length];
    let length = found.length as i32;
    // The decimal point stands after this many digits.
    let point = length + found.exponent;
    match point {
        _ if found.exponent >= 0 && point <= 21 => {
            out.extend_from_slice(digits);
            out.resize(out.len() + found.exponent as usize, b'0');
            out.extend_from_slice(b".0");
        }
        1..=21 => {
            let (whole, part) = digits.split_at(point as usize);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(part);
        }
        -5..=0 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-point) as usize, b'0');
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.push(b'e');
            super::number::push_i64(out, (point - 1).into());
        }
    }
}

/// `10^k` for k = -348, -340, ... 340: significands rounded to 64 bits, and their binary exponents.
#[rustfmt::skip]
const POWERS: [(u64, i16); 87] = [
    (0xfa8fd5a0081c0288, -1220),
    (0xbaaee17fa23ebf76, -1193),
    (0x8b16fb203055ac76, -1166),
    (0xcf42894a5dce35ea, -1140),
    (0x9a6bb0aa55653b2d, -1113),
    (0xe61acf033d1a45df, -1087),
    (0xab70fe17c79ac6ca, -1060),
    (0xff77b1fcbebcdc4f, -1034),
    (0xbe5691ef416bd60c, -1007),
    (0x8dd01fad907ffc3c, -980),
    (0xd3515c2831559a83, -954),
    (0x9d71ac8fada6c9b5, -927),
    (0xea9c227723ee8bcb, -901),
    (0xaecc49914078536d, -874),
    (0x823c12795db6ce57, -847),
    (0xc21094364dfb5637, -821),
    (0x9096ea6f3848984f, -794),
    (0xd77485cb25823ac7, -768),
    (0xa086cfcd97bf97f4, -741),
    (0xef340a98172aace5, -715),
    (0xb23867fb2a35b28e, -688),
    (0x84c8d4dfd2c63f3b, -661),
    (0xc5dd44271ad3cdba, -635),
    (0x936b9fcebb25c996, -608),
    (0xdbac6c247d62a584, -582),
    (0xa3ab66580d5fdaf6, -555),
    (0xf3e2f893dec3f126, -529),
    (0xb5b5ada8aaff80b8, -502),
    (0x87625f056c7c4a8b, -475),
    (0xc9bcff6034c13053, -449),
    (0x964e858c91ba2655, -422),
    (0xdff9772470297ebd, -396),
    (0xa6dfbd9fb8e5b88f, -369),
    (0xf8a95fcf88747d94, -343),
    (0xb94470938fa89bcf, -316),
    (0x8a08f0f8bf0f156b, -289),
    (0xcdb02555653131b6, -263),
    (0x993fe2c6d07b7fac, -236),
    (0xe45c10c42a2b3b06, -210),
    (0xaa242499697392d3, -183),
    (0xfd87b5f28300ca0e, -157),
    (0xbce5086492111aeb, -130),
    (0x8cbccc096f5088cc, -103),
    (0xd1b71758e219652c, -77),
    (0x9c40000000000000, -50),
    (0xe8d4a51000000000, -24),
    (0xad78ebc5ac620000, 3),
    (0x813f3978f8940984, 30),
    (0xc097ce7bc90715b3, 56),
    (0x8f7e32ce7bea5c70, 83),
    (0xd5d238a4abe98068, 109),
    (0x9f4f2726179a2245, 136),
    (0xed63a231d4c4fb27, 162),
    (0xb0de65388cc8ada8, 189),
    (0x83c7088e1aab65db, 216),
    (0xc45d1df942711d9a, 242),
    (0x924d692ca61be758, 269),
    (0xda01ee641a708dea, 295),
    (0xa26da3999aef774a, 322),
    (0xf209787bb47d6b85, 348),
    (0xb454e4a179dd1877, 375),
    (0x865b86925b9bc5c2, 402),
    (0xc83553c5c8965d3d, 428),
    (0x952ab45cfa97a0b3, 455),
    (0xde469fbd99a05fe3, 481),
    (0xa59bc234db398c25, 508),
    (0xf6c69a72a3989f5c, 534),
    (0xb7dcbf5354e9bece, 561),
    (0x88fcf317f22241e2, 588),
    (0xcc20ce9bd35c78a5, 614),
    (0x98165af37b2153df, 641),
    (0xe2a0b5dc971f303a, 667),
    (0xa8d9d1535ce3b396, 694),
    (0xfb9b7cd9a4a7443c, 720),
    (0xbb764c4ca7a44410, 747),
    (0x8bab8eefb6409c1a, 774),
    (0xd01fef10a657842c, 800),
    (0x9b10a4e5e9913129, 827),
    (0xe7109bfba19c0c9d, 853),
    (0xac2820d9623bf429, 880),
    (0x80444b5e7aa7cf85, 907),
    (0xbf21e44003acdd2d, 933),
    (0x8e679c2f5e44ff8f, 960),
    (0xd433179d9c8cb841, 986),
    (0x9e19db92b4e31ba9, 1013),
    (0xeb96bf6ebadf77d9, 1039),
    (0xaf87023b9bf0ee6b, 1066),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        push(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_look_as_in_zeeks_json() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (3600.0, "3600.0"),
            (1_300_475_168.784_02, "1300475168.78402"),
            (39.217_267_036_437_99, "39.21726703643799"),
            (0.000_435, "0.000435"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1e21"),
            (1.5e300, "1.5e300"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    /// Each power of the table, to the precision of an `f64`.
    #[test]
    fn powers_are_powers_of_ten() {
        for (index, (f, e)) in POWERS.into_iter().enumerate() {
            let power = index as i32 * 8 - 348;
            if (-270..270).contains(&power) {
                let value = f as f64 * 2f64.powi(e.into());
                let expected: f64 = format!("1e{power}").parse().unwrap();
                assert!((value / expected - 1.0).abs() < 1e-15, "10^{power}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn times_read_back(micros in 0u64..4_000_000_000_000_000) {
            let value = micros as f64 / 1e6;
            prop_assert_eq!(text(value).parse::<f64>().unwrap(), value);
        }
    }
}
