//! Waiting for a time. A timer lies in the loop only while somebody waits for it.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::core::core;

/// Resolves at its time.
#[derive(Debug)]
pub(crate) struct Sleep {
    until: Instant,
    key: Option<(Instant, u64)>,
}

/// Resolves after this time.
pub(crate) fn sleep(time: Duration) -> Sleep {
    sleep_until(Instant::now() + time)
}

/// Resolves at this time.
pub(crate) fn sleep_until(until: Instant) -> Sleep {
    Sleep { until, key: None }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.until {
            return Poll::Ready(());
        }
        let Ok(core) = core() else {
            return Poll::Pending;
        };
        // Why again: the loop forgets a timer when it polls the task, perhaps a moment too early.
        if let Some(key) = self.key.take() {
            core.clear_timer(key);
        }
        self.key = Some(core.set_timer(self.until));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(key), Ok(core)) = (self.key, core()) {
            core.clear_timer(key);
        }
    }
}

/// The time is over.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// What `future` says, if it says so in time.
pub(crate) async fn timeout<T>(
    time: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    timeout_at(Instant::now() + time, future).await
}

/// What `future` says, if it says so before `until`.
pub(crate) async fn timeout_at<T>(
    until: Instant,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut over = pin!(sleep_until(until));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(said) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(said));
        }
        over.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
