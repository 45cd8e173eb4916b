//! Accounts that could write on a replica, past its `read_only`, are not let in: what they may do there is lost.
//! Which account a login came to is the server's to say, so it is asked, and only for names that need it.

use std::io;

use wire::command::code;
use wire::packet;

use super::packets::Packets;
use crate::fault::Fault;
use crate::reactor::Socket;

/// What a fresh connection's client is told instead of being let in, if its account is one of `refused`
/// (`user@host`). `marks_ends`: the server tells the end of the columns by a packet of its own.
pub(super) async fn refusal(
    stream: &mut Socket,
    refused: &[String],
    marks_ends: bool,
) -> io::Result<Option<Vec<u8>>> {
    if refused.is_empty() {
        return Ok(None);
    }
    let mut ask = vec![code::QUERY];
    ask.extend_from_slice(b"SELECT CURRENT_USER()");
    stream.write_all(&packet::packet(0, &ask)).await?;
    let mut answer = Packets::new(stream, 1);
    // The number of columns, the column, perhaps their end.
    for _ in 0..2 + u8::from(marks_ends) {
        let payload = answer.read().await?;
        if payload.first() == Some(&0xff) {
            return Ok(Some(payload));
        }
    }
    let row = answer.read().await?;
    answer.read().await?;
    // One text of at most 80 + 1 + 255 characters; longer than 250 bytes its length takes more than a byte.
    let text = match row.split_first() {
        Some((0xfc, rest)) => rest.get(2..),
        Some((_, rest)) => Some(rest),
        None => None,
    };
    let account = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    Ok(refused
        .contains(&account)
        .then(|| Fault::TooStrong(account).payload()))
}
