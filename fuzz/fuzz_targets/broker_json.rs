#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| zeek_cluster_fuzz::wire::invariants::check_broker_json(octets));
