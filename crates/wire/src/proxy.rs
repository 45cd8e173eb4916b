//! The PROXY protocol's version 2 header: tells MariaDB whose connection this is.
//!
//! MariaDB 10.11.19, with the stream's source in `proxy-protocol-networks`: a connection with a local (`AF_UNIX`) header
//! counts as `user@localhost`, and accounts of the `unix_socket` plugin are refused (1698), because the
//! stream itself is TCP. Both are tested against the real server in `sql-gateway`.

use std::net::SocketAddr;

pub(crate) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Two addresses of a unix socket.
const LOCAL_LENGTH: usize = 216;

/// The header for a client. A client of a unix socket (`None`) or of a loopback address is local; any
/// other keeps its address, so that it cannot use accounts of `localhost`.
pub fn header(client: Option<SocketAddr>) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    // Version 2, command PROXY.
    header.push(0x21);
    match client.map(|client| SocketAddr::new(client.ip().to_canonical(), client.port())) {
        Some(SocketAddr::V4(client)) if !client.ip().is_loopback() => {
            header.extend_from_slice(&[0x11, 0, 12]);
            header.extend_from_slice(&client.ip().octets());
            header.extend_from_slice(&[127, 0, 0, 1]);
            header.extend_from_slice(&client.port().to_be_bytes());
            header.extend_from_slice(&3306_u16.to_be_bytes());
        }
        Some(SocketAddr::V6(client)) if !client.ip().is_loopback() => {
            header.extend_from_slice(&[0x21, 0, 36]);
            header.extend_from_slice(&client.ip().octets());
            header.extend_from_slice(&std::net::Ipv6Addr::LOCALHOST.octets());
            header.extend_from_slice(&client.port().to_be_bytes());
            header.extend_from_slice(&3306_u16.to_be_bytes());
        }
        _ => {
            header.extend_from_slice(&[0x31, 0, LOCAL_LENGTH as u8]);
            header.resize(16 + LOCAL_LENGTH, 0);
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_when_it_is_local_has_a_local_header_and_any_other_its_address() {
        for local in [
            None,
            Some("127.0.0.1:5"),
            Some("[::1]:5"),
            Some("[::ffff:127.0.0.1]:5"),
        ] {
            let header = header(local.map(|text| text.parse().unwrap()));
            assert_eq!((header[13], header.len()), (0x31, 16 + 216), "{local:?}");
        }
        let v4 = header(Some("10.1.2.3:258".parse().unwrap()));
        assert_eq!(
            &v4[12..],
            [0x21, 0x11, 0, 12, 10, 1, 2, 3, 127, 0, 0, 1, 1, 2, 12, 234]
        );
        assert_eq!(header(Some("[::ffff:10.1.2.3]:258".parse().unwrap())), v4);
        assert_eq!(header(Some("[fd00::1]:5".parse().unwrap())).len(), 16 + 36);
    }
}
