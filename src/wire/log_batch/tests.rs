use super::*;

/// The payloads of a recorded folder's log batches, in the order of arrival.
fn recorded(folder: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/vectors/{folder}/frames.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let frames = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    frames.filter(|frame| frame["kind"] == "log").map(|frame| unhex(frame["frames"][3].as_str().unwrap())).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The batch of `formats.md` L4: most types, two records, the second with unset and empty values.
fn demo() -> LogBatch {
    let optional = |field: Field| Field { optional: true, ..field };
    LogBatch {
        stream: b"Demo::LOG".to_vec(),
        writer: WRITER_ASCII.into(),
        filter: b"default".to_vec(),
        path: b"demo".to_vec(),
        fields: vec![
            Field::new("ts", TypeTag::Time),
            Field::new("uid", TypeTag::String),
            Field::new("id.orig_h", TypeTag::Addr),
            Field::new("id.orig_p", TypeTag::Port),
            Field::new("proto", TypeTag::Enum),
            optional(Field::new("duration", TypeTag::Interval)),
            optional(Field::new("local", TypeTag::Bool)),
            Field::container("tags", TypeTag::Set, TypeTag::String),
            optional(Field::container("pkts", TypeTag::Vector, TypeTag::Count)),
        ],
        records: vec![
            vec![
                LogValue::Time(1_700_000_000.5),
                LogValue::String(b"C1".to_vec()),
                LogValue::Addr("10.0.0.1".parse().unwrap()),
                LogValue::Port(443, Protocol::Tcp),
                LogValue::Enum(b"tcp".to_vec()),
                LogValue::Interval(1.5),
                LogValue::Bool(true),
                LogValue::Set(vec![LogValue::String(b"x".to_vec())]),
                LogValue::Vector(vec![LogValue::Count(1), LogValue::Count(2)]),
            ],
            vec![
                LogValue::Time(1_700_000_001.0),
                LogValue::String(b"C2".to_vec()),
                LogValue::Addr("2001:db8::1".parse().unwrap()),
                LogValue::Port(53, Protocol::Udp),
                LogValue::Enum(b"udp".to_vec()),
                LogValue::Unset,
                LogValue::Unset,
                LogValue::Set(vec![]),
                LogValue::Unset,
            ],
        ],
    }
}

const DEMO: &str = "
0000000944656d6f3a3a4c4f47000000114c6f673a3a5752495445525f41534349490000000764656661756c740000000464656d6f
00000009
000000000274730000000500000000 00
0000000003756964 0000000700000000 00
000000000969642e6f7269675f68 0000000b00000000 00
000000000969642e6f7269675f70 0000000a00000000 00
000000000570726f746f 0000000900000000 00
00000000086475726174696f6e 0000000600000000 01
00000000056c6f63616c 0000000100000000 01
000000000474616773 0000000e00000007 00
0000000004706b7473 0000001300000003 01
00000002
000000050000000001 41d954fc40200000
000000070000000001 000000024331
0000000b0000000001 040a000001
0000000a0000000001 00000000000001bb 00000001
000000090000000001 00000003746370
000000060000000001 3ff8000000000000
000000010000000001 0000000000000001
0000000e0000000001 0000000000000001 000000070000000001 0000000178
000000130000000001 0000000000000002 000000030000000001 0000000000000001 000000030000000001 0000000000000002
000000050000000001 41d954fc40400000
000000070000000001 000000024332
0000000b0000000001 0620010db8000000000000000000000001
0000000a0000000001 0000000000000035 00000002
000000090000000001 00000003756470
000000060000000000
000000010000000000
0000000e0000000001 0000000000000000
000000130000000000
";

/// Every batch that the tests have bytes of.
fn samples() -> Vec<Vec<u8>> {
    let mut all = vec![unhex(DEMO)];
    for folder in ["logs-tsv", "logs-json"] {
        all.extend(recorded(folder));
    }
    all
}

#[test]
fn demo_batch_has_the_documented_bytes() {
    let bytes = unhex(DEMO);
    assert_eq!(demo().encode().unwrap(), bytes);
    assert_eq!(LogBatch::decode(&bytes).unwrap(), demo());
}

#[test]
fn recorded_batches_decode_and_encode_to_the_same_bytes() {
    for folder in ["logs-tsv", "logs-json"] {
        let batches = recorded(folder);
        assert!(batches.len() > 30, "{folder} has {} batches", batches.len());
        for payload in batches {
            let batch = LogBatch::decode(&payload).unwrap();
            assert!(!batch.records.is_empty());
            assert_eq!(batch.encode().unwrap(), payload, "{batch:?}");
        }
    }
}

/// `formats.md` L1: the subtype 22 is an artefact of Zeek's own test.
#[test]
fn subtypes_of_plain_columns_are_ignored() {
    let bytes = unhex(
        "0000000c4c6f673a3a554e4b4e4f574e 000000104c6f673a3a5752495445525f4e4f4e45 0000000764656661756c74
         000000076d792d70617468 00000001 00 000000027473 00000005 00000016 00 00000002
         00000005 00000016 01 3ff0000000000000 00000005 00000016 01 4000000000000000",
    );
    let batch = LogBatch::decode(&bytes).unwrap();
    assert_eq!(batch.writer, WRITER_NONE.as_bytes());
    assert_eq!(batch.records, [[LogValue::Time(1.0)], [LogValue::Time(2.0)]]);
}

#[test]
fn every_truncation_is_an_error() {
    for payload in samples() {
        // Long batches are cut at fewer places, so that the test stays short.
        let step = payload.len() / 700 + 1;
        for length in (0..payload.len()).step_by(step) {
            assert!(LogBatch::decode(&payload[..length]).is_err(), "cut to {length} of {}", payload.len());
        }
    }
}

/// Each window of four or eight octets is a length, a count, a type or a part of a value: none may panic, nor make the
/// decoder take memory for what is not there.
#[test]
fn extreme_numbers_anywhere_are_an_error_or_another_value() {
    let bytes = unhex(DEMO);
    for extreme in [i64::MAX, i64::MIN, -1, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 32, 0] {
        for at in 0..bytes.len() - 8 {
            for width in [4, 8] {
                let mut hostile = bytes.clone();
                hostile[at..at + width].copy_from_slice(&extreme.to_be_bytes()[8 - width..]);
                if let Ok(batch) = LogBatch::decode(&hostile) {
                    assert!(batch.fields.len() <= hostile.len() / MIN_FIELD_BYTES);
                    assert!(batch.records.len() <= hostile.len() / MIN_VALUE_BYTES);
                }
            }
        }
    }
}

#[test]
fn every_single_octet_may_be_anything() {
    let bytes = unhex(DEMO);
    for at in 0..bytes.len() {
        for octet in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut hostile = bytes.clone();
            hostile[at] = octet;
            let _ = LogBatch::decode(&hostile);
        }
    }
}

#[test]
fn trailing_octets_are_refused() {
    for mut payload in samples() {
        payload.push(0);
        assert_eq!(LogBatch::decode(&payload), Err(BatchError::Trailing(1)));
    }
}

#[test]
fn counts_beyond_the_input_are_refused_where_they_stand() {
    let fields_at = demo().stream.len() + demo().writer.len() + demo().filter.len() + demo().path.len() + 16;
    let mut many_fields = unhex(DEMO);
    many_fields[fields_at..fields_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(LogBatch::decode(&many_fields), Err(BatchError::FieldCount));

    let mut empty = demo();
    empty.records.clear();
    let mut many_records = empty.encode().unwrap();
    let end = many_records.len();
    many_records[end - 4..].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(LogBatch::decode(&many_records), Err(BatchError::RecordCount));
}

#[test]
fn heads_that_a_logger_would_have_to_keep_are_limited() {
    let named = |name: usize, columns: usize| LogBatch {
        fields: vec![Field::new(&"n".repeat(name), TypeTag::Bool); columns],
        records: Vec::new(),
        ..demo()
    };
    let read = |batch: &LogBatch| BatchReader::new(&batch.encode().unwrap()).map(drop);
    assert_eq!(read(&named(MAX_COLUMN_NAME, 1)), Ok(()));
    assert_eq!(read(&named(MAX_COLUMN_NAME + 1, 2)), Err(BatchError::LongColumnName(0)));
    assert_eq!(read(&named(1, MAX_COLUMNS)), Ok(()));
    assert_eq!(read(&named(1, MAX_COLUMNS + 1)), Err(BatchError::TooManyColumns(MAX_COLUMNS + 1)));
    assert_eq!(read(&named(MAX_COLUMN_NAME, MAX_COLUMNS)), Err(BatchError::LongHead));
    let long = LogBatch { filter: vec![b'f'; MAX_HEADER_TEXT + 1], ..demo() };
    assert_eq!(read(&long), Err(BatchError::LongText("filter")));
}

#[test]
fn what_is_left_can_be_checked_before_any_of_it_is_used() {
    let batch = demo();
    let mut payload = batch.encode().unwrap();
    let columns: Vec<Column> = batch.fields.iter().map(|field| field.as_ref().column()).collect();
    let check = |payload: &[u8]| BatchReader::new(payload).unwrap().check_rest(&columns);
    assert_eq!(check(&payload), Ok(()));
    payload.push(0);
    assert_eq!(check(&payload), Err(BatchError::Trailing(1)));
    payload.truncate(payload.len() - 2);
    assert!(matches!(check(&payload), Err(BatchError::Value { .. })));
}

#[test]
fn a_value_of_another_type_than_its_column_is_refused() {
    let mut bytes = unhex(DEMO);
    let uid = unhex("000000070000000001000000024331");
    let at = bytes.windows(uid.len()).position(|window| window == uid).unwrap();
    bytes[at + 3] = TypeTag::Enum as u8;
    let refused = BatchError::ValueType { record: 0, field: 1, got: 9, want: "string" };
    assert_eq!(LogBatch::decode(&bytes), Err(refused));

    let mut element = unhex(DEMO);
    let tag = unhex("000000070000000001 0000000178");
    let at = element.windows(tag.len()).position(|window| window == tag).unwrap();
    element[at + 3] = TypeTag::Set as u8;
    let refused = BatchError::ValueType { record: 0, field: 7, got: 14, want: "string" };
    assert_eq!(LogBatch::decode(&element), Err(refused));
}

#[test]
fn sets_of_sets_and_unloggable_types_are_refused() {
    let with_field = |field: Field| LogBatch { fields: vec![field], records: vec![], ..demo() };
    let nested = with_field(Field::container("x", TypeTag::Set, TypeTag::Set)).encode().unwrap();
    assert_eq!(LogBatch::decode(&nested), Err(BatchError::FieldType { field: 0, tag: 14 }));

    let mut pattern = with_field(Field::new("x", TypeTag::String)).encode().unwrap();
    let at = pattern.len() - 4 - 1 - 4 - 1;
    pattern[at] = 8;
    assert_eq!(LogBatch::decode(&pattern), Err(BatchError::FieldType { field: 0, tag: 8 }));
}

#[test]
fn a_record_that_does_not_fit_leaves_the_batch_as_it_was() {
    let batch = demo();
    let header = Header { stream: &batch.stream, writer: &batch.writer, filter: &batch.filter, path: &batch.path };
    let mut writer = BatchWriter::new(header, &batch.fields).unwrap();
    writer.push(&batch.records[0]).unwrap();
    assert_eq!(writer.push(&batch.records[0][1..]), Err(EncodeError::Width { got: 8, want: 9 }));
    let mut wrong = batch.records[1].clone();
    wrong[7] = LogValue::Set(vec![LogValue::Count(1)]);
    assert_eq!(writer.push(&wrong), Err(EncodeError::Type { field: 7 }));
    writer.push(&batch.records[1]).unwrap();
    assert_eq!(writer.len(), 2);
    assert_eq!(writer.finish(), unhex(DEMO));
}
