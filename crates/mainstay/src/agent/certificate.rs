//! What the gateway shows to clients that encrypt: the files of the configuration, read again when they change, or a
//! certificate of the cluster's authority.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sql_gateway::Tls;

use super::node::Node;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);
/// A greater file is no certificate.
const SIZE_LIMIT: u64 = 1 << 20;

/// A certificate with its key, PEM.
struct Shown {
    certificate: String,
    key: String,
    /// When the files were written; none for what has no file.
    written: Option<[SystemTime; 2]>,
}

/// What the gateway shows; `None` when nobody may encrypt.
pub(super) fn shown(node: &Node) -> Result<Option<Tls>, String> {
    if !node.config.file.gateway.tls {
        return Ok(None);
    }
    let shown = read(node)?;
    let tls = Tls::new(&shown.certificate, &shown.key);
    tls.map(Some)
        .map_err(|error| format!("{error}; {}", error.hint()))
}

/// Follows the files, for as long as it is not dropped.
pub(super) async fn follow(node: Arc<Node>, tls: Option<Tls>) {
    let Some(tls) = tls.filter(|_| node.config.file.gateway.tls_key.is_some()) else {
        return std::future::pending().await;
    };
    let mut known = read(&node).ok().and_then(|shown| shown.written);
    loop {
        tokio::time::sleep(LOOK).await;
        let shown = match read(&node) {
            Ok(shown) if shown.written == known => continue,
            Ok(shown) => shown,
            // Why only debug: files that are being replaced are looked at again soon.
            Err(error) => {
                tracing::debug!(error, "the gateway's certificate cannot be read");
                continue;
            }
        };
        match tls.renew(&shown.certificate, &shown.key) {
            Ok(()) => tracing::info!("the gateway shows its new certificate"),
            Err(error) => tracing::warn!(%error, "the gateway goes on with its old certificate"),
        }
        known = shown.written;
    }
}

fn read(node: &Node) -> Result<Shown, String> {
    let typed = &node.config.file.gateway;
    let (Some(certificate), Some(key)) = (&typed.tls_certificate, &typed.tls_key) else {
        return of_authority(node);
    };
    let (certificate, certificate_written) = text(certificate, false)?;
    let (key, key_written) = text(key, true)?;
    Ok(Shown {
        certificate,
        key,
        written: Some([certificate_written, key_written]),
    })
}

fn of_authority(node: &Node) -> Result<Shown, String> {
    let lacks = || {
        "this node cannot sign a certificate; set `gateway.tls_certificate` and `gateway.tls_key`"
            .to_owned()
    };
    let desk = node.desk.as_ref().ok_or_else(lacks)?;
    let names = [
        node.config.address.to_string(),
        node.config.name.to_string(),
    ];
    let issued = desk
        .authority
        .issue_service(node.config.name.as_str(), &names);
    let (certificate, key) = issued.map_err(|error| format!("sign a certificate: {error}"))?;
    Ok(Shown {
        certificate,
        key,
        written: None,
    })
}

/// A file's text, and when it was written.
fn text(path: &Path, is_secret: bool) -> Result<(String, SystemTime), String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("read `{shown}`: {error}");
    let file = std::fs::File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if is_secret && facts.permissions().mode() & 0o007 != 0 {
        return Err(format!(
            "everybody may read `{shown}`; it must be readable by its owner and group only"
        ));
    }
    let mut text = String::new();
    let read = file.take(SIZE_LIMIT).read_to_string(&mut text);
    read.map_err(failed)?;
    Ok((text, facts.modified().map_err(failed)?))
}
