//! A login like an application's: with the replication account, which has no privilege that lets it in when all
//! connections are in use. (The administrator would get in; a greeting alone comes even then, up to one more.)

use std::io::ErrorKind;
use std::time::Duration;

use mysql_async::{Conn, DriverError, Error, IoError, OptsBuilder};

use super::pending::Pending;
use crate::server::Server;

/// What came of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Let in, or refused for who we are: the server is there.
    Greeted,
    /// Nobody listens.
    Refused,
    /// No answer in time.
    Silent,
    /// Too many connections.
    Full,
    Failed(String),
}

pub(super) struct Login {
    opts: OptsBuilder,
    pending: Pending<Answer>,
}

impl Login {
    pub(super) fn new(server: &Server) -> Self {
        let settings = server.settings();
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(settings.port)
            .user(Some(&settings.replication.user))
            .pass(Some(&settings.replication.password))
            .prefer_socket(false)
            // Why: with these given, the driver asks the server nothing at login.
            .max_allowed_packet(Some(1 << 20))
            .wait_timeout(Some(60))
            .stmt_cache_size(0);
        Self {
            opts,
            pending: Pending::new(),
        }
    }

    pub(super) async fn probe(&mut self, limit: Duration) -> Answer {
        let opts = self.opts.clone();
        self.pending
            .run(limit, || log_in(opts))
            .await
            .unwrap_or(Answer::Silent)
    }
}

async fn log_in(opts: OptsBuilder) -> Answer {
    match Conn::new(opts).await {
        Ok(conn) => {
            let _ = conn.disconnect().await;
            Answer::Greeted
        }
        Err(Error::Server(e)) if matches!(e.code, 1040 | 1203) => Answer::Full,
        Err(Error::Server(e)) if matches!(e.code, 1045 | 1130 | 1698 | 4151) => Answer::Greeted,
        Err(Error::Io(IoError::Io(e))) if e.kind() == ErrorKind::ConnectionRefused => {
            Answer::Refused
        }
        // The process has just ended, or shuts down: the next probe will tell.
        Err(Error::Io(_) | Error::Driver(DriverError::ConnectionClosed)) => Answer::Refused,
        Err(other) => Answer::Failed(crate::error::cut(&other.to_string(), 200)),
    }
}
