//! For tests: any values in any columns, whole and damaged, through the decoder and both formats to the end.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use proptest::prelude::*;

use super::ascii::{AsciiOptions, JsonStringEscapes, JsonTimestamps};
use super::figures::FileFigures;
use super::options::LoggerOptions;
use super::output::Output;
use super::streams::{Incoming, Streams};
use crate::data::Protocol;
use crate::wire::log_batch::{Field, LogBatch, LogValue, TypeTag, WRITER_ASCII};

const PLAIN: [TypeTag; 13] = [
    TypeTag::Bool,
    TypeTag::Int,
    TypeTag::Count,
    TypeTag::Double,
    TypeTag::Time,
    TypeTag::Interval,
    TypeTag::String,
    TypeTag::Enum,
    TypeTag::Port,
    TypeTag::Addr,
    TypeTag::Subnet,
    TypeTag::Func,
    TypeTag::File,
];

fn real() -> impl Strategy<Value = f64> {
    let odd = [
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        5e-324,
        f64::MAX,
        f64::MIN,
        2f64.powi(53),
        -(2f64.powi(63)),
        2f64.powi(63),
        2f64.powi(64),
        1e22,
        1e-7,
        0.1,
        999_999.999_999_5,
        253_402_300_800.0,
    ];
    prop_oneof![any::<u64>().prop_map(f64::from_bits), proptest::sample::select(odd.to_vec()), -1e10..1e10]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let odd: [&[u8]; 10] = [
        b"",
        b"-",
        b"(empty)",
        b"#close",
        b"\\\\\\",
        b"\t",
        b"a,b",
        b"\xc3",
        b"\xed\xa0\x80",
        "zoë\u{202e}".as_bytes(),
    ];
    let odd: Vec<Vec<u8>> = odd.iter().map(|text| text.to_vec()).collect();
    prop_oneof![proptest::sample::select(odd), proptest::collection::vec(any::<u8>(), 0..60)]
}

fn plain(tag: TypeTag) -> BoxedStrategy<LogValue> {
    let addr = || {
        prop_oneof![
            any::<[u8; 4]>().prop_map(|octets| Ipv4Addr::from(octets).into()),
            any::<[u8; 16]>().prop_map(|octets| Ipv6Addr::from(octets).into()),
            Just(Ipv6Addr::UNSPECIFIED.into()),
        ]
    };
    let protocol = proptest::sample::select(vec![Protocol::Unknown, Protocol::Tcp, Protocol::Udp, Protocol::Icmp]);
    let value = match tag {
        TypeTag::Bool => any::<bool>().prop_map(LogValue::Bool).boxed(),
        TypeTag::Int => any::<i64>().prop_map(LogValue::Int).boxed(),
        TypeTag::Count => any::<u64>().prop_map(LogValue::Count).boxed(),
        TypeTag::Double => real().prop_map(LogValue::Double).boxed(),
        TypeTag::Time => real().prop_map(LogValue::Time).boxed(),
        TypeTag::Interval => real().prop_map(LogValue::Interval).boxed(),
        TypeTag::Enum => text().prop_map(LogValue::Enum).boxed(),
        TypeTag::Func => text().prop_map(LogValue::Func).boxed(),
        TypeTag::File => text().prop_map(LogValue::File).boxed(),
        TypeTag::Port => (any::<u64>(), protocol).prop_map(|(number, of)| LogValue::Port(number, of)).boxed(),
        TypeTag::Addr => addr().prop_map(LogValue::Addr).boxed(),
        TypeTag::Subnet => (addr(), any::<u8>()).prop_map(|(net, length)| LogValue::Subnet(net, length)).boxed(),
        _ => text().prop_map(LogValue::String).boxed(),
    };
    prop_oneof![1 => Just(LogValue::Unset), 9 => value].boxed()
}

/// A column and three values for it.
fn column() -> impl Strategy<Value = (TypeTag, Option<TypeTag>, Vec<LogValue>)> {
    let kind = (proptest::sample::select(PLAIN.to_vec()), 0..4u8);
    kind.prop_flat_map(|(tag, shape)| {
        let elements = proptest::collection::vec(plain(tag), 0..6);
        let (column, element, value) = match shape {
            0 => (TypeTag::Set, Some(tag), elements.prop_map(LogValue::Set).boxed()),
            1 => (TypeTag::Vector, Some(tag), elements.prop_map(LogValue::Vector).boxed()),
            _ => (tag, None, plain(tag)),
        };
        (Just(column), Just(element), proptest::collection::vec(value, 3))
    })
}

fn batch() -> impl Strategy<Value = LogBatch> {
    proptest::collection::vec(column(), 1..8).prop_map(|columns| {
        let field = |(number, (tag, element, _)): (usize, &(TypeTag, Option<TypeTag>, Vec<LogValue>))| {
            let name = format!("c{number}");
            element.map_or_else(|| Field::new(&name, *tag), |element| Field::container(&name, *tag, element))
        };
        LogBatch {
            stream: b"Any::LOG".to_vec(),
            writer: WRITER_ASCII.into(),
            filter: b"default".to_vec(),
            path: b"any".to_vec(),
            fields: columns.iter().enumerate().map(field).collect(),
            records: (0..3).map(|record| columns.iter().map(|column| column.2[record].clone()).collect()).collect(),
        }
    })
}

fn options() -> impl Strategy<Value = AsciiOptions> {
    let escapes = vec![JsonStringEscapes::Hex, JsonStringEscapes::Pua, JsonStringEscapes::Tsv];
    let times =
        vec![JsonTimestamps::Epoch, JsonTimestamps::Millis, JsonTimestamps::MillisUnsigned, JsonTimestamps::Iso8601];
    let (escapes, times) = (proptest::sample::select(escapes), proptest::sample::select(times));
    (any::<bool>(), any::<bool>(), escapes, times).prop_map(|(use_json, enable_utf_8, escapes, times)| AsciiOptions {
        use_json,
        enable_utf_8,
        json_string_escape_policy: escapes,
        json_timestamps: times,
        json_include_unset_fields: true,
        ..AsciiOptions::default()
    })
}

/// The lines that come of a batch; none when it is refused.
fn lines(ascii: &AsciiOptions, payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut options = LoggerOptions::new("logger", "/nowhere", "/nowhere");
    options.ascii = ascii.clone();
    let mut streams = Streams::new(options, FileFigures::default());
    let (now, at) = (Timestamp::UNIX_EPOCH, std::time::Instant::now());
    let incoming = Incoming { sender: b"s", payload, now, at };
    streams.batch(incoming, &mut |_: &mut Output| Ok(())).ok()?;
    let text: Vec<u8> = streams.waiting().flat_map(|output| output.lines().clone()).collect();
    let lines = text.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec);
    Some(lines.filter(|line| !line.starts_with(b"#")).collect())
}

fn check_lines(ascii: &AsciiOptions, batch: &LogBatch) {
    let lines = lines(ascii, &batch.encode().unwrap()).expect("a whole batch is taken");
    assert_eq!(lines.len(), batch.records.len());
    for line in lines {
        if ascii.use_json {
            let object: serde_json::Value = serde_json::from_slice(&line).unwrap_or_else(|error| {
                panic!("{error}: {}", line.escape_ascii());
            });
            assert_eq!(object.as_object().map(serde_json::Map::len), Some(batch.fields.len()));
        } else {
            let tabs = line.iter().filter(|octet| **octet == b'\t').count();
            assert_eq!(tabs + 1, batch.fields.len(), "{}", line.escape_ascii());
            assert!(
                line[..line.len() - 1].iter().all(|octet| *octet >= 0x20 || *octet == b'\t' || !ascii.enable_utf_8)
            );
        }
    }
}

proptest! {
    #[test]
    fn any_value_becomes_a_line_of_its_format(batch in batch(), ascii in options()) {
        check_lines(&ascii, &batch);
    }

    #[test]
    fn damaged_batches_are_refused_or_written_and_end_nothing(
        batch in batch(),
        ascii in options(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut payload = batch.encode().unwrap();
        for (at, octet) in damage {
            let at = at.index(payload.len());
            payload[at] = octet;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        let _ = lines(&ascii, &payload);
    }
}
