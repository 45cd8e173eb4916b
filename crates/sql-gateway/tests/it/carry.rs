//! Connections of other nodes' gateways, carried to a server: ends, resets, and readers that do not read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::sealed;

const LIMIT: Duration = Duration::from_mins(1);
/// More than all buffers of the kernel on the way.
const MUCH: usize = 64 << 20;

/// A stream, the server at its other end, and what carries between them.
struct Way {
    near: TlsStream<TcpStream>,
    server: TcpStream,
    carrying: JoinHandle<io::Result<()>>,
}

async fn way() -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = sealed::pair().await.unwrap();
    let server = TcpStream::connect(listener.local_addr().unwrap()).await;
    let carrying = tokio::spawn(sealed::carry(far, server.unwrap()));
    let (server, _) = listener.accept().await.unwrap();
    Way {
        near,
        server,
        carrying,
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap()
}

#[tokio::test]
async fn carried_when_one_side_ends_first_then_the_other_still_delivers() {
    let Way {
        mut near,
        mut server,
        carrying,
    } = way().await;
    let answers = async {
        let mut question = Vec::new();
        server.read_to_end(&mut question).await.unwrap();
        server.write_all(&vec![9; 1_000_000]).await.unwrap();
        drop(server);
        question
    };
    let asks = async {
        near.write_all(b"question").await.unwrap();
        near.shutdown().await.unwrap();
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let (question, answer) = soon(async { tokio::join!(answers, asks) }).await;
    assert_eq!(question, b"question");
    assert_eq!(answer, vec![9; 1_000_000]);
    soon(carrying).await.unwrap().unwrap();
}

#[tokio::test]
async fn carried_when_the_server_ends_first_then_its_last_words_arrive() {
    let Way {
        mut near,
        mut server,
        carrying,
    } = way().await;
    server.write_all(b"goodbye").await.unwrap();
    drop(server);
    let mut heard = Vec::new();
    soon(near.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"goodbye");
    drop(near);
    soon(carrying).await.unwrap().unwrap();
}

#[tokio::test]
async fn carried_when_nobody_reads_then_nothing_is_taken_and_nothing_lost() {
    let Way {
        mut near,
        mut server,
        ..
    } = way().await;
    let sent: Vec<u8> = (0..MUCH).map(|at| (at % 251) as u8).collect();
    let mut written = 0;
    // Why a while: until it stands still it fills what the kernel has room for.
    while let Ok(some) =
        tokio::time::timeout(Duration::from_secs(1), server.write(&sent[written..])).await
    {
        written += some.unwrap();
    }
    assert!(
        written < MUCH,
        "{written} bytes were taken that nobody has read"
    );
    let rest = server.write_all(&sent[written..]);
    let mut heard = vec![0; MUCH];
    let (told, read) = soon(async { tokio::join!(rest, near.read_exact(&mut heard)) }).await;
    told.unwrap();
    read.unwrap();
    assert!(heard == sent);
    // And the other way still goes. Why flushed: a task that has done much is not let write at once, and what it wrote stays in its stream.
    near.write_all(b"x").await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(soon(server.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn carried_when_given_up_then_both_sides_hear_of_it() {
    let Way {
        mut near,
        mut server,
        carrying,
    } = way().await;
    near.write_all(b"x").await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(soon(server.read_u8()).await.unwrap(), b'x');
    carrying.abort();
    assert!(soon(server.read_u8()).await.is_err());
    assert!(soon(near.read_u8()).await.is_err());
}
