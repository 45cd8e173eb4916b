//! What a person does who stops the database server by hand, past the agent.

use std::time::Instant;

use rustix::process::Signal;

use crate::{Cluster, Error, Result, process};

impl Cluster {
    /// Tells this node's database server to end in order (SIGTERM), without its agent's knowledge.
    /// Returns at once; the server ends in its own time.
    ///
    /// # Errors
    /// No such node; it has no server.
    pub fn terminate_server(&self, node: &str) -> Result<Instant> {
        let target = self.node(node)?;
        let at = Instant::now();
        let mut told = false;
        for pid in target.server_pids() {
            told |= process::signal(pid, &target.identity, Signal::TERM);
        }
        if told {
            return Ok(at);
        }
        Err(Error::NotRunning {
            node: node.to_owned(),
            what: "database server",
        })
    }
}
