//! For tests alone, and only in builds with debug assertions: an agent that dies right after a certain step.
//! Nothing from outside can hit a step that takes a millisecond.

use cluster::Action;

use crate::journal;

/// Names a file; while it is there and holds a word, the agent dies after the next step whose name has that
/// word in it. The file is removed first.
const VARIABLE: &str = "MAINSTAY_TEST_END_AFTER";

/// Called after each step that was carried out.
pub(crate) fn may_end_after(action: &Action) {
    if !cfg!(debug_assertions) {
        return;
    }
    let Some(path) = std::env::var_os(VARIABLE) else {
        return;
    };
    let word = std::fs::read_to_string(&path).unwrap_or_default();
    let (word, step) = (word.trim(), journal::name(action));
    if !word.is_empty() && step.contains(word) && std::fs::remove_file(&path).is_ok() {
        tracing::warn!(step, "ends here, as this rehearsal wants it");
        std::process::abort();
    }
}
