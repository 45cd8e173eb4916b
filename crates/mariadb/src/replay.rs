//! `mariadb-binlog … | mariadb`: lets the server execute what stands in log files.
//! Both programs talk over a pipe of their own; secrets are not involved (the administrator's socket).

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::server::Server;
use crate::tool::{self, LastWords};

const DECODER: &str = "mariadb-binlog";
const CLIENT: &str = "mariadb";
const LIMIT: Duration = Duration::from_secs(20);
/// The greatest that MariaDB knows: a row event comes as text a third longer than it is.
const GREATEST_PACKET: u64 = 1 << 30;

/// What is to be executed, and how.
pub(crate) struct Replay {
    /// Further arguments of mariadb-binlog, before the files.
    pub(crate) arguments: Vec<String>,
    /// Log files, in the order they are given to mariadb-binlog.
    pub(crate) files: Vec<PathBuf>,
    /// Executed first in the session.
    pub(crate) session: &'static str,
}

impl Server {
    /// mariadb-binlog with what every use of it has in common; its standard output is a pipe.
    pub(crate) fn decoder(
        &self,
        arguments: &[String],
        files: &[PathBuf],
    ) -> Result<tokio::process::Command> {
        let mut command = self.command(DECODER)?;
        command.args(["--no-defaults", "--verify-binlog-checksum"]);
        command.args(arguments).args(files).stdout(Stdio::piped());
        Ok(command)
    }

    /// Executes log files up to their end; an error ends it where it happened. Whole transactions before it stay.
    pub(crate) async fn replay(&self, replay: &Replay) -> Result<()> {
        let packet = self.raise_packet_limit().await?;
        let outcome = self.pipe(replay).await;
        let restored = self.set_packet_limit(&packet).await;
        outcome.and(restored)
    }

    async fn pipe(&self, replay: &Replay) -> Result<()> {
        let mut decoder = self
            .decoder(&replay.arguments, &replay.files)?
            .spawn()
            .map_err(Error::file("run `mariadb-binlog`"))?;
        let (Some(output), Some(decoder_words)) = (decoder.stdout.take(), decoder.stderr.take())
        else {
            return Err(Error::unexpected("run `mariadb-binlog`", "no pipes"));
        };
        let decoder_words = LastWords::listen(decoder_words);
        let output = output
            .into_owned_fd()
            .map_err(Error::file("join two programs"))?;
        let mut client = self.command(CLIENT)?;
        client
            .args([
                "--no-defaults",
                "--binary-mode",
                "--batch",
                "--skip-reconnect",
                "--default-character-set=utf8mb4",
            ])
            .arg(format!("--max-allowed-packet={GREATEST_PACKET}"))
            .arg(format!("--init-command={}", replay.session))
            .arg(format!("--user={}", crate::grants::system_user()))
            .arg(format!("--socket={}", self.settings().socket().display()))
            .stdin(Stdio::from(output));
        let mut running = client.spawn().map_err(Error::file("run `mariadb`"))?;
        // Why: it holds our end of the pipe; with it open, mariadb-binlog would outlive a failed client.
        drop(client);
        let client_words = running.stderr.take().map(LastWords::listen);
        let executed = running.wait().await.map_err(Error::file("run `mariadb`"))?;
        let decoded = decoder
            .wait()
            .await
            .map_err(Error::file("run `mariadb-binlog`"))?;
        let log = match client_words {
            Some(words) => words.text().await,
            None => String::new(),
        };
        // The client's failure comes first: it makes the other fail on a closed pipe.
        tool::check(CLIENT, executed, log)?;
        tool::check(DECODER, decoded, decoder_words.text().await)
    }

    async fn raise_packet_limit(&self) -> Result<String> {
        let mut sql = self.sql(LIMIT).await?;
        let before = sql
            .value(
                "read the packet limit",
                "SELECT @@global.max_allowed_packet",
                LIMIT,
            )
            .await?;
        sql.close().await;
        let before = before.unwrap_or_else(|| (16 << 20).to_string());
        self.set_packet_limit(&GREATEST_PACKET.to_string()).await?;
        Ok(before)
    }

    async fn set_packet_limit(&self, bytes: &str) -> Result<()> {
        let mut sql = self.sql(LIMIT).await?;
        let bytes: u64 = bytes.parse().unwrap_or(16 << 20);
        sql.run(
            "set the packet limit",
            &format!("SET GLOBAL max_allowed_packet={bytes}"),
            LIMIT,
        )
        .await?;
        sql.close().await;
        Ok(())
    }
}
