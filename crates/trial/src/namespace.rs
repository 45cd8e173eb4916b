//! Network namespaces: one per node, each with one cable (a veth pair) to one bridge.
//! Needs root. Names carry the owner's pid, so that a later run can sweep what a dead one left.
//! Cables can be pulled (carrier lost), silenced (packets vanish), or cut between two nodes.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
};

use crate::{
    Error, Result, process,
    weather::{Relay, Sky, Weather},
};

/// The bridge and its cables; gone when dropped.
#[derive(Debug)]
pub(crate) struct Network {
    base: String,
    nodes: Vec<String>,
    sky: Sky,
}

impl Network {
    /// Makes the bridge. `serial` tells apart the clusters of one process.
    pub(crate) fn new(serial: u32) -> Result<Self> {
        let base = format!("m{}n{serial}", std::process::id());
        let network = Self {
            base,
            nodes: Vec::new(),
            sky: Sky::default(),
        };
        let bridge = network.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["link", "set", &bridge, "up"])?;
        Ok(network)
    }

    /// Makes the namespace of one more node, plugged in, with its address; returns its name.
    pub(crate) fn add(&mut self, node: &str, address: Ipv4Addr) -> Result<String> {
        let space = format!("{}-{node}", self.base);
        let cable = format!("{}v{}", self.base, self.nodes.len());
        self.nodes.push(node.to_owned());
        ip(&["netns", "add", &space])?;
        ip(&[
            "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &space,
        ])?;
        ip(&["link", "set", &cable, "master", &self.bridge(), "up"])?;
        ip(&[
            "-n",
            &space,
            "addr",
            "add",
            &format!("{address}/24"),
            "dev",
            "eth0",
        ])?;
        ip(&["-n", &space, "link", "set", "lo", "up"])?;
        ip(&["-n", &space, "link", "set", "eth0", "up"])?;
        Ok(space)
    }

    fn bridge(&self) -> String {
        format!("{}br", self.base)
    }

    fn cable(&self, node: &str) -> Result<String> {
        let at = self.nodes.iter().position(|known| known == node);
        at.map(|at| format!("{}v{at}", self.base))
            .ok_or_else(|| Error::NoNode(node.to_owned()))
    }

    /// Pulls or plugs in: both ends lose or regain the carrier.
    pub(crate) fn set_plugged(&self, node: &str, plugged: bool) -> Result<()> {
        ip(&[
            "link",
            "set",
            &self.cable(node)?,
            if plugged { "up" } else { "down" },
        ])
    }

    /// The weather between all nodes: a relay of ours takes the bridge's place.
    pub(crate) fn set_weather(&self, weather: Weather) -> Result<()> {
        self.sky.with(|sky| {
            if let Some(relay) = sky {
                relay.set(weather);
                return Ok(());
            }
            let raised = self.raise().and_then(|taps| Relay::start(&taps, weather));
            if raised.is_err() {
                let _ = self.restore();
            }
            *sky = Some(raised?);
            Ok(())
        })
    }

    /// Gives every cable's end to a macvtap; returns their names.
    fn raise(&self) -> Result<Vec<String>> {
        let mut taps = Vec::new();
        for node in &self.nodes {
            let cable = self.cable(node)?;
            let tap = tap_of(&cable);
            // Why: packets of a whole burst in one would be lost in one.
            self.set_burst(node, 1)?;
            ip(&["link", "set", &cable, "nomaster"])?;
            ip(&[
                "link", "add", "link", &cable, "name", &tap, "type", "macvtap", "mode", "passthru",
            ])?;
            ip(&["link", "set", &tap, "up"])?;
            taps.push(tap);
        }
        Ok(taps)
    }

    /// Gives every cable's end back to the bridge.
    fn restore(&self) -> Result<()> {
        for node in &self.nodes {
            let cable = self.cable(node)?;
            // Why unheard: none is there when the kernel has no macvtap.
            let _ = ip(&["link", "del", &tap_of(&cable)]);
            ip(&["link", "set", &cable, "master", &self.bridge()])?;
            self.set_burst(node, u16::MAX)?;
        }
        Ok(())
    }

    /// The bridge carries the packets again.
    pub(crate) fn clear_weather(&self) -> Result<()> {
        let Some(relay) = self.sky.with(Option::take) else {
            return Ok(());
        };
        drop(relay);
        self.restore()
    }

    /// How many packets the relay carried and lost.
    pub(crate) fn weather_counts(&self) -> Option<(u64, u64)> {
        self.sky.with(|sky| sky.as_ref().map(Relay::counts))
    }

    /// How many segments the node's connections may hand to the cable in one.
    fn set_burst(&self, node: &str, segments: u16) -> Result<()> {
        let space = format!("{}-{node}", self.base);
        let segments = segments.to_string();
        ip(&[
            "-n",
            &space,
            "link",
            "set",
            "eth0",
            "gso_max_segs",
            &segments,
        ])?;
        // Why: a connection looks again when its route is new.
        ip(&["-n", &space, "route", "flush", "cache"])
    }

    /// Takes the cable off the bridge, or puts it back: no carrier is lost, packets vanish.
    pub(crate) fn set_silent(&self, node: &str, silent: bool) -> Result<()> {
        let cable = self.cable(node)?;
        if self.sky.with(|relay| relay.is_some()) {
            let (tap, state) = (tap_of(&cable), if silent { "down" } else { "up" });
            ip(&["link", "set", &tap, state])
        } else if silent {
            ip(&["link", "set", &cable, "nomaster"])
        } else {
            ip(&["link", "set", &cable, "master", &self.bridge()])
        }
    }

    /// Drops what `node` receives from `from` (one direction).
    pub(crate) fn refuse_from(&self, node: &str, from: Ipv4Addr) -> Result<()> {
        let rules = format!(
            "add table inet trial; add chain inet trial input {{ type filter hook input priority 0; }}; \
             add rule inet trial input ip saddr {from} drop"
        );
        self.inside(node, "nft", &[&rules])
    }

    /// Takes every such refusal of `node` away.
    pub(crate) fn accept_all(&self, node: &str) -> Result<()> {
        self.inside(
            node,
            "nft",
            &["add table inet trial; delete table inet trial"],
        )
    }

    /// What comes to the node at `outside` is handed over to `inside`, on its loopback; it is seen from where it comes.
    pub(crate) fn hand_over(
        &self,
        node: &str,
        outside: SocketAddr,
        inside: SocketAddr,
    ) -> Result<()> {
        // Why: else what comes from outside for an address of the loopback is thrown away.
        let allow = ["-qw", "net.ipv4.conf.eth0.route_localnet=1"];
        self.inside(node, "sysctl", &allow)?;
        let (address, port) = (outside.ip(), outside.port());
        let rules = format!(
            "add table ip reach; add chain ip reach came {{ type nat hook prerouting priority -100; }}; \
             add rule ip reach came ip daddr {address} tcp dport {port} dnat to {inside}"
        );
        self.inside(node, "nft", &[&rules])
    }

    fn inside(&self, node: &str, program: &str, args: &[&str]) -> Result<()> {
        let space = format!("--net=/run/netns/{}-{node}", self.base);
        run(Command::new("nsenter")
            .arg(space)
            .arg("--")
            .arg(program)
            .args(args))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.sky.with(Option::take);
        for (at, node) in self.nodes.iter().enumerate() {
            // Why first: the kernel takes a namespace's cable away some time after the namespace.
            let _ = ip(&["link", "del", &format!("{}v{at}", self.base)]);
            let _ = ip(&["netns", "del", &format!("{}-{node}", self.base)]);
        }
        let _ = ip(&["link", "del", &self.bridge()]);
    }
}

/// The macvtap on this cable, while the weather is bad.
fn tap_of(cable: &str) -> String {
    format!("{cable}t")
}

/// Removes the namespaces and links of trials whose owner is gone.
pub(crate) fn sweep() {
    for space in names_in("/run/netns").iter().filter(|name| is_stale(name)) {
        let _ = ip(&["netns", "del", space]);
    }
    for link in names_in("/sys/class/net")
        .iter()
        .filter(|name| is_stale(name))
    {
        let _ = ip(&["link", "del", link]);
    }
}

fn names_in(dir: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(Path::new(dir)) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// A name of ours (`m<pid>n<serial>…`) whose pid is gone.
fn is_stale(name: &str) -> bool {
    owner(name).is_some_and(|pid| !process::is_alive(pid))
}

fn owner(name: &str) -> Option<i32> {
    let (pid, rest) = name.strip_prefix('m')?.split_once('n')?;
    let serial = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_ours = rest.len() > serial.len() && serial.starts_with(['-', 'b', 'v']);
    pid.parse().ok().filter(|_| is_ours)
}

fn ip(args: &[&str]) -> Result<()> {
    run(Command::new("ip").args(args))
}

fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|source| Error::NotRun {
        command: shown.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Refused {
        command: shown,
        code: output.status.to_string(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_when_a_name_is_not_of_ours_then_there_is_none() {
        assert_eq!(owner("m12n1-alpha"), Some(12));
        assert_eq!(owner("m12n1br"), Some(12));
        assert_eq!(owner("m12n1v0"), Some(12));
        for other in ["lo", "eth0", "m12nx", "mgmt0", "m12n", "mn1br"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }
}
