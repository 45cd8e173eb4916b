//! Byte streams.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use peer::{Detached, Error};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{LIMIT, pair};

#[tokio::test]
async fn stream_when_refused_then_the_reason_arrives() {
    let (_authority, alpha, bravo) = pair().await;
    let refused = alpha
        .endpoint
        .open("bravo", bravo.addr, "none", Value::Null, LIMIT)
        .await;
    match refused {
        Err(Error::Refused { reason, .. }) => assert_eq!(reason, "no stream `none` here"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stream_when_open_then_carries_both_ways_and_ends_cleanly() {
    let (_authority, alpha, bravo) = pair().await;
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "echo", Value::Null, LIMIT)
        .await;
    let stream = opened.unwrap();
    assert_eq!(stream.peer(), "bravo");
    let (mut read, mut write) = tokio::io::split(stream);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let to_send = sent.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&to_send).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let mut got = Vec::new();
    read.read_to_end(&mut got).await.unwrap();
    writer.await.unwrap();
    assert!(got == sent);
}

#[tokio::test]
async fn stream_when_opened_with_a_header_then_the_service_gets_it() {
    let (_authority, alpha, bravo) = pair().await;
    let header = json!({ "epoch": 7 });
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "header", header.clone(), LIMIT)
        .await;
    let mut text = String::new();
    opened.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), header);
}

#[tokio::test]
async fn stream_when_its_node_is_removed_then_cut_for_whoever_holds_it() {
    let (_authority, alpha, bravo) = pair().await;
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "silent", Value::Null, LIMIT)
        .await;
    let mut stream = opened.unwrap();
    alpha.endpoint.set_refused(["bravo".to_owned()].into());
    let read = tokio::time::timeout(LIMIT, stream.read_u8()).await;
    assert!(read.unwrap().is_err());
}

/// Reads what comes until there is a byte or an end.
fn read(detached: &mut Detached) -> std::io::Result<Vec<u8>> {
    let mut socket = TcpStream::from(detached.socket.try_clone()?);
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(LIMIT))?;
    loop {
        let mut bytes = [0; 64];
        match detached.connection.reader().read(&mut bytes) {
            Ok(n) => return Ok(bytes[..n].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        detached.connection.read_tls(&mut socket)?;
        let understood = detached.connection.process_new_packets();
        understood.map_err(std::io::Error::other)?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_when_detached_then_it_goes_on_and_is_cut_like_any_other() {
    let (_authority, alpha, bravo) = pair().await;
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "echo", Value::Null, LIMIT)
        .await;
    let mut stream = opened.unwrap();
    // Why so: what comes back may be decrypted already when the stream is detached.
    stream.write_all(b"before").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'b');
    let mut detached = stream.detach().unwrap();
    let mut got = Vec::new();
    while got.len() < 5 {
        got.extend(read(&mut detached).unwrap());
    }
    assert_eq!(got, b"efore");
    detached.connection.writer().write_all(b"x").unwrap();
    let mut socket = TcpStream::from(detached.socket.try_clone().unwrap());
    detached.connection.write_tls(&mut socket).unwrap();
    assert_eq!(read(&mut detached).unwrap(), b"x");
    assert!(!detached.hold.is_cut());
    alpha.endpoint.set_refused(["bravo".to_owned()].into());
    assert!(detached.hold.is_cut());
    assert!(read(&mut detached).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_when_detached_after_its_node_is_removed_then_an_error() {
    let (_authority, alpha, bravo) = pair().await;
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "silent", Value::Null, LIMIT)
        .await;
    alpha.endpoint.set_refused(["bravo".to_owned()].into());
    assert!(opened.unwrap().detach().is_err());
}

#[tokio::test]
async fn stream_when_accepted_and_detached_and_its_node_is_removed_then_cut() {
    let (_authority, alpha, bravo) = pair().await;
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "detached", Value::Null, LIMIT)
        .await;
    let mut stream = opened.unwrap();
    bravo.endpoint.set_refused(["alpha".to_owned()].into());
    let ended = tokio::time::timeout(LIMIT, stream.read_u8()).await;
    assert!(ended.unwrap().is_err());
}

/// Moves bytes between two streams and keeps a copy of all of them.
async fn overhear(listener: TcpListener, far: std::net::SocketAddr) -> Vec<u8> {
    let (mut near, _) = listener.accept().await.unwrap();
    let mut far = tokio::net::TcpStream::connect(far).await.unwrap();
    let (mut out, mut back) = (vec![0; 4096], vec![0; 4096]);
    let mut heard = Vec::new();
    loop {
        let (bytes, to) = tokio::select! {
            read = near.read(&mut out) => (&out[..read.unwrap_or(0)], &mut far),
            read = far.read(&mut back) => (&back[..read.unwrap_or(0)], &mut near),
        };
        if bytes.is_empty() || to.write_all(bytes).await.is_err() {
            return heard;
        }
        heard.extend_from_slice(bytes);
    }
}

#[tokio::test]
async fn stream_when_somebody_listens_on_the_wire_then_nothing_of_it_is_plain() {
    const SECRET: &[u8] = b"SELECT card_number FROM customers";
    let (_authority, alpha, bravo) = pair().await;
    let tap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = tap.local_addr().unwrap();
    let heard = tokio::spawn(overhear(tap, bravo.addr));
    let opened = alpha
        .endpoint
        .open("bravo", through, "echo", Value::Null, LIMIT)
        .await;
    let mut stream = opened.unwrap();
    stream.write_all(SECRET).await.unwrap();
    let mut back = vec![0; SECRET.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, SECRET);
    drop(stream);
    drop(alpha);
    let heard = tokio::time::timeout(LIMIT, heard).await.unwrap().unwrap();
    assert_eq!(heard[..2], [0x16, 3], "a handshake comes first");
    assert!(heard.len() > 2 * SECRET.len());
    let is_in = |part: &[u8]| heard.windows(part.len()).any(|heard| heard == part);
    assert!(!is_in(SECRET) && !is_in(b"card_number") && !is_in(b"echo"));
}
