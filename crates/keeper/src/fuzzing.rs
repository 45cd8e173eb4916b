//! Doors for the fuzzer: what reads bytes of other keepers. Only with the feature `fuzzing`; nothing else
//! uses them.

use crate::format::{Answer, Question, decode, decode_document, encode_document};

/// Questions, answers, and the ledger's document, which is the same when written and read again.
pub fn messages(bytes: &[u8]) {
    let _ = decode::<Question>(bytes);
    let _ = decode::<Answer>(bytes);
    if let Ok(document) = decode_document(bytes) {
        let again = encode_document(&document).and_then(|bytes| decode_document(&bytes));
        assert!(again.is_ok_and(|again| again == document), "it changed");
    }
}
