//! Reading certificates and signing requests: whose they are and which key they hold.
//! Nothing here decides trust: the TLS library checks the chain first.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509CertificationRequest};

use crate::name::parse_dns_name;
use crate::{Error, Result};

/// SHA-256 of a certificate or of a public key.
pub(crate) type Fingerprint = [u8; 32];

/// What a node's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) node: String,
    pub(crate) cluster_id: String,
    /// Hash of the public key.
    pub(crate) key: Fingerprint,
}

/// SHA-256 of the bytes.
pub(crate) fn fingerprint(bytes: &[u8]) -> Fingerprint {
    Sha256::digest(bytes).into()
}

/// The certificate in a PEM text.
pub(crate) fn from_pem(pem: &str) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad("it is no PEM certificate"))
}

/// Node, cluster and key of a node's certificate.
pub(crate) fn subject(der: &[u8]) -> Result<Subject> {
    let (rest, cert) = X509Certificate::from_der(der).map_err(|_| bad("it cannot be read"))?;
    if !rest.is_empty() {
        return Err(bad("there are bytes behind it"));
    }
    let names = cert.subject_alternative_name().ok().flatten();
    let names = names
        .map(|names| names.value.general_names.as_slice())
        .unwrap_or_default();
    let [GeneralName::DNSName(name)] = names else {
        return Err(bad("it does not carry exactly one name"));
    };
    let (node, cluster_id) =
        parse_dns_name(name).ok_or_else(|| bad("its name is not a node's name"))?;
    let key = fingerprint(cert.public_key().raw);
    Ok(Subject {
        node: node.to_owned(),
        cluster_id: cluster_id.to_owned(),
        key,
    })
}

/// The cluster id and name that an authority's certificate carries.
pub(crate) fn authority_subject(der: &[u8]) -> Result<(String, String)> {
    let (_, cert) = X509Certificate::from_der(der).map_err(|_| bad("it cannot be read"))?;
    let text = |attribute: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
        attribute
            .and_then(|value| value.as_str().ok())
            .map(str::to_owned)
    };
    let subject = cert.subject();
    let id = text(subject.iter_common_name().next());
    let name = text(subject.iter_organization().next());
    match (id, name) {
        (Some(id), Some(name)) if crate::name::is_cluster_id(&id) && cert.is_ca() => Ok((id, name)),
        _ => Err(bad("it is not the authority of a cluster")),
    }
}

/// Hash of the public key in a signing request whose signature holds.
pub(crate) fn request_key(pem: &str) -> Result<Fingerprint> {
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| bad("the request is no PEM text"))?;
    let (_, request) =
        X509CertificationRequest::from_der(&der).map_err(|_| bad("the request cannot be read"))?;
    request
        .verify_signature()
        .map_err(|_| bad("the request is not signed with its own key"))?;
    Ok(fingerprint(
        request.certification_request_info.subject_pki.raw,
    ))
}

pub(crate) fn bad(reason: &str) -> Error {
    Error::Certificate(reason.to_owned())
}
