//! The kinds of faults, and their names.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        /// All of them.
        pub(crate) const KINDS: &[Kind] = &[$(Kind::$kind,)*];

        impl Kind {
            /// In words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// The server's process is killed.
    ServerKilled = "server killed",
    /// Nothing in it moves for a while.
    ServerFrozen = "server frozen",
    /// Its disk does not answer.
    DiskHung = "disk hung",
    /// Its disk has no room.
    DiskFull = "disk full",
    /// Its disk refuses writes.
    DiskReadOnly = "disk read-only",
    /// The agent is killed and started again.
    AgentKilled = "agent killed",
    /// The agent is stopped and goes on with an old view.
    AgentFrozen = "agent frozen",
    /// Agent and server are.
    NodeFrozen = "node frozen",
    /// A node loses power; its relay log is cut short.
    PowerLost = "power lost",
    /// All nodes do at once.
    AllPowerLost = "all power lost",
    /// A node comes back with an empty disk.
    DiskWiped = "disk wiped",
    /// A replica cannot apply what comes next.
    ApplyFails = "apply error",
    /// A replica applies slowly.
    ApplySlow = "replica lags",
    /// Everything on a server takes long.
    ServerSlow = "server slow",
    /// A cable is cut in one direction.
    CableOneWay = "cable cut one way",
    /// A cable is cut.
    CableCut = "cable cut",
    /// A node hears nobody.
    Isolated = "node isolated",
    /// Packets are lost and late.
    NetworkBad = "network lossy and slow",
    /// The ledger does not answer.
    LedgerDown = "ledger unavailable",
    /// It answers late.
    LedgerSlow = "ledger slow",
    /// Its answers get lost.
    LedgerUnsaid = "ledger undecided",
    /// Binlogs that a replica needs are purged.
    Purged = "binlogs purged",
}
