//! What can be done to a store, and what that makes of the value that is there: Broker's `put`, `put_unique`, `erase`,
//! `clear`, `add` and `subtract` under the names that scripts use. Source: `cluster.md` 3.4, Broker's `detail/appliers.hh`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::Refusal;
use crate::data::{Data, Real};

/// A change that somebody wants. An expiry of none or zero is none: the operation then removes the one that was there.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `Broker::put`: replaces value and expiry.
    Put {
        /// The key.
        key: Data,
        /// The new value.
        value: Data,
        /// After how long the key vanishes.
        expiry: Option<Duration>,
    },
    /// `Broker::put_unique`: only if the key is not there; answered by [`Answer::Inserted`].
    PutUnique {
        /// The key.
        key: Data,
        /// The new value.
        value: Data,
        /// After how long the key vanishes.
        expiry: Option<Duration>,
    },
    /// `Broker::erase`.
    Erase {
        /// The key.
        key: Data,
    },
    /// `Broker::clear`.
    Clear,
    /// `increment`, `append`, `insert_into_set`, `insert_into_table`, `push`: adds to the value, or creates it.
    Add {
        /// The key.
        key: Data,
        /// What is created when the key is not there.
        kind: Kind,
        /// What is added; of a table a vector of index and value.
        value: Data,
        /// After how long the key vanishes.
        expiry: Option<Duration>,
    },
    /// `decrement`, `remove_from`, `pop`: takes from the value.
    Subtract {
        /// The key.
        key: Data,
        /// What is taken away; a vector loses its last element whatever this is.
        value: Data,
        /// After how long the key vanishes.
        expiry: Option<Duration>,
    },
}

/// What [`Operation::Add`] creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A zero of the amount's type; of a time span a time.
    Number,
    /// An empty string.
    String,
    /// An empty set.
    Set,
    /// An empty table.
    Table,
    /// An empty vector.
    Vector,
}

/// What a write that was done is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// `put_unique`: whether the key was not there before.
    Inserted(bool),
}

/// What a store has to do for an operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Write this value under the key.
    Put(Data, Option<Duration>),
    /// Remove the key.
    Erase,
    /// Remove all.
    Clear,
    /// Nothing.
    None,
}

impl Operation {
    /// The key; none for [`Operation::Clear`].
    pub fn key(&self) -> Option<&Data> {
        match self {
            Operation::Clear => None,
            Operation::Put { key, .. }
            | Operation::PutUnique { key, .. }
            | Operation::Erase { key }
            | Operation::Add { key, .. }
            | Operation::Subtract { key, .. } => Some(key),
        }
    }

    /// Roughly the octets that it takes on the wire and in memory.
    pub(super) fn weight(&self) -> usize {
        let key = self.key().map_or(0, Data::weight);
        match self {
            Operation::Clear | Operation::Erase { .. } => key,
            Operation::Put { value, .. }
            | Operation::PutUnique { value, .. }
            | Operation::Add { value, .. }
            | Operation::Subtract { value, .. } => key + value.weight(),
        }
    }

    /// Whether what it does depends on the value that is there.
    pub(super) fn needs_current(&self) -> bool {
        !matches!(self, Operation::Put { .. } | Operation::Clear)
    }

    /// What is to be done where `current` is the value under the key.
    pub(super) fn apply(self, current: Option<Data>) -> Result<(Change, Answer), Refusal> {
        let done = |change| Ok((change, Answer::Done));
        match self {
            Operation::Put { value, expiry, .. } => done(Change::Put(value, expiry)),
            Operation::PutUnique { value, expiry, .. } => match current {
                None => Ok((Change::Put(value, expiry), Answer::Inserted(true))),
                Some(_) => Ok((Change::None, Answer::Inserted(false))),
            },
            Operation::Erase { .. } => done(if current.is_some() { Change::Erase } else { Change::None }),
            Operation::Clear => done(Change::Clear),
            Operation::Add { kind, value, expiry, .. } => {
                let start = match current {
                    Some(current) => current,
                    None => kind.start(&value)?,
                };
                done(Change::Put(add(start, value)?, expiry))
            }
            Operation::Subtract { value, expiry, .. } => {
                let current = current.ok_or(Refusal::NoSuchKey)?;
                done(Change::Put(subtract(current, &value)?, expiry))
            }
        }
    }
}

impl Kind {
    fn start(self, amount: &Data) -> Result<Data, Refusal> {
        Ok(match self {
            Kind::String => Data::String(Vec::new()),
            Kind::Set => Data::Set(BTreeSet::new()),
            Kind::Table => Data::Table(BTreeMap::new()),
            Kind::Vector => Data::Vector(Vec::new()),
            Kind::Number => match amount {
                Data::Count(_) => Data::Count(0),
                Data::Integer(_) => Data::Integer(0),
                Data::Real(_) => Data::Real(Real(0.0)),
                Data::Timespan(_) => Data::Timestamp(0),
                other => return Err(clash("a number", other)),
            },
        })
    }
}

fn clash(expected: &str, found: &Data) -> Refusal {
    Refusal::TypeClash { reason: format!("expected {expected}, found {}", found.type_name()) }
}

fn add(current: Data, value: Data) -> Result<Data, Refusal> {
    let in_range = |sum: Option<Data>| sum.ok_or(Refusal::OutOfRange);
    match (current, value) {
        (Data::Count(a), Data::Count(b)) => in_range(a.checked_add(b).map(Data::Count)),
        (Data::Integer(a), Data::Integer(b)) => in_range(a.checked_add(b).map(Data::Integer)),
        (Data::Real(a), Data::Real(b)) => Ok(Data::Real(Real(a.0 + b.0))),
        (Data::Timespan(a), Data::Timespan(b)) => in_range(a.checked_add(b).map(Data::Timespan)),
        (Data::Timestamp(a), Data::Timespan(b)) => in_range(a.checked_add(b).map(Data::Timestamp)),
        (Data::String(mut a), Data::String(b)) => {
            a.extend(b);
            Ok(Data::String(a))
        }
        (Data::Vector(mut elements), value) => {
            elements.push(value);
            Ok(Data::Vector(elements))
        }
        (Data::Set(mut elements), value) => {
            elements.insert(value);
            Ok(Data::Set(elements))
        }
        (Data::Table(mut pairs), Data::Vector(pair)) => match <[Data; 2]>::try_from(pair) {
            Ok([index, value]) => {
                pairs.insert(index, value);
                Ok(Data::Table(pairs))
            }
            Err(pair) => {
                Err(Refusal::TypeClash { reason: format!("expected index and value, found {} values", pair.len()) })
            }
        },
        (current, value) => Err(cannot("add", &value, "to", &current)),
    }
}

fn subtract(current: Data, value: &Data) -> Result<Data, Refusal> {
    let in_range = |rest: Option<Data>| rest.ok_or(Refusal::OutOfRange);
    match (current, value) {
        (Data::Count(a), Data::Count(b)) => in_range(a.checked_sub(*b).map(Data::Count)),
        (Data::Integer(a), Data::Integer(b)) => in_range(a.checked_sub(*b).map(Data::Integer)),
        (Data::Real(a), Data::Real(b)) => Ok(Data::Real(Real(a.0 - b.0))),
        (Data::Timespan(a), Data::Timespan(b)) => in_range(a.checked_sub(*b).map(Data::Timespan)),
        (Data::Timestamp(a), Data::Timespan(b)) => in_range(a.checked_sub(*b).map(Data::Timestamp)),
        (Data::Vector(mut elements), _) => {
            elements.pop();
            Ok(Data::Vector(elements))
        }
        (Data::Set(mut elements), value) => {
            elements.remove(value);
            Ok(Data::Set(elements))
        }
        (Data::Table(mut pairs), index) => {
            pairs.remove(index);
            Ok(Data::Table(pairs))
        }
        (current, value) => Err(cannot("take", value, "from", &current)),
    }
}

fn cannot(verb: &str, value: &Data, where_to: &str, current: &Data) -> Refusal {
    let (value, current) = (value.type_name(), current.type_name());
    Refusal::TypeClash { reason: format!("cannot {verb} a value of type {value} {where_to} one of type {current}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Data {
        Data::from("k")
    }

    fn add_to(kind: Kind, value: impl Into<Data>) -> Operation {
        Operation::Add { key: key(), kind, value: value.into(), expiry: None }
    }

    fn take(value: impl Into<Data>) -> Operation {
        Operation::Subtract { key: key(), value: value.into(), expiry: None }
    }

    fn check(operation: Operation, current: Option<Data>, expected: impl Into<Data>) {
        let (change, answer) = operation.apply(current).expect("applied");
        assert_eq!((change, answer), (Change::Put(expected.into(), None), Answer::Done));
    }

    fn refused(operation: Operation, current: Option<Data>) -> Refusal {
        operation.apply(current).expect_err("refused")
    }

    #[test]
    fn what_is_not_there_is_created_from_zero_or_empty() {
        check(add_to(Kind::Number, 3u64), None, 3u64);
        check(add_to(Kind::Number, -3i64), None, -3i64);
        check(add_to(Kind::Number, 0.5), None, 0.5);
        check(add_to(Kind::Number, Data::Timespan(7)), None, Data::Timestamp(7));
        check(add_to(Kind::String, "ab"), None, "ab");
        check(add_to(Kind::Set, 1u64), None, Data::set([1u64]));
        check(add_to(Kind::Table, Data::vector(["i", "v"])), None, Data::table([("i", "v")]));
        check(add_to(Kind::Vector, 1u64), None, Data::vector([1u64]));
        assert!(matches!(refused(add_to(Kind::Number, "x"), None), Refusal::TypeClash { .. }));
        assert_eq!(refused(take(1u64), None), Refusal::NoSuchKey);
    }

    #[test]
    fn what_is_there_grows_and_shrinks() {
        check(add_to(Kind::Number, 3u64), Some(Data::Count(4)), 7u64);
        check(add_to(Kind::Number, Data::Timespan(3)), Some(Data::Timespan(4)), Data::Timespan(7));
        check(add_to(Kind::Number, Data::Timespan(3)), Some(Data::Timestamp(4)), Data::Timestamp(7));
        check(add_to(Kind::String, "b"), Some(Data::from("a")), "ab");
        check(add_to(Kind::Set, 2u64), Some(Data::set([1u64])), Data::set([1u64, 2]));
        check(
            add_to(Kind::Table, Data::vector(["i", "w"])),
            Some(Data::table([("i", "v")])),
            Data::table([("i", "w")]),
        );
        check(take(3u64), Some(Data::Count(4)), 1u64);
        check(take(Data::Timespan(3)), Some(Data::Timestamp(4)), Data::Timestamp(1));
        check(take(1u64), Some(Data::set([1u64, 2])), Data::set([2u64]));
        check(take("i"), Some(Data::table([("i", "v"), ("j", "w")])), Data::table([("j", "w")]));
        check(take("missing"), Some(Data::table([("i", "v")])), Data::table([("i", "v")]));
    }

    #[test]
    fn a_vector_loses_its_last_element_whatever_is_named() {
        check(take("x"), Some(Data::vector([1u64, 2])), Data::vector([1u64]));
        check(take("x"), Some(Data::Vector(Vec::new())), Data::Vector(Vec::new()));
    }

    #[test]
    fn types_that_do_not_go_together_are_refused_with_both_names() {
        let clash = refused(add_to(Kind::Number, 1u64), Some(Data::Integer(1)));
        assert_eq!(clash.to_string(), "type clash: cannot add a value of type count to one of type integer");
        assert!(matches!(refused(take("x"), Some(Data::from("x"))), Refusal::TypeClash { .. }));
        assert!(matches!(refused(add_to(Kind::Table, 1u64), None), Refusal::TypeClash { .. }));
        assert!(matches!(refused(add_to(Kind::Number, true), Some(Data::from(true))), Refusal::TypeClash { .. }));
        assert_eq!(refused(take(2u64), Some(Data::Count(1))), Refusal::OutOfRange);
        assert_eq!(refused(add_to(Kind::Number, 1u64), Some(Data::Count(u64::MAX))), Refusal::OutOfRange);
    }

    #[test]
    fn put_unique_says_whether_it_inserted() {
        let put = || Operation::PutUnique { key: key(), value: Data::Count(1), expiry: None };
        let expected = (Change::Put(Data::Count(1), None), Answer::Inserted(true));
        assert_eq!(put().apply(None), Ok(expected));
        assert_eq!(put().apply(Some(Data::None)), Ok((Change::None, Answer::Inserted(false))));
    }

    #[test]
    fn only_what_is_there_is_erased() {
        let erase = || Operation::Erase { key: key() };
        assert_eq!(erase().apply(Some(Data::None)), Ok((Change::Erase, Answer::Done)));
        assert_eq!(erase().apply(None), Ok((Change::None, Answer::Done)));
    }
}
