//! libFuzzer feeds the target `server_text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("server_text", bytes));
