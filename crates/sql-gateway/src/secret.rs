//! `SHA1(password)` of a client: enough to log in as it, so it is wiped when dropped and never printed.

use zeroize::Zeroizing;

/// What a client proved, for logging in to this and every later primary.
#[derive(Clone)]
pub(crate) enum Credential {
    /// `mysql_native_password` with an empty password.
    Empty,
    /// `SHA1(password)`.
    Native(Zeroizing<[u8; 20]>),
    /// A proof for one salt, accepted by the server and not yet explained by the account table.
    Unproven(Box<Unproven>),
    /// Whatever went between client and server; it cannot be repeated.
    PassedThrough,
}

/// A proof that was made with this salt.
#[derive(Clone)]
pub(crate) struct Unproven {
    pub(crate) salt: [u8; 20],
    pub(crate) proof: [u8; 20],
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Native(_) => "Native(..)",
            Self::Unproven(_) => "Unproven(..)",
            Self::PassedThrough => "PassedThrough",
        })
    }
}
