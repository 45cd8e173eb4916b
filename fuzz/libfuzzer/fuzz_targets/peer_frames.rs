//! libFuzzer feeds the target `peer_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("peer_frames", bytes));
