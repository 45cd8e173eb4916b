//! Who this node is: its certificate, key and the cluster's authority certificate, in a directory of
//! three files. [`Applicant`] is the half before the authority has signed: it is kept on disk so that
//! a join that lost its answer is repeated with the same key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{failed, holds_key};
use crate::certificate::{self, Fingerprint};
use crate::{Error, Result, file, name, tls};

const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "node.pem";
const KEY: &str = "node.key";
const APPLICANT_KEY: &str = "applicant.key";
const APPLICANT_REQUEST: &str = "applicant.csr";

/// A node's place in a cluster, proved by a certificate.
pub struct Identity {
    cluster_id: String,
    cluster_name: String,
    node: String,
    authority: CertificateDer<'static>,
    authority_pem: String,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Identity {
    /// Saves the three files; the key with mode 0600.
    pub fn save(&self, dir: &Path) -> Result<()> {
        file::make_dir(dir)?;
        file::write(&dir.join(KEY), self.key_pem.as_bytes(), 0o600)?;
        file::write(&dir.join(AUTHORITY), self.authority_pem.as_bytes(), 0o644)?;
        file::write(
            &dir.join(CERTIFICATE),
            self.certificate_pem.as_bytes(),
            0o644,
        )
    }

    /// Loads what [`Identity::save`] wrote; says which file is damaged, foreign or does not fit.
    pub fn load(dir: &Path) -> Result<Self> {
        let key = file::read_secret(&dir.join(KEY))?;
        let authority = file::read(&dir.join(AUTHORITY))?;
        let certificate = file::read(&dir.join(CERTIFICATE))?;
        let named = |file: &str| {
            let path = dir.join(file);
            move |error| match error {
                Error::Certificate(reason) => file::corrupt(&path, reason),
                other => other,
            }
        };
        let root = certificate::from_pem(&authority).map_err(named(AUTHORITY))?;
        certificate::authority_subject(&root).map_err(named(AUTHORITY))?;
        let leaf = certificate::from_pem(&certificate).map_err(named(CERTIFICATE))?;
        certificate::subject(&leaf).map_err(named(CERTIFICATE))?;
        KeyPair::from_pem(&key)
            .map_err(|_| file::corrupt(&dir.join(KEY), "it is no private key"))?;
        Self::assemble(&certificate, &authority, &key).map_err(|error| match error {
            Error::Certificate(reason) => Error::Mismatch {
                path: dir.to_path_buf(),
                reason,
            },
            other => other,
        })
    }

    fn assemble(certificate: &str, authority: &str, key_pem: &str) -> Result<Self> {
        let root = certificate::from_pem(authority)?;
        let (cluster_id, cluster_name) = certificate::authority_subject(&root)?;
        let leaf = certificate::from_pem(certificate)?;
        let subject = certificate::subject(&leaf)?;
        if subject.cluster_id != cluster_id {
            let what = format!("the certificate of `{}`", subject.node);
            return Err(Error::Foreign {
                what,
                expected: cluster_id,
                found: subject.cluster_id,
            });
        }
        let key =
            KeyPair::from_pem(key_pem).map_err(|_| certificate::bad("the key cannot be read"))?;
        if !holds_key(&leaf, &key) {
            return Err(certificate::bad("the key is not the certificate's"));
        }
        tls::check_chain(&leaf, &root)?;
        Ok(Self {
            cluster_id,
            cluster_name,
            node: subject.node,
            authority: root,
            authority_pem: authority.to_owned(),
            certificate: leaf,
            certificate_pem: certificate.to_owned(),
            key_pem: key_pem.to_owned(),
        })
    }

    /// This node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The cluster's random id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The cluster's name.
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// The authority's certificate, PEM.
    pub fn authority(&self) -> &str {
        &self.authority_pem
    }

    /// SHA-256 of the authority's certificate.
    pub fn authority_fingerprint(&self) -> Fingerprint {
        certificate::fingerprint(&self.authority)
    }

    pub(crate) fn roots(&self) -> Result<Arc<RootCertStore>> {
        tls::roots(&self.authority)
    }

    /// Certificate and authority, as sent in a handshake: a joiner pins the second.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.authority.clone()]
    }

    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|_| certificate::bad("the key cannot be read"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Identity({} of {} {})",
            self.node, self.cluster_name, self.cluster_id
        )
    }
}

/// A node that asks to become one: a key and a request for a certificate.
pub struct Applicant {
    node: String,
    csr: String,
    key_pem: String,
}

impl Applicant {
    /// A new key and request.
    pub fn new(node: &str) -> Result<Self> {
        name::check_node_name(node)?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new([node.to_owned()]).map_err(failed)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let csr = params
            .serialize_request(&key)
            .and_then(|csr| csr.pem())
            .map_err(failed)?;
        Ok(Self {
            node: node.to_owned(),
            csr,
            key_pem: key.serialize_pem(),
        })
    }

    /// The applicant kept in the directory, or a new one that is then kept there: a repeated join
    /// uses the same key, which is how the other side knows that it is a repetition.
    pub fn load_or_create(dir: &Path, node: &str) -> Result<Self> {
        name::check_node_name(node)?;
        let (key_path, csr_path) = (dir.join(APPLICANT_KEY), dir.join(APPLICANT_REQUEST));
        if csr_path.exists() && key_path.exists() {
            let csr = file::read(&csr_path)?;
            certificate::request_key(&csr).map_err(|error| file::corrupt(&csr_path, error))?;
            let key_pem = file::read_secret(&key_path)?;
            return Ok(Self {
                node: node.to_owned(),
                csr,
                key_pem,
            });
        }
        let fresh = Self::new(node)?;
        file::make_dir(dir)?;
        file::write(&key_path, fresh.key_pem.as_bytes(), 0o600)?;
        file::write(&csr_path, fresh.csr.as_bytes(), 0o644)?;
        Ok(fresh)
    }

    /// Removes the applicant's files: the identity has been saved.
    pub fn forget(dir: &Path) {
        for file in [APPLICANT_REQUEST, APPLICANT_KEY] {
            let _ = std::fs::remove_file(dir.join(file));
        }
    }

    /// The request, PEM.
    pub fn csr(&self) -> &str {
        &self.csr
    }

    /// The identity, once the authority has signed.
    pub fn into_identity(self, certificate: &str, authority: &str) -> Result<Identity> {
        let identity = Identity::assemble(certificate, authority, &self.key_pem)?;
        if identity.node != self.node {
            return Err(certificate::bad("it was issued for another node name"));
        }
        Ok(identity)
    }
}

impl fmt::Debug for Applicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Applicant({})", self.node)
    }
}
