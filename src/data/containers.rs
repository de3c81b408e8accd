//! Strings and enum values, sets, tables and vectors, and optional fields.

use std::collections::{BTreeMap, BTreeSet};

use super::{Data, NodeType};

impl Data {
    /// Roughly the octets that a value takes, encoded or in memory.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Data::String(octets) | Data::Enum(octets) => 8 + octets.len(),
            Data::Set(elements) => 8 + elements.iter().map(Data::weight).sum::<usize>(),
            Data::Table(pairs) => 8 + pairs.iter().map(|(key, value)| key.weight() + value.weight()).sum::<usize>(),
            Data::Vector(elements) => 8 + elements.iter().map(Data::weight).sum::<usize>(),
            _ => 16,
        }
    }

    /// A vector, or a record by its fields in order.
    pub fn vector<T: Into<Data>>(elements: impl IntoIterator<Item = T>) -> Data {
        Data::Vector(elements.into_iter().map(Into::into).collect())
    }

    /// A set; equal elements become one.
    pub fn set<T: Into<Data>>(elements: impl IntoIterator<Item = T>) -> Data {
        Data::Set(elements.into_iter().map(Into::into).collect())
    }

    /// A table; of equal keys the last pair stays.
    pub fn table<K: Into<Data>, V: Into<Data>>(pairs: impl IntoIterator<Item = (K, V)>) -> Data {
        Data::Table(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Data {
        Data::string(text)
    }
}

impl From<String> for Data {
    fn from(text: String) -> Data {
        Data::string(text)
    }
}

impl From<NodeType> for Data {
    fn from(node_type: NodeType) -> Data {
        Data::enumerator(node_type.zeek_name())
    }
}

impl From<Vec<Data>> for Data {
    fn from(elements: Vec<Data>) -> Data {
        Data::Vector(elements)
    }
}

impl From<BTreeSet<Data>> for Data {
    fn from(elements: BTreeSet<Data>) -> Data {
        Data::Set(elements)
    }
}

impl From<BTreeMap<Data, Data>> for Data {
    fn from(pairs: BTreeMap<Data, Data>) -> Data {
        Data::Table(pairs)
    }
}

/// An optional field of a record: unset is [`Data::None`].
impl<T: Into<Data>> From<Option<T>> for Data {
    fn from(field: Option<T>) -> Data {
        field.map_or(Data::None, Into::into)
    }
}
