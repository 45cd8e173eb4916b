//! The loop with real sockets, in a thread of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::*;
use crate::route::{Address, Leave, Sealed};

const LIMIT: Duration = Duration::from_mins(1);

/// Runs a task in a loop and returns what it says.
pub(super) fn run<T: Send + 'static, F: Future<Output = T> + 'static>(
    task: impl FnOnce() -> F + Send + 'static,
) -> T {
    let reactor = Reactor::new().unwrap();
    let inbox = reactor.inbox();
    let (say, said) = mpsc::channel();
    inbox.visit(move || spawn(async move { say.send(task().await).unwrap() }));
    let thread = std::thread::spawn(move || reactor.run());
    let said = said.recv_timeout(LIMIT).unwrap();
    inbox.end();
    thread.join().unwrap().unwrap();
    said
}

async fn read_all(socket: &mut Socket, limit: usize) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 8]);
    while all.len() < limit {
        let read = std::future::poll_fn(|_| socket.poll_read(&mut buffer)).await;
        match read.unwrap() {
            0 => break,
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
    all
}

#[test]
fn bytes_when_they_come_in_parts_are_all_read_and_the_end_is_seen() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(server.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        for part in ["exactly8", "and", "then more than fits"] {
            stream.write_all(part.as_bytes()).unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
        }
        stream.write_all(b"end").unwrap();
    });
    let read = run(move || async move {
        let mut socket = Socket::connect(&address).await.unwrap();
        let mut all = Vec::new();
        for length in [8, 3, 19] {
            all.extend(read_all(&mut socket, length).await);
            socket.write_all(b"+").await.unwrap();
        }
        all.extend(read_all(&mut socket, usize::MAX).await);
        all
    });
    peer.join().unwrap();
    assert_eq!(read, b"exactly8andthen more than fitsend");
}

#[test]
fn bytes_when_the_other_side_reads_late_are_all_written() {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let (sent, reader) = (
        bytes.clone(),
        std::thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 300_000]);
            loop {
                match theirs.read(&mut buffer).unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buffer[..n]),
                }
            }
        }),
    );
    run(move || async move {
        let mut socket = Socket::new(ours).unwrap();
        socket.write_all(&sent).await.unwrap();
    });
    assert!(reader.join().unwrap() == bytes);
}

#[test]
fn time_when_it_is_over_ends_a_wait_and_not_before() {
    let waited = run(|| async {
        let start = Instant::now();
        assert!(
            timeout(Duration::from_millis(20), std::future::pending::<()>())
                .await
                .is_err()
        );
        assert!(timeout(LIMIT, async {}).await.is_ok());
        let waited = start.elapsed();
        assert!(core::core().unwrap().timers.borrow().is_empty());
        waited
    });
    assert!(waited >= Duration::from_millis(20));
}

#[test]
fn task_when_another_thread_wakes_it_goes_on() {
    let (bell, rings) = tokio::sync::oneshot::channel();
    let ringer = std::thread::spawn(move || bell.send(7));
    assert_eq!(run(|| async { rings.await.unwrap() }), 7);
    ringer.join().unwrap().unwrap();
}

#[test]
fn task_when_it_wakes_itself_lets_others_run() {
    let turns = run(|| async {
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let other = std::rc::Rc::clone(&count);
        spawn(async move { other.set(1) });
        let mut turns = 0;
        std::future::poll_fn(|cx| {
            turns += 1;
            if count.get() == 1 {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        turns
    });
    assert!(turns > 1);
}

#[test]
fn task_when_it_fails_takes_no_other_with_it() {
    let survived = run(|| async {
        spawn(async { panic!("on purpose") });
        sleep(Duration::from_millis(1)).await;
        true
    });
    assert!(survived);
}

#[test]
fn port_when_nobody_listens_is_an_error() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = run(move || async move { Socket::connect(&Address::Tcp(port)).await.map(|_| ()) });
    assert!(error.is_err());
}

#[test]
fn listener_when_clients_come_at_once_gives_them_all() {
    let listener = mio::net::TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<TcpStream> = (0..5)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let accepted = run(move || async move {
        let acceptor = Acceptor::new(listener).unwrap();
        let mut accepted = 0;
        for _ in 0..5 {
            acceptor
                .accept(mio::net::TcpListener::accept)
                .await
                .unwrap();
            accepted += 1;
        }
        accepted
    });
    assert_eq!((accepted, clients.len()), (5, 5));
}

struct Ended;

impl Leave for Ended {
    fn has_ended(&self) -> bool {
        true
    }
}

#[test]
fn sealed_stream_when_its_leave_has_ended_then_nothing_passes() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("node.test").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let sealed = Sealed {
        socket: ours.into(),
        connection: connection.into(),
        leave: Box::new(Ended),
    };
    let (read, written) = run(move || async move {
        let mut socket = Socket::sealed(sealed).unwrap();
        let read = std::future::poll_fn(|_| socket.poll_read(&mut [0; 8])).await;
        (read, socket.write_all(b"x").await)
    });
    for error in [read.unwrap_err(), written.unwrap_err()] {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    }
    drop(theirs);
}
