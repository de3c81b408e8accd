//! What can be asked of a store; answered where it is asked, at a clone from its copy.

use std::collections::BTreeSet;

use super::backend::{Backend, BackendError, Scan};
use super::error::Refusal;
use crate::data::Data;
use crate::wire::broker_bin;

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// `Broker::get`: the value.
    Get {
        /// The key.
        key: Data,
    },
    /// `Broker::get_index_from_value`: whether a set has the index, a table's value, a vector's element, else the value.
    GetIndexFromValue {
        /// The key.
        key: Data,
        /// The index in its value.
        index: Data,
    },
    /// `Broker::exists`: a boolean.
    Exists {
        /// The key.
        key: Data,
    },
    /// `Broker::keys`: a set.
    Keys,
    /// How many keys there are: a count.
    Size,
}

/// Why a query has no answer.
pub(super) enum Unanswered {
    Refused(Refusal),
    Failed(BackendError),
}

impl From<BackendError> for Unanswered {
    fn from(error: BackendError) -> Unanswered {
        Unanswered::Failed(error)
    }
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Unanswered {
        Unanswered::Refused(refusal)
    }
}

impl Query {
    /// Answers from a backend; what expired by `now` (nanoseconds since the epoch) is not there.
    pub(super) fn answer(self, backend: &mut dyn Backend, now: i64) -> Result<Data, Unanswered> {
        Ok(match self {
            Query::Get { key } => value(backend, &key, now)?.ok_or(Refusal::NoSuchKey)?,
            Query::GetIndexFromValue { key, index } => {
                at_index(value(backend, &key, now)?.ok_or(Refusal::NoSuchKey)?, &index)?
            }
            Query::Exists { key } => Data::Boolean(value(backend, &key, now)?.is_some()),
            Query::Keys => Data::Set(keys(backend, now)?),
            Query::Size => Data::Count(backend.size(now)?),
        })
    }
}

/// The value under a key, unless it has expired.
pub(super) fn value(backend: &mut dyn Backend, key: &Data, now: i64) -> Result<Option<Data>, BackendError> {
    let entry = backend.get(&broker_bin::encode(key))?;
    Ok(entry.filter(|entry| !entry.is_expired(now)).map(|entry| entry.value))
}

fn keys(backend: &mut dyn Backend, now: i64) -> Result<BTreeSet<Data>, BackendError> {
    let mut keys = BTreeSet::new();
    let mut after = None;
    loop {
        let page = backend.scan(after.as_deref(), Scan::KEYS)?;
        let Some((last, _)) = page.last() else { return Ok(keys) };
        after = Some(last.clone());
        for (key, entry) in &page {
            if !entry.is_expired(now) {
                keys.insert(broker_bin::decode(key).map_err(|error| BackendError(format!("a key: {error}")))?);
            }
        }
    }
}

fn at_index(value: Data, index: &Data) -> Result<Data, Refusal> {
    Ok(match value {
        Data::Set(elements) => Data::Boolean(elements.contains(index)),
        Data::Table(mut pairs) => pairs.remove(index).ok_or(Refusal::NoSuchKey)?,
        Data::Vector(elements) => {
            let at = match index {
                Data::Count(at) => usize::try_from(*at).ok(),
                Data::Integer(at) if *at >= 0 => usize::try_from(*at).ok(),
                other => {
                    let reason = format!("a vector's index is a count, not of type {}", other.type_name());
                    return Err(Refusal::TypeClash { reason });
                }
            };
            at.and_then(|at| elements.into_iter().nth(at)).ok_or(Refusal::NoSuchKey)?
        }
        scalar => scalar,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_means_what_the_value_is() {
        assert_eq!(at_index(Data::set([1u64]), &Data::Count(1)), Ok(Data::Boolean(true)));
        assert_eq!(at_index(Data::set([1u64]), &Data::Count(2)), Ok(Data::Boolean(false)));
        assert_eq!(at_index(Data::table([("a", 1u64)]), &Data::from("a")), Ok(Data::Count(1)));
        assert_eq!(at_index(Data::table([("a", 1u64)]), &Data::from("b")), Err(Refusal::NoSuchKey));
        assert_eq!(at_index(Data::vector([5u64, 6]), &Data::Count(1)), Ok(Data::Count(6)));
        assert_eq!(at_index(Data::vector([5u64, 6]), &Data::Integer(0)), Ok(Data::Count(5)));
        assert_eq!(at_index(Data::vector([5u64]), &Data::Count(1)), Err(Refusal::NoSuchKey));
        assert!(matches!(at_index(Data::vector([5u64]), &Data::Integer(-1)), Err(Refusal::TypeClash { .. })));
        assert_eq!(at_index(Data::Count(7), &Data::from("anything")), Ok(Data::Count(7)));
    }
}
