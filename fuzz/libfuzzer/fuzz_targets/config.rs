//! libFuzzer feeds the target `config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("config", bytes));
