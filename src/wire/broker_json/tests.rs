use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::data::{Port, Protocol, Subnet};
use crate::wire::hostile::any_data;
use crate::wire::vectors::{event_payloads, json_lines};
use crate::wire::{broker_bin, codec::Fault};

fn typed(data_type: &str, data: &str) -> String {
    format!("{{\"@data-type\":\"{data_type}\",\"data\":{data}}}")
}

/// Written exactly so, and read back.
fn check(value: impl Into<Data>, data_type: &str, data: &str) {
    let (value, text) = (value.into(), typed(data_type, data));
    assert_eq!(encode(&value), text);
    assert_eq!(decode(text.as_bytes()).as_ref(), Ok(&value), "{text}");
}

fn check_read(data_type: &str, data: &str, value: impl Into<Data>) {
    assert_eq!(decode(typed(data_type, data).as_bytes()), Ok(value.into()), "{data_type} {data}");
}

fn check_refused(data_type: &str, data: &[&str]) {
    for data in data {
        let text = typed(data_type, data);
        assert!(decode(text.as_bytes()).is_err(), "{text}");
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn values_are_written_as_zeek_writes_them() {
    check(Data::None, "none", "{}");
    check(true, "boolean", "true");
    check(false, "boolean", "false");
    check(u64::MAX, "count", "18446744073709551615");
    check(i64::MIN, "integer", "-9223372036854775808");
    check(1.0, "real", "1.000000");
    check(-10.0, "real", "-10.000000");
    check("hello", "string", "\"hello\"");
    check(Port::tcp(80), "port", "\"80/tcp\"");
    check(Port::udp(53), "port", "\"53/udp\"");
    check(Port { number: 8, protocol: Protocol::Icmp }, "port", "\"8/icmp\"");
    check(Port { number: 0, protocol: Protocol::Unknown }, "port", "\"0/?\"");
    check(Data::enumerator("Conn::LOG"), "enum-value", "\"Conn::LOG\"");
    check(Data::Set([].into()), "set", "[]");
    check(Data::Table([].into()), "table", "[]");
    check(Data::Vector([].into()), "vector", "[]");
    for address in ["192.168.1.1", "2001:db8::1", "::", "1::2:0:0:3:4", "1:0:2:0:3:0:4:0", "::102:304"] {
        check(ip(address), "address", &format!("\"{address}\""));
    }
    for (address, length) in [("10.0.0.0", 8), ("0.0.0.0", 0), ("2001:db8::", 32), ("::", 0)] {
        let subnet = Subnet::new(ip(address), length).expect("a prefix");
        check(subnet, "subnet", &format!("\"{address}/{length}\""));
    }
}

#[test]
fn times_are_written_as_zeek_writes_them() {
    for (ns, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1500ns"),
        (1000, "1us"),
        (1_500_000_000, "1500ms"),
        (-5_000_000, "-5ms"),
        (60_000_000_000, "60s"),
        (86_400_000_000_000, "86400s"),
    ] {
        check(Data::Timespan(ns), "timespan", &format!("\"{text}\""));
    }
    check(Data::Timestamp(1_700_000_000_500_000_000), "timestamp", "\"2023-11-14T22:13:20.500\"");
    check(Data::Timestamp(0), "timestamp", "\"1970-01-01T00:00:00.000\"");
    let written = |ns: i64| encode(&Data::Timestamp(ns));
    assert_eq!(written(1_700_000_000_999_999_999), typed("timestamp", "\"2023-11-14T22:13:20.999\""));
    assert_eq!(written(-1_500_000_000), typed("timestamp", "\"1969-12-31T23:59:59.000\""));
    assert_eq!(written(i64::MIN), typed("timestamp", "\"1677-09-21T00:12:44.000\""));
    assert_eq!(written(i64::MAX), typed("timestamp", "\"2262-04-11T23:47:16.854\""));
}

#[test]
fn reals_are_zeeks_text_where_that_is_the_value_and_the_shortest_elsewhere() {
    check(1.5, "real", "1.500000");
    check(-0.0, "real", "-0.000000");
    check(1e15, "real", "1000000000000000.000000");
    check(1e19, "real", "10000000000000000000.000000");
    check(2e19, "real", "2e19");
    check(-1e19, "real", "-1e19");
    check(0.0000001, "real", "1e-7");
    check(0.1 + 0.2, "real", "0.30000000000000004");
    check(1e300, "real", "1e300");
    check(f64::INFINITY, "real", "1e309");
    check(f64::NEG_INFINITY, "real", "-1e309");
    assert_eq!(encode(&f64::NAN.into()), typed("none", "{}"));
    check_read("real", "nan", f64::NAN);
}

#[test]
fn strings_are_always_json_and_utf8() {
    check("a\"b\\c", "string", r#""a\"b\\c""#);
    check("\u{8}\u{c}\n\r\t", "string", r#""\b\f\n\r\t""#);
    check("\u{b}\0\u{1f}", "string", r#""\u000b\u0000\u001f""#);
    check("\u{7f}é€😀/", "string", "\"\u{7f}é€😀/\"");
    assert_eq!(encode(&Data::String(vec![b'a', 0xff, b'b'])), typed("string", "\"a\u{fffd}b\""));
    let text = encode(&Data::string((0..128u8).map(char::from).collect::<String>()));
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
}

#[test]
fn between_nodes_octets_stay_what_they_are() {
    let event = Event::new("x", vec![Data::String(vec![b'a', 0xff, b'"'])]);
    let octets = encode_event_octets(&event);
    assert!(octets.windows(5).any(|window| window == b"a\xff\\\"\""));
    assert_eq!(decode_event(&octets), Ok(event));
}

#[test]
fn the_examples_of_the_reference() {
    let e4 = concat!(
        r#"{"@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":1},"#,
        r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"Supervisor::node_status"},"#,
        r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"TEST"},{"@data-type":"count","data":42}]},"#,
        r#"{"@data-type":"vector","data":[{"@data-type":"vector","data":[{"@data-type":"count","data":1},"#,
        r#"{"@data-type":"timestamp","data":"1970-01-01T00:00:00.000"}]}]}]}]}"#
    );
    let event = Event::new("Supervisor::node_status", vec!["TEST".into(), 42u64.into()]).with_network_timestamp(0);
    assert_eq!(encode_event(&event), e4);
    assert_eq!(decode_event(e4.as_bytes()), Ok(event));

    let e2 = concat!(
        r#"{"@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":1},"#,
        r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"test::big"},{"@data-type":"vector","data":["#,
        r#"{"@data-type":"count","data":42},{"@data-type":"string","data":"hello"},"#,
        r#"{"@data-type":"address","data":"192.168.1.10"},{"@data-type":"set","data":["#,
        r#"{"@data-type":"port","data":"53/udp"},{"@data-type":"port","data":"443/tcp"}]},"#,
        r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"alice"},{"@data-type":"none","data":{}},"#,
        r#"{"@data-type":"timespan","data":"1500ms"}]}]}]}]}"#
    );
    let event = broker_bin::tests::e2();
    assert_eq!(encode_event(&event), e2);
    assert_eq!(decode_event(e2.as_bytes()), Ok(event));

    check(
        Data::table([("b", Data::Count(1)), ("a", Data::Set([].into()))]),
        "table",
        concat!(
            r#"[{"key":{"@data-type":"string","data":"a"},"value":{"@data-type":"set","data":[]}},"#,
            r#"{"key":{"@data-type":"string","data":"b"},"value":{"@data-type":"count","data":1}}]"#
        ),
    );
    let metadata = encode_event(&Event::new("x", vec![]).with_network_timestamp(1_700_000_000_500_000_000));
    assert!(metadata.contains(r#"{"@data-type":"timestamp","data":"2023-11-14T22:13:20.500"}"#));
}

#[test]
fn structure_is_read_as_zeek_reads_it() {
    let one = Ok(Data::Count(1));
    for text in [
        " \t\n{ \"@data-type\" : \"count\" ,\n\"data\" : 1 } \n",
        r#"{"data":1,"@data-type":"count"}"#,
        r#"{"@data-type":"count","data":1,"data":2,"@data-type":"string"}"#,
        r#"{"type":"data-message","topic":"t","@data-type":"count","x":[{},null,nan,"\u0041",-0x1f],"data":1}"#,
        "{\"@data-type\":\"count\",\"data\":1}\0 anything",
        r#"{"@data\u002dtype":"count","data":1}"#,
    ] {
        assert_eq!(decode(text.as_bytes()), one, "{text}");
    }
    for text in
        [r#"{"@data-type":"none"}"#, r#"{"@data-type":"none","data":[1,2]}"#, r#"{"data":"x","@data-type":"none"}"#]
    {
        assert_eq!(decode(text.as_bytes()), Ok(Data::None), "{text}");
    }
    for text in [
        "",
        "\0",
        "{}",
        "1",
        "[]",
        "null",
        r#"{"data":1}"#,
        r#"{"@data-type":"count"}"#,
        "{\"@data-type\":\"count\",\r\"data\":1}",
        "{\"@data-type\":\"count\",\"data\":1}\r\n",
        "\u{feff}{\"@data-type\":\"count\",\"data\":1}",
        r#"{"@data-type":"count","data":1,}"#,
        r#"{"@data-type":"count","data":1} x"#,
        r#"{"@data-type":"count","data":1}{}"#,
        r#"{'@data-type':'count','data':1}"#,
        r#"{"@data-type":"count","data":1 /* one */}"#,
        r#"{"@Data-Type":"count","data":1}"#,
        r#"{"@data-type":"count","data":1,"x":[1,]}"#,
        r#"{"@data-type":"count","data":1,"x":tru}"#,
        r#"{"@data-type":1,"data":1}"#,
        "{\"@data-type\":\"string\",\"data\":\"a\0b\"}",
    ] {
        assert!(decode(text.as_bytes()).is_err(), "{text}");
    }
    for name in ["Count", "enum", "enum_value", "list", "record", ""] {
        check_refused(name, &["1", "[]", "\"x\""]);
    }
    check_refused("vector", &["[1]", "[null]", "{}", "\"x\"", "[[]]"]);
    check_refused("set", &[r#"[{"@data-type":"count","data":1},{"@data-type":"count","data":1}]"#]);
    let pair = r#"{"key":{"@data-type":"count","data":1},"value":{"@data-type":"none"}}"#;
    check_refused("table", &["[{}]", &format!("[{pair},{pair}]"), r#"[{"key":{"@data-type":"count","data":1}}]"#]);
    check_read("table", &format!("[{pair}]"), Data::table([(1u64, Data::None)]));
}

#[test]
fn numbers_are_read_as_zeek_reads_them() {
    for (text, count) in [("0", 0), ("-0", 0), ("+5", 5), ("0x10", 16), ("0b101", 5), ("010", 8), ("0X1F", 31)] {
        check_read("count", text, Data::Count(count));
    }
    check_refused(
        "count",
        &["-1", "1.0", "1e3", "\"5\"", "09", "18446744073709551616", "true", "nan", "+", "-", "", "0x", "1 2"],
    );
    check_read("integer", "5", Data::Integer(5));
    check_read("integer", "-010", Data::Integer(-8));
    check_refused("integer", &["1.0", "9223372036854775808", "-9223372036854775809", "\"5\""]);
    for (text, real) in [
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("+1.5E-2", 0.015),
        ("123.456", 123.456),
        ("0.25", 0.25),
        ("1e309", f64::INFINITY),
        ("18446744073709551615.0", 18446744073709551615.0),
    ] {
        check_read("real", text, real);
    }
    check_refused(
        "real",
        &[
            "1",
            "100000000000000000000.0",
            "inf",
            "-inf",
            "-nan",
            "NaN",
            "Infinity",
            "1e512",
            "1e-512",
            "1e",
            "1e+",
            ".",
            "01.5",
        ],
    );
    check_refused("boolean", &["1", "\"true\"", "null", "True", "nan"]);
}

#[test]
fn strings_are_read_as_zeek_reads_them() {
    for (text, string) in [
        (r#""\"\\\b\f\n\r\t\v""#, "\"\\\u{8}\u{c}\n\r\t\u{b}"),
        (r#""\u0041\u00e9\u20AC\ud83d\ude00""#, "Aé€😀"),
        (r#""a\u0000b""#, "a\0b"),
        (r#""a\/b""#, "a?b"),
        ("\"raw \r\n\u{1}\"", "raw \r\n\u{1}"),
    ] {
        check_read("string", text, string);
    }
    check_read("string", r#""\udc00""#, Data::String(vec![0xed, 0xb0, 0x80]));
    let raw = [b"{\"@data-type\":\"string\",\"data\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    assert_eq!(decode(&raw), Ok(Data::String(vec![0xff, 0xfe])));
    check_refused(
        "string",
        &[r#""\ud83d""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\x41""#, r#""\u12g4""#, r#""\u12""#, "1", "\"open"],
    );
}

#[test]
fn addresses_subnets_and_ports_are_read_as_zeek_reads_them() {
    for (text, address) in [
        ("010.001.000.009", "10.1.0.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::1.2.3.4", "::102:304"),
    ] {
        check_read("address", &format!("\"{text}\""), ip(address));
    }
    check_refused(
        "address",
        &["\"[::1]\"", "\"fe80::1%eth0\"", "\" 1.2.3.4\"", "\"1.2.3\"", "\"1.2.3.256\"", "\"\"", "1", "\"x\""],
    );
    for (text, address, length) in [
        ("10.1.2.3/8", "10.0.0.0", 8),
        ("10.0.0.0/ 8", "10.0.0.0", 8),
        ("10.0.0.0/8x", "10.0.0.0", 8),
        ("10.0.0.0/33", "::", 0),
        ("2001:db8::/129", "::", 0),
        ("::ffff:10.0.0.0/104", "::", 0),
        ("::ffff:10.0.0.0/8", "10.0.0.0", 8),
    ] {
        check_read("subnet", &format!("\"{text}\""), Subnet::new(ip(address), length).expect("a prefix"));
    }
    check_refused("subnet", &["\"10.0.0.0/256\"", "\"10.0.0.0/-1\"", "\"10.0.0.0\"", "\"x/8\"", "\"10.0.0.0/\"", "8"]);
    for (text, number, protocol) in [
        ("80", 80, Protocol::Tcp),
        ("80/TCP", 80, Protocol::Unknown),
        ("80/unknown", 80, Protocol::Unknown),
        ("80/", 80, Protocol::Unknown),
        ("65537/udp", 1, Protocol::Udp),
        ("x/tcp", 0, Protocol::Tcp),
    ] {
        check_read("port", &format!("\"{text}\""), Port { number, protocol });
    }
    check_refused("port", &["80", "null", "\"99999999999999999999/tcp\""]);
}

#[test]
fn times_are_read_as_zeek_reads_them() {
    const NOON: i64 = 1_704_110_400_000_000_000;
    for (text, ns) in [
        ("2024-01-01T12:00:00", NOON),
        ("2024-01-01T12:00:00.", NOON),
        ("2024-01-01T12:00:00.5Z", NOON + 500_000_000),
        ("2024-01-01T12:00:00.123456789", NOON + 123_456_789),
        ("2024-01-01T14:00:00+02", NOON),
        ("2024-01-01T14:30:00+0230", NOON),
        ("2024-01-01T09:30:00-02:30", NOON),
        ("2024-02-29T00:00:00", 1_709_164_800_000_000_000),
        ("1969-12-31T23:59:59", -1_000_000_000),
    ] {
        check_read("timestamp", &format!("\"{text}\""), Data::Timestamp(ns));
    }
    check_refused(
        "timestamp",
        &[
            "\"2024-01-01t12:00:00\"",
            "\"2024-01-01 12:00:00\"",
            "\"2024-01-01T12:00:00z\"",
            "\"2023-02-29T00:00:00\"",
            "\"2024-13-01T00:00:00\"",
            "\"2024-00-01T00:00:00\"",
            "\"2024-01-01T24:00:00\"",
            "\"2024-01-01T12:60:00\"",
            "\"2024-01-01T12:00:60\"",
            "\"2024-01-01T12:00:00.1234567890\"",
            "\"0999-01-01T12:00:00\"",
            "\"2024-01-01T12:00\"",
            "\"2024-01-01T12:00:00+2\"",
            "\"2024-01-01T12:00:00 \"",
            "1704110400",
        ],
    );
    for (text, ns) in [
        ("1.5s", 1_500_000_000),
        ("-1.5e3us", -1_500_000),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        (" 5ms", 5_000_000),
        ("+5ns", 5),
        ("9007199254740993ns", 9_007_199_254_740_992),
    ] {
        check_read("timespan", &format!("\"{text}\""), Data::Timespan(ns));
    }
    check_refused(
        "timespan",
        &["\"1d\"", "\"1m\"", "\"1\"", "\"1 s\"", "\"s\"", "\"1S\"", "\"\"", "\"1e300s\"", "\"nans\"", "5"],
    );
}

#[test]
fn nesting_ends_where_zeeks_ends() {
    let nested = |vectors: usize| {
        let open = r#"{"@data-type":"vector","data":["#.repeat(vectors);
        format!("{open}{{\"@data-type\":\"count\",\"data\":1}}{}", "]}".repeat(vectors))
    };
    assert!(decode(nested(63).as_bytes()).is_ok());
    let refused = decode(nested(64).as_bytes()).expect_err("one level too deep");
    assert_eq!(refused.fault, Fault::TooDeep { limit: MAX_DEPTH });
    let ignored = format!(r#"{{"@data-type":"none","x":{}}}"#, "[".repeat(1_000_000));
    assert_eq!(decode(ignored.as_bytes()).expect_err("too deep").fault, Fault::TooDeep { limit: MAX_DEPTH });
}

#[test]
fn errors_say_where_and_what() {
    let message = |text: &str| decode(text.as_bytes()).expect_err(text).to_string();
    assert_eq!(
        message(r#"{"@data-type":"real","data":1}"#),
        "decode octet 28: expected a real, with a decimal point or an exponent"
    );
    assert_eq!(
        message(r#"{"@data-type":"count","data":1"#),
        "decode octet 30: expected a comma or the end of the list"
    );
    assert_eq!(message(r#"{"@data-type":"port","data":80}"#), "decode octet 28: expected a string");
}

#[test]
fn what_zeek_sent_in_binary_survives_the_way_through_json() {
    for (place, _, payload) in event_payloads() {
        let event = broker_bin::decode_event(&payload).expect("a recorded event");
        let octets = encode_event_octets(&event);
        let read = decode_event(&octets).unwrap_or_else(|error| panic!("{place}: {error}"));
        // Only the times are cut, to milliseconds.
        assert_eq!(encode_event_octets(&read), octets, "{place}");
        let text = encode_event(&event);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{place}: {text}");
    }
}

/// What a recorded server sent is written as the same text, and what it refused is refused at the same step.
#[test]
fn the_recorded_websocket_messages_read_and_write_as_in_zeek() {
    let (mut sent, mut received) = (0, 0);
    for case in json_lines("websocket/transcript.jsonl") {
        let name = case["case"].as_str().expect("a name");
        let answers = case["received"].to_string();
        // After the first, which is the list of subscriptions.
        for text in case["sent"].as_array().expect("messages").iter().skip(1).filter_map(|text| text.as_str()) {
            let expected = if answers.contains("failed to decode JSON object") {
                None
            } else {
                Some(answers.contains("no topic in top-level JSON object"))
            };
            let message = decode_data_message(text.as_bytes());
            assert_eq!(message.as_ref().ok().map(|message| message.topic.is_none()), expected, "{name}");
            if name == "event-not-vector" {
                assert!(message.expect("it decodes").into_event().is_err());
            }
            sent += 1;
        }
        for text in case["received"].as_array().expect("messages").iter().filter_map(|text| text.as_str()) {
            if text.starts_with(r#"{"type":"data-message""#) {
                let message = decode_data_message(text.as_bytes()).expect("what Zeek sent");
                let topic = String::from_utf8(message.topic.clone().expect("a topic")).expect("UTF-8");
                assert_eq!(encode_data_message(&topic, &message.into_event().expect("an event")), text);
                received += 1;
            }
        }
    }
    assert_eq!((sent, received), (10, 1));
}

#[test]
fn the_topic_of_a_data_message_is_the_first_string_of_that_name() {
    let topic = |members: &str| {
        let text = format!(r#"{{{members}"@data-type":"none"}}"#);
        decode_data_message(text.as_bytes()).expect("a message").topic
    };
    assert_eq!(topic(r#""topic":"a\u0062","topic":"c","#), Some(b"ab".to_vec()));
    assert_eq!(topic(r#""x":{"topic":"no"},"topic":"","#), Some(vec![]));
    assert_eq!(topic(""), None);
    assert_eq!(topic(r#""topic":1,"topic":"late","#), None);
}

proptest! {
    #[test]
    fn any_value_survives_the_round_trip(value in any_data()) {
        let value = held_by_json(value);
        let text = encode(&value);
        // serde_json keeps numbers as doubles, and so refuses the infinities, which are JSON all the same.
        let finite = text.replace("1e309", "1");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&finite).is_ok(), "{}", text);
        let read = decode(text.as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&value), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}\",:@a-z0-9.+\\\\ -]{0,120}") {
        let _ = decode(text.as_bytes());
    }

    #[test]
    fn no_number_makes_it_panic(number in "[+-]?[0-9a-fxb.eE+-]{1,30}") {
        for data_type in ["count", "integer", "real"] {
            let _ = decode(typed(data_type, &number).as_bytes());
            let _ = decode(typed("timespan", &format!("\"{number}s\"")).as_bytes());
            let _ = decode(typed("timestamp", &format!("\"{number}\"")).as_bytes());
        }
    }
}

/// `value` without what this format cuts: times to milliseconds, spans to a double's 53 bits, octets to UTF-8.
fn held_by_json(value: Data) -> Data {
    match value {
        Data::Timestamp(ns) => Data::Timestamp(ns.unsigned_abs().min(1 << 62) as i64 / 1_000_000 * 1_000_000),
        Data::Timespan(ns) => Data::Timespan(ns >> 11),
        Data::String(octets) => Data::string(String::from_utf8_lossy(&octets)),
        Data::Set(elements) => Data::Set(elements.into_iter().map(held_by_json).collect()),
        Data::Table(pairs) => Data::Table(pairs.into_iter().map(|(k, v)| (held_by_json(k), held_by_json(v))).collect()),
        Data::Vector(elements) => Data::Vector(elements.into_iter().map(held_by_json).collect()),
        other => other,
    }
}
