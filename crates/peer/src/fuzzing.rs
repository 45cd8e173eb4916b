//! Doors for the fuzzer: what reads bytes of strangers, taken apart from sockets. Only with the feature
//! `fuzzing`; nothing else uses them.

use serde_json::Value;

use crate::frame::{self, Answer, MAX_FRAME, MAX_OPENING, Opening};
use crate::join_message::{Ask, Reply};
use crate::tunnel::Hello;
use crate::{certificate, name};

/// The frames of a connection: an opening, then requests.
pub fn frames(bytes: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    runtime.block_on(async {
        let mut stream = bytes;
        let opening: Result<Opening, _> = frame::read_json(&mut stream, MAX_OPENING).await;
        if let Ok(opening) = opening {
            let _ = Hello::parse(opening.header.clone());
            let _ = serde_json::from_value::<Ask>(opening.header);
        }
        while let Ok(Some(frame)) = frame::read(&mut stream, MAX_FRAME).await {
            assert!(frame.len() <= bytes.len(), "a frame longer than what came");
        }
    });
}

/// What the messages inside of frames are read as.
pub fn messages(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Opening>(bytes);
    let _ = serde_json::from_slice::<Answer>(bytes);
    let _ = serde_json::from_slice::<Ask>(bytes);
    let _ = serde_json::from_slice::<Reply>(bytes);
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        let _ = Hello::parse(value);
    }
}

/// Certificates and signing requests, as DER and as PEM.
pub fn certificates(bytes: &[u8]) {
    let _ = certificate::subject(bytes);
    let _ = certificate::authority_subject(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = certificate::request_key(text);
    if let Ok(der) = certificate::from_pem(text) {
        let _ = certificate::subject(&der);
        let _ = certificate::authority_subject(&der);
    }
    let _ = name::parse_dns_name(text);
}
