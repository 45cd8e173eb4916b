//! A stream that fails when nothing has come for too long, so that nobody waits for ever for one whose
//! sender is frozen: its kernel still answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Reads from `inner`, each piece within a limit.
pub(crate) struct Watched<R> {
    inner: R,
    limit: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl<R> Watched<R> {
    pub(crate) fn new(inner: R, limit: Duration) -> Self {
        Self {
            inner,
            limit,
            alarm: Box::pin(sleep(limit)),
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.inner).poll_read(cx, buf) {
            this.alarm.as_mut().reset(Instant::now() + this.limit);
            return Poll::Ready(read);
        }
        let late = this.alarm.as_mut().poll(cx);
        late.map(|()| Err(io::Error::other("nothing came for too long")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_stream_when_its_sender_falls_silent_then_fails() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"hello").await.unwrap();
        let mut watched = Watched::new(&mut ours, Duration::from_millis(50));
        let mut five = [0; 5];
        watched.read_exact(&mut five).await.unwrap();
        assert!(watched.read_u8().await.is_err());
        drop(theirs);
        let mut watched = Watched::new(&mut ours, Duration::from_secs(5));
        assert_eq!(watched.read(&mut five).await.unwrap(), 0);
    }
}
