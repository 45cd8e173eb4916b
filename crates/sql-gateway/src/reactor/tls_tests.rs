//! Streams to other nodes, with whatever the other end does.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Poll;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::tests::run;
use super::*;
use crate::route::{Leave, Sealed};

const NAME: &str = "node.test";

struct Stays;

impl Leave for Stays {
    fn has_ended(&self) -> bool {
        false
    }
}

/// The other end.
struct Far {
    connection: ServerConnection,
    socket: UnixStream,
}

impl Far {
    /// What is encrypted and not sent yet.
    fn flush(&mut self) {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket).unwrap();
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.connection.writer().write_all(bytes).unwrap();
        self.flush();
    }
}

fn ends() -> (ClientConnection, ServerConnection) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let certificate = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(default_provider());
    let near = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut far = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    // As nodes do it.
    far.send_tls13_tickets = 0;
    let name = ServerName::try_from(NAME).unwrap();
    (
        ClientConnection::new(Arc::new(near), name).unwrap(),
        ServerConnection::new(Arc::new(far)).unwrap(),
    )
}

/// A stream past its handshake.
fn stream() -> (Sealed, Far) {
    let (mut near, mut far) = ends();
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    while near.is_handshaking() || far.is_handshaking() {
        while near.wants_write() {
            near.write_tls(&mut ours).unwrap();
        }
        if far.is_handshaking() {
            far.read_tls(&mut theirs).unwrap();
            far.process_new_packets().unwrap();
        }
        while far.wants_write() {
            far.write_tls(&mut theirs).unwrap();
        }
        if near.is_handshaking() {
            near.read_tls(&mut ours).unwrap();
            near.process_new_packets().unwrap();
        }
    }
    ours.set_nonblocking(true).unwrap();
    let sealed = Sealed {
        socket: ours.into(),
        connection: near.into(),
        leave: Box::new(Stays),
    };
    let far = Far {
        connection: far,
        socket: theirs,
    };
    (sealed, far)
}

#[test]
fn bytes_when_what_follows_them_is_broken_then_they_are_read_and_then_an_error() {
    let (sealed, mut far) = stream();
    // More than is taken of the kernel at once, so that some of it is read before the rest is looked at.
    for _ in 0..60 {
        far.say(&[7; 100]);
    }
    let broken = [&[23, 3, 3, 0, 32][..], &[9; 32]].concat();
    far.socket.write_all(&broken).unwrap();
    let (read, error) = run(move || async move {
        let (mut socket, mut all) = (Socket::sealed(sealed).unwrap(), 0);
        let mut buffer = vec![0; 65_536];
        loop {
            match poll_fn(|_| socket.poll_read(&mut buffer)).await {
                Ok(n) => all += n,
                Err(error) => return (all, error),
            }
        }
    });
    assert_eq!(read, 6000);
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    drop(far);
}

#[test]
fn stream_when_its_end_was_announced_then_it_is_not_quiet() {
    let (sealed, mut far) = stream();
    let (say, heard) = channel();
    let quiet = run(move || async move {
        let mut socket = Socket::sealed(sealed).unwrap();
        let before = socket.is_quiet();
        far.say(b"last words");
        far.connection.send_close_notify();
        far.flush();
        let mut buffer = [0; 64];
        let read = poll_fn(|_| socket.poll_read(&mut buffer)).await;
        say.send(read.unwrap()).unwrap();
        // The other end leaves its socket open for now.
        (before, socket.is_quiet(), far.socket.take_error().unwrap())
    });
    assert_eq!(heard.recv().unwrap(), 10);
    assert_eq!((quiet.0, quiet.1), (true, false));
}

#[test]
fn bytes_when_they_were_not_taken_before_the_stream_is_dropped_then_they_never_leave() {
    let (sealed, far) = stream();
    let (written, rest) = run(move || async move {
        let mut socket = Socket::sealed(sealed).unwrap();
        let bytes = vec![1; 50_000];
        let mut written = 0;
        while let Poll::Ready(n) = poll_fn(|_| Poll::Ready(socket.poll_write(&bytes))).await {
            written += n.unwrap();
        }
        // Now there is room for the rest.
        let mut raw = vec![0; 1 << 16];
        let mut socket_of_far = far.socket;
        socket_of_far.set_nonblocking(true).unwrap();
        let mut taken = 0;
        while let Ok(n @ 1..) = socket_of_far.read(&mut raw) {
            taken += n;
        }
        assert!(taken > 0);
        poll_fn(|_| socket.poll_room()).await;
        drop(socket);
        (written, socket_of_far.read(&mut raw).unwrap())
    });
    assert!(written > 0);
    assert_eq!(rest, 0, "it was given up before");
}
