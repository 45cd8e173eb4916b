//! Services are kept apart: an error or a panic in one ends that one only, and it is started again,
//! sooner at first, later when it does not help.

use std::fmt::Display;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who ran for this long is taken to be well again.
const WELL: Duration = Duration::from_mins(1);

/// Runs services until they are told to stop.
pub(super) struct Supervisor {
    stop: watch::Receiver<bool>,
    services: JoinSet<()>,
}

impl Supervisor {
    /// Services that stop when `stop` becomes true.
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self {
            stop,
            services: JoinSet::new(),
        }
    }

    /// Keeps a service running: `make` starts it, again and again.
    pub(super) fn keep<F, E>(
        &mut self,
        name: &'static str,
        make: impl Fn(watch::Receiver<bool>) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        self.services.spawn(keep(name, self.stop.clone(), make));
    }

    /// Runs a service that is not started again.
    pub(super) fn once(
        &mut self,
        name: &'static str,
        service: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut task = JoinSet::new();
        task.spawn(service);
        self.services.spawn(async move {
            if let Some(Err(error)) = task.join_next().await {
                tracing::error!(service = name, %error, "a service ended by a bug of its own");
            }
        });
    }

    /// Waits until all have ended; those that take longer than `limit` are dropped: false.
    pub(super) async fn join(mut self, limit: Duration) -> bool {
        let all = async { while self.services.join_next().await.is_some() {} };
        let in_time = timeout(limit, all).await.is_ok();
        if !in_time {
            tracing::warn!(?limit, "services did not end in time");
        }
        in_time
    }
}

async fn keep<F, E>(
    name: &'static str,
    stop: watch::Receiver<bool>,
    make: impl Fn(watch::Receiver<bool>) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        // Why a set: the task ends with this future, whenever that is dropped.
        let mut task = JoinSet::new();
        task.spawn(make(stop.clone()));
        let ended = task.join_next().await;
        if *stop.borrow() {
            return;
        }
        if started.elapsed() > WELL {
            pause = FIRST_PAUSE;
        }
        match ended {
            Some(Err(error)) => {
                tracing::error!(service = name, %error, ?pause, "a service ended by a bug of its own");
            }
            Some(Ok(Err(error))) => {
                tracing::warn!(service = name, %error, ?pause, "a service failed and starts again");
            }
            _ => tracing::warn!(service = name, ?pause, "a service ended and starts again"),
        }
        let mut stopped = stop.clone();
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn service_when_it_panics_or_fails_then_started_again_and_others_go_on() {
        let (stop, stopped) = watch::channel(false);
        let mut supervisor = Supervisor::new(stopped);
        let starts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&starts);
        supervisor.keep("shaky", move |mut stop| {
            let start = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(start > 0, "the first start is a bug");
                if start == 1 {
                    return Err("the second fails".to_owned());
                }
                let _ = stop.wait_for(|stop| *stop).await;
                Ok(())
            }
        });
        let other = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&other);
        supervisor.keep("steady", move |mut stop| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                let _ = stop.wait_for(|stop| *stop).await;
                Ok::<(), String>(())
            }
        });
        let wait = async {
            while starts.load(Ordering::Relaxed) < 3 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(5), wait).await.unwrap();
        stop.send_replace(true);
        assert!(supervisor.join(Duration::from_mins(1)).await);
        assert_eq!(
            (
                starts.load(Ordering::Relaxed),
                other.load(Ordering::Relaxed)
            ),
            (3, 1)
        );
    }
}
