//! The verbs' side of the control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::message::{self, REPLY_LIMIT, Reply, Request};
use crate::output::Failure;

/// Between two looks of `status --watch`.
pub(crate) fn watch_interval() -> Duration {
    Duration::from_secs(1)
}

/// Asks the agent behind this socket.
///
/// Errors: there is no agent, it does not answer within `limit`, or it says no.
pub(crate) async fn ask<T: DeserializeOwned>(
    socket: &Path,
    request: &Request,
    limit: Duration,
) -> Result<T, Failure> {
    let reply = timeout(limit, talk(socket, request)).await;
    let late = |_| {
        Failure::new(format!(
            "the agent did not answer within {} s",
            limit.as_secs_f32()
        ))
        .hint("look at its log: `journalctl -u mainstay`")
    };
    reply
        .map_err(late)?
        .map_err(|error| unreachable_agent(socket, &error))?
        .into_result()
}

async fn talk(socket: &Path, request: &Request) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&message::write_request(request)?).await?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream).take(REPLY_LIMIT as u64);
    reader.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

fn unreachable_agent(socket: &Path, error: &io::Error) -> Failure {
    let failure = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Failure::new("no agent runs on this server")
                .hint("start it: `systemctl start mainstay`, or `mainstay run`")
        }
        io::ErrorKind::PermissionDenied => Failure::new("the agent may not be asked by this user")
            .hint("repeat the command as the user that the agent runs as, usually root"),
        _ => Failure::new("the agent ended the conversation")
            .hint("look at its log: `journalctl -u mainstay`"),
    };
    failure.cause(format!("`{}`: {error}", socket.display()))
}
