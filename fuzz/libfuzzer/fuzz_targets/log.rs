//! libFuzzer feeds the target `log`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("log", bytes));
