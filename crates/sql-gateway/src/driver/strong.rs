//! Accounts that could write on a replica, past its `read_only`, are not let in: what they may do there is lost.
//! Which account a login came to is the server's to say, so it is asked, and only for names that need it.

use std::io;

use super::one_text::one_text;
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
    // At most 80 + 1 + 255 characters.
    let text = match one_text(stream, "SELECT CURRENT_USER()", marks_ends).await? {
        Ok(text) => text,
        Err(error) => return Ok(Some(error)),
    };
    let account = String::from_utf8_lossy(&text).into_owned();
    Ok(refused
        .contains(&account)
        .then(|| Fault::TooStrong(account).payload()))
}
