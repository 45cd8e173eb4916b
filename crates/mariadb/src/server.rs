//! One server: its settings and what is kept about it. What can be done with it is in the files beside:
//! `lifecycle` (process), `create`, `status`, `drift`, `replication`, `role`, `events`, `grants`, `activity`.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::process::Process;
use crate::settings::Settings;
use crate::sql::Kept;

/// Where the programs of the MariaDB packages may be, besides `PATH`.
const PROGRAM_DIRS: &[&str] = &[
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/local/mysql/bin",
];

/// One MariaDB server on this machine. Cheap to clone; all clones share the kept connections.
#[derive(Clone)]
pub struct Server {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    /// Looked into before `PATH`.
    pub(crate) programs: Option<PathBuf>,
    /// The server's process as last seen.
    pub(crate) process: Mutex<Option<Process>>,
    /// Session of `status`, never blocked by anything else.
    pub(crate) watching: Kept,
    /// What `status` saw last, to ask for no more than is of use.
    pub(crate) was_replica: AtomicBool,
    /// Session that reads definitions, which may take its time.
    pub(crate) reading: Kept,
    /// Session of all other statements, one at a time.
    pub(crate) acting: Kept,
}

impl Server {
    /// Takes the settings after looking at them; touches nothing.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::with_programs(settings, None)
    }

    /// As `new`, with a directory whose programs are preferred to those of the system.
    pub fn with_programs(settings: Settings, programs: Option<PathBuf>) -> Result<Self> {
        settings.validate()?;
        let inner = Inner {
            settings,
            programs,
            process: Mutex::new(None),
            watching: Kept::default(),
            was_replica: AtomicBool::new(false),
            reading: Kept::default(),
            acting: Kept::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Path of a program of the MariaDB packages (`mariadbd`, `mariadb-backup`, ...).
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = self.inner.programs.clone().into_iter();
        own.chain(std::env::split_paths(&path))
            .chain(PROGRAM_DIRS.iter().map(PathBuf::from))
            .map(|dir| dir.join(name))
            .find(|file| is_program(file))
            .ok_or_else(|| Error::ProgramMissing(name.to_owned()))
    }

    /// True when the data directory holds a database.
    pub fn has_data(&self) -> bool {
        self.settings().database_dir.join("mysql").is_dir()
    }

    pub(crate) fn known_process(&self) -> Option<Process> {
        self.inner
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_process(&self, process: Option<Process>) {
        *self
            .inner
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = process;
    }

    /// Who owns what the server writes: `user` of the settings, looked up in /etc/passwd.
    pub(crate) fn owner(&self) -> Result<Option<(u32, u32)>> {
        let Some(user) = &self.settings().user else {
            return Ok(None);
        };
        let wrong = || Error::setting("user", format!("there is no system user `{user}`"));
        let users =
            std::fs::read_to_string("/etc/passwd").map_err(Error::file("read /etc/passwd"))?;
        let fields = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let entry = fields
            .into_iter()
            .find(|f| f.first() == Some(&user.as_str()))
            .ok_or_else(wrong)?;
        let id = |n: usize| {
            entry
                .get(n)
                .and_then(|id| id.parse().ok())
                .ok_or_else(wrong)
        };
        Ok(Some((id(2)?, id(3)?)))
    }

    /// Gives a file or directory to the server's user when we are root.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        let Some((user, group)) = self.owner()? else {
            return Ok(());
        };
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(Error::file(format!(
            "give `{}` to the server's user",
            path.display()
        )))
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(file);
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}
