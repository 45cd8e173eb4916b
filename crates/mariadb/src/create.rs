//! A new, empty database: made beside its place and put into it as a clone is, so that it is whole or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::backup::install;
use crate::disk;
use crate::error::{Error, Result};
use crate::exchange;
use crate::files;
use crate::grants;
use crate::options;
use crate::server::Server;

/// Longest time for making an empty database.
const LIMIT: Duration = Duration::from_mins(5);

impl Server {
    /// Makes the data directory: root by unix_socket only, no anonymous users, no test database, our accounts.
    /// Refuses when anything is there already. Nothing of it is in a binlog.
    pub async fn create_data(&self) -> Result<()> {
        let place = &self.settings().database_dir;
        exchange::undo(place)?;
        if place.exists() && !exchange::is_vacant(place) {
            return Err(Error::DataPresent(place.clone()));
        }
        let program = self.program("mariadb-install-db")?;
        self.write_files()?;
        let beside = self.make_incoming().await?;
        let made = self.install(&program, &beside).await;
        let renamed = made.and_then(|()| put_in_place(&beside, place));
        for file in [self.accounts_file(), self.create_config()] {
            let _ = fs::remove_file(file);
        }
        if renamed.is_err() {
            let _ = disk::remove_dir(&beside);
        }
        renamed
    }

    fn accounts_file(&self) -> PathBuf {
        self.settings().state_dir.join("accounts.sql")
    }

    fn create_config(&self) -> PathBuf {
        self.settings().state_dir.join("create.cnf")
    }

    async fn install(&self, program: &Path, place: &Path) -> Result<()> {
        let accounts = self.account_statements()?;
        let clean = "DELETE FROM mysql.global_priv WHERE User='';\nDROP DATABASE IF EXISTS test;\nFLUSH PRIVILEGES;\n";
        files::write_private(
            &self.accounts_file(),
            &format!("{clean}{}", accounts.join(";\n") + ";\n"),
        )?;
        files::write_private(
            &self.create_config(),
            &options::creation_file(self.settings()),
        )?;
        let mut command = tokio::process::Command::new(program);
        command
            .arg(format!(
                "--defaults-file={}",
                self.create_config().display()
            ))
            .arg(format!("--datadir={}", place.display()))
            .arg(format!("--extra-file={}", self.accounts_file().display()))
            .arg("--auth-root-authentication-method=socket")
            .arg(format!("--auth-root-socket-user={}", grants::system_user()))
            .args(["--skip-test-db", "--skip-name-resolve"]);
        if let Some(user) = &self.settings().user {
            command.arg(format!("--user={user}"));
        }
        command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .current_dir("/");
        let late = |_| Error::Timeout {
            doing: "make the database".to_owned(),
            limit: LIMIT,
        };
        let output = tokio::time::timeout(LIMIT, command.output())
            .await
            .map_err(late)?;
        let output = output.map_err(Error::file(format!("run `{}`", program.display())))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(Error::ProgramFailed {
            program: "mariadb-install-db".to_owned(),
            exit: output.status.to_string(),
            log: files::last_lines(&String::from_utf8_lossy(&said)),
        })
    }
}

fn put_in_place(beside: &Path, place: &Path) -> Result<()> {
    disk::sync_all_below(beside)?;
    // Why: an empty directory would be kept as if it were data.
    if !disk::is_mount_point(place) {
        let failed = || Error::file(format!("remove `{}`", place.display()));
        match fs::remove_dir(place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed()(error));
            }
            _ => {}
        }
    }
    install::swap(beside, place).map(drop)
}
