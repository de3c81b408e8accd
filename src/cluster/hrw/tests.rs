use proptest::prelude::*;

use super::*;
use crate::wire::vectors::json_lines;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> Subnet {
    let (address, length) = text.split_once('/').expect("a slash");
    // Zeek's literal counts from 128 bits where the address is written as IPv6.
    let length: u8 = length.parse().expect("a length");
    Subnet::new(ip(address), length).unwrap_or_else(|| panic!("{text}"))
}

fn record(fields: &[(&str, KeyType)]) -> KeyType {
    KeyType::Record(fields.iter().map(|(name, field)| ((*name).into(), field.clone())).collect())
}

fn vector_of(element: KeyType) -> KeyType {
    KeyType::Vector(Box::new(element))
}

/// The seconds of `1day 1hr 1min 1sec 1msec 1usec` or `-2.5sec`, added up in doubles as Zeek's parser does.
fn seconds(text: &str) -> f64 {
    let unit = |word: &str| match word {
        "day" => 86400.0,
        "hr" => 3600.0,
        "min" => 60.0,
        "sec" => 1.0,
        "msec" => 1e-3,
        "usec" => 1e-6,
        other => panic!("{other}"),
    };
    let part = |part: &str| {
        let at = part.find(char::is_alphabetic).expect("a unit");
        part[..at].parse::<f64>().expect("a number") * unit(&part[at..])
    };
    text.split(' ').map(part).sum()
}

/// The key that a recorded description names.
fn key(description: &str) -> Key {
    let (word, literal) = description.split_once(' ').expect("a type word");
    let number = || literal.parse::<f64>().expect("a number");
    let (key_type, value) = match word {
        "string" => {
            let octets: &[u8] = match literal {
                "(empty)" => b"",
                "(bytes 00 ff)" => &[0, 0xff],
                text => text.as_bytes(),
            };
            return Key::string(octets);
        }
        "addr" => return ip(literal).into(),
        "subnet" if literal == "::ffff:0:0/96" => return net("0.0.0.0/0").into(),
        "subnet" => return net(literal).into(),
        "count" => return literal.parse::<u64>().expect("a count").into(),
        "int" => return literal.parse::<i64>().expect("an int").into(),
        "bool" => return (literal == "T").into(),
        "double" => return number().into(),
        "port" => {
            let (number, protocol) = literal.split_once('/').expect("a slash");
            let protocol = match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                "icmp" => Protocol::Icmp,
                _ => Protocol::Unknown,
            };
            return Port { number: number.parse().expect("a port"), protocol }.into();
        }
        "time" => (KeyType::Time, number().into()),
        "interval" => (KeyType::Interval, seconds(literal).into()),
        "enum" => {
            let type_name = if literal.starts_with("X::") { "X::E" } else { "Cluster::NodeType" };
            (KeyType::Enum(type_name.into()), Data::enumerator(literal))
        }
        _ => composite(description),
    };
    Key::typed(&key_type, &value).unwrap_or_else(|error| panic!("{description}: {error}"))
}

fn composite(description: &str) -> (KeyType, Data) {
    let r = || record(&[("a", KeyType::Count), ("b", KeyType::String)]);
    let r_value = Data::vector([Data::Count(1), "xy".into()]);
    match description {
        "vector of count [1, 2, 3]" => (vector_of(KeyType::Count), Data::vector([1u64, 2, 3])),
        "vector of string [ab, c]" => (vector_of(KeyType::String), Data::vector(["ab", "c"])),
        "vector of addr [1.2.3.4]" => (vector_of(KeyType::Addr), Data::vector([ip("1.2.3.4")])),
        "record X::R [a=1, b=xy]" => (r(), r_value),
        "record X::R [a=1, b unset]" => (r(), Data::vector([Data::Count(1), Data::None])),
        "record X::R2 [r=[a=1, b=xy], v=[7]]" => {
            let r2 = record(&[("r", r()), ("v", vector_of(KeyType::Count))]);
            (r2, Data::vector([r_value, Data::vector([7u64])]))
        }
        "set[count] {7}" => (KeyType::Set(vec![KeyType::Count]), Data::set([7u64])),
        "set[count] {1, 2}" => (KeyType::Set(vec![KeyType::Count]), Data::set([1u64, 2])),
        "set[addr, port] {[1.2.3.4, 80/tcp]}" => {
            let index = Data::vector([Data::from(ip("1.2.3.4")), Port::tcp(80).into()]);
            (KeyType::Set(vec![KeyType::Addr, KeyType::Port]), Data::set([index]))
        }
        "table[string] of count {k=1}" => {
            (KeyType::Table(vec![KeyType::String], Box::new(KeyType::Count)), Data::table([("k", 1u64)]))
        }
        "pattern /ab/" => (KeyType::Pattern, Data::vector(["^?(ab)$?", "^?(.|\\n)*(ab)"])),
        other => panic!("{other}"),
    }
}

fn sites(prefix: &str, count: usize) -> Vec<(String, u32)> {
    (1..=count).map(|n| format!("{prefix}-{n}")).map(|name| (name.clone(), site_id(&format!("{name}.0")))).collect()
}

#[test]
fn every_key_that_zeek_recorded_has_its_digest_and_its_nodes() {
    let pools =
        [("proxy_pool", sites("proxy", 4)), ("worker_pool", sites("worker", 2)), ("logger_pool", sites("logger", 2))];
    let mut choices = 0;
    for line in json_lines("pools/hrw.jsonl").iter().filter(|line| line["kind"] == "choice") {
        let description = line["key"].as_str().expect("a key");
        let key = key(description);
        assert_eq!(u64::from(key.0), line["digest"], "{description}");
        for (pool, sites) in &pools {
            let chosen = choose(key, sites.iter().map(|(_, id)| *id));
            let name = sites.iter().find(|(_, id)| Some(*id) == chosen).map(|(name, _)| name.as_str());
            assert_eq!(name, line[*pool].as_str(), "{pool} {description}");
        }
        choices += 1;
    }
    assert_eq!(choices, 131);
}

#[test]
fn every_site_and_weight_that_zeek_recorded() {
    let (mut sites, mut weights) = (0, 0);
    for line in json_lines("pools/hrw.jsonl") {
        let number = |name: &str| line[name].as_u64().and_then(|n| u32::try_from(n).ok()).expect(name);
        if line["kind"] == "site" {
            assert_eq!(site_id(line["alias"].as_str().expect("an alias")), number("site_id"));
            sites += 1;
        }
        if line["kind"] == "weight" {
            assert_eq!(weight(Key(number("digest")), number("site_id")), number("weight"));
            weights += 1;
        }
    }
    assert_eq!((sites, weights), (14, 15));
}

#[test]
fn the_digests_of_the_reference() {
    for (octets, digest) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968), ("0", 890_022_063)] {
        assert_eq!(fnv1a32(octets.as_bytes()), digest);
    }
    for (key, digest) in [
        (Key::from(123u64), 0xc5b4_42fd),
        (123.0.into(), 0x15d2_016f),
        (true.into(), 0x6c11_51a5),
        (false.into(), 0x0eaf_f284),
        (ip("192.168.1.1").into(), 0xd7c2_87a7),
        (Port::tcp(80).into(), 0xa801_45f7),
        (net("10.0.0.0/8").into(), 0xc6b7_564b),
        ((-5i64).into(), 0x287b_bf8b),
    ] {
        assert_eq!(key, Key(digest));
    }
    let example = weight(Key::string("foobar"), site_id("proxy-4.0"));
    assert_eq!(example, 1_580_000_066);
}

#[test]
fn a_time_from_the_wire_is_the_key_that_it_is_in_scripts() {
    let recorded = Key(2_074_792_723);
    let ns = crate::data::ns_from_seconds(1_700_000_000.123456);
    assert_eq!(Key::typed(&KeyType::Time, &Data::Timestamp(ns)), Ok(recorded));
    assert_eq!(Key::typed(&KeyType::Interval, &Data::Timespan(90_000_000_000)), Ok(Key(2_200_419_432)));
}

#[test]
fn a_value_of_another_type_is_refused() {
    let refused = Key::typed(&KeyType::Count, &Data::Integer(1)).expect_err("no count");
    assert_eq!(refused.to_string(), "digest a key: expected count, found integer");
    assert!(Key::typed(&KeyType::Pattern, &Data::vector(["x"])).is_err());
    assert!(Key::typed(&KeyType::Set(vec![KeyType::Addr, KeyType::Port]), &Data::set([1u64])).is_err());
    assert!(Key::typed(&record(&[("a", KeyType::Count)]), &Data::Vector(vec![])).is_err());
}

#[test]
fn of_equal_weights_the_greater_site_wins_and_none_of_none() {
    assert_eq!(choose(Key(1), []), None);
    assert_eq!(choose(Key(1), [7]), Some(7));
    // The low 31 bits decide alone, so these two sites always weigh the same.
    assert_eq!(choose(Key(1), [7, 7 | 1 << 31]), Some(7 | 1 << 31));
}

proptest! {
    #[test]
    fn a_node_more_or_less_moves_only_its_own_keys(
        sites in proptest::collection::btree_set(any::<u32>(), 1..20),
        newcomer in any::<u32>(),
        digests in proptest::collection::vec(any::<u32>(), 100),
    ) {
        let mut more = sites.clone();
        more.insert(newcomer);
        for key in digests.into_iter().map(Key) {
            let (before, after) = (choose(key, sites.iter().copied()), choose(key, more.iter().copied()));
            prop_assert!(after == before || after == Some(newcomer));
        }
    }
}
