//! How changed nodes are restarted: how many at once, how long each may take, and what happens when one does not come up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many nodes of a type may be down at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// So many.
    Nodes(u32),
    /// So many of a hundred, rounded up.
    Percent(u32),
}

impl Width {
    /// For a type with so many nodes: at least one, at most all.
    pub fn of(self, total: usize) -> usize {
        let wide = match self {
            Width::Nodes(nodes) => nodes as usize,
            Width::Percent(percent) => (total * percent as usize).div_ceil(100),
        };
        wide.clamp(1, total.max(1))
    }
}

impl FromStr for Width {
    type Err = String;

    fn from_str(text: &str) -> Result<Width, String> {
        const EXPECTED: &str = "expected a number of nodes such as 2, or a percentage such as 25%, at least 1";
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number, true),
            None => (text, false),
        };
        let number: u32 = number.parse().map_err(|_| EXPECTED)?;
        match (number, percent) {
            (0, _) => Err("0 would never restart anything; the least is 1".to_owned()),
            (101.., true) => Err("there are no more than 100% of the nodes".to_owned()),
            (number, true) => Ok(Width::Percent(number)),
            (number, false) => Ok(Width::Nodes(number)),
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Width::Nodes(nodes) => write!(f, "{nodes}"),
            Width::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// What happens when a restarted node does not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnFailure {
    /// The others are left alone.
    Stop,
    /// The others are restarted all the same.
    Continue,
    /// Every host goes back to the release that it had.
    Rollback,
}

/// How a rolling restart goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// Of each type.
    pub max_unavailable: Width,
    /// How long the nodes of one part may take to be up again.
    pub gate_timeout: Duration,
    /// Between two parts.
    pub pause: Duration,
    /// See [`OnFailure`].
    pub on_failure: OnFailure,
}

impl Default for Rolling {
    fn default() -> Rolling {
        Rolling {
            max_unavailable: Width::Percent(25),
            gate_timeout: Duration::from_secs(30),
            pause: Duration::ZERO,
            on_failure: OnFailure::Stop,
        }
    }
}

/// Cuts the changed nodes of a type into parts: one node first, alone, then as many as may be down of a type with `total`
/// nodes.
pub(super) fn waves<T: Clone>(changed: &[T], total: usize, width: Width) -> Vec<Vec<T>> {
    let Some((canary, rest)) = changed.split_first() else { return Vec::new() };
    let mut waves = vec![vec![canary.clone()]];
    waves.extend(rest.chunks(width.of(total)).map(<[T]>::to_vec));
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_up_and_never_zero() {
        let check = |text: &str, total: usize, expected: usize| {
            assert_eq!(text.parse::<Width>().unwrap().of(total), expected, "{text} of {total}");
        };
        check("10%", 5, 1);
        check("1%", 5, 1);
        check("1%", 101, 2);
        check("25%", 5, 2);
        check("50%", 4, 2);
        check("100%", 5, 5);
        check("3", 5, 3);
        check("9", 5, 5);
        check("1", 0, 1);
    }

    #[test]
    fn nothing_at_once_and_more_than_everything_are_refused() {
        for text in ["0", "0%", "101%", "", "%", "-1", "many", "1.5"] {
            assert!(text.parse::<Width>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_node_of_a_type_goes_alone() {
        let changed = ["w1", "w2", "w3", "w4", "w5", "w6"];
        let check = |width: &str, expected: &[&[&str]]| {
            assert_eq!(waves(&changed, 6, width.parse().unwrap()), expected, "{width}");
        };
        check("1", &[&["w1"], &["w2"], &["w3"], &["w4"], &["w5"], &["w6"]]);
        check("50%", &[&["w1"], &["w2", "w3", "w4"], &["w5", "w6"]]);
        check("100%", &[&["w1"], &["w2", "w3", "w4", "w5", "w6"]]);
        assert_eq!(waves::<&str>(&[], 6, Width::Nodes(2)), Vec::<Vec<&str>>::new());
    }
}
