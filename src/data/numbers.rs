//! Booleans, counts, integers and reals.

use std::cmp::Ordering;

use super::Data;

/// A real number with a total order, so that it can be in a set. Numbers compare as IEEE 754 says (+0 equals -0); NaN,
/// which has no place in Broker's order, stands at the ends and equals itself.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or_else(|| self.0.total_cmp(&other.0))
    }
}

impl From<bool> for Data {
    fn from(is: bool) -> Data {
        Data::Boolean(is)
    }
}

impl From<u64> for Data {
    fn from(count: u64) -> Data {
        Data::Count(count)
    }
}

impl From<u32> for Data {
    fn from(count: u32) -> Data {
        Data::Count(u64::from(count))
    }
}

impl From<i64> for Data {
    fn from(integer: i64) -> Data {
        Data::Integer(integer)
    }
}

impl From<f64> for Data {
    fn from(real: f64) -> Data {
        Data::Real(Real(real))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_have_a_total_order_even_with_nan() {
        let ordered = [-f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 5e-324, 1.0, f64::INFINITY, f64::NAN].map(Real);
        assert!(ordered.is_sorted());
        assert_eq!(Real(f64::NAN), Real(f64::NAN));
        assert_eq!(Real(0.0), Real(-0.0));
    }
}
