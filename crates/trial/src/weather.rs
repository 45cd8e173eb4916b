//! Bad weather between the nodes: every packet is late, some are lost. For kernels without netem:
//! a relay of ours takes the bridge's place. Each cable's end gets a macvtap, whose device file
//! gives and takes whole frames without any ioctl; the relay carries them from one to another.
//! Needs namespaces. `line.rs` says which frame is due when; `relay.rs` carries them.

mod line;
mod relay;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) use relay::Relay;

use crate::{Cluster, Result};

/// What happens to each packet from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// How late it is at least, one way: a round trip takes twice that.
    pub delay: Duration,
    /// How much later it may be, at random. Packets of one sender stay in order.
    pub jitter: Duration,
    /// How many of a hundred are lost, at random.
    pub loss: u8,
}

impl Weather {
    /// So slow in one direction, and so many of a hundred lost, without jitter.
    pub fn new(delay: Duration, loss: u8) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss,
        }
    }
}

/// The weather of one network: none while there is no relay.
#[derive(Debug, Default)]
pub(crate) struct Sky(Mutex<Option<Relay>>);

impl Sky {
    /// Does it with the relay, if there is one.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Option<Relay>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cluster {
    /// From now on this is the weather between all nodes, until [`Self::clear_weather`]. It may be
    /// called again, for other weather. No address changes and no connection ends; faults of cables
    /// work as ever, but a silenced cable is heard again when the first bad weather begins.
    ///
    /// # Errors
    /// No namespaces, or no macvtap in this kernel.
    pub fn set_weather(&self, weather: Weather) -> Result<Instant> {
        let at = Instant::now();
        self.on_network(|network| network.set_weather(weather))?;
        Ok(at)
    }

    /// Packets are carried by the bridge again, at once and without loss. What is on its way is lost.
    ///
    /// # Errors
    /// No namespaces.
    pub fn clear_weather(&self) -> Result<()> {
        self.on_network(crate::namespace::Network::clear_weather)
    }

    /// How many packets were carried and how many lost since the bad weather began; none in good weather.
    ///
    /// # Errors
    /// No namespaces.
    pub fn weather_counts(&self) -> Result<Option<(u64, u64)>> {
        self.on_network(|network| Ok(network.weather_counts()))
    }
}
