//! What this node is: its configuration file, read, checked as a whole and given its meaning.
//! What the cluster is, is agreed in the ledger and changed by verbs, never here.

mod change;
mod error;
mod file;
mod front;
mod meaning;
mod ports;
mod reading;
mod section;
mod span;
mod value;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use cluster::{MemberKind, NodeName};
use toml::Table;

pub(crate) use change::Change;
pub(crate) use error::{Error, Result};
pub(crate) use file::{File, SECTIONS};
pub(crate) use front::Front;
pub(crate) use reading::Reading;
pub(crate) use section::Shape;
pub(crate) use span::Span;
pub(crate) use value::set;

/// A larger file is not one of ours.
const SIZE_LIMIT: u64 = 1 << 20;
/// Longest directory below which `run/mariadb.sock` is still a socket path.
const DATA_DIR_LIMIT: usize = 90;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// This node's name.
    pub(crate) name: NodeName,
    /// Where the other nodes reach it.
    pub(crate) address: IpAddr,
    /// Where applications reach its gateway over TCP.
    pub(crate) listen: Vec<SocketAddr>,
    /// How reads are served, and where there is nothing else.
    pub(crate) reading: Reading,
    /// What holds at some of these addresses.
    pub(crate) front: Front,
    /// Where monitoring reads its metrics.
    pub(crate) monitor: Option<SocketAddr>,
    /// Everything else as it was typed.
    pub(crate) file: File,
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        Self::parse(path, &text(path)?)
    }

    /// Reads and checks the text of a file.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self> {
        let syntax = |error: toml::de::Error| Error::syntax(path, &error.to_string());
        let typed = |error| match toml::from_str::<File>(text) {
            // Why: it knows what was wanted in that place.
            Err(better) => syntax(better),
            Ok(_) => syntax(error),
        };
        let table: Table = text.parse().map_err(typed)?;
        value::check_keys(&table)?;
        // Why from the text again: only then do errors point at the line.
        Self::of(toml::from_str(text).map_err(syntax)?)
    }

    /// Checks what was put together by `init` or `join`.
    pub(crate) fn from_table(path: &Path, table: &Table) -> Result<Self> {
        value::check_keys(table)?;
        let file = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| Error::syntax(path, error.message()))?;
        Self::of(file)
    }

    fn of(file: File) -> Result<Self> {
        let name = required("node.name", file.node.name.as_deref())?;
        let address: IpAddr = required("node.address", file.node.address.as_deref())?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(unusable(
                "node.address",
                "other nodes must be able to connect to it",
            ));
        }
        let listen = addresses("gateway.listen", &file.gateway.listen)?;
        let reading = Reading::of(&file.gateway, &listen)?;
        let all: Vec<_> = listen.iter().chain(&reading.listen).copied().collect();
        let front = Front::of(&file.gateway, &all)?;
        let monitor = match file.monitor.listen.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                unusable("monitor.listen", format!("`{text}` is not ADDRESS:PORT"))
            })?),
        };
        let config = Self {
            name,
            address,
            listen,
            reading,
            front,
            monitor,
            file,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let File {
            node,
            mariadb,
            peer,
            gateway,
            timing,
            ..
        } = &self.file;
        for (key, path) in [
            ("node.data_dir", &node.data_dir),
            ("mariadb.database_dir", &mariadb.database_dir),
        ] {
            let plain = |c: char| c.is_alphanumeric() || "/._-+@:=".contains(c);
            let text = path.to_str().unwrap_or(" ");
            if !path.is_absolute() || path.parent().is_none() || !text.chars().all(plain) {
                let why = "an absolute path of letters, digits and `/._-+@:=` is needed";
                return Err(unusable(key, why));
            }
        }
        if node.data_dir.as_os_str().len() > DATA_DIR_LIMIT {
            let why = format!("sockets live below it: at most {DATA_DIR_LIMIT} bytes");
            return Err(unusable("node.data_dir", why));
        }
        if !node.witness && node.data_dir.starts_with(&mariadb.database_dir) {
            return Err(unusable(
                "node.data_dir",
                "it lies inside `mariadb.database_dir`",
            ));
        }
        if peer.port == 0 {
            return Err(unusable("peer.port", "the other nodes must know it: not 0"));
        }
        if let Some(socket) = gateway.sockets.iter().find(|path| !path.is_absolute()) {
            let why = format!("`{}` is not an absolute path", socket.display());
            return Err(unusable("gateway.sockets", why));
        }
        if !(1..=100_000).contains(&gateway.max_connections) {
            return Err(unusable(
                "gateway.max_connections",
                "1 to 100000 are possible",
            ));
        }
        if gateway.threads > 1024 {
            return Err(unusable("gateway.threads", "0 to 1024 are possible"));
        }
        for (key, connections) in [
            ("gateway.pool_idle_max", gateway.pool_idle_max),
            ("gateway.pool_per_account", gateway.pool_per_account),
        ] {
            if connections > 100_000 {
                return Err(unusable(key, "0 to 100000 are possible"));
            }
        }
        ports::check(self)?;
        if timing.suspicion.millis() <= timing.shrink.millis() {
            let why = "it must be longer than `timing.shrink`, or a cut cable moves the primary";
            return Err(unusable("timing.suspicion", why));
        }
        if timing.shrink.millis() < 200 {
            return Err(unusable("timing.shrink", "at least 200ms"));
        }
        Ok(())
    }

    /// Everything of ours is below this directory.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.file.node.data_dir
    }

    /// MariaDB's data directory.
    pub(crate) fn database_dir(&self) -> &Path {
        &self.file.mariadb.database_dir
    }

    /// The peer port.
    pub(crate) fn peer_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.file.peer.port)
    }

    /// Whether this node holds data.
    pub(crate) fn kind(&self) -> MemberKind {
        if self.file.node.witness {
            MemberKind::Witness
        } else {
            MemberKind::Data
        }
    }

    /// Whether this node runs a gateway.
    pub(crate) fn has_gateway(&self) -> bool {
        self.file.gateway.enabled.unwrap_or(!self.file.node.witness)
    }

    /// The local control socket.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.data_dir().join("control.sock")
    }
}

/// Addresses with ports, as they were typed for this key.
fn addresses(key: &'static str, texts: &[String]) -> Result<Vec<SocketAddr>> {
    let parse = |text: &String| {
        let wrong = |_| unusable(key, format!("`{text}` is not ADDRESS:PORT"));
        text.parse().map_err(wrong)
    };
    texts.iter().map(parse).collect()
}

/// The file's text: of bounded size, whatever kind of file it is.
fn text(path: &Path) -> Result<String> {
    use std::io::{ErrorKind, Read as _};
    let unreadable = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => Error::Missing(path.to_owned()),
        ErrorKind::IsADirectory => Error::NoFile(path.to_owned()),
        _ => Error::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(Error::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| Error::NotText {
        path: path.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })
}

fn required<T: std::str::FromStr>(key: &'static str, typed: Option<&str>) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    let typed = typed.ok_or_else(|| unusable(key, "it is missing"))?;
    let wrong = |error: T::Err| unusable(key, format!("`{typed}`: {error}"));
    typed.parse().map_err(wrong)
}

fn unusable(key: &'static str, why: impl Into<String>) -> Error {
    Error::Unusable {
        key,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mainstay.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    const SMALLEST: &str = "[node]\nname = \"alpha\"\naddress = \"10.0.0.1\"\n";

    #[test]
    fn config_when_only_name_and_address_are_given_then_defaults_are_the_contracts() {
        let config = of(SMALLEST).unwrap();
        assert_eq!(config.peer_address(), "10.0.0.1:7400".parse().unwrap());
        assert_eq!(config.data_dir(), Path::new("/var/lib/mainstay"));
        assert_eq!(config.database_dir(), Path::new("/var/lib/mysql"));
        assert_eq!(config.listen, ["127.0.0.1:3306".parse().unwrap()]);
        assert_eq!(config.timing(), cluster::Timing::default());
        assert_eq!(config.gateway().hold_max.as_secs(), 15);
        assert!(config.has_gateway());
        let witness = of(&format!("{SMALLEST}witness = true\n")).unwrap();
        assert!(!witness.has_gateway());
    }

    #[test]
    fn config_when_a_key_is_unknown_then_refused_with_the_nearest() {
        let error = of(&format!("{SMALLEST}[gateway]\nhold_maximum = \"1s\"\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no configuration key `gateway.hold_maximum`"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("the nearest is `gateway.hold_max`")
        );
    }

    #[test]
    fn config_when_a_value_has_the_wrong_type_then_the_line_is_shown() {
        let error = of(&format!("{SMALLEST}[gateway]\nhold_max = 15\n")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("line 5") && text.contains("hold_max = 15"),
            "{text}"
        );
        let error = of(&format!("{SMALLEST}[gateway]\nhold_max = \"15\"\n")).unwrap_err();
        assert!(error.to_string().contains("`500ms`, `10s`"), "{error}");
    }

    #[test]
    fn config_when_values_cannot_work_then_the_key_is_named() {
        for (text, key) in [
            ("[node]\naddress = \"10.0.0.1\"\n", "node.name"),
            (
                "[node]\nname = \"Alpha\"\naddress = \"10.0.0.1\"\n",
                "node.name",
            ),
            (
                "[node]\nname = \"a\"\naddress = \"0.0.0.0\"\n",
                "node.address",
            ),
            ("[node]\nname = \"a\"\naddress = \"host\"\n", "node.address"),
        ] {
            match of(text) {
                Err(Error::Unusable { key: found, .. }) => assert_eq!(found, key),
                other => panic!("{text}: {other:?}"),
            }
        }
        for (more, key) in [
            ("data_dir = \"relative\"\n", "node.data_dir"),
            ("data_dir = \"/var/lib/mysql/ours\"\n", "node.data_dir"),
            ("[peer]\nport = 0\n", "peer.port"),
            ("[gateway]\nlisten = [\"here\"]\n", "gateway.listen"),
            ("[gateway]\nsockets = [\"here\"]\n", "gateway.sockets"),
            (
                "[gateway]\npool_per_account = 100001\n",
                "gateway.pool_per_account",
            ),
            ("[timing]\nsuspicion = \"1s\"\n", "timing.suspicion"),
        ] {
            match of(&format!("{SMALLEST}{more}")) {
                Err(Error::Unusable { key: found, .. }) => assert_eq!(found, key),
                other => panic!("{more}: {other:?}"),
            }
        }
    }

    #[test]
    fn config_when_mariadb_options_are_numbers_or_switches_then_they_become_text() {
        let text =
            format!("{SMALLEST}[mariadb.options]\nmax_connections = 500\nslow_query_log = true\n");
        let options = of(&text).unwrap().file.mariadb.options.0;
        assert_eq!(options["max_connections"], "500");
        assert_eq!(options["slow_query_log"], "ON");
    }
}
