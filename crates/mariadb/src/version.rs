//! Which MariaDB versions can be lossless, and which are refused.
//! The floor is `init-rpl-role` deciding crash recovery (MDEV-33465: 10.11.9, 11.4.3).

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, Result, cut};

/// A version of MariaDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

impl Version {
    const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads `10.11.19-MariaDB-…`, as `@@version` has it.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |why: &str| Error::VersionRefused {
            found: cut(text, 80),
            why: why.to_owned(),
        };
        if !text.to_ascii_lowercase().contains("mariadb") {
            return Err(refused("it is not MariaDB"));
        }
        let numbers = text.split('-').next().unwrap_or_default();
        let mut parts = numbers.split('.').map(str::parse::<u16>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => {
                Ok(Self::new(major, minor, patch))
            }
            _ => Err(refused("its version number cannot be read")),
        }
    }

    /// Refuses a version whose recovery or replication cannot keep our promise.
    pub fn check(self) -> Result<()> {
        let good = match (self.major, self.minor) {
            (10, 11) => self.patch >= 9,
            (major, _) if major < 11 => false,
            _ => self >= Self::new(11, 4, 3),
        };
        if good {
            return Ok(());
        }
        let why =
            "the oldest supported are 10.11.9 and 11.4.3 (crash recovery as a replica, MDEV-33465)";
        Err(Error::VersionRefused {
            found: self.to_string(),
            why: why.to_owned(),
        })
    }

    /// Which version had this data directory last, as `mariadb-install-db` and `mariadb-upgrade` note it;
    /// none when they did not.
    pub fn of_data(dir: &Path) -> Option<Self> {
        // 10.11 writes the second name, later versions the first.
        let names = ["mariadb_upgrade_info", "mysql_upgrade_info"];
        let read = |name| {
            let mut text = String::new();
            let file = std::fs::File::open(dir.join(name)).ok()?;
            file.take(80).read_to_string(&mut text).ok()?;
            Self::parse(text.trim()).ok()
        };
        names.into_iter().filter_map(read).max()
    }

    /// Refuses data that a later series has had: a series before does not read them.
    pub fn check_data(self, dir: &Path) -> Result<()> {
        match Self::of_data(dir) {
            Some(data) if (data.major, data.minor) > (self.major, self.minor) => {
                Err(Error::DataNewer {
                    place: dir.to_owned(),
                    data,
                    server: self,
                })
            }
            _ => Ok(()),
        }
    }

    /// Reads what `mariadbd --version` prints.
    pub(crate) fn of_program(text: &str) -> Result<Self> {
        // Why: the word after `Ver`; MySQL's program prints one too.
        let word = text.split_whitespace().skip_while(|w| *w != "Ver").nth(1);
        word.map_or_else(|| Self::parse(text), Self::parse)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_floor_are_refused() {
        for (text, good) in [
            ("10.11.19-MariaDB-0+deb12u1", true),
            ("10.11.9-MariaDB", true),
            ("10.11.8-MariaDB", false),
            ("10.6.25-MariaDB", false),
            ("11.3.2-MariaDB", false),
            ("11.4.2-MariaDB", false),
            ("11.4.3-MariaDB-log", true),
            ("11.8.6-MariaDB", true),
            ("12.0.1-MariaDB", true),
        ] {
            assert_eq!(
                Version::parse(text).unwrap().check().is_ok(),
                good,
                "{text}"
            );
        }
    }

    #[test]
    fn other_servers_are_refused() {
        assert!(Version::parse("8.4.3").is_err());
        assert!(Version::of_program("mysqld  Ver 9.7.4 for Linux on x86_64 (Debian)").is_err());
        assert!(Version::parse("MariaDB").is_err());
    }

    #[test]
    fn data_of_a_later_series_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let server = Version::new(10, 11, 19);
        server.check_data(dir.path()).unwrap();
        for (name, noted, good) in [
            ("mysql_upgrade_info", "10.11.9-MariaDB", true),
            ("mysql_upgrade_info", "10.11.25-MariaDB", true),
            ("mysql_upgrade_info", "8.0.35", true),
            ("mariadb_upgrade_info", "11.4.3-MariaDB\n", false),
        ] {
            std::fs::write(dir.path().join(name), noted).unwrap();
            assert_eq!(server.check_data(dir.path()).is_ok(), good, "{noted}");
        }
    }

    #[test]
    fn program_text_is_read() {
        let text =
            "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)";
        assert_eq!(Version::of_program(text).unwrap(), Version::new(10, 11, 19));
    }
}
