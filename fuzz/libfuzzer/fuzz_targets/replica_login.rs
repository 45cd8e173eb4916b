//! libFuzzer feeds the target `replica_login`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("replica_login", bytes));
