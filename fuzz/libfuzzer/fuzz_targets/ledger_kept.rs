//! libFuzzer feeds the target `ledger_kept`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::run("ledger_kept", bytes));
