//! What an agent tells: its picture for this node, and the sign for others that something is new. A mirror of
//! the keeper's `publish.rs`.

use crate::agent::Agent;
use crate::event::Id;
use crate::letter::without_time;
use crate::world::World;

impl World {
    /// Publishes what the agent believes; what others want to know at once is spread.
    pub(crate) fn publish(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let mut report = agent.view.report();
        report.document = None;
        let told = Some((without_time(&report), agent.rev()));
        let is_news = agent.told != told;
        agent.told = told;
        agent.picture.report = report;
        agent.picture.now = agent.view.now;
        if agent.picture.document.as_ref().map(|d| d.rev) != agent.rev() {
            agent.picture.document.clone_from(&agent.view.document);
        }
        follow_route(agent);
        self.check_picture(me);
        self.follow_members(me);
        if is_news {
            self.spread(me, false);
        }
        self.pay(me, None);
    }
}

/// Routes carry the epoch: a gateway follows the greatest it has heard of.
fn follow_route(agent: &mut Agent) {
    let view = &agent.view;
    let own = agent
        .picture
        .report
        .serving
        .map(|epoch| (epoch, view.me.clone()));
    let others = view.peers.iter().filter_map(|(node, peer)| {
        let epoch = peer.report.serving?;
        Some((epoch, node.clone()))
    });
    let newest = others.chain(own).max();
    if let Some(newest) = newest
        && agent
            .picture
            .route
            .as_ref()
            .is_none_or(|known| known.0 <= newest.0)
    {
        agent.picture.route = Some(newest);
    }
}
