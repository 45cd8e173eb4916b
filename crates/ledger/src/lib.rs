//! The compare-and-swap register that membership is decided in.
