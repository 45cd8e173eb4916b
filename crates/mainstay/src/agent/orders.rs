//! What the agent is told to do with itself: follow another configuration, give way to another process, end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::handover::Heir;
use super::node::Node;
use crate::config::{Change, Config};
use crate::control::Process;
use crate::output::{Failure, Result};

/// An order of a person, with who is told of its end.
pub(super) enum Order {
    /// Read the configuration file again.
    Reload(oneshot::Sender<Result<Change>>),
    /// Give way to a process of this program.
    Upgrade(PathBuf, oneshot::Sender<Result<Process>>),
}

/// Why the agent does not go on as it is.
pub(super) enum Turn {
    /// It was told to end.
    End,
    /// A process is ready to take over.
    Replaced(Heir),
}

/// The ways in which the agent is told.
pub(super) struct Orders {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    people: mpsc::Receiver<Order>,
}

impl Orders {
    /// From here on signals do not end the process by themselves.
    pub(super) fn new() -> Result<(Self, mpsc::Sender<Order>)> {
        let listen = |kind| signal(kind).map_err(Failure::doing("listen for signals"));
        let (sender, people) = mpsc::channel(4);
        let all = Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            reload: listen(SignalKind::hangup())?,
            people,
        };
        Ok((all, sender))
    }

    /// Returns when it was told to end.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Carries out what it is told, until that is to end or to give way.
    pub(super) async fn wait(&mut self, node: &Node, path: &Path) -> Turn {
        loop {
            let Self {
                terminate,
                interrupt,
                reload,
                people,
            } = self;
            let order = tokio::select! {
                _ = terminate.recv() => return Turn::End,
                _ = interrupt.recv() => return Turn::End,
                _ = reload.recv() => {
                    // What came of it was logged.
                    let _ = follow(node, path);
                    continue;
                }
                Some(order) = people.recv() => order,
            };
            match order {
                Order::Reload(done) => drop(done.send(follow(node, path))),
                Order::Upgrade(program, done) => {
                    let heir = tokio::select! {
                        heir = prepare(node, path, &program) => heir,
                        () = self.end() => return Turn::End,
                    };
                    match heir {
                        Ok(heir) => {
                            let (pid, version) = (heir.pid, heir.version.clone());
                            let _ = done.send(Ok(Process { pid, version }));
                            return Turn::Replaced(heir);
                        }
                        Err(failure) => drop(done.send(Err(failure))),
                    }
                }
            }
        }
    }
}

async fn prepare(node: &Node, path: &Path, program: &Path) -> Result<Heir> {
    if std::process::id() == 1 {
        return Err(
            Failure::refused("this agent is a container's first process")
                .cause("the container would end with it")
                .hint("replace the container: MariaDB's data stay in its volume"),
        );
    }
    // Why: an address that cannot be opened is found out while everything runs.
    follow(node, path)?;
    let heir = Heir::start(program).await;
    if let Err(failure) = &heir {
        tracing::warn!("no other process takes over: {failure}");
    }
    heir
}

/// Follows the configuration file as far as a running agent can; nothing changes when the file is not in order.
fn follow(node: &Node, path: &Path) -> Result<Change> {
    let followed = try_follow(node, path);
    match &followed {
        Ok(Change { live, waiting }) => tracing::info!(
            changed = live.join(", "),
            waiting = waiting.join(", "),
            "the configuration was read again"
        ),
        Err(failure) => tracing::warn!("the configuration stays as it is: {failure}"),
    }
    followed
}

fn try_follow(node: &Node, path: &Path) -> Result<Change> {
    let wanted = Config::load(path)?;
    let now = Arc::clone(&node.settings.borrow());
    let (next, change) = now.following(&wanted)?;
    if let Some(gateway) = node.gateway.get() {
        super::gateway::make_parents(&next.gateway())?;
        let told = gateway.reconfigure(&next.gateway());
        told.map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
    }
    node.settings.send_replace(Arc::new(next));
    Ok(change)
}
