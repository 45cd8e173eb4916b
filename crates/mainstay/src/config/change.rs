//! What another configuration file would change, key by key, and which of that a running agent can follow.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::Config;
use super::error::Result;

/// What a running agent follows; everything else waits for `mainstay upgrade` or a restart.
const LIVE: [&str; 5] = [
    "gateway.listen",
    "gateway.sockets",
    "gateway.hold_max",
    "gateway.max_connections",
    "gateway.linger",
];

/// Keys with other values than before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Those that a running agent follows.
    pub(crate) live: Vec<String>,
    /// Those that it does not.
    pub(crate) waiting: Vec<String>,
}

impl Config {
    /// This configuration as far as a running agent can follow `wanted`, and what that changes.
    ///
    /// Errors: what can be followed does not go together with the rest as it is.
    pub(crate) fn following(&self, wanted: &Self) -> Result<(Self, Change)> {
        let change = self.change_to(wanted);
        let mut file = self.file.clone();
        let (gateway, new) = (&mut file.gateway, &wanted.file.gateway);
        gateway.listen.clone_from(&new.listen);
        gateway.sockets.clone_from(&new.sockets);
        gateway.hold_max = new.hold_max;
        gateway.max_connections = new.max_connections;
        gateway.linger = new.linger;
        Ok((Self::of(file)?, change))
    }

    fn change_to(&self, wanted: &Self) -> Change {
        let mut change = Change::default();
        let (old, new) = (flat(self), flat(wanted));
        for key in old
            .keys()
            .chain(new.keys().filter(|key| !old.contains_key(*key)))
        {
            if old.get(key) == new.get(key) {
                continue;
            }
            let list = if LIVE.contains(&key.as_str()) {
                &mut change.live
            } else {
                &mut change.waiting
            };
            list.push(key.clone());
        }
        change
    }
}

/// `section.key` and value of everything.
fn flat(config: &Config) -> Table {
    let file = Table::try_from(&config.file).unwrap_or_default();
    let mut flat = Table::new();
    for (section, keys) in file {
        let keys = keys.as_table().cloned().unwrap_or_default();
        flat.extend(
            keys.into_iter()
                .map(|(key, value)| (format!("{section}.{key}"), value)),
        );
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SMALLEST: &str = "[node]\nname = \"alpha\"\naddress = \"10.0.0.1\"\n";

    fn of(more: &str) -> Config {
        Config::parse(Path::new("x.toml"), &format!("{SMALLEST}{more}")).unwrap()
    }

    #[test]
    fn change_when_a_running_agent_can_follow_it_then_it_does_and_the_rest_waits() {
        let old = of("");
        let new = of(
            "[gateway]\nlisten = [\"127.0.0.1:3306\", \"127.0.0.1:3316\"]\nthreads = 4\nhold_max = \"3s\"\n\
             [timing]\nlag_limit = \"77s\"\n[mariadb.options]\nmax_connections = 500\n",
        );
        let (now, change) = old.following(&new).unwrap();
        assert_eq!(change.live, ["gateway.hold_max", "gateway.listen"]);
        assert_eq!(
            change.waiting,
            ["gateway.threads", "mariadb.options", "timing.lag_limit"]
        );
        assert_eq!(now.listen.len(), 2);
        assert_eq!(now.file.timing, old.file.timing);
        let (_, again) = now.following(&new).unwrap();
        assert!(again.live.is_empty() && again.waiting == change.waiting);
    }

    #[test]
    fn change_when_its_keys_are_listed_then_each_exists() {
        for key in LIVE {
            let (section, name) = key.split_once('.').unwrap();
            let section = super::super::SECTIONS.iter().find(|s| s.name == section);
            assert!(section.unwrap().key(name).is_some(), "{key}");
        }
    }

    #[test]
    fn change_when_a_new_address_is_taken_by_what_waits_then_refused() {
        let old = of("");
        let new = of("[mariadb]\nport = 3390\n[gateway]\nlisten = [\"127.0.0.1:3307\"]\n");
        let error = old.following(&new).unwrap_err();
        assert!(error.to_string().contains("127.0.0.1:3307"), "{error}");
    }
}
