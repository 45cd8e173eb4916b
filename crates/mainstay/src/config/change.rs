//! What another configuration file would change, key by key, and which of that a running agent can follow.

use serde::{Deserialize, Serialize};
use toml::Table;

use super::Config;
use super::error::Result;

/// What a running agent follows; everything else waits for `mainstay upgrade` or a restart.
const LIVE: [&str; 15] = [
    FRONT[0],
    FRONT[1],
    FRONT[2],
    FRONT[3],
    FRONT[4],
    "gateway.read_only_sockets",
    "gateway.read_only_lag_max",
    "gateway.read_only_on_primary",
    "gateway.freshness",
    "gateway.freshness_at",
    "gateway.freshness_of",
    "gateway.sockets",
    "gateway.hold_max",
    "gateway.max_connections",
    "gateway.linger",
];

/// Addresses and their rules: all of them or none, as an address must not open without its rules.
const FRONT: [&str; 5] = [
    "gateway.listen",
    "gateway.read_only_listen",
    "gateway.require_tls",
    "gateway.accept_proxy",
    "gateway.proxy_from",
];

/// Keys with other values than before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Those that a running agent follows.
    pub(crate) live: Vec<String>,
    /// Those that it does not.
    pub(crate) waiting: Vec<String>,
}

impl Change {
    /// These keys wait, too.
    fn hold_back(&mut self, keys: &[&str]) {
        let live = std::mem::take(&mut self.live).into_iter();
        let (held, live): (Vec<_>, _) = live.partition(|key| keys.contains(&key.as_str()));
        self.live = live;
        self.waiting.extend(held);
        self.waiting.sort();
    }
}

impl Config {
    /// This configuration as far as a running agent can follow `wanted`, and what that changes.
    ///
    /// Errors: what can be followed does not go together with the rest as it is.
    pub(crate) fn following(&self, wanted: &Self) -> Result<(Self, Change)> {
        let mut change = self.change_to(wanted);
        let mut file = self.file.clone();
        let (gateway, new) = (&mut file.gateway, &wanted.file.gateway);
        // Why not else: nobody could encrypt where all must before `gateway.tls` holds, and that waits.
        if gateway.tls || new.require_tls.is_empty() {
            gateway.listen.clone_from(&new.listen);
            gateway.read_only_listen.clone_from(&new.read_only_listen);
            gateway.require_tls.clone_from(&new.require_tls);
            gateway.accept_proxy.clone_from(&new.accept_proxy);
            gateway.proxy_from.clone_from(&new.proxy_from);
        } else {
            change.hold_back(&FRONT);
        }
        gateway.sockets.clone_from(&new.sockets);
        gateway.read_only_sockets.clone_from(&new.read_only_sockets);
        gateway.read_only_lag_max = new.read_only_lag_max;
        gateway.read_only_on_primary = new.read_only_on_primary;
        gateway.freshness = new.freshness;
        gateway.freshness_of.clone_from(&new.freshness_of);
        gateway.freshness_at.clone_from(&new.freshness_at);
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
    fn change_when_an_address_comes_with_a_rule_then_both_are_followed_or_neither() {
        let two = "listen = [\"127.0.0.1:3306\", \"10.0.0.1:3306\"]\n";
        let proxy = "accept_proxy = [\"10.0.0.1:3306\"]\nproxy_from = [\"10.0.0.0/8\"]\n";
        let strict = "tls = true\nrequire_tls = [\"10.0.0.1:3306\"]\n";
        let (now, change) = of("")
            .following(&of(&format!("[gateway]\n{two}{proxy}")))
            .unwrap();
        assert_eq!(change.live.len(), 3, "{change:?}");
        assert_eq!(now.gateway().accept_proxy, now.listen[1..]);
        assert_eq!(now.gateway().proxy_from.len(), 1);
        let wanted = of(&format!("[gateway]\n{two}{strict}"));
        let old = of("[gateway]\ntls = true\n");
        let (now, _) = old.following(&wanted).unwrap();
        assert_eq!(now.gateway().require_tls, now.listen[1..]);
        let (now, change) = of("").following(&wanted).unwrap();
        assert_eq!(
            change.waiting,
            ["gateway.listen", "gateway.require_tls", "gateway.tls"]
        );
        assert!(change.live.is_empty() && now.listen.len() == 1);
    }

    #[test]
    fn change_when_a_new_address_is_taken_by_what_waits_then_refused() {
        let old = of("");
        let new = of("[mariadb]\nport = 3390\n[gateway]\nlisten = [\"127.0.0.1:3307\"]\n");
        let error = old.following(&new).unwrap_err();
        assert!(error.to_string().contains("127.0.0.1:3307"), "{error}");
    }
}
