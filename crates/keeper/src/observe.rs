//! From MariaDB's words to the core's: one look at the server.

use cluster::{Applying, Epoch, Health, Millis, Mode, Position, Running, Source};
use mariadb::{Apply, Receiving as Thread, Status};
use peer::tunnel::{Mode as TunnelMode, UpstreamState};
use wire::gtid::Gtid;

use crate::own_writes::OwnWrites;

/// Error 1236: the source does not have, or no longer has, what this replica asks for.
const SOURCE_REFUSED: u32 = 1236;

/// Remembers what one look cannot tell: since when commits wait in vain.
#[derive(Default)]
pub(crate) struct Observer {
    waiting: Option<(Millis, Position)>,
    own_writes: OwnWrites,
    /// What of them the log has been told.
    told: Option<Gtid>,
}

/// What is known besides the server's own words.
pub(crate) struct Beside {
    pub(crate) now: Millis,
    pub(crate) health: Health,
    pub(crate) salvage: bool,
    pub(crate) upstream: Option<UpstreamState>,
    pub(crate) lag_ms: Option<Millis>,
    pub(crate) long_ddl: bool,
    /// Why the relay log that was left cannot be applied.
    pub(crate) unsalvaged: Option<String>,
    pub(crate) number: u32,
    pub(crate) followed: Epoch,
}

impl Observer {
    pub(crate) fn running(&mut self, status: &Status, beside: Beside) -> Running {
        let is_replica = status.source.is_some();
        let written = status.binlog.clone();
        let applied = if is_replica {
            status.applied.clone()
        } else {
            status.current.clone()
        };
        let received = if is_replica && status.apply == Apply::Stopped {
            // Why: from stopped, the server tells what it would ask for, not what lies in its files.
            applied.clone()
        } else if is_replica {
            status.received.joined(&applied)
        } else {
            applied.clone()
        };
        let refused = status
            .receiving_error
            .as_ref()
            .is_some_and(|e| e.code == SOURCE_REFUSED);
        let receiving = match status.receiving {
            _ if refused && status.receiving != Thread::Running => cluster::Receiving::Refused,
            Thread::Stopped => cluster::Receiving::Stopped,
            Thread::Connecting => cluster::Receiving::Connecting,
            Thread::Running => cluster::Receiving::Streaming,
        };
        let own = self.own_writes(status, &beside);
        let unsalvaged = beside.unsalvaged.clone().filter(|_| beside.salvage);
        let applying = match (own.or(unsalvaged), &status.apply) {
            (Some(why), _) => Applying::Failed(why),
            (None, Apply::Stopped) => Applying::Stopped,
            (None, Apply::Running) => Applying::Running,
            (None, Apply::Failed(failure)) => {
                Applying::Failed(format!("{} (error {})", failure.text, failure.code))
            }
        };
        Running {
            health: beside.health,
            read_only: status.is_read_only,
            // Why not the switch alone on a primary: it may be on and have given up waiting.
            semi_sync: status.semi_sync_primary && (is_replica || status.semi_sync_primary_active),
            waiting_ms: self.waiting(beside.now, status),
            written,
            applied,
            received,
            receiving,
            applying,
            source: beside.upstream.as_ref().and_then(source),
            replica_settings: is_replica,
            salvage: beside.salvage,
            silent_ms: silence(beside.upstream.as_ref()),
            lag_ms: beside.lag_ms,
            long_ddl: beside.long_ddl,
        }
    }

    /// What makes this node one that must not count, if it holds writes of its own.
    fn own_writes(&mut self, status: &Status, beside: &Beside) -> Option<String> {
        let own = self.own_writes.look(status, beside.number, beside.followed);
        if let Some(id) = own.filter(|_| own != self.told) {
            tracing::warn!(
                transaction = %id,
                "somebody has written on this replica: nobody else has that, so it will be saved and the data replaced"
            );
        }
        self.told = own;
        own.map(|id| format!("it holds writes of its own, made by hand, up to {id}"))
    }

    /// For how long commits have waited without any getting through.
    fn waiting(&mut self, now: Millis, status: &Status) -> Millis {
        if status.commits_waiting == 0 {
            self.waiting = None;
            return 0;
        }
        match &self.waiting {
            Some((since, at)) if *at == status.binlog => now.saturating_sub(*since),
            _ => {
                self.waiting = Some((now, status.binlog.clone()));
                0
            }
        }
    }
}

fn source(upstream: &UpstreamState) -> Option<Source> {
    let target = upstream.target.as_ref()?;
    let mode = match target.hello.mode {
        TunnelMode::Sync => Mode::Sync,
        TunnelMode::Async => Mode::Async,
    };
    let epoch: Epoch = target.hello.epoch;
    Some(Source {
        node: target.node.parse().ok()?,
        epoch,
        mode,
    })
}

fn silence(upstream: Option<&UpstreamState>) -> Millis {
    let last = upstream.and_then(|state| state.connected.and(state.last_from_primary));
    last.map_or(Millis::MAX, |at| at.elapsed().as_millis() as Millis)
}
