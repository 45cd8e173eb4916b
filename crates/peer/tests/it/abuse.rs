//! What strangers and broken peers do to the port: each ends its own connection and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use peer::{Authority, Config, Endpoint};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{LIMIT, TestService, node, node_with, wait_until};

#[derive(Debug)]
struct TrustAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS client that trusts everyone and shows the identity in the directory, or none.
async fn raw(addr: SocketAddr, identity: Option<&Path>) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAll(provider)));
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(dir) => {
            let cert = CertificateDer::from_pem_file(dir.join("node.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(dir.join("node.key")).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("any.example").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

const CALL: &[u8] = br#"{"protocol":1,"purpose":"call","service":"echo"}"#;

async fn rest_of(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
    let _ = read.expect("the other side ends the connection");
    rest
}

#[tokio::test]
async fn client_when_without_certificate_then_no_call_is_served() {
    let authority = Authority::create("test").unwrap();
    let bravo = node(&authority, "bravo").await;
    let mut tls = raw(bravo.addr, None).await.unwrap();
    let mut bytes = frame(CALL);
    bytes.extend(frame(b"\0\0\x10\0hello"));
    tls.write_all(&bytes).await.unwrap();
    let answer = String::from_utf8_lossy(&rest_of(&mut tls).await).into_owned();
    assert!(!answer.contains("hello"), "{answer}");
    assert_eq!(bravo.service.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn client_when_of_another_cluster_then_its_certificate_is_refused() {
    let authority = Authority::create("test").unwrap();
    let bravo = node(&authority, "bravo").await;
    let dir = tempfile::tempdir().unwrap();
    Authority::create("test")
        .unwrap()
        .enroll("alpha")
        .unwrap()
        .save(dir.path())
        .unwrap();
    // In TLS 1.3 the handshake is over for the client before the server has judged it.
    if let Ok(mut tls) = raw(bravo.addr, Some(dir.path())).await {
        let _ = tls.write_all(&frame(CALL)).await;
        assert_eq!(rest_of(&mut tls).await, b"");
    }
    assert_eq!(bravo.service.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn member_when_it_names_an_enormous_frame_then_only_its_connection_ends() {
    let authority = Authority::create("test").unwrap();
    let alpha = node(&authority, "alpha").await;
    let bravo = node(&authority, "bravo").await;
    let dir = tempfile::tempdir().unwrap();
    authority.enroll("alpha").unwrap().save(dir.path()).unwrap();
    let openings: [Vec<u8>; 4] = [
        u32::MAX.to_be_bytes().to_vec(),
        frame(b"{\"not\": \"ours\"}"),
        frame(br#"{"protocol":99,"purpose":"call","service":"echo"}"#),
        [frame(CALL), (17_u32 * 1024 * 1024).to_be_bytes().to_vec()].concat(),
    ];
    for opening in openings {
        let mut tls = raw(bravo.addr, Some(dir.path())).await.unwrap();
        tls.write_all(&opening).await.unwrap();
        rest_of(&mut tls).await;
    }
    // A call without room for its limit.
    let mut tls = raw(bravo.addr, Some(dir.path())).await.unwrap();
    tls.write_all(&[frame(CALL), frame(b"ab")].concat())
        .await
        .unwrap();
    rest_of(&mut tls).await;
    alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", vec![1], LIMIT)
        .await
        .unwrap();
    assert_eq!(bravo.service.calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn connection_when_silent_then_ended_at_the_handshake_limit() {
    let authority = Authority::create("test").unwrap();
    let config = Config {
        handshake_limit: Duration::from_millis(200),
        ..Config::default()
    };
    let bravo = node_with(&authority, "bravo", TestService::default(), config).await;
    let start = Instant::now();
    let mut plain = TcpStream::connect(bravo.addr).await.unwrap();
    let mut buf = [0; 16];
    let _ = tokio::time::timeout(LIMIT, plain.read(&mut buf))
        .await
        .expect("ended");
    // One that finishes the handshake and then says nothing.
    let mut tls = raw(bravo.addr, None).await.unwrap();
    rest_of(&mut tls).await;
    assert!(start.elapsed() < LIMIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_when_of_a_thousand_junk_connections_then_calls_go_on() {
    let authority = Authority::create("test").unwrap();
    let bravo = node(&authority, "bravo").await;
    let alpha = node(&authority, "alpha").await;
    let mut kept = Vec::new();
    for number in 0..1000_u32 {
        let mut junk = TcpStream::connect(bravo.addr).await.unwrap();
        let bytes: &[u8] = match number % 4 {
            0 => b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
            1 => &[0x16, 3, 1, 0xff, 0xff, 1, 0, 0],
            2 => &[0xff; 300],
            _ => b"",
        };
        let _ = junk.write_all(bytes).await;
        kept.push(junk);
        if number % 50 == 49 {
            // A new endpoint each time: a whole handshake in the middle of the flood.
            let identity = Arc::new(authority.enroll("charlie").unwrap());
            let fresh = Endpoint::new(identity, Config::default()).unwrap();
            for endpoint in [&fresh, &alpha.endpoint] {
                let called = endpoint
                    .call("bravo", bravo.addr, "echo", vec![1], LIMIT)
                    .await;
                assert_eq!(called.unwrap(), [1], "after {number}");
            }
        }
    }
    assert_eq!(bravo.service.calls.load(Ordering::Relaxed), 40);
    drop(kept);
}

#[tokio::test]
async fn flood_when_over_the_limit_then_the_oldest_of_it_ends() {
    let authority = Authority::create("test").unwrap();
    let config = Config {
        unauthenticated_max: 4,
        ..Config::default()
    };
    let bravo = node_with(&authority, "bravo", TestService::default(), config).await;
    let mut first = TcpStream::connect(bravo.addr).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(TcpStream::connect(bravo.addr).await.unwrap());
    }
    let mut buf = [0; 1];
    let ended = tokio::time::timeout(Duration::from_secs(2), first.read(&mut buf)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    let mut open = 0;
    wait_until("the others stay", LIMIT, || {
        open = others
            .iter()
            .filter(|tcp| tcp.try_read(&mut [0; 1]).is_err())
            .count();
        open == 4
    })
    .await;
}
