use proptest::prelude::*;

use super::*;
use crate::wire::hostile::any_data;
use crate::wire::vectors::{event_payloads, hex};

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str, length: u8) -> Data {
    Data::Subnet(Subnet::new(ip(text), length).expect("a prefix"))
}

fn check(value: impl Into<Data>, octets: &str) {
    let (value, octets) = (value.into(), hex(octets));
    assert_eq!(encode(&value), octets, "{value}");
    assert_eq!(decode(&octets).as_ref(), Ok(&value));
}

fn check_event(event: &Event, octets: &str) {
    let octets = hex(octets);
    assert_eq!(encode_event(event), octets, "{event}");
    assert_eq!(decode_event(&octets).as_ref(), Ok(event));
}

fn check_refused(octets: &str, message: &str) {
    assert_eq!(decode(&hex(octets)).expect_err(octets).to_string(), message, "{octets}");
}

#[test]
fn e1_an_event_without_arguments() {
    let plain = "0e030200000000000000010200000000000000010e02050c746573743a3a6e6f617267730e00";
    check_event(&Event::new("test::noargs", vec![]), plain);
    let with_empty_metadata = "0e030200000000000000010200000000000000010e03050c746573743a3a6e6f617267730e000e00";
    assert_eq!(decode_event(&hex(with_empty_metadata)), Ok(Event::new("test::noargs", vec![])));
}

/// E2 of `formats.md`, also used by the JSON tests.
pub(crate) fn e2() -> Event {
    let record = Data::vector([Data::from("alice"), Data::None, Data::Timespan(1_500_000_000)]);
    let ports = Data::set([Port::tcp(443), Port::udp(53)]);
    Event::new("test::big", vec![42u64.into(), "hello".into(), ip("192.168.1.10").into(), ports, record])
}

#[test]
fn e2_an_event_with_a_set_and_a_record() {
    check_event(
        &e2(),
        "0e030200000000000000010200000000000000010e020509746573743a3a6269670e0502000000000000002a050568656c6c6f\
         0600000000000000000000ffffc0a8010a0c02080035020801bb010e030505616c696365000a0000000059682f00",
    );
}

#[test]
fn e3_and_e4_a_network_timestamp_travels_as_metadata() {
    check_event(
        &Event::new("ping", vec!["x".into(), 1u64.into()]).with_network_timestamp(1_700_000_000_500_000_000),
        "0e030200000000000000010200000000000000010e03050470696e670e020501780200000000000000010e010e02\
         0200000000000000010917979cfe53f76500",
    );
    check_event(
        &Event::new("Supervisor::node_status", vec!["TEST".into(), 42u64.into()]).with_network_timestamp(0),
        "0e03 020000000000000001 020000000000000001
         0e03 0517 53757065727669736f723a3a6e6f64655f737461747573
              0e02 0504 54455354 02000000000000002a
              0e01 0e02 020000000000000001 090000000000000000",
    );
}

#[test]
fn e5_an_event_with_the_other_types() {
    let key = Data::vector([Data::from(ip("1.2.3.4")), Data::from(Port::tcp(80))]);
    let args = vec![
        true.into(),
        Data::Integer(-1),
        1.5.into(),
        net("10.1.0.0", 16),
        Data::Timespan(-1),
        Data::enumerator("Notice::ACTION_LOG"),
        Data::table([(key, "v")]),
    ];
    check_event(
        &Event::new("t", args),
        "0e030200000000000000010200000000000000010e020501740e07 0101 03ffffffffffffffff 043ff8000000000000
         0700000000000000000000ffff0a01000070 0affffffffffffffff 0b124e6f746963653a3a414354494f4e5f4c4f47
         0d01 0e02 0600000000000000000000ffff01020304 08005001 050176",
    );
}

#[test]
fn e6_single_values() {
    check(Data::None, "00");
    check(true, "0101");
    check(false, "0100");
    check(u64::MAX, "02 ffffffffffffffff");
    check(-7i64, "03 fffffffffffffff9");
    check("", "0500");
    check("x".repeat(200), &format!("05c801{}", "78".repeat(200)));
    check(ip("::"), &format!("06{}", "00".repeat(16)));
    check(ip("0.0.0.0"), "06 00000000000000000000 ffff 00000000");
    check(ip("2001:db8::1"), "06 20010db8 0000000000000000 00000001");
    check(net("10.0.0.0", 8), "07 00000000000000000000 ffff 0a000000 68");
    check(net("0.0.0.0", 0), "07 00000000000000000000 ffff 00000000 60");
    check(net("::", 0), &format!("07{}", "00".repeat(17)));
    check(net("2001:db8::", 32), "07 20010db8 000000000000000000000000 20");
    for (code, protocol) in [Protocol::Unknown, Protocol::Tcp, Protocol::Udp, Protocol::Icmp].into_iter().enumerate() {
        check(Port { number: 443, protocol }, &format!("0801bb0{code}"));
    }
    check(Data::Timestamp(-1_000_000_000), "09 ffffffffc4653600");
    check(Data::Set(BTreeSet::new()), "0c00");
    check(Data::Table(BTreeMap::new()), "0d00");
    check(Data::Vector(vec![]), "0e00");
    let mixed = [2u64.into(), 1u64.into(), Data::Integer(5), "b".into(), "a".into(), "ab".into(), "".into()];
    check(
        Data::set(mixed),
        "0c07 020000000000000001 020000000000000002 030000000000000005 0500 050161 05026162 050162",
    );
    check(Data::vector(vec![true; 130]), &format!("0e8201{}", "0101".repeat(130)));
}

#[test]
fn a_record_of_zeek_is_a_vector_with_none_for_unset() {
    let record = Data::vector([Data::Count(1), Data::None, Data::Timespan(5_000_000_000), Data::None]);
    check(record, "0e04 020000000000000001 00 0a000000012a05f200 00");
}

#[test]
fn reals_are_written_as_broker_writes_them() {
    for (x, octets) in [
        (0.0, "04 0000000000000000"),
        (-0.0, "04 8000000000000000"),
        (1.0, "04 3ff0000000000000"),
        (-1.5, "04 bff8000000000000"),
        (0.1, "04 3fb999999999999a"),
        (f64::INFINITY, "04 fff0000000000000"),
        (f64::NEG_INFINITY, "04 7ff0000000000000"),
        (f64::NAN, "04 ffffffffffffffff"),
    ] {
        check(x, octets);
    }
    assert_eq!(encode(&5e-324.into()), encode(&0.0.into()));
    assert_eq!(encode(&(-5e-324).into()), encode(&(-0.0).into()));
}

#[test]
fn reals_that_broker_never_writes_are_read_as_the_nearest_it_can_hold() {
    for (octets, x) in [
        ("047ff8000000000000", f64::INFINITY),
        ("04fff8000000000000", f64::NEG_INFINITY),
        ("047fffffffffffffff", f64::INFINITY),
        ("040008000000000000", 0.0),
        ("040010000000000000", f64::MIN_POSITIVE),
    ] {
        assert_eq!(decode(&hex(octets)), Ok(x.into()), "{octets}");
    }
}

#[test]
fn what_zeek_tolerates_in_values_is_tolerated() {
    assert_eq!(decode(&hex("0107")), Ok(true.into()));
    assert_eq!(decode(&hex("0c02 0102 0100")), Ok(Data::set([true, false])));
    assert_eq!(decode(&hex("05 8080808000")), Ok("".into()));
    let nonsense = hex(&format!("07{}ff", "00".repeat(16)));
    let decoded = decode(&nonsense).expect("Broker does not check the length");
    assert_eq!(decoded.to_string(), "::/255");
    assert_eq!(encode(&decoded), nonsense);
}

#[test]
fn what_zeek_refuses_is_refused_with_its_place() {
    check_refused("", "decode octet 0: a value needs 1 octets, 0 are left");
    check_refused("0f", "decode octet 0: expected a type tag from 0 to 14, found 15");
    check_refused("0000", "decode octet 1: 1 octets follow the end of the message");
    check_refused("02 00000000000001", "decode octet 1: a count needs 8 octets, 7 are left");
    check_refused("08 0050 04", "decode octet 3: expected a protocol from 0 to 3, found 4");
    check_refused("05 05 6869", "decode octet 2: a string needs 5 octets, 2 are left");
    check_refused("0c02 0101 0101", "decode octet 4: a set's element occurs twice");
    check_refused("0d02 0101 00 0101 00", "decode octet 5: a table's key occurs twice");
    check_refused("0d01 00", "decode octet 2: a table's pairs needs 2 octets, 1 are left");
    check_refused("0e ffffffffffff01", "decode octet 1: expected a length of at most five octets");
    check_refused("0effffffff0f", "decode octet 6: a vector's elements needs 4294967295 octets, 0 are left");
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |levels: usize| [[14u8, 1].repeat(levels), vec![0]].concat();
    assert!(decode(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(decode(&nested(MAX_DEPTH + 1)).expect_err("too deep").fault, Fault::TooDeep { limit: MAX_DEPTH });
    // Siblings do not add up.
    let siblings = [vec![14, 0xc8, 1], [14u8, 0].repeat(200)].concat();
    assert!(decode(&siblings).is_ok());
}

fn envelope(version: u64, kind: u64, inner: Vec<Data>) -> Data {
    Data::vector([Data::Count(version), Data::Count(kind), Data::Vector(inner)])
}

#[test]
fn the_envelope_is_checked_and_its_surplus_ignored() {
    let parts = || vec![Data::from("x"), Data::Vector(vec![])];
    let open = |value: Data| decode_event(&encode(&value));
    assert!(open(envelope(1, 1, parts())).is_ok());
    let refused = |value: Data| open(value).expect_err("refused").fault.to_string();
    assert_eq!(refused(envelope(2, 1, parts())), "expected protocol version 1, found 2");
    assert_eq!(refused(envelope(1, 5, parts())), "expected message type 1, an event, found 5");
    assert_eq!(refused(Data::Count(1)), "expected an event's envelope, a vector");
    assert_eq!(refused(Data::Vector(vec![])), "expected protocol version 1");
    assert_eq!(refused(Data::vector([1u64, 1])), "expected a vector of name, arguments and metadata");
    assert_eq!(refused(envelope(1, 1, vec![])), "expected the event's name, a string");
    assert_eq!(refused(envelope(1, 1, vec![Data::enumerator("x")])), "expected the event's name, a string");
    assert_eq!(refused(envelope(1, 1, vec!["x".into()])), "expected the event's arguments, a vector");
    let with = |metadata: Data| envelope(1, 1, vec!["x".into(), Data::Vector(vec![]), metadata]);
    assert_eq!(refused(with(Data::None)), "expected the event's metadata, a vector");
    assert_eq!(refused(with(Data::vector([1u64]))), "expected a metadata entry, a vector");
    for entry in [Data::vector([1u64]), Data::vector(["1", "2"]), Data::vector([1u64, 2, 3])] {
        assert_eq!(refused(with(Data::Vector(vec![entry]))), "expected a metadata entry of a count and a value");
    }

    let mut surplus = parts();
    surplus.extend([Data::Vector(vec![]), Data::None]);
    let Data::Vector(mut outer) = envelope(1, 1, surplus) else { unreachable!("an envelope is a vector") };
    outer.push(Data::Count(7));
    assert_eq!(open(Data::Vector(outer)), Ok(Event::new("x", vec![])));
}

#[test]
fn what_zeek_sent_decodes_and_encodes_to_the_same_octets() {
    let payloads = event_payloads();
    assert_eq!(payloads.len(), 78);
    for (place, format, payload) in payloads {
        assert_eq!(format, NAME, "{place}");
        let event = decode_event(&payload).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(encode_event(&event), payload, "{place}: {event}");
    }
}

proptest! {
    #[test]
    fn any_value_survives_the_round_trip(value in any_data()) {
        let octets = encode(&value);
        let decoded = decode(&octets);
        prop_assert_eq!(decoded.as_ref(), Ok(&value));
        prop_assert_eq!(decoded.map(|value| encode(&value)), Ok(octets));
    }

    #[test]
    fn any_event_survives_the_round_trip(
        name in "[a-zA-Z_:]{0,20}",
        args in proptest::collection::vec(any_data(), 0..4),
        metadata in proptest::collection::vec((any::<u64>(), any_data()), 0..3),
    ) {
        let event = Event { name: name.into_bytes(), args, metadata };
        prop_assert_eq!(decode_event(&encode_event(&event)), Ok(event));
    }

    #[test]
    fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = decode(&octets) {
            prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }
}

/// Found by fuzzing: two subnormals in a set became the same zero when they were sent on.
#[test]
fn what_came_from_the_wire_can_be_sent_on() {
    assert!(decode(&hex("0c02 040000000000000001 040000000000000002")).is_err());
    let sent_on = decode(&hex("0c02 040000000000000001 043ff0000000000000")).expect("two different reals");
    assert_eq!(decode(&encode(&sent_on)), Ok(sent_on));
}

/// Four megabytes of it took 569 in every subscriber.
#[test]
fn what_a_message_becomes_in_memory_is_bounded() {
    let sets = |count: usize| {
        let mut octets = vec![14];
        crate::wire::codec::put_varbyte(&mut octets, count);
        octets.extend([12, 1, 0].repeat(count));
        octets
    };
    assert!(decode(&sets(100)).is_ok(), "small messages are never refused");
    let refused = decode(&sets(1 << 20)).expect_err("tiny sets");
    assert_eq!(refused.fault, Fault::TooLarge { limit: 64 << 20 });
    let counts = Data::vector((0..20_000_u64).map(|count| Data::set([count])));
    assert_eq!(decode(&encode(&counts)).as_ref(), Ok(&counts), "sets of one count are in ordinary use");
}

#[test]
fn the_name_of_an_event_is_read_without_the_rest() {
    let event =
        Event { metadata: vec![(1, Data::Count(7))], ..Event::new("some_event", vec![Data::from("x"), Data::None]) };
    let octets = encode_event(&event);
    assert_eq!(event_name(&octets), Ok(&b"some_event"[..]));
    for end in 0..octets.len() {
        assert!(event_name(&octets[..end]).is_err(), "{end}");
    }
    assert!(event_name(&[&octets[..], &[0]].concat()).is_err(), "an octet too many");
    assert!(event_name(&encode(&Data::from("x"))).is_err());
}
