//! The agent's side of the control socket. Only the agent's own user and root are heard; each
//! conversation is bounded in size, number and time.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::message::{self, REQUEST_LIMIT, Reply, Request};
use crate::output::Failure;

/// Conversations at the same time; one more waits.
const AT_ONCE: usize = 32;
/// A caller that asks nothing for this long is sent away.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// A caller that does not take its reply in this time is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Callers that have asked may take their replies.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// After a failed accept others get time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who answers.
#[async_trait]
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers one request; bounds its own time.
    async fn answer(&self, request: Request) -> Reply;
}

/// The open socket.
pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Opens the socket, mode 0600. What an earlier agent left there is replaced: the caller holds
    /// the lock of DATA_DIR, so no other agent lives.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // Why not earlier: the kernel makes the file; until here `is_welcome` alone keeps others out.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until `stop`, then removes the socket and ends what was asked.
    pub(crate) async fn run(self, service: Arc<dyn Service>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut conversations = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = conversations.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            let service = Arc::clone(&service);
            conversations.spawn(async move {
                if let Err(error) = converse(stream, &*service).await {
                    tracing::debug!(%error, "a caller of the control socket went away");
                }
                drop(place);
            });
        }
        let _ = std::fs::remove_file(&self.path);
        // Why: whoever asked for the end is told that it has begun.
        let last = async { while conversations.join_next().await.is_some() {} };
        let _ = timeout(LAST_WORDS, last).await;
    }
}

/// Root and the user the agent runs as.
fn is_welcome(stream: &UnixStream) -> io::Result<bool> {
    let caller = stream.peer_cred()?.uid();
    Ok(caller == 0 || caller == rustix::process::geteuid().as_raw())
}

async fn converse(stream: UnixStream, service: &dyn Service) -> io::Result<()> {
    if !is_welcome(&stream)? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut stream).take(REQUEST_LIMIT as u64);
        let read = timeout(IDLE_LIMIT, bounded.read_until(b'\n', &mut line)).await;
        if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
            return Ok(());
        }
        let is_whole = line.ends_with(b"\n");
        let reply = if is_whole {
            match message::read_request(&line) {
                Ok(request) => service.answer(request).await,
                Err(failure) => Reply::Failed(failure),
            }
        } else {
            Reply::Failed(Failure::new(
                "the request is not one line of at most 16 KiB",
            ))
        };
        let mut bytes = serde_json::to_vec(&reply)?;
        bytes.push(b'\n');
        let written = timeout(WRITE_LIMIT, stream.get_mut().write_all(&bytes)).await;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if !is_whole {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Expected, ask};
    use crate::output::Exit;

    struct Echo;

    #[async_trait]
    impl Service for Echo {
        async fn answer(&self, request: Request) -> Reply {
            match request {
                Request::Pause { .. } => Reply::Failed(Failure::refused("no").hint("never")),
                other => Reply::done(&other),
            }
        }
    }

    struct Running {
        dir: tempfile::TempDir,
        stop: watch::Sender<bool>,
        task: tokio::task::JoinHandle<()>,
    }

    fn start() -> Running {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::open(&dir.path().join("control.sock")).unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server.run(Arc::new(Echo), stopped));
        Running { dir, stop, task }
    }

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn request_when_asked_then_arrives_as_it_was_and_the_socket_is_private() {
        let running = start();
        let path = running.dir.path().join("control.sock");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let request = Request::Switchover {
            to: Some("bravo".parse().unwrap()),
            expected: Expected { epoch: 7 },
        };
        let back: Request = ask(&path, &request, LIMIT).await.unwrap();
        assert_eq!(back, request);
        running.stop.send_replace(true);
        running.task.await.unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn refusal_when_the_agent_says_no_then_it_comes_with_hint_and_exit_code() {
        let running = start();
        let path = running.dir.path().join("control.sock");
        let asked = ask::<serde_json::Value>(&path, &Request::Pause { paused: true }, LIMIT).await;
        let failure = asked.unwrap_err();
        assert_eq!(
            (failure.exit, failure.hint.as_deref()),
            (Exit::Refused, Some("never"))
        );
    }

    #[tokio::test]
    async fn agent_when_it_is_not_there_then_the_caller_is_told_how_to_start_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let failure = ask::<serde_json::Value>(&path, &Request::Status, LIMIT)
            .await
            .unwrap_err();
        assert_eq!(failure.what, "no agent runs on this server");
        assert_eq!(failure.exit, Exit::Failed);
    }

    #[tokio::test]
    async fn line_when_it_is_nonsense_too_long_or_of_another_version_then_refused() {
        let running = start();
        let path = running.dir.path().join("control.sock");
        let long = "x".repeat(REQUEST_LIMIT + 1);
        for (line, told) in [
            ("nonsense\n", "cannot read the request"),
            (
                "{\"version\":2,\"request\":{\"ask\":\"status\"}}\n",
                "has version 2",
            ),
            (
                "{\"version\":1,\"request\":{\"ask\":\"dance\"}}\n",
                "cannot read the request",
            ),
            (long.as_str(), "16 KiB"),
        ] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(line.as_bytes()).await.unwrap();
            let mut reply = String::new();
            BufReader::new(stream).read_line(&mut reply).await.unwrap();
            assert!(reply.contains(told), "{reply}");
        }
    }
}
