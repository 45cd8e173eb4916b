//! libFuzzer feeds the target `ledger_message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("ledger_message", bytes));
