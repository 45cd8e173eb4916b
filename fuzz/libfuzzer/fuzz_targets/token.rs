//! libFuzzer feeds the target `token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("token", bytes));
