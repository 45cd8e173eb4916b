//! libFuzzer feeds the target `sql_statement`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("sql_statement", bytes));
