//! libFuzzer feeds the target `gateway_zipped`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("gateway_zipped", bytes));
