//! libFuzzer feeds the target `sql_walk`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("sql_walk", bytes));
