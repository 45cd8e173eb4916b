//! The node's pages for machines, over HTTP/1.1: `/metrics`, for whoever reaches the address. One request per
//! connection; what is not understood is answered with an error and closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::node::Node;
use crate::metrics;

/// Whoever takes longer to ask or to listen is not waited for.
const LIMIT: Duration = Duration::from_secs(5);
/// A greater request is none of ours.
const MAX_REQUEST: usize = 8 * 1024;
/// Answered at the same time; more wait.
const AT_ONCE: usize = 16;
/// After an accept that failed: out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let Some(address) = node.config.monitor else {
        let _ = stop.wait_for(|stop| *stop).await;
        return Ok(());
    };
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| {
        format!("listen on {address}: {error}; set `monitor.listen` to another address")
    })?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let accept = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let node = Arc::clone(&node);
                    tokio::spawn(async move {
                        let _ = timeout(LIMIT, serve(&node, stream)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a reader of metrics");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    Ok(())
}

async fn serve(node: &Node, stream: TcpStream) -> std::io::Result<()> {
    answer(stream, || {
        let status = node.status();
        metrics::page(status.as_ref())
    })
    .await
}

/// Answers one request.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    page: impl FnOnce() -> String,
) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    let (status, body) = match head.as_deref().and_then(wanted) {
        Some(("GET" | "HEAD", "/metrics")) => ("200 OK", page()),
        Some(("GET" | "HEAD", _)) => ("404 Not Found", "there is /metrics\n".to_owned()),
        Some(_) => ("405 Method Not Allowed", "only GET\n".to_owned()),
        None => ("400 Bad Request", "that is no request\n".to_owned()),
    };
    let body_wanted = !matches!(head.as_deref().and_then(wanted), Some(("HEAD", _)));
    let mut reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if body_wanted {
        reply.push_str(&body);
    }
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

/// The request's head; `None` when it is too long, or cut off.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await?;
        head.extend_from_slice(&chunk[..read]);
        if read == 0 || head.len() > MAX_REQUEST {
            return Ok(None);
        }
    }
    Ok(String::from_utf8(head).ok())
}

/// Method and path, without what follows a question mark.
fn wanted(head: &str) -> Option<(&str, &str)> {
    let mut words = head.lines().next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_http = version.starts_with("HTTP/1.") && words.next().is_none();
    let path = target.split('?').next()?;
    is_http.then_some((method, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(request: &[u8]) -> String {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let answering = tokio::spawn(answer(near, || "a 1\n".to_owned()));
        far.write_all(request).await.unwrap();
        far.shutdown().await.unwrap();
        let mut reply = String::new();
        far.read_to_string(&mut reply).await.unwrap();
        answering.await.unwrap().unwrap();
        reply
    }

    #[tokio::test]
    async fn requests_when_for_the_metrics_get_them_and_all_others_an_error() {
        let page = asked(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\na 1\n"));
        assert!(page.contains("\r\nContent-Length: 4\r\n"), "{page}");
        let head = asked(b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.ends_with("\r\n\r\n"));
        for (request, status) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
            (b"GET /metrics\r\n\r\n", "400"),
            (b"\x16\x03\x01\xff\xfe\r\n\r\n", "400"),
            (b"GET /metrics HTTP/1.1\r\nHost", "400"),
            (&[b'x'; MAX_REQUEST + 1], "400"),
        ] {
            let reply = asked(request).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        }
    }
}
