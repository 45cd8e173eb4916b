//! libFuzzer feeds the target `clone_stream`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("clone_stream", bytes));
