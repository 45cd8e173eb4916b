//! What is known of a running demonstration: written by the breaker, read by screen and summary.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use trial::Status;

/// One fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// To whom.
    pub(super) node: String,
    /// What, in words.
    pub(super) what: &'static str,
    /// When.
    pub(super) at: Instant,
    /// After how long the cluster was protected and the node in service again.
    pub(super) healed: Option<Duration>,
}

/// What is known now. One thread only: the load has its own.
#[derive(Default)]
pub(super) struct Board {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    status: Option<Status>,
    faults: Vec<Fault>,
}

impl Board {
    /// The last status.
    pub(super) fn status(&self) -> Option<Status> {
        self.inner.borrow().status.clone()
    }

    pub(super) fn set_status(&self, status: Status) {
        self.inner.borrow_mut().status = Some(status);
    }

    /// All faults so far.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.inner.borrow().faults.clone()
    }

    pub(super) fn add(&self, fault: Fault) {
        self.inner.borrow_mut().faults.push(fault);
    }

    /// The last fault is healed.
    pub(super) fn healed(&self) -> Option<Duration> {
        let mut inner = self.inner.borrow_mut();
        let fault = inner.faults.last_mut()?;
        fault.healed = Some(fault.at.elapsed());
        fault.healed
    }
}
