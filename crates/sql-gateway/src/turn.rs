//! A gateway's place in the queue for the processor: with its clients, not ahead of them. A thread that goes first is woken for
//! each message alone, and whoever sent it is stopped for that; one that waits its turn finds several.

use rustix::process::{getpriority_process, setpriority_process};

/// The calling thread goes first no more, if the one that started it does (on Linux the nice value belongs to a thread).
pub(crate) fn takes_its_turn() {
    if getpriority_process(None).is_ok_and(|nice| nice < 0) {
        // Anybody may step back.
        let _ = setpriority_process(None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In threads of their own, so that the other tests keep their priority.
    fn nice_after(start: i32) -> Option<i32> {
        let thread = std::thread::spawn(move || {
            setpriority_process(None, start).ok()?;
            takes_its_turn();
            getpriority_process(None).ok()
        });
        thread.join().unwrap()
    }

    #[test]
    fn thread_when_it_goes_first_then_steps_back_and_else_stays() {
        // Why not always: who may not go first cannot be set back either (root in a container, say).
        if let Some(nice) = nice_after(-10) {
            assert_eq!(nice, 0);
        }
        // Further back than it is everybody may go.
        let back = getpriority_process(None).unwrap().max(5);
        assert_eq!(nice_after(back), Some(back));
    }
}
