//! Why connections begin and end. Each has one reason, and one counter for each reason.

macro_rules! reasons {
    ($(#[doc = $about:literal])* $type:ident { $( $(#[doc = $doc:literal])* $name:ident $text:literal, )* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $type { $( $(#[doc = $doc])* $name, )* }

        impl $type {
            pub(crate) const ALL: &[Self] = &[ $( Self::$name, )* ];

            /// As status and metrics call it.
            pub(crate) fn name(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }
    };
}

reasons! {
    /// How a client came.
    Via {
        /// By TCP.
        Tcp "tcp",
        /// By a unix socket.
        Unix "unix",
    }
}

reasons! {
    /// Why a client's connection ended.
    Left {
        /// It said so.
        Quit "quit",
        /// It closed the connection, or the network did.
        Vanished "vanished",
        /// The login was refused: password, account, host, protocol.
        Refused "login-refused",
        /// The handshake of its encryption failed.
        NotEncrypted "tls-failed",
        /// It did not say in time who it is.
        Slow "login-timeout",
        /// Too many others that had not said who they are came after it.
        CrowdedOut "crowded-out",
        /// There were too many connections.
        TooMany "too-many",
        /// No primary for its login within `hold_max`.
        NoPrimary "no-primary",
        /// Somebody killed it.
        Killed "killed",
        /// An error after which the gateway or the server closes; the client was told.
        Error "error",
        /// The gateway ended.
        Shutdown "shutdown",
    }
}

reasons! {
    /// Why a connection to a server was opened.
    Opened {
        /// A client logged in.
        Login "login",
        /// A client changed its user.
        ChangedUser "change-user",
        /// The primary has changed, or the connection before was lost; the session goes on here.
        Moved "moved",
        /// Reads of a session go to a replica.
        Read "read",
        /// The session had given its connection up, and the pool had none that was free.
        Pool "pool",
    }
}

reasons! {
    /// Why a connection to a server was closed.
    Closed {
        /// Its client left.
        ClientLeft "client-left",
        /// Its client changed its user.
        ChangedUser "change-user",
        /// Another server is the primary, or this one may not be used any more.
        Rerouted "rerouted",
        /// The server ended it, or the network, or what it said made no sense.
        Lost "lost",
        /// Its state cannot be taken back, so that nobody else can use it.
        Unclean "unclean",
        /// Nobody has needed it for long.
        Unused "unused",
    }
}
