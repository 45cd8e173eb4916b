//! A question of the gateway's own that is answered with one row of one short text.

use std::io;

use wire::command::code;
use wire::packet;

use super::packets::Packets;
use crate::reactor::Socket;

/// Asks, and returns the text, or the payload of the error. `marks_ends`: the server tells the end of the columns by a
/// packet of its own.
pub(super) async fn one_text(
    stream: &mut Socket,
    sql: &str,
    marks_ends: bool,
) -> io::Result<Result<Vec<u8>, Vec<u8>>> {
    let mut ask = vec![code::QUERY];
    ask.extend_from_slice(sql.as_bytes());
    stream.write_all(&packet::packet(0, &ask)).await?;
    let mut answer = Packets::new(stream, 1);
    // The number of columns, the column, perhaps their end.
    for _ in 0..2 + u8::from(marks_ends) {
        let payload = answer.read().await?;
        if payload.first() == Some(&0xff) {
            return Ok(Err(payload));
        }
    }
    let row = answer.read().await?;
    answer.read().await?;
    // Longer than 250 bytes its length takes more than a byte.
    let text = match row.split_first() {
        Some((0xfc, rest)) => rest.get(2..),
        Some((_, rest)) => Some(rest),
        None => None,
    };
    Ok(Ok(text.unwrap_or_default().to_vec()))
}
