//! What can be done to a node: its processes killed or frozen, its cable pulled.
//! Each is done when the call returns, and tells the instant at which it began.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{Cluster, Error, Node, Result, disk::Disk, namespace::Network, process};

/// How long a signalled process may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Something that befalls a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The database server is killed (SIGKILL); the agent lives.
    KillServer,
    /// The agent is killed (SIGKILL); the database server lives.
    KillAgent,
    /// Every process is killed at once. Its connections are reset: the others hear it die.
    KillNode,
    /// Every process is killed after the cable was pulled: the others hear nothing, as when
    /// power is lost (but the page cache survives). Needs namespaces.
    Vanish,
    /// The database server is frozen (SIGSTOP).
    FreezeServer,
    /// Every process is frozen.
    FreezeNode,
    /// The cable is pulled: the carrier is gone on both ends. Needs namespaces.
    PullCable,
    /// Packets vanish both ways while the carrier stays. Needs namespaces.
    Silence,
    /// Its disk stands still: what writes to it waits. Needs disks.
    HangDisk,
    /// Its disk has not one block left. Needs disks.
    FillDisk,
    /// Its disk turns read-only, as after an error. Healed by a repair and a reboot. Needs disks.
    FailDisk,
    /// It vanishes, and what was not yet on its disk is lost; another boot id follows. Needs disks.
    LosePower,
}

/// A fault that was done.
#[derive(Debug, Clone)]
pub struct Injected {
    /// To whom.
    pub node: String,
    /// What.
    pub fault: Fault,
    /// When it began.
    pub at: Instant,
}

impl Cluster {
    /// Does it; returns when it is done: processes gone or stopped, cable out.
    ///
    /// # Errors
    /// No such node; nothing to kill or freeze; a cable is needed and there is none.
    pub fn inject(&self, node: &str, fault: Fault) -> Result<Injected> {
        let target = self.node(node)?;
        let at = Instant::now();
        match fault {
            Fault::KillServer => {
                present(target, &target.server_pids(), "database server")?;
                // Why once: the agent may already be starting the next server.
                kill_once(target, &target.server_pids())?;
            }
            Fault::KillAgent => {
                present(target, target.agent_pid().as_slice(), "agent")?;
                target.reap();
            }
            Fault::KillNode => end_node(target)?,
            Fault::Vanish => {
                self.on_network(|network| network.set_plugged(node, false))?;
                end_node(target)?;
            }
            Fault::FreezeServer => {
                present(target, &target.server_pids(), "database server")?;
                freeze(target, Node::server_pids)?;
            }
            Fault::FreezeNode => freeze(target, Node::pids)?,
            Fault::PullCable => self.on_network(|network| network.set_plugged(node, false))?,
            Fault::Silence => self.on_network(|network| network.set_silent(node, true))?,
            Fault::HangDisk => target.on_disk(Disk::freeze)?,
            Fault::FillDisk => target.on_disk(Disk::fill)?,
            Fault::FailDisk => target.on_disk(Disk::fail)?,
            Fault::LosePower => self.lose_power(target)?,
        }
        tracing::info!(node, ?fault, "fault injected");
        Ok(Injected {
            node: node.to_owned(),
            fault,
            at,
        })
    }

    /// Takes it back: a killed agent or node is started again, a frozen one woken, a cable put
    /// back. A killed server is its agent's affair. Returns when that began.
    ///
    /// # Errors
    /// The network or the program refuses.
    pub fn heal(&self, done: &Injected) -> Result<Instant> {
        let node = self.node(&done.node)?;
        let at = Instant::now();
        match done.fault {
            Fault::KillServer => {}
            Fault::KillAgent | Fault::KillNode => node.start()?,
            Fault::Vanish => {
                self.on_network(|network| network.set_plugged(&done.node, true))?;
                node.start()?;
            }
            Fault::FreezeServer | Fault::FreezeNode => {
                for pid in node.pids() {
                    process::signal(pid, &node.identity, Signal::CONT);
                }
            }
            Fault::PullCable => self.on_network(|network| network.set_plugged(&done.node, true))?,
            Fault::Silence => self.on_network(|network| network.set_silent(&done.node, false))?,
            Fault::HangDisk => node.on_disk(|disk| {
                disk.thaw();
                Ok(())
            })?,
            Fault::FillDisk => node.on_disk(Disk::empty)?,
            Fault::FailDisk => {
                self.lose_power(node)?;
                self.restore_power(node)?;
            }
            Fault::LosePower => self.restore_power(node)?,
        }
        Ok(at)
    }

    /// Cuts the two off from each other, silently; both still reach everybody else.
    ///
    /// # Errors
    /// No such node, or no namespaces.
    pub fn part(&self, one: &str, other: &str) -> Result<Instant> {
        let (first, second) = (self.address_of(one)?, self.address_of(other)?);
        let at = Instant::now();
        self.on_network(|network| {
            network.refuse_from(one, second)?;
            network.refuse_from(other, first)
        })?;
        Ok(at)
    }

    /// Ends every `part` that this node was in, at its end.
    ///
    /// # Errors
    /// No such node, or no namespaces.
    pub fn reunite(&self, one: &str, other: &str) -> Result<()> {
        self.on_network(|network| {
            network.accept_all(one)?;
            network.accept_all(other)
        })
    }

    pub(crate) fn on_network<T>(&self, act: impl FnOnce(&Network) -> Result<T>) -> Result<T> {
        let network = self
            .estate
            .network
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(network.as_ref().ok_or(Error::NoCable)?)
    }
}

fn present(node: &Node, pids: &[i32], what: &'static str) -> Result<()> {
    if pids.is_empty() {
        return Err(Error::NotRunning {
            node: node.name.clone(),
            what,
        });
    }
    Ok(())
}

fn kill_once(node: &Node, pids: &[i32]) -> Result<()> {
    let living = |pids: &[i32]| {
        pids.iter()
            .copied()
            .filter(|pid| process::is_alive(*pid))
            .collect()
    };
    node.kill(|_| living(pids))
}

fn end_node(node: &Node) -> Result<()> {
    present(node, &node.pids(), "process")?;
    node.kill(Node::pids)?;
    node.reap();
    Ok(())
}

/// Stops all that `find` finds, until a look finds nothing unstopped: a process may have been
/// forking while the first round went by.
pub(crate) fn freeze(node: &Node, find: impl Fn(&Node) -> Vec<i32>) -> Result<()> {
    let until = Instant::now() + STOP_LIMIT;
    loop {
        let mut pids = find(node);
        pids.retain(|pid| !process::is_stopped(*pid));
        if pids.is_empty() {
            return Ok(());
        }
        for pid in &pids {
            process::signal(*pid, &node.identity, Signal::STOP);
        }
        if Instant::now() > until {
            return Err(Error::StillRunning {
                node: node.name.clone(),
                pids,
                limit: STOP_LIMIT,
            });
        }
        std::thread::yield_now();
    }
}
