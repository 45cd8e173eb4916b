//! Who goes first for the processor. An agent that waits for its turn while others compute looks dead to the other
//! nodes, and a server that does, ill to its agent; a copy of the data has time. The gateway's threads step back by themselves.
//!
//! On Linux the value belongs to a thread, and what it starts begins with the same: so it is set before there are
//! others, and for a program in the moment in which it was started. Seen with two cores, eight threads of others, builds and
//! two clusters on one machine: without it agents were silent for as long as 4.1 s and two healthy primaries were replaced.

use rustix::process::{Pid, getpriority_process, setpriority_process};

/// Nice value of an agent.
const AGENT: i32 = -10;
/// Nice value of its server.
const SERVER: i32 = -5;

/// Lets the calling thread, and those that it will start, go first. False where that is not permitted (it takes root or
/// `CAP_SYS_NICE`), or somebody has chosen already: then nothing changes.
pub fn go_first() -> bool {
    getpriority_process(None) == Ok(0) && setpriority_process(None, AGENT).is_ok()
}

/// A server that was just started comes second.
pub(crate) fn comes_second(pid: u32) {
    set(pid, SERVER);
}

/// A program that was just started waits its turn as everybody.
pub(crate) fn takes_its_turn(pid: Option<u32>) {
    if let Some(pid) = pid {
        set(pid, 0);
    }
}

fn set(pid: u32, nice: i32) {
    let went_first = getpriority_process(None).is_ok_and(|nice| nice < 0);
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (true, Some(pid)) = (went_first, pid) {
        // Why: it may have ended, and then there is nothing to do.
        let _ = setpriority_process(Some(pid), nice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// In a thread of its own, so that the other tests keep their priority.
    #[test]
    fn programs_when_the_agent_goes_first_have_their_own_priority() {
        let check = || {
            if !go_first() {
                assert!(
                    !rustix::process::geteuid().is_root() || getpriority_process(None) != Ok(0)
                );
                return;
            }
            assert_eq!(getpriority_process(None), Ok(AGENT));
            assert!(!go_first(), "somebody has chosen");
            let mut child = Command::new("sleep").arg("60").spawn().unwrap();
            let pid = Pid::from_raw(child.id().try_into().unwrap());
            assert_eq!(getpriority_process(pid), Ok(AGENT));
            comes_second(child.id());
            assert_eq!(getpriority_process(pid), Ok(SERVER));
            takes_its_turn(Some(child.id()));
            assert_eq!(getpriority_process(pid), Ok(0));
            child.kill().unwrap();
            child.wait().unwrap();
        };
        std::thread::spawn(check).join().unwrap();
    }
}
