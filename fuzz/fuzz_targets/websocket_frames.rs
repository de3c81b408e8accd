#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| zeek_cluster_fuzz::websocket::invariants::check_frames(octets));
