//! libFuzzer feeds the target `keeper_message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("keeper_message", bytes));
