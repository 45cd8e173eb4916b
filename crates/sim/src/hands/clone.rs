//! A copy of another node's data in the place of one's own: a mirror of the keeper's `clone.rs`.

use cluster::{Mark, Outcome, Position};

use super::Step::{self, Again, Done, Next};
use super::{AGAIN, failed};
use crate::agent::Work;
use crate::clock::{MS, Micros, SECOND};
use crate::event::Id;
use crate::server::{Process, Server};
use crate::world::World;

/// A source that sends nothing for so long is given up (five minutes in the keeper).
const SOURCE_LIMIT: Micros = 20 * SECOND;

impl World {
    /// A copy of another node's data: taken in beside the old directory, put in its place, then used.
    pub(super) fn clone_data(&mut self, me: Id, from: Id, work: &Work) -> Step {
        let source = &self.nodes[from];
        let serves = source
            .agent
            .as_ref()
            .is_some_and(|agent| agent.picture.report.serving.is_some());
        let flows = source.moves()
            && self.network.joins(me, from)
            && source.server.as_ref().is_some_and(Server::answers);
        match work.stage {
            0 if !flows || !serves => {
                self.close_upstream(me);
                failed("the source gives no copy")
            }
            0 => {
                self.close_upstream(me);
                if self.server(me).process != Process::Down {
                    self.save_tail(me, &Position::empty());
                    self.kill_server(me);
                }
                Next(self.dice.between(300 * MS, 2_500 * MS))
            }
            1 if !flows => {
                if source.runs() && self.now - work.began < SOURCE_LIMIT {
                    Again(20 * AGAIN)
                } else {
                    failed("the source sends nothing any more")
                }
            }
            // Why before it is put in place: from here on nothing that vouched for the old data does.
            1 => {
                let log = {
                    let theirs = self.server(from);
                    theirs.log[..theirs.committed].to_vec()
                };
                self.copies.insert(me, log);
                self.nodes[me].data = self.fresh_data();
                Next(self.dice.between(MS, 8 * MS))
            }
            2 => {
                let Some(log) = self.copies.remove(&me) else {
                    return failed("the copy is gone");
                };
                let old = self.server(me);
                let (life, slowness) = (old.life + 1, old.slowness);
                let health = old.health.clone();
                let mut server = Server::new(false);
                (server.committed, server.log) = (log.len(), log);
                (server.life, server.slowness, server.health) = (life, slowness, health);
                server.purged = server.log.len();
                let node = &mut self.nodes[me];
                node.server = Some(server);
                node.tag = None;
                Next(self.dice.between(MS, 8 * MS))
            }
            3 => {
                let node = &mut self.nodes[me];
                let document = node.agent.as_ref().and_then(|a| a.view.document.as_ref());
                node.followed = document.map_or(0, |document| document.epoch);
                node.mark = Mark::Clean;
                node.tag = Some(node.data);
                Next(self.dice.between(200 * MS, 700 * MS))
            }
            _ => {
                self.server_mut(me).has_data = true;
                Done(Outcome::Done)
            }
        }
    }
}
