//! The server's side of a login, without IO: how the gateway becomes the client's user on a server.

mod login;

pub(crate) use login::{ServerLogin, Step, ok_for_client, with_hint};
