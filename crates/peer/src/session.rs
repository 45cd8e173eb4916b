//! One incoming connection, from the TLS handshake to its end: who it is, what it is for, and the
//! service itself. A connection without a certificate may ask to join and nothing else.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::frame::{self, Answer, Failure, MAX_FRAME, MAX_OPENING, Opening, PROTOCOL, Purpose};
use crate::gate::Slot;
use crate::lane::{CALL_OVERHEAD, DONE, REFUSED};
use crate::registry::{Denied, Place};
use crate::socket::{PATIENT, Socket};
use crate::{Endpoint, Error, Handler, Incoming, Stream, certificate, join};

/// A refusal must not hold a connection for long.
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);

/// A connection that ended in another way than by being served.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) who: Option<String>,
    pub(crate) reason: String,
}

fn ended(who: Option<&str>, reason: impl std::fmt::Display) -> Ended {
    Ended {
        who: who.map(str::to_owned),
        reason: reason.to_string(),
    }
}

/// Serves a connection until its end. The slot is given up once the peer is known.
pub(crate) async fn serve(
    endpoint: &Endpoint,
    handler: &dyn Handler,
    socket: Socket,
    (from, slot): (SocketAddr, Slot),
) -> Result<(), Ended> {
    let limit = endpoint.0.config.handshake_limit;
    let (mut tls, opening) = timeout(limit, greet(endpoint, socket))
        .await
        .map_err(|_| ended(None, "it did not say who it is and what it wants in time"))??;
    let Some(node) = node_of(endpoint, &tls)? else {
        let served = join::serve(endpoint, handler, (&mut tls, from, slot), opening).await;
        return served.map_err(|reason| ended(None, reason));
    };
    drop(slot);
    let place = match enter(endpoint, &tls, &node) {
        Ok(place) => place,
        Err(reason) => {
            refuse(&mut tls, reason.to_owned()).await;
            return Err(ended(Some(&node), reason));
        }
    };
    let stream = Stream::new(tls, node.clone(), place);
    let served = dispatch(handler, stream, opening).await;
    served.map_err(|reason| ended(Some(&node), reason))
}

async fn greet(endpoint: &Endpoint, socket: Socket) -> Result<(TlsStream<Socket>, Opening), Ended> {
    let tls = TlsAcceptor::from(endpoint.0.server.clone())
        .accept(socket)
        .await;
    let mut tls = TlsStream::from(tls.map_err(|error| ended(None, error))?);
    let opening = frame::read_json(&mut tls, MAX_OPENING).await;
    let opening: Opening = opening.map_err(|failure| ended(None, failure))?;
    if opening.protocol != PROTOCOL {
        let reason = format!(
            "it speaks protocol {}, this node {PROTOCOL}",
            opening.protocol
        );
        refuse(&mut tls, reason.clone()).await;
        return Err(ended(None, reason));
    }
    Ok((tls, opening))
}

/// The node that the certificate names; the chain was checked in the handshake.
fn node_of(endpoint: &Endpoint, tls: &TlsStream<Socket>) -> Result<Option<String>, Ended> {
    let Some([leaf, ..]) = tls.get_ref().1.peer_certificates() else {
        return Ok(None);
    };
    let subject = certificate::subject(leaf).map_err(|error| ended(None, error))?;
    if subject.cluster_id != endpoint.0.identity.cluster_id() {
        return Err(ended(None, "its certificate names another cluster"));
    }
    Ok(Some(subject.node))
}

fn enter(endpoint: &Endpoint, tls: &TlsStream<Socket>, node: &str) -> Result<Place, &'static str> {
    let limit = endpoint.0.config.connections_per_node;
    let entered = endpoint
        .0
        .registry
        .enter(node, tls.get_ref().0.severer(), limit);
    entered.map_err(|denied| match denied {
        Denied::Removed => "this node was removed from the cluster: its certificate is refused",
        Denied::TooMany => "it has too many connections open",
    })
}

async fn dispatch(
    handler: &dyn Handler,
    mut stream: Stream,
    opening: Opening,
) -> Result<(), String> {
    match opening.purpose {
        Purpose::Call => answer_calls(handler, stream, &opening.service).await,
        Purpose::Stream => {
            // Best effort: a stream is served without the longer limit too.
            let _ = stream.socket().limit_unacknowledged(PATIENT);
            let from = stream.peer().to_owned();
            let Opening {
                service, header, ..
            } = opening;
            handler
                .stream(Incoming {
                    from,
                    service,
                    header,
                    stream,
                })
                .await;
            Ok(())
        }
        Purpose::Join => {
            let reason = "this node is a member already";
            refuse(&mut stream, reason.to_owned()).await;
            Err(reason.to_owned())
        }
    }
}

async fn answer_calls(
    handler: &dyn Handler,
    mut stream: Stream,
    service: &str,
) -> Result<(), String> {
    let text = |failure: Failure| failure.to_string();
    let room = MAX_FRAME + CALL_OVERHEAD;
    frame::write_json(&mut stream, &Answer::Accepted, MAX_OPENING)
        .await
        .map_err(text)?;
    let from = stream.peer().to_owned();
    loop {
        let mut request = match frame::read(&mut stream, room).await {
            Ok(Some(request)) => request,
            // Why not an error: a caller that gave up, or ended, closes its connection.
            Ok(None) | Err(Failure::Io(_)) => return Ok(()),
            Err(failure) => return Err(failure.to_string()),
        };
        let limit = request
            .first_chunk()
            .copied()
            .ok_or("a call without a limit")?;
        let limit = Duration::from_millis(u64::from(u32::from_be_bytes(limit)));
        request.drain(..CALL_OVERHEAD);
        let called = timeout(limit, handler.call(&from, service, request)).await;
        let Ok(outcome) = called else { return Ok(()) };
        let sent = match outcome {
            Ok(body) if body.len() > MAX_FRAME => {
                let reason = format!(
                    "the answer has {} bytes, the limit is {MAX_FRAME}",
                    body.len()
                );
                frame::write(&mut stream, &[&[REFUSED], reason.as_bytes()], room).await
            }
            Ok(body) => frame::write(&mut stream, &[&[DONE], &body], room).await,
            Err(refusal) => {
                frame::write(&mut stream, &[&[REFUSED], refusal.0.as_bytes()], room).await
            }
        };
        if sent.is_err() {
            return Ok(());
        }
    }
}

/// Answers an opening with a refusal; the reason is cut to a line of bounded length.
pub(crate) async fn refuse<S>(stream: &mut S, reason: String)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reason: String = reason.chars().take(1000).collect();
    let talk = async {
        frame::write_json(stream, &Answer::Refused(reason), MAX_OPENING)
            .await
            .ok()?;
        stream.shutdown().await.ok()
    };
    let _ = timeout(REFUSAL_LIMIT, talk).await;
}

/// The error for a connection that broke after its handshake. In TLS 1.3 a server that refuses our
/// certificate says so only now.
pub(crate) fn lost(peer: &str, source: io::Error) -> Error {
    let peer = peer.to_owned();
    match tls_error(&source) {
        Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
            let reason = format!("{alert:?}");
            Error::CertificateRefused { peer, reason }
        }
        _ => Error::Lost { peer, source },
    }
}

/// The error for a handshake in which we did not accept the server.
pub(crate) fn refused_server(node: &str, addr: SocketAddr, source: io::Error) -> Error {
    use rustls::CertificateError as Bad;
    let wrong = |reason: &str| Error::WrongPeer {
        addr,
        node: node.to_owned(),
        reason: reason.to_owned(),
    };
    match tls_error(&source) {
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::UnknownIssuer | Bad::BadSignature => {
                wrong("its certificate is of another cluster")
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                wrong("its certificate is of another node or cluster")
            }
            other => wrong(&other.to_string()),
        },
        Some(rustls::Error::AlertReceived(_)) | None => lost(node, source),
        Some(other) => wrong(&format!("it does not speak our protocol ({other})")),
    }
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired
    )
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}
