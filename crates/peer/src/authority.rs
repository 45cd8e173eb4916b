//! The cluster's private authority: signs the certificate of every node. Its key is made by `init`
//! and given to data nodes in the join answer, so that any of them can let another node in.
//!
//! Certificates are valid from 2020 to 2120, whatever the clock says: a node is put out by
//! [`crate::Endpoint::set_refused`], never by a date, and a wrong clock must not break a cluster.

use std::fmt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::certificate::{self, Fingerprint};
use crate::{Applicant, Error, Identity, Result, file, name};

const CERTIFICATE: &str = "authority.pem";
const KEY: &str = "authority.key";

/// The key that makes a cluster's certificates.
pub struct Authority {
    cluster_id: String,
    cluster_name: String,
    pem: String,
    der: CertificateDer<'static>,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// An authority as data, for the join payload of a node that may let others in. Holds the key.
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthorityCopy {
    certificate: String,
    key: String,
}

impl Authority {
    /// A new authority with a random cluster id.
    pub fn create(cluster: &str) -> Result<Self> {
        name::check_cluster_name(cluster)?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = validity(CertificateParams::default())?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, name::new_cluster_id()?);
        subject.push(DnType::OrganizationName, cluster);
        params.distinguished_name = subject;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Self::from_pem(&pem, &key.serialize_pem())
    }

    /// Saves certificate and key (mode 0600) in the directory.
    pub fn save(&self, dir: &Path) -> Result<()> {
        file::make_dir(dir)?;
        file::write(&dir.join(KEY), self.key_pem.as_bytes(), 0o600)?;
        file::write(&dir.join(CERTIFICATE), self.pem.as_bytes(), 0o644)
    }

    /// Loads what [`Authority::save`] wrote.
    pub fn load(dir: &Path) -> Result<Self> {
        let key = file::read_secret(&dir.join(KEY))?;
        let pem = file::read(&dir.join(CERTIFICATE))?;
        Self::from_pem(&pem, &key).map_err(|error| match error {
            Error::Certificate(reason) => file::corrupt(&dir.join(CERTIFICATE), reason),
            other => other,
        })
    }

    /// A copy to hand to another node; it holds the key.
    pub fn copy(&self) -> AuthorityCopy {
        AuthorityCopy {
            certificate: self.pem.clone(),
            key: self.key_pem.clone(),
        }
    }

    /// The authority of a copy.
    pub fn from_copy(copy: &AuthorityCopy) -> Result<Self> {
        Self::from_pem(&copy.certificate, &copy.key)
    }

    fn from_pem(pem: &str, key_pem: &str) -> Result<Self> {
        let der = certificate::from_pem(pem)?;
        let (cluster_id, cluster_name) = certificate::authority_subject(&der)?;
        let key =
            KeyPair::from_pem(key_pem).map_err(|_| certificate::bad("the key cannot be read"))?;
        if !holds_key(&der, &key) {
            return Err(certificate::bad("the key is not the certificate's"));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(failed)?;
        let (pem, key_pem) = (pem.to_owned(), key_pem.to_owned());
        Ok(Self {
            cluster_id,
            cluster_name,
            pem,
            der,
            key_pem,
            issuer,
        })
    }

    /// Signs a node's request (PEM); whatever names the request asks for, it gets this node's only.
    pub fn issue(&self, node: &str, csr: &str) -> Result<String> {
        name::check_node_name(node)?;
        certificate::request_key(csr)?;
        let mut request = CertificateSigningRequestParams::from_pem(csr).map_err(failed)?;
        let mut params = validity(
            CertificateParams::new([name::dns_name(node, &self.cluster_id)]).map_err(failed)?,
        )?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, node);
        subject.push(DnType::OrganizationName, self.cluster_name.as_str());
        params.distinguished_name = subject;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        request.params = params;
        Ok(request.signed_by(&self.issuer).map_err(failed)?.pem())
    }

    /// A certificate (with the authority's behind it) and its key, for a service of a node that others than nodes connect to.
    /// It proves no node: it names no one, and may only be shown by the side that listens.
    pub fn issue_service(&self, node: &str, names: &[String]) -> Result<(String, String)> {
        name::check_node_name(node)?;
        let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        all.extend(
            names
                .iter()
                .filter(|name| !all.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = validity(CertificateParams::new(all).map_err(failed)?)?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, node);
        subject.push(DnType::OrganizationName, self.cluster_name.as_str());
        params.distinguished_name = subject;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok((format!("{}{}", signed.pem(), self.pem), key.serialize_pem()))
    }

    /// Key, request and certificate for a node in one step: the first node of a cluster.
    pub fn enroll(&self, node: &str) -> Result<Identity> {
        let applicant = Applicant::new(node)?;
        let certificate = self.issue(node, applicant.csr())?;
        applicant.into_identity(&certificate, &self.pem)
    }

    /// The random id of the cluster.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The name of the cluster.
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// The authority's certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the authority's certificate: what tokens pin.
    pub fn fingerprint(&self) -> Fingerprint {
        certificate::fingerprint(&self.der)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} {})", self.cluster_name, self.cluster_id)
    }
}

impl fmt::Debug for AuthorityCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorityCopy(redacted)")
    }
}

/// Whether the certificate holds the public half of the key.
pub(crate) fn holds_key(der: &[u8], key: &KeyPair) -> bool {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let Ok((_, cert)) = X509Certificate::from_der(der) else {
        return false;
    };
    cert.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
}

fn validity(mut params: CertificateParams) -> Result<CertificateParams> {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    let mut serial = name::random::<16>()?;
    // Why: a serial number is positive; the top bit would be its sign.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

pub(crate) fn failed(error: impl std::fmt::Display) -> Error {
    Error::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::subject;

    #[test]
    fn a_service_certificate_when_issued_is_no_nodes() {
        let authority = Authority::create("example").unwrap();
        let names = ["10.0.0.1".to_owned(), "localhost".to_owned()];
        let (pem, key) = authority.issue_service("alpha", &names).unwrap();
        assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
        let leaf = certificate::from_pem(&pem).unwrap();
        assert!(subject(&leaf).is_err());
        assert!(holds_key(&leaf, &KeyPair::from_pem(&key).unwrap()));
        crate::tls::check_chain(&leaf, &authority.der).unwrap();
    }
}
