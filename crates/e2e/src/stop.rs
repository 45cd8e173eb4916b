//! The wish to end early: a person's Ctrl-C, or another program's SIGTERM.

use std::time::{Duration, Instant};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Asked everywhere where a run may end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Never asked for: for tests.
    pub fn never() -> Self {
        Self(watch::channel(0).1)
    }

    /// Asked for by Ctrl-C, SIGTERM or SIGHUP from now on.
    ///
    /// # Errors
    /// The system lets no handler be set.
    pub fn on_signals() -> std::io::Result<Self> {
        let (send, receive) = watch::channel(0);
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            let mut signal = signal(kind)?;
            let send = send.clone();
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    send.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self(receive))
    }

    /// It has been asked for.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until it is asked for a second time: whoever does that will not wait for a clean end.
    pub async fn insisted(&self) {
        let mut asked = self.0.clone();
        if asked.wait_for(|count| *count > 1).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until then, or until it is asked for.
    pub(crate) async fn sleep_until(&self, until: Instant) {
        let mut asked = self.0.clone();
        let left = until.saturating_duration_since(Instant::now());
        let asked = async {
            if asked.wait_for(|count| *count > 0).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(left, asked).await;
    }

    /// Waits so long, or until it is asked for.
    pub(crate) async fn sleep(&self, length: Duration) {
        self.sleep_until(Instant::now() + length).await;
    }
}
