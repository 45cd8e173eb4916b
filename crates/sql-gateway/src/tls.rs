//! What the gateway shows to clients that ask for encryption: a certificate and its key, which may be renewed while it serves.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::GatewayError;

/// A certificate with its key, for TLS 1.2 and 1.3. Clients' certificates are not asked for. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// From PEM texts: the certificate with those that lead to its authority, and the key.
    pub fn new(certificates: &str, key: &str) -> Result<Self, GatewayError> {
        Ok(Self(Arc::new(RwLock::new(config(certificates, key)?))))
    }

    /// From now on new connections see this one; when it cannot be used, they go on seeing the old one.
    pub fn renew(&self, certificates: &str, key: &str) -> Result<(), GatewayError> {
        let config = config(certificates, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn config(certificates: &str, key: &str) -> Result<Arc<ServerConfig>, GatewayError> {
    let unusable = |why: &str| GatewayError::Certificate(why.to_owned());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
    let chain = chain.map_err(|_| unusable("the certificate is no PEM text"))?;
    if chain.is_empty() {
        return Err(unusable("there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| unusable("the key is no PEM text"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    config
        .map(Arc::new)
        .map_err(|error| GatewayError::Certificate(error.to_string()))
}
