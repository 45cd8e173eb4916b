//! Doors for the fuzzer: what reads bytes of other nodes and of the store. Only with the feature
//! `fuzzing`; nothing else uses them.

/// Calls and answers between nodes.
pub fn messages(bytes: &[u8]) {
    crate::raft::read_messages(bytes);
}

/// Values in the store's file.
pub fn kept(bytes: &[u8]) {
    crate::raft::read_kept(bytes);
}
