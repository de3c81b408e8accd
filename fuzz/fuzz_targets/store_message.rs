#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| zeek_cluster_fuzz::stores::invariants::check_store_message(octets));
