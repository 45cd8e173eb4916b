//! The process of a server: started as what it is, and killed.

use cluster::{Outcome, Position, StartAs};

use super::Step::{self, Again, Done, Next};
use super::{AGAIN, failed};
use crate::agent::Work;
use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id};
use crate::server::Process;
use crate::world::World;

const KILL_LIMIT: Micros = 5 * SECOND;

impl World {
    pub(super) fn start(&mut self, me: Id, work: &Work, start_as: StartAs) -> Step {
        let process = self.server(me).process;
        match work.stage {
            0 => {
                self.close_upstream(me);
                if !self.server(me).has_data || process != Process::Down {
                    return failed("it cannot be started");
                }
                if !self.recognise(me) {
                    return failed("the data directory is not the one this node had");
                }
                Next(self.dice.between(2 * MS, 60 * MS))
            }
            1 => {
                let drops = self.dice.below(3) as usize;
                let takes = self.dice.between(150 * MS, 1_800 * MS);
                if self.disk_hangs(me) {
                    return Again(AGAIN);
                }
                if start_as == StartAs::Destructive {
                    self.save_tail(me, &Position::empty());
                }
                let server = self.server_mut(me);
                server.process = Process::Recovering;
                server.life += 1;
                server.recover((start_as == StartAs::Destructive).then_some(drops));
                let server = server.life;
                self.schedule
                    .at(self.now + takes, Event::Recovered { me, server });
                Next(AGAIN)
            }
            _ => match process {
                Process::Recovering => Again(AGAIN),
                Process::Up => Done(Outcome::Done),
                Process::Down => failed("it ended while it started"),
            },
        }
    }

    pub(super) fn kills(&mut self, me: Id, work: &Work) -> Step {
        if work.stage == 0 {
            self.close_upstream(me);
            return Next(self.dice.between(MS, 12 * MS));
        }
        if self.disk_hangs(me) && self.server(me).process != Process::Down {
            if self.now - work.began > KILL_LIMIT {
                return failed("the process does not end");
            }
            return Again(AGAIN);
        }
        self.kill_server(me);
        Done(Outcome::Done)
    }
}
