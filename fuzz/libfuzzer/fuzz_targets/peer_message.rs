//! libFuzzer feeds the target `peer_message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("peer_message", bytes));
