//! Is the server well? Asked every second or so, over what its clients depend on: a login, a statement, a commit, the disk.
//!
//! Measured facts behind it (10.11.19): a stopped process accepts TCP and greets nobody; on a hung disk statements and
//! logins work and commits do not; a commit with `sql_log_bin=0` does not queue behind commits that wait for an
//! acknowledgement, but does behind a pending `read_only=1` or a backup's last lock (`Busy`, not ill).
//! How many bad answers in a row matter is the caller's to say. Next: `health/session.rs`, `health/disk.rs`.

mod complaint;
mod disk;
mod login;
mod pending;
mod session;

use std::time::Duration;

use self::disk::{DiskAnswer, DiskProbe};
use self::login::Login;
use self::session::{Phase, SessionProbe, Work};
use crate::server::Server;

/// Deadlines and thresholds of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A connection, its greeting and login; likewise a statement.
    pub answer: Duration,
    /// A small commit.
    pub write: Duration,
    /// A write and sync of one block on the data disk.
    pub disk: Duration,
    /// Free space below which the disk counts as full: MariaDB does not fail on a full one, it waits.
    pub min_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(1),
            write: Duration::from_secs(2),
            disk: Duration::from_secs(2),
            min_free_bytes: 64 << 20,
        }
    }
}

/// What a probe has found, the gravest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Ok,
    /// It answers; commits wait, on purpose, behind a lock such as a backup's last step or `read_only=1`. Not ill.
    Busy {
        /// What the server said.
        what: String,
    },
    /// There is no process.
    Dead,
    /// The process is there and does not answer in time.
    Hung {
        /// What it does not do.
        what: Silence,
    },
    /// A write and sync of our own does not end on the data disk.
    DiskHung,
    /// The data disk has no room, or had none when the server wanted to write its binlog: it then waits a minute.
    DiskFull {
        /// What is left for ordinary processes.
        free_bytes: u64,
    },
    /// The data disk takes no writes, as after an error of its file system.
    ReadOnlyDisk,
    /// The data disk gives errors.
    DiskFailing {
        /// What the kernel said.
        what: String,
    },
    /// It lives, and no application can log in (1040).
    OutOfConnections,
    /// It answers with an error where none should be.
    Failing {
        /// What it said.
        what: String,
    },
}

/// What a hung server does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Its port is closed though its process runs: it starts, recovers or ends.
    NotListening,
    /// It accepts a connection and does not greet or let in.
    Greeting,
    /// It does not answer a statement in an open session.
    Statement,
    /// It does not finish a small commit.
    Write,
}

impl Health {
    /// True unless it is `Ok` or `Busy`.
    pub fn is_ill(&self) -> bool {
        !matches!(self, Self::Ok | Self::Busy { .. })
    }
}

/// Probes one server. Keeps a session and a thread; what hangs stays in flight, and no second of it is started.
pub struct Prober {
    server: Server,
    login: Login,
    session: SessionProbe,
    disk: DiskProbe,
}

impl Server {
    /// A prober of this server. Keep it: it is cheap only in use.
    pub fn prober(&self) -> Prober {
        Prober {
            login: Login::new(self),
            session: SessionProbe::new(self),
            disk: DiskProbe::new(&self.settings().database_dir, &self.settings().error_log()),
            server: self.clone(),
        }
    }
}

impl Prober {
    /// Looks at the server once; returns within the greatest of the limits.
    pub async fn probe(&mut self, limits: &Limits) -> Health {
        if self.server.find_running().await.is_none() {
            self.session.forget();
            return Health::Dead;
        }
        let (login, work, disk) = tokio::join!(
            self.login.probe(limits.answer),
            self.session.probe(limits),
            self.disk.probe(limits.disk),
        );
        of_disk(&disk, limits)
            .or_else(|| of_login(&login))
            .unwrap_or_else(|| of_work(work))
    }
}

fn of_disk(answer: &DiskAnswer, limits: &Limits) -> Option<Health> {
    match answer {
        DiskAnswer::Silent => Some(Health::DiskHung),
        DiskAnswer::ReadOnly => Some(Health::ReadOnlyDisk),
        DiskAnswer::Full { free_bytes } => Some(Health::DiskFull {
            free_bytes: *free_bytes,
        }),
        DiskAnswer::Failed(what) => Some(Health::DiskFailing { what: what.clone() }),
        DiskAnswer::Written { free_bytes } => {
            (*free_bytes < limits.min_free_bytes).then_some(Health::DiskFull {
                free_bytes: *free_bytes,
            })
        }
    }
}

fn of_login(answer: &login::Answer) -> Option<Health> {
    match answer {
        login::Answer::Greeted => None,
        login::Answer::Refused => Some(Health::Hung {
            what: Silence::NotListening,
        }),
        login::Answer::Silent => Some(Health::Hung {
            what: Silence::Greeting,
        }),
        login::Answer::Full => Some(Health::OutOfConnections),
        login::Answer::Failed(what) => Some(Health::Failing { what: what.clone() }),
    }
}

fn of_work(work: Work) -> Health {
    match work {
        Work::Done => Health::Ok,
        Work::Locked(what) => Health::Busy { what },
        Work::Failed(what) => Health::Failing { what },
        Work::Full => Health::DiskFull { free_bytes: 0 },
        Work::Silent(Phase::Connect) => Health::Hung {
            what: Silence::Greeting,
        },
        Work::Silent(Phase::Statement) => Health::Hung {
            what: Silence::Statement,
        },
        Work::Silent(Phase::Write) => Health::Hung {
            what: Silence::Write,
        },
    }
}
