//! For tests: what every decoder has to survive, a count of the memory it takes, and arbitrary values.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::data::{Data, Port, Protocol, Subnet};
use crate::wire::vectors::{event_payloads, hex, json_lines};
use crate::wire::{broker_bin, broker_json, log_batch};

/// Counts what the current thread holds; other tests run beside.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that is ending has no counters any more, and nobody who asks.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is handed to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the ones that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most octets that this thread held during `work`, beyond what it held before.
fn peak_octets(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).max(0) as usize
}

/// Memory that one octet of input may cost: a set of one element (three octets) is a node for eleven.
const OCTETS_PER_OCTET: usize = 256;

/// Runs `decode` over `input` and checks the memory that it takes. Says whether it was accepted.
pub(crate) fn accepts<T, E>(decode: impl Fn(&[u8]) -> Result<T, E>, input: &[u8]) -> bool {
    let mut accepted = false;
    let peak = peak_octets(|| accepted = decode(input).is_ok());
    let limit = 1024 + OCTETS_PER_OCTET * input.len();
    assert!(peak <= limit, "{peak} octets for an input of {}: {:02x?}", input.len(), &input[..input.len().min(64)]);
    accepted
}

/// Truncation at every length and trailing octets are refused; numbers at every place set to their maximum are survived.
pub(crate) fn check_hostile<T, E>(decode: impl Fn(&[u8]) -> Result<T, E>, message: &[u8]) {
    assert!(accepts(&decode, message));
    for length in 0..message.len() {
        assert!(!accepts(&decode, &message[..length]), "cut to {length} of {} octets", message.len());
    }
    for trailing in [0x00, b'x', 0xff] {
        // In JSON a NUL ends the text, as in Zeek.
        if trailing != 0 || message[0] != b'{' {
            assert!(!accepts(&decode, &[message, &[trailing]].concat()), "followed by {trailing:02x}");
        }
    }
    let maxima: [&[u8]; 7] = [
        &[0xff],
        &[0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff; 4],
        &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for maximum in maxima {
        for at in 0..message.len() {
            let rest = message.get(at + maximum.len()..).unwrap_or_default();
            accepts(&decode, &[&message[..at], maximum, rest].concat());
            accepts(&decode, &[&message[..at], maximum, &message[at + 1..]].concat());
        }
    }
}

#[test]
fn broker_bin_survives_hostile_octets() {
    for (_, _, payload) in event_payloads().iter().step_by(3) {
        check_hostile(broker_bin::decode, payload);
        check_hostile(broker_bin::decode_event, payload);
    }
}

#[test]
fn broker_json_survives_hostile_octets() {
    for (_, _, payload) in event_payloads().iter().step_by(9) {
        let event = broker_bin::decode_event(payload).expect("a recorded event");
        check_hostile(broker_json::decode_event, broker_json::encode_event(&event).as_bytes());
    }
}

#[test]
fn log_batches_survive_hostile_octets() {
    let batches = ["Cluster::LOG", "SSL::LOG", "X509::LOG"].map(recorded_batch);
    for batch in batches {
        check_hostile(log_batch::LogBatch::decode, &batch);
    }
}

/// The shortest recorded batch of a stream.
fn recorded_batch(stream: &str) -> Vec<u8> {
    let lines = json_lines("logs-tsv/frames.jsonl");
    let payloads = lines.iter().filter(|line| line["kind"] == "log").map(|line| {
        let payload = line["frames"].as_array().and_then(|frames| frames.last()).and_then(|frame| frame.as_str());
        hex(payload.expect("a payload"))
    });
    let of_stream = payloads.filter(|payload| payload[4..].starts_with(stream.as_bytes()));
    of_stream.min_by_key(Vec::len).expect("a batch of the stream")
}

/// A container that announces more than there is, at every level, takes no memory for it.
#[test]
fn announced_lengths_cost_nothing() {
    let announced = [14u8, 0xe8, 0x07];
    for levels in 1..broker_bin::MAX_DEPTH {
        let mut message = announced.repeat(levels);
        message.resize(1200, 0);
        accepts(broker_bin::decode, &message);
    }
    for tag in [5u8, 11, 12, 13, 14] {
        for length in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[0xff; 10]] {
            assert!(!accepts(broker_bin::decode, &[&[tag], length].concat()));
        }
    }
}

/// The worst there is: containers of one element, whose nodes hold eleven.
#[test]
fn the_dearest_values_stay_within_the_bound() {
    let sets =
        |count: usize| [vec![14, (count & 0x7f) as u8 | 0x80, (count >> 7) as u8], [12u8, 1, 0].repeat(count)].concat();
    let tables = |count: usize| {
        [vec![14, (count & 0x7f) as u8 | 0x80, (count >> 7) as u8], [13u8, 1, 0, 0].repeat(count)].concat()
    };
    assert!(accepts(broker_bin::decode, &sets(150)) && accepts(broker_bin::decode, &tables(80)));
    assert!(!accepts(broker_bin::decode, &sets(5000)) && !accepts(broker_bin::decode, &tables(5000)));
    let json_sets = format!(
        "{{\"@data-type\":\"vector\",\"data\":[{}]}}",
        vec![r#"{"@data-type":"set","data":[{"@data-type":"none"}]}"#; 500].join(",")
    );
    assert!(accepts(broker_json::decode, json_sets.as_bytes()));
}

/// `data` before `@data-type` at every level is read twice at each, which must not become a power of two.
#[test]
fn json_with_the_data_first_at_every_level_is_read_in_good_time() {
    let levels = 63;
    let text = format!("{}{{}}{}", "{\"data\":[".repeat(levels), "],\"@data-type\":\"vector\"}".repeat(levels));
    let text = text.replace("[{}]", "[{\"data\":1,\"@data-type\":\"count\"}]");
    assert!(accepts(broker_json::decode, text.as_bytes()));
}

/// Any value that both formats can hold: no NaN and no subnormals.
pub(crate) fn any_data() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        Just(Data::None),
        any::<bool>().prop_map(Data::from),
        any::<u64>().prop_map(Data::from),
        any::<i64>().prop_map(Data::from),
        prop::num::f64::NORMAL.prop_map(Data::from),
        prop_oneof![Just(0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e15), Just(-2e19)]
            .prop_map(Data::from),
        any::<Vec<u8>>().prop_map(Data::String),
        any_address().prop_map(Data::Address),
        (any_address(), 0..=128u8).prop_map(|(address, length)| Data::Subnet(any_subnet(address, length))),
        (any::<u16>(), 0..4u8).prop_map(|(number, code)| {
            Data::Port(Port { number, protocol: Protocol::try_from(code).expect("a protocol") })
        }),
        any::<i64>().prop_map(Data::Timestamp),
        any::<i64>().prop_map(Data::Timespan),
        "[A-Za-z_:]{0,12}".prop_map(Data::enumerator),
    ];
    leaf.prop_recursive(4, 40, 6, |element| {
        prop_oneof![
            prop::collection::btree_set(element.clone(), 0..6).prop_map(Data::Set),
            prop::collection::btree_map(element.clone(), element.clone(), 0..6).prop_map(Data::Table),
            prop::collection::vec(element, 0..6).prop_map(Data::Vector),
        ]
    })
}

fn any_address() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).to_ipv6_mapped()),
        any::<u128>().prop_map(Ipv6Addr::from),
        any::<u16>().prop_map(|bits| Ipv6Addr::from(u128::from(bits))),
    ]
}

/// As every sender makes them: an IPv4 network has a length of IPv4.
fn any_subnet(address: Ipv6Addr, length: u8) -> Subnet {
    let is_v4 = address.to_ipv4_mapped().is_some();
    Subnet::covering(address, if is_v4 { length.max(96) } else { length })
}
