//! Encrypted streams to a server, as one agent opens them to another, whose carrier brings them to the server.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, Connection, RootCertStore, ServerConfig};
use sql_gateway::{Carrier, Leave, Sealed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

const NAME: &str = "node.test";

type Keys = (Arc<ServerConfig>, Arc<ClientConfig>);

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Arc::new(server), Arc::new(client))
    })
}

/// Ends a stream.
pub(crate) struct Cut {
    ended: Arc<AtomicBool>,
    socket: OwnedFd,
}

impl Cut {
    pub(crate) fn cut(self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

struct Until(Arc<AtomicBool>);

impl Leave for Until {
    fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream to the server at this port; with what ends it.
pub(crate) async fn stream_to(port: u16) -> io::Result<(Sealed, Cut)> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (near, far) = pair().await?;
    tokio::spawn(async move { carry(far, server).await });
    let (near, connection) = near.into_inner();
    sealed(near, connection)
}

/// Both ends of an encrypted stream.
pub(crate) async fn pair() -> io::Result<(client::TlsStream<TcpStream>, Sealed)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (far, _) = listener.accept().await?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    let (acceptor, connector) = keys();
    let acceptor = TlsAcceptor::from(Arc::clone(acceptor));
    let connector = TlsConnector::from(Arc::clone(connector));
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let (near, far) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    let (socket, connection) = far?.into_inner();
    Ok((near?, sealed(socket, connection)?.0))
}

/// As the other agent does.
pub(crate) async fn carry(far: Sealed, server: TcpStream) -> io::Result<()> {
    server.set_nodelay(true)?;
    carrier().carry(far, server.into_std()?.into()).await
}

fn carrier() -> &'static Carrier {
    static CARRIER: OnceLock<Carrier> = OnceLock::new();
    CARRIER.get_or_init(|| Carrier::start(1).unwrap())
}

fn sealed(stream: TcpStream, connection: impl Into<Connection>) -> io::Result<(Sealed, Cut)> {
    let ended = Arc::new(AtomicBool::new(false));
    let socket = OwnedFd::from(stream.into_std()?);
    let cut = Cut {
        ended: Arc::clone(&ended),
        socket: socket.try_clone()?,
    };
    let sealed = Sealed {
        socket,
        connection: connection.into(),
        leave: Box::new(Until(ended)),
    };
    Ok((sealed, cut))
}
