//! The join exchange: a client without a certificate shows a token and gets a certificate and a payload.
//!
//! A lost answer leaves nothing half done: the token is bound to the joiner's public key on disk before
//! the handler is asked, and the same key may ask again until the token expires and gets an equivalent
//! answer (`JoinOffer::again`). Another key is refused as "already used". A refusal by the handler
//! gives the token back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::certificate::Fingerprint;
use crate::endpoint::converse;
use crate::frame::{self, Answer, Opening, Purpose};
use crate::gate::Slot;
use crate::join_message::{Ask, JoinAnswer, JoinRequest, Reply, Why};
use crate::socket::Socket;
use crate::token_store::Claim;
use crate::{
    Authority, Endpoint, Error, Handler, JoinOffer, Kind, Result, Token, TokenStore, certificate,
    name, session, tls,
};

const SERVICE: &str = "join";
/// Answers hold certificates and the payload.
const MAX_ANSWER: usize = 1024 * 1024;
/// A handler that takes longer than this to decide is given up.
const DECISION_LIMIT: Duration = Duration::from_mins(1);

/// What a node needs to let others in.
#[derive(Debug)]
pub struct JoinDesk {
    authority: Arc<Authority>,
    tokens: Arc<TokenStore>,
    /// One join at a time: what the handler does for one must be over before the next.
    turn: tokio::sync::Mutex<()>,
}

impl JoinDesk {
    /// A desk that signs with the authority and honours the tokens of the store.
    pub fn new(authority: Arc<Authority>, tokens: Arc<TokenStore>) -> Self {
        Self {
            authority,
            tokens,
            turn: tokio::sync::Mutex::default(),
        }
    }
}

/// Joins a cluster with a token: tries its addresses in turn, each for at most `limit`. Safe to repeat
/// with the same request after any failure.
pub async fn join(token: &Token, request: JoinRequest, limit: Duration) -> Result<JoinAnswer> {
    name::check_node_name(&request.name)?;
    let claim = Claim::of(token);
    let header = serde_json::to_value(Ask { claim, request })
        .map_err(|error| Error::Certificate(error.to_string()))?;
    let opening = Opening::new(Purpose::Join, SERVICE, header);
    let mut last = Error::MistypedToken("it holds no address");
    for &addr in &token.addresses {
        match timeout(limit, join_at(token, addr, &opening)).await {
            Ok(Err(error @ (Error::Connect { .. } | Error::Lost { .. }))) => last = error,
            Ok(decided) => return decided,
            Err(_) => {
                let limit_ms = limit.as_millis() as u64;
                last = Error::Timeout {
                    peer: format!("`{}` ({addr})", token.issuer),
                    limit_ms,
                };
            }
        }
    }
    Err(last)
}

async fn join_at(token: &Token, addr: SocketAddr, opening: &Opening) -> Result<JoinAnswer> {
    let peer = token.issuer.as_str();
    let socket = Socket::connect(addr, Duration::from_secs(10))
        .await
        .map_err(|source| Error::Connect { addr, source })?;
    let server = ServerName::try_from(name::dns_name(peer, token.cluster_id()))
        .map_err(|_| Error::NodeName(peer.to_owned()))?;
    let mut tls = TlsConnector::from(tls::joiner(token.authority)?)
        .connect(server, socket)
        .await
        .map_err(|error| session::refused_server(peer, addr, error))?;
    let reply = converse(&mut tls, opening, MAX_ANSWER).await;
    let reply: Value = reply.map_err(|failure| failure.with(peer))?;
    // Why: what is refused before it is known to be a join is refused as any connection is.
    if let Ok(Answer::Refused(reason)) = Answer::deserialize(&reply) {
        return Err(Error::Refused {
            peer: peer.to_owned(),
            reason,
        });
    }
    let nonsense = |error: serde_json::Error| Error::Protocol {
        peer: peer.to_owned(),
        reason: error.to_string(),
    };
    match serde_json::from_value(reply).map_err(nonsense)? {
        Reply::Granted(answer) => Ok(answer),
        Reply::Refused(why) => Err(why.into_error(peer)),
    }
}

/// Serves a connection without a certificate: a join, or nothing.
pub(crate) async fn serve(
    endpoint: &Endpoint,
    handler: &dyn Handler,
    (tls, from, slot): (&mut TlsStream<Socket>, SocketAddr, Slot),
    opening: Opening,
) -> Result<(), String> {
    if opening.purpose != Purpose::Join {
        let reason = "it has no certificate of this cluster";
        session::refuse(tls, reason.to_owned()).await;
        return Err(reason.to_owned());
    }
    let decided = decide(endpoint, handler, (from, slot), opening.header).await;
    let refused = decided.as_ref().err().map(ToString::to_string);
    let reply = match decided {
        Ok(answer) => Reply::Granted(answer),
        Err(error) => Reply::Refused(Why::of(error)),
    };
    let limit = endpoint.0.config.handshake_limit;
    let sent = timeout(limit, frame::write_json(tls, &reply, MAX_ANSWER)).await;
    match (refused, sent) {
        (Some(reason), _) => Err(format!("join refused: {reason}")),
        (None, Ok(Ok(()))) => Ok(()),
        (None, _) => Err("the joiner did not take its answer; it may ask again".to_owned()),
    }
}

async fn decide(
    endpoint: &Endpoint,
    handler: &dyn Handler,
    (from, slot): (SocketAddr, Slot),
    header: Value,
) -> Result<JoinAnswer> {
    let nonsense = |error: serde_json::Error| Error::Protocol {
        peer: from.to_string(),
        reason: error.to_string(),
    };
    let Ask { claim, request } = serde_json::from_value(header).map_err(nonsense)?;
    name::check_node_name(&request.name)?;
    let key = certificate::request_key(&request.csr)?;
    let refusing = "this node does not let others join; use a token of one that does";
    let desk = endpoint.join_desk().ok_or_else(|| refused(refusing))?;
    let _turn = desk.turn.lock().await;
    let redeemed = desk.tokens.redeem(
        &claim,
        &desk.authority,
        (&request.name, &key),
        jiff::Timestamp::now(),
    )?;
    // Why only now: until its token is found good a joiner stays among the unauthenticated.
    drop(slot);
    let granted = grant(
        &desk,
        handler,
        (from, redeemed.kind, redeemed.again),
        (&request, &key),
        &claim,
    );
    let granted = granted.await;
    if granted.is_err() && !redeemed.again {
        desk.tokens.release(&claim.id, &key)?;
    }
    granted
}

async fn grant(
    desk: &JoinDesk,
    handler: &dyn Handler,
    (from, kind, again): (SocketAddr, Kind, bool),
    (request, key): (&JoinRequest, &Fingerprint),
    claim: &Claim,
) -> Result<JoinAnswer> {
    if kind != request.kind {
        return Err(Error::TokenKind {
            expected: kind,
            asked: request.kind,
        });
    }
    let certificate = desk.authority.issue(&request.name, &request.csr)?;
    let (name, payload) = (request.name.clone(), request.payload.clone());
    let offer = JoinOffer {
        name,
        kind,
        payload,
        from,
        again,
    };
    let decision = timeout(DECISION_LIMIT, handler.join(offer)).await;
    let decision = decision.map_err(|_| refused("it took too long to decide"))?;
    let payload = decision.map_err(|refusal| refused(&refusal.0))?;
    desk.tokens.grant(&claim.id, key)?;
    let authority = desk.authority.certificate().to_owned();
    Ok(JoinAnswer {
        certificate,
        authority,
        payload,
    })
}

fn refused(reason: &str) -> Error {
    Error::Refused {
        peer: SERVICE.to_owned(),
        reason: reason.to_owned(),
    }
}
