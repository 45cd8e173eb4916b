//! One MariaDB server: process, administration, replication, clone.
//!
//! `Server` is the handle; its methods are spread over the files below by subject. Nothing here decides:
//! the keeper's plan composes these primitives, each idempotent and each with a limit. A primitive
//! refuses what can never be right (the relay-log trap, a false acknowledgement).

mod account;
mod activity;
mod applications;
mod backup;
mod binlog;
mod catalog;
mod create;
mod disk;
mod drift;
mod entangled;
mod error;
mod events;
mod exchange;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod grants;
mod health;
mod lifecycle;
mod options;
mod outcome;
mod priority;
mod process;
mod pulse;
mod readers;
mod relay;
mod replay;
mod replication;
mod role;
mod salvage;
mod server;
mod settings;
mod sql;
mod status;
mod tail;
mod tool;
mod version;

pub use account::Account;
pub use activity::{Activity, Work};
pub use applications::AccountProof;
pub use backup::{Adopted, BackupStream, Progress, Received, Stage};
pub use catalog::Definitions;
pub use drift::{Drift, Remedy};
pub use error::{Error, Result};
pub use exchange::{ROOM, aside_of, put_aside};
pub use grants::ADMINISTRATOR;
pub use health::{Health, Limits, Prober, Silence};
pub use lifecycle::StartAs;
pub use priority::go_first;
pub use process::Exit;
pub use role::SemiSync;
pub use salvage::{Backlog, Salvaged};
pub use server::Server;
pub use settings::Settings;
pub use sql::{Rows, Sql, column, identifier, named, quote};
pub use status::{Advance, Apply, Failure, Receiving, Source, Status};
pub use tail::{TailSummary, Verdict};
pub use version::Version;
