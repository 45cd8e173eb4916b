//! The PROXY protocol as it is read: whom a load balancer announces, in version 1 (a line of text) or 2 (binary).
//! The format is that of HAProxy's `doc/proxy-protocol.txt`. What this machine sends itself: `proxy.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::codec::Malformed;
use crate::proxy::SIGNATURE;

/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;
/// The longest header of version 2 that is taken; additions of load balancers in use are some hundred bytes.
const MAX_HEADER: usize = 4096;
/// Signature, version, family and length.
const HEAD: usize = 16;

/// What was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Bytes of the header.
    pub length: usize,
    /// The client; `None` when the sender speaks for itself, or of something that is no IP address.
    pub client: Option<SocketAddr>,
}

const MALFORMED: Malformed = Malformed {
    what: "PROXY protocol header",
};

/// Reads a header at the start of `bytes`; `None` while it is not all there.
pub fn read(bytes: &[u8]) -> Result<Option<Announced>, Malformed> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] {
        return read_binary(bytes);
    }
    let word = b"PROXY ";
    let common = bytes.len().min(word.len());
    if bytes[..common] == word[..common] {
        return read_line(bytes);
    }
    Err(MALFORMED)
}

fn read_line(bytes: &[u8]) -> Result<Option<Announced>, Malformed> {
    let head = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = head.windows(2).position(|end| end == b"\r\n") else {
        return if bytes.len() < MAX_LINE {
            Ok(None)
        } else {
            Err(MALFORMED)
        };
    };
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| MALFORMED)?;
    let words: Vec<&str> = line.split(' ').collect();
    let client = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        [
            "PROXY",
            family @ ("TCP4" | "TCP6"),
            from,
            to,
            from_port,
            to_port,
        ] => {
            let address = |text: &str| -> Option<IpAddr> {
                if *family == "TCP4" {
                    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
                } else {
                    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
                }
            };
            let port = |text: &str| text.parse::<u16>().ok();
            let (Some(from), Some(_), Some(port), Some(_)) =
                (address(from), address(to), port(from_port), port(to_port))
            else {
                return Err(MALFORMED);
            };
            Some(SocketAddr::new(from, port))
        }
        _ => return Err(MALFORMED),
    };
    Ok(Some(Announced {
        length: end + 2,
        client,
    }))
}

fn read_binary(bytes: &[u8]) -> Result<Option<Announced>, Malformed> {
    let Some(head) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let (version, family) = (head[12], head[13]);
    let length = HEAD + usize::from(u16::from_be_bytes([head[14], head[15]]));
    if version >> 4 != 2 || version & 0xf > 1 || length > MAX_HEADER {
        return Err(MALFORMED);
    }
    let Some(header) = bytes.get(..length) else {
        return Ok(None);
    };
    let addresses = &header[HEAD..];
    // Why: command 0 is the sender's own connection, a health check.
    let client = if version == 0x20 {
        None
    } else {
        client(family, addresses)?
    };
    Ok(Some(Announced { length, client }))
}

fn client(family: u8, addresses: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let port = |at: usize| {
        let bytes = addresses.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let (ip, port): (IpAddr, _) = match family {
        0x11 => {
            let ip: &[u8; 4] = addresses.first_chunk().ok_or(MALFORMED)?;
            (Ipv4Addr::from(*ip).into(), port(8))
        }
        0x21 => {
            let ip: &[u8; 16] = addresses.first_chunk().ok_or(MALFORMED)?;
            (Ipv6Addr::from(*ip).into(), port(32))
        }
        _ => return Ok(None),
    };
    Ok(Some(SocketAddr::new(ip, port.ok_or(MALFORMED)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Option<SocketAddr> {
        let announced = read(bytes).unwrap().unwrap();
        assert_eq!(announced.length, bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{cut}");
        }
        announced.client
    }

    #[test]
    fn headers_of_both_versions_when_read_name_the_client() {
        let client = "10.1.2.3:258".parse().ok();
        assert_eq!(whole(b"PROXY TCP4 10.1.2.3 10.0.0.1 258 3306\r\n"), client);
        assert_eq!(
            whole(b"PROXY TCP6 fd00::1 ::1 5 3306\r\n"),
            "[fd00::1]:5".parse().ok()
        );
        assert_eq!(whole(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(whole(b"PROXY UNKNOWN ::1 ::1 1 2\r\n"), None);
        assert_eq!(whole(&crate::proxy::header(client)), client);
        let client = "[fd00::1]:5".parse().ok();
        assert_eq!(whole(&crate::proxy::header(client)), client);
        assert_eq!(whole(&crate::proxy::header(None)), None);
        let mut health_check = SIGNATURE.to_vec();
        health_check.extend_from_slice(&[0x20, 0, 0, 0]);
        assert_eq!(whole(&health_check), None);
    }

    #[test]
    fn headers_that_are_wrong_or_never_end_when_read_are_refused() {
        let mut endless = b"PROXY TCP4 ".to_vec();
        endless.resize(MAX_LINE, b'1');
        let binary = |version: u8, family: u8, rest: &[u8]| {
            let mut header = SIGNATURE.to_vec();
            header.extend_from_slice(&[version, family]);
            header.extend_from_slice(rest);
            header
        };
        for wrong in [
            endless,
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 10.1.2.3 10.0.0.1 258\r\n".to_vec(),
            b"PROXY TCP4 10.1.2.3 10.0.0.1 258 99999\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 10.1.2.3 10.0.0.1 258 3306 x\r\n".to_vec(),
            binary(0x11, 0x11, &[0, 12]),
            binary(0x22, 0x11, &[0, 12]),
            binary(0x21, 0x11, &[0xff, 0xff]),
            binary(0x21, 0x11, &[0, 3, 1, 2, 3]),
            binary(0x21, 0x21, &[0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_when_read_as_a_header_never_panic(bytes: Vec<u8>, text in "PROXY (TCP4|TCP6|UNKNOWN) [0-9a-f.: ]{0,90}\r\n") {
            let _ = read(&bytes);
            let _ = read(text.as_bytes());
            let mut binary = SIGNATURE.to_vec();
            binary.extend_from_slice(&bytes);
            let _ = read(&binary);
        }
    }
}
