//! libFuzzer feeds the target `sql_packet`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("sql_packet", bytes));
