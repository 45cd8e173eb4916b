//! The PROXY protocol's version 2 header for a local (unix socket) client.
//!
//! MariaDB 10.11.19, with the stream's source in `proxy-protocol-networks`: a connection with this header counts as
//! `user@localhost`, and accounts of the `unix_socket` plugin are refused (1698), because the
//! stream itself is TCP. Both are tested against the real server in `sql-gateway`.

/// A header that says: the client is local. The addresses in it are empty.
pub fn local_client() -> [u8; 16 + 216] {
    let mut header = [0; 16 + 216];
    header[..12].copy_from_slice(b"\r\n\r\n\0\r\nQUIT\n");
    // Version 2, command PROXY; family AF_UNIX, stream; two addresses of 108 bytes.
    header[12..16].copy_from_slice(&[0x21, 0x31, 0, 216]);
    header
}
