//! Bytes to values and back: MySQL packets and GTIDs. Pure: no IO, no clock, no async.

pub mod gtid;
