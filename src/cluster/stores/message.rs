//! What masters and clones say to each other, as events.
//!
//! Every event's first argument is [`VERSION`]; one of another version is not understood and left alone. A master's *epoch* is
//! the time at which it began (nanoseconds since the epoch); together with its number every update is told apart from all
//! others. Lengths are bounded by the decoder of the event and by [`MAX_OCTETS`] where messages are made.
//!
//! | event | on topic | arguments after the version |
//! |---|---|---|
//! | `ZeekCluster::store_resync` | master | epoch and number of the last update that the clone has; 0, 0 for none |
//! | `ZeekCluster::store_fetch` | master | epoch, last key of the last chunk |
//! | `ZeekCluster::store_write` | master | number of the first write not yet acknowledged, number of the first here, writes |
//! | `ZeekCluster::store_heartbeat` | clones, one | epoch, the master's node, number of its last update |
//! | `ZeekCluster::store_update` | clones, one | epoch, number of the first update here, updates |
//! | `ZeekCluster::store_chunk` | one | epoch, number of the last update in it, key before it, its last key or none at the end, entries |
//! | `ZeekCluster::store_ack` | one | epoch, number through which all is durable, answers that are not just `done` |
//! | `ZeekCluster::store_missing` | one | epoch, number of the last write that was applied: those after it are to be sent again |
//! | `ZeekCluster::store_failed` | one | epoch, first and last number of writes that the backend could not keep, why |

use std::collections::BTreeMap;
use std::time::Duration;

use super::backend::{Entries, Entry};
use super::error::Refusal;
use super::operation::{Answer, Kind, Operation};
use crate::data::{Data, Event};
use crate::wire::broker_bin;

/// Version of the messages.
pub const VERSION: u64 = 1;

/// Octets of one message, after which the next one is begun.
pub const MAX_OCTETS: usize = 256 << 10;

/// Writes or updates in one message.
pub const MAX_ITEMS: usize = 512;

/// The greatest epoch and number: so they fit into SQLite's integers, and counting on from them does not overflow.
const MAX_NUMBER: u64 = i64::MAX as u64;

const PREFIX: &str = "ZeekCluster::store_";

/// What happened to the content of a store, in the order of their numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The key has this value and this expiry (nanoseconds since the epoch) now.
    Put {
        /// The key.
        key: Data,
        /// The value.
        value: Data,
        /// When it vanishes.
        expiry: Option<i64>,
    },
    /// The key was removed.
    Erase {
        /// The key.
        key: Data,
    },
    /// The key has expired.
    Expire {
        /// The key.
        key: Data,
    },
    /// All keys were removed.
    Clear,
}

impl Update {
    pub(super) fn weight(&self) -> usize {
        match self {
            Update::Put { key, value, .. } => key.weight() + value.weight(),
            Update::Erase { key } | Update::Expire { key } => key.weight(),
            Update::Clear => 8,
        }
    }
}

/// One message; see the module's table.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the module's table")]
pub enum Message {
    Resync { epoch: u64, seq: u64 },
    Fetch { epoch: u64, after: Vec<u8> },
    Write { base: u64, first: u64, operations: Vec<Operation> },
    Heartbeat { epoch: u64, node: String, seq: u64 },
    Update { epoch: u64, first: u64, updates: Vec<Update> },
    Chunk { epoch: u64, seq: u64, after: Option<Vec<u8>>, upto: Option<Vec<u8>>, entries: Entries },
    Ack { epoch: u64, through: u64, answers: Answers },
    Missing { epoch: u64, last: u64 },
    Failed { epoch: u64, first: u64, through: u64, reason: String },
}

/// Answers of writes by number.
pub type Answers = BTreeMap<u64, Result<Answer, Refusal>>;

impl Message {
    /// As an event.
    pub fn into_event(self) -> Event {
        let (name, args): (&str, Vec<Data>) = match self {
            Message::Resync { epoch, seq } => ("resync", vec![Data::Count(epoch), Data::Count(seq)]),
            Message::Fetch { epoch, after } => ("fetch", vec![Data::Count(epoch), Data::String(after)]),
            Message::Write { base, first, operations } => {
                let operations = operations.into_iter().map(put_operation).collect();
                ("write", vec![Data::Count(base), Data::Count(first), Data::Vector(operations)])
            }
            Message::Heartbeat { epoch, node, seq } => {
                ("heartbeat", vec![Data::Count(epoch), Data::string(node), Data::Count(seq)])
            }
            Message::Update { epoch, first, updates } => {
                let updates = updates.into_iter().map(put_update).collect();
                ("update", vec![Data::Count(epoch), Data::Count(first), Data::Vector(updates)])
            }
            Message::Chunk { epoch, seq, after, upto, entries } => {
                let entries = entries.into_iter().map(put_entry).collect();
                let key = |key: Option<Vec<u8>>| key.map_or(Data::None, Data::String);
                ("chunk", vec![Data::Count(epoch), Data::Count(seq), key(after), key(upto), Data::Vector(entries)])
            }
            Message::Ack { epoch, through, answers } => {
                ("ack", vec![Data::Count(epoch), Data::Count(through), put_answers(&answers)])
            }
            Message::Missing { epoch, last } => ("missing", vec![Data::Count(epoch), Data::Count(last)]),
            Message::Failed { epoch, first, through, reason } => {
                let reason = Data::string(reason);
                ("failed", vec![Data::Count(epoch), Data::Count(first), Data::Count(through), reason])
            }
        };
        let args = std::iter::once(Data::Count(VERSION)).chain(args).collect();
        Event::new(&format!("{PREFIX}{name}"), args)
    }

    /// From an event; none when it is no message of this version.
    pub fn from_event(event: &Event) -> Option<Message> {
        let name = event.name.strip_prefix(PREFIX.as_bytes())?;
        let (version, args) = event.args.split_first()?;
        let absurd = |arg: &Data| matches!(arg, Data::Count(number) if *number > MAX_NUMBER);
        if *version != Data::Count(VERSION) || args.iter().any(absurd) {
            return None;
        }
        Some(match (name, args) {
            (b"resync", [Data::Count(epoch), Data::Count(seq)]) => Message::Resync { epoch: *epoch, seq: *seq },
            (b"fetch", [Data::Count(epoch), Data::String(after)]) => {
                Message::Fetch { epoch: *epoch, after: after.clone() }
            }
            (b"write", [Data::Count(base), Data::Count(first), Data::Vector(operations)]) => {
                Message::Write { base: *base, first: *first, operations: all(operations, operation)? }
            }
            (b"heartbeat", [Data::Count(epoch), node, Data::Count(seq)]) => {
                Message::Heartbeat { epoch: *epoch, node: node.as_str()?.to_owned(), seq: *seq }
            }
            (b"update", [Data::Count(epoch), Data::Count(first), Data::Vector(updates)]) => {
                Message::Update { epoch: *epoch, first: *first, updates: all(updates, update)? }
            }
            (b"chunk", [Data::Count(epoch), Data::Count(seq), after, upto, Data::Vector(entries)]) => Message::Chunk {
                epoch: *epoch,
                seq: *seq,
                after: optional(after, octets)?,
                upto: optional(upto, octets)?,
                entries: all(entries, entry)?,
            },
            (b"ack", [Data::Count(epoch), Data::Count(through), answers]) => {
                Message::Ack { epoch: *epoch, through: *through, answers: get_answers(answers)? }
            }
            (b"missing", [Data::Count(epoch), Data::Count(last)]) => Message::Missing { epoch: *epoch, last: *last },
            (b"failed", [Data::Count(epoch), Data::Count(first), Data::Count(through), reason]) => {
                Message::Failed { epoch: *epoch, first: *first, through: *through, reason: reason.as_str()?.to_owned() }
            }
            _ => return None,
        })
    }
}

/// Cuts a list into messages: no part is empty, none much larger than [`MAX_OCTETS`] or longer than [`MAX_ITEMS`].
pub(super) fn split<T>(items: impl IntoIterator<Item = T>, weight: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut octets = MAX_OCTETS;
    for item in items {
        let size = weight(&item);
        match parts.last_mut() {
            Some(part) if octets + size <= MAX_OCTETS && part.len() < MAX_ITEMS => {
                octets += size;
                part.push(item);
            }
            _ => {
                octets = size;
                parts.push(vec![item]);
            }
        }
    }
    parts
}

/// The octets of answers, as a backend keeps them.
pub(super) fn encode_answers(answers: &Answers) -> Vec<u8> {
    broker_bin::encode(&put_answers(answers))
}

/// The answers that a backend kept.
pub(super) fn decode_answers(octets: &[u8]) -> Result<Answers, String> {
    let data = broker_bin::decode(octets).map_err(|error| format!("remembered answers: {error}"))?;
    get_answers(&data).ok_or_else(|| "remembered answers: not of this version".to_owned())
}

fn all<T>(elements: &[Data], read: impl Fn(&Data) -> Option<T>) -> Option<Vec<T>> {
    elements.iter().map(read).collect()
}

fn octets(data: &Data) -> Option<Vec<u8>> {
    data.as_string().map(<[u8]>::to_vec)
}

/// `Some(None)` for an unset value, none for one of another type.
fn optional<T>(data: &Data, read: impl FnOnce(&Data) -> Option<T>) -> Option<Option<T>> {
    match data {
        Data::None => Some(None),
        set => read(set).map(Some),
    }
}

fn put_span(span: Option<Duration>) -> Data {
    let ns = |span: Duration| Data::Timespan(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX));
    span.map_or(Data::None, ns)
}

fn span(data: &Data) -> Option<Option<Duration>> {
    optional(data, |data| match data {
        Data::Timespan(ns) => u64::try_from(*ns).ok().map(Duration::from_nanos),
        _ => None,
    })
}

fn put_time(time: Option<i64>) -> Data {
    time.map_or(Data::None, Data::Timestamp)
}

fn time(data: &Data) -> Option<Option<i64>> {
    optional(data, |data| match data {
        Data::Timestamp(ns) => Some(*ns),
        _ => None,
    })
}

const KINDS: [(&str, Kind); 5] = [
    ("number", Kind::Number),
    ("string", Kind::String),
    ("set", Kind::Set),
    ("table", Kind::Table),
    ("vector", Kind::Vector),
];

fn put_operation(operation: Operation) -> Data {
    let name = Data::string;
    Data::Vector(match operation {
        Operation::Put { key, value, expiry } => vec![name("put"), key, value, put_span(expiry)],
        Operation::PutUnique { key, value, expiry } => vec![name("put_unique"), key, value, put_span(expiry)],
        Operation::Erase { key } => vec![name("erase"), key],
        Operation::Clear => vec![name("clear")],
        Operation::Add { key, kind, value, expiry } => {
            let kind = KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
            vec![name("add"), key, Data::string(kind), value, put_span(expiry)]
        }
        Operation::Subtract { key, value, expiry } => vec![name("subtract"), key, value, put_span(expiry)],
    })
}

fn operation(data: &Data) -> Option<Operation> {
    let (name, args) = data.as_vector()?.split_first()?;
    Some(match (name.as_str()?, args) {
        ("put", [key, value, expiry]) => {
            Operation::Put { key: key.clone(), value: value.clone(), expiry: span(expiry)? }
        }
        ("put_unique", [key, value, expiry]) => {
            Operation::PutUnique { key: key.clone(), value: value.clone(), expiry: span(expiry)? }
        }
        ("erase", [key]) => Operation::Erase { key: key.clone() },
        ("clear", []) => Operation::Clear,
        ("add", [key, kind, value, expiry]) => {
            let kind = kind.as_str()?;
            let kind = KINDS.iter().find(|(name, _)| *name == kind)?.1;
            Operation::Add { key: key.clone(), kind, value: value.clone(), expiry: span(expiry)? }
        }
        ("subtract", [key, value, expiry]) => {
            Operation::Subtract { key: key.clone(), value: value.clone(), expiry: span(expiry)? }
        }
        _ => return None,
    })
}

fn put_update(update: Update) -> Data {
    let name = Data::string;
    Data::Vector(match update {
        Update::Put { key, value, expiry } => vec![name("put"), key, value, put_time(expiry)],
        Update::Erase { key } => vec![name("erase"), key],
        Update::Expire { key } => vec![name("expire"), key],
        Update::Clear => vec![name("clear")],
    })
}

fn update(data: &Data) -> Option<Update> {
    let (name, args) = data.as_vector()?.split_first()?;
    Some(match (name.as_str()?, args) {
        ("put", [key, value, expiry]) => Update::Put { key: key.clone(), value: value.clone(), expiry: time(expiry)? },
        ("erase", [key]) => Update::Erase { key: key.clone() },
        ("expire", [key]) => Update::Expire { key: key.clone() },
        ("clear", []) => Update::Clear,
        _ => return None,
    })
}

fn put_entry((key, entry): (Vec<u8>, Entry)) -> Data {
    Data::Vector(vec![Data::String(key), entry.value, put_time(entry.expiry)])
}

fn entry(data: &Data) -> Option<(Vec<u8>, Entry)> {
    match data.as_vector()? {
        [Data::String(key), value, expiry] => {
            Some((key.clone(), Entry { value: value.clone(), expiry: time(expiry)? }))
        }
        _ => None,
    }
}

fn put_answers(answers: &Answers) -> Data {
    let put = |answer: &Result<Answer, Refusal>| match answer {
        Ok(Answer::Done) => Data::None,
        Ok(Answer::Inserted(inserted)) => Data::Boolean(*inserted),
        Err(Refusal::NoSuchKey) => Data::enumerator("no_such_key"),
        Err(Refusal::OutOfRange) => Data::enumerator("out_of_range"),
        Err(Refusal::TypeClash { reason }) => Data::string(reason.as_str()),
    };
    Data::Table(answers.iter().map(|(number, answer)| (Data::Count(*number), put(answer))).collect())
}

fn get_answers(data: &Data) -> Option<Answers> {
    let Data::Table(pairs) = data else { return None };
    let get = |(number, answer): (&Data, &Data)| {
        let Data::Count(number) = number else { return None };
        let answer = match answer {
            Data::None => Ok(Answer::Done),
            Data::Boolean(inserted) => Ok(Answer::Inserted(*inserted)),
            Data::Enum(name) if name == b"no_such_key" => Err(Refusal::NoSuchKey),
            Data::Enum(name) if name == b"out_of_range" => Err(Refusal::OutOfRange),
            Data::String(_) => Err(Refusal::TypeClash { reason: answer.as_str()?.to_owned() }),
            _ => return None,
        };
        Some((*number, answer))
    };
    pairs.iter().map(get).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: Message) {
        let event = message.clone().into_event();
        assert_eq!(Message::from_event(&event), Some(message), "{event:?}");
        let mut other = event.clone();
        other.args[0] = Data::Count(VERSION + 1);
        assert_eq!(Message::from_event(&other), None);
        for missing in 0..event.args.len() {
            let mut short = event.clone();
            short.args.truncate(missing);
            assert_eq!(Message::from_event(&short), None, "{short:?}");
        }
        for changed in 1..event.args.len() {
            let mut wrong = event.clone();
            wrong.args[changed] = Data::vector([Data::vector([Data::from(0.5)])]);
            assert_eq!(Message::from_event(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_said_is_understood_and_nothing_else() {
        let key = || Data::from("k");
        let expiry = Some(Duration::from_secs(5));
        check(Message::Resync { epoch: 1, seq: 2 });
        check(Message::Fetch { epoch: 1, after: vec![5, 0xff] });
        let add = |kind| Operation::Add { key: key(), kind, value: Data::Count(1), expiry: None };
        let operations = vec![
            Operation::Put { key: key(), value: Data::Count(1), expiry },
            Operation::PutUnique { key: key(), value: Data::None, expiry: None },
            Operation::Erase { key: key() },
            Operation::Clear,
            add(Kind::Number),
            add(Kind::String),
            add(Kind::Set),
            add(Kind::Table),
            add(Kind::Vector),
            Operation::Subtract { key: key(), value: Data::Count(1), expiry },
        ];
        check(Message::Write { base: 3, first: 4, operations });
        check(Message::Heartbeat { epoch: 1, node: "manager".into(), seq: 9 });
        let updates = vec![
            Update::Put { key: key(), value: Data::Count(1), expiry: Some(7) },
            Update::Put { key: key(), value: Data::Count(1), expiry: None },
            Update::Erase { key: key() },
            Update::Expire { key: key() },
            Update::Clear,
        ];
        check(Message::Update { epoch: 1, first: 10, updates });
        let entries = vec![(vec![1], Entry { value: Data::Count(1), expiry: Some(3) })];
        check(Message::Chunk { epoch: 1, seq: 10, after: None, upto: Some(vec![2]), entries });
        check(Message::Chunk { epoch: 1, seq: 10, after: Some(vec![1]), upto: None, entries: Vec::new() });
        let answers = [
            (3, Ok(Answer::Inserted(true))),
            (4, Err(Refusal::NoSuchKey)),
            (5, Err(Refusal::OutOfRange)),
            (6, Err(Refusal::TypeClash { reason: "because".into() })),
        ];
        check(Message::Ack { epoch: 1, through: 6, answers: answers.into() });
        check(Message::Missing { epoch: 1, last: 6 });
        check(Message::Failed { epoch: 1, first: 1, through: 2, reason: "disk full".into() });
        assert_eq!(Message::from_event(&Event::new("Cluster::hello", vec![Data::Count(VERSION)])), None);
    }

    #[test]
    fn numbers_that_cannot_be_counted_on_from_are_not_understood() {
        let write = |first| Message::Write { base: first, first, operations: vec![Operation::Clear] }.into_event();
        assert!(Message::from_event(&write(MAX_NUMBER)).is_some());
        assert_eq!(Message::from_event(&write(MAX_NUMBER + 1)), None);
    }

    #[test]
    fn long_lists_are_cut_by_number_and_by_size() {
        let by_number = split(0..MAX_ITEMS + 1, |_| 1);
        assert_eq!(by_number.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_ITEMS, 1]);
        let by_size = split([MAX_OCTETS, 1, MAX_OCTETS - 1, 1], |size| *size);
        assert_eq!(by_size, [vec![MAX_OCTETS], vec![1, MAX_OCTETS - 1], vec![1]]);
        assert!(split(std::iter::empty::<u8>(), |_| 1).is_empty());
    }
}
