//! TLS 1.3 with `ring` and nothing else: both sides show a certificate of the cluster's authority.
//! No clock is read: our certificates hold from 2020 to 2120 and a node is put out by name, so that
//! a server with a wrong clock stays in its cluster.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::certificate::{self, Fingerprint};
use crate::{Error, Identity, Result};

/// 2026-01-01, a date at which every certificate of ours is valid.
const ANY_VALID_DATE: Duration = Duration::from_hours(490_896);

#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(ANY_VALID_DATE))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Tls(error.to_string())
}

/// A store that trusts this authority only.
pub(crate) fn roots(authority: &CertificateDer<'static>) -> Result<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.clone())
        .map_err(|error| Error::Certificate(error.to_string()))?;
    Ok(Arc::new(roots))
}

/// Whether the authority signed the certificate.
pub(crate) fn check_chain(
    leaf: &CertificateDer<'_>,
    authority: &CertificateDer<'static>,
) -> Result<()> {
    verify_chain(leaf, &*roots(authority)?).map_err(|error| {
        certificate::bad(match error {
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => "its dates are not those of a certificate of Mainstay (2020 to 2120)",
            _ => "the cluster's authority did not sign it",
        })
    })
}

fn verify_chain(leaf: &CertificateDer<'_>, roots: &RootCertStore) -> Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    let algorithms = provider().signature_verification_algorithms.all;
    let now = UnixTime::since_unix_epoch(ANY_VALID_DATE);
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, &[], now, algorithms)
}

/// The side that listens. A client without a certificate gets through the handshake: it may join, no more.
pub(crate) fn server(identity: &Identity) -> Result<Arc<ServerConfig>> {
    let verifier = WebPkiClientVerifier::builder_with_provider(identity.roots()?, provider())
        .allow_unauthenticated()
        .build()
        .map_err(failed)?;
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(NoClock))
        .with_protocol_versions(&[&TLS13])
        .map_err(failed)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain(), identity.key()?)
        .map_err(failed)?;
    // Why: a resumed session would outlive the removal of its node.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The side that connects, with this node's certificate.
pub(crate) fn client(identity: &Identity) -> Result<Arc<ClientConfig>> {
    let verifier = WebPkiServerVerifier::builder_with_provider(identity.roots()?, provider())
        .build()
        .map_err(failed)?;
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(NoClock))
        .with_protocol_versions(&[&TLS13])
        .map_err(failed)?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(identity.chain(), identity.key()?)
        .map_err(failed)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A client without a certificate that trusts the authority with this fingerprint only.
pub(crate) fn joiner(authority: Fingerprint) -> Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(NoClock))
        .with_protocol_versions(&[&TLS13])
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned {
            authority,
            provider: provider(),
        }))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts a server whose chain ends in the pinned authority and whose name is the one asked for.
#[derive(Debug)]
struct Pinned {
    authority: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = others
            .iter()
            .find(|der| certificate::fingerprint(der) == self.authority);
        let pinned = pinned.ok_or(CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        verify_chain(leaf, &roots)?;
        rustls::client::verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("tls 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
