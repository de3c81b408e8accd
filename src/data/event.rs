//! Events: a name, arguments, and what travels beside them.

use super::Data;

/// `EventMetadata::NETWORK_TIMESTAMP`: the id of the metadata entry that holds the time of the event, a timestamp.
pub const NETWORK_TIMESTAMP: u64 = 1;

/// `Cluster::Event`: one event as it travels, the inner vector of the envelope (`formats.md` 2.4).
///
/// ```
/// use zeek_cluster::Event;
///
/// // At 1.5 s after the epoch.
/// let event = Event::new("My::alarm", vec!["sensor-1".into(), 3u64.into()]).with_network_timestamp(1_500_000_000);
/// assert_eq!(event.to_string(), "My::alarm(sensor-1, 3)");
/// assert_eq!(event.network_timestamp(), Some(1_500_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `ev`: fully qualified name, such as `Cluster::hello`.
    pub name: Vec<u8>,
    /// `args`: one value per parameter.
    pub args: Vec<Data>,
    /// Metadata entries `(id, value)` in order; id 1 is the network timestamp.
    pub metadata: Vec<(u64, Data)>,
}

impl Event {
    /// Roughly the octets that it takes, encoded or in memory.
    pub(crate) fn weight(&self) -> usize {
        let metadata = self.metadata.iter().map(|(_, value)| 16 + value.weight());
        self.name.len() + self.args.iter().map(Data::weight).sum::<usize>() + metadata.sum::<usize>()
    }

    /// An event without metadata.
    pub fn new(name: &str, args: Vec<Data>) -> Event {
        Event { name: name.as_bytes().to_vec(), args, metadata: Vec::new() }
    }

    /// The same event with a network timestamp, in nanoseconds since the epoch, after the metadata it has.
    pub fn with_network_timestamp(mut self, ns: i64) -> Event {
        self.metadata.push((NETWORK_TIMESTAMP, Data::Timestamp(ns)));
        self
    }

    /// The network timestamp, in nanoseconds since the epoch: of several entries the first, none if that is no timestamp.
    pub fn network_timestamp(&self) -> Option<i64> {
        match self.metadata.iter().find(|(id, _)| *id == NETWORK_TIMESTAMP) {
            Some((_, Data::Timestamp(ns))) => Some(*ns),
            _ => None,
        }
    }
}

impl std::fmt::Display for Event {
    /// `name(arg, arg)`, for messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(", String::from_utf8_lossy(&self.name))?;
        for (index, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_network_timestamp_counts() {
        let event = Event::new("ping", vec!["x".into(), 1u64.into()]);
        assert_eq!(event.network_timestamp(), None);
        let event = event.with_network_timestamp(5).with_network_timestamp(6);
        assert_eq!(event.network_timestamp(), Some(5));
        assert_eq!(event.to_string(), "ping(x, 1)");
    }
}
