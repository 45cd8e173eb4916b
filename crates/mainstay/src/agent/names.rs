//! What the database's names mean, for the gateway: looked at about once a second and after every definition that
//! passes, read again when something was defined. While it is not known the gateway spreads no reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mariadb::{Definitions, Server};
use sql_gateway::Lexicon;
use tokio::sync::watch;
use tokio::time::sleep;
use wire::catalog::Catalog;

use super::node::Node;
use super::replica;

const PACE: Duration = Duration::from_secs(1);
/// Between two looks at least.
const REST: Duration = Duration::from_millis(50);
/// One look.
const LIMIT: Duration = Duration::from_secs(2);
/// What was read longer ago is read again, whatever the server has counted.
const AGE: Duration = Duration::from_mins(1);

/// What was read last.
struct Known {
    counted: Definitions,
    /// When the server was first seen to have counted this.
    since: Instant,
    catalog: Arc<Catalog>,
    at: Instant,
}

impl Known {
    /// Why not for long at first: a definition is counted when it begins, and may take its time. What took a second is known
    /// a second or two after it has ended, and nothing is read more than a few times.
    fn holds(&self, now: Instant) -> bool {
        let settled = self.at.saturating_duration_since(self.since);
        now.saturating_duration_since(self.at) < settled.clamp(PACE / 2, AGE)
    }
}

/// Reads for the gateway that lives now, until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let follow = async {
        let mut known = None;
        loop {
            let Some(gateway) = node.gateway.get() else {
                sleep(PACE).await;
                continue;
            };
            let lexicon = gateway.lexicon();
            let is_wanted = gateway.stats().connections > 0 && has_replicas(&node);
            if !is_wanted || !look(&node, &lexicon, &mut known).await {
                lexicon.forget();
            }
            sleep(REST).await;
            tokio::select! {
                () = lexicon.wanted() => {}
                () = sleep(PACE) => {}
            }
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = follow => {}
    }
    Ok(())
}

fn has_replicas(node: &Node) -> bool {
    let picture = node.picture();
    picture.is_some_and(|picture| !replica::all(&picture.view).is_empty())
}

/// False when nobody can say what the names mean.
async fn look(node: &Arc<Node>, lexicon: &Lexicon, known: &mut Option<Known>) -> bool {
    let Some(server) = replica::current(node) else {
        return false;
    };
    let reading = lexicon.begin();
    match read(&server, reading.after(), known).await {
        Ok(catalog) => {
            lexicon.know(&reading, &catalog);
            true
        }
        Err(error) => {
            tracing::debug!(%error, "what the database's names mean cannot be read now");
            *known = None;
            false
        }
    }
}

async fn read(
    server: &Server,
    after: &cluster::Position,
    known: &mut Option<Known>,
) -> mariadb::Result<Arc<Catalog>> {
    let begun = Instant::now();
    while !after.is_empty() && !server.written(LIMIT).await?.covers(after) {
        if begun.elapsed() > LIMIT {
            return Err(mariadb::Error::Timeout {
                doing: "wait for what was defined".to_owned(),
                limit: LIMIT,
            });
        }
        sleep(REST / 5).await;
    }
    let counted = server.definitions(LIMIT).await?;
    let same = known.take_if(|known| counted.are_still(&known.counted));
    let since = same.as_ref().map_or_else(Instant::now, |known| known.since);
    let still = same.filter(|known| known.holds(Instant::now()));
    let catalog = match &still {
        Some(known) => Arc::clone(&known.catalog),
        None => Arc::new(server.catalog().await?),
    };
    *known = still.or_else(|| {
        Some(Known {
            counted,
            since,
            catalog: Arc::clone(&catalog),
            at: begun,
        })
    });
    Ok(catalog)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_when_something_was_just_defined_is_read_again_less_and_less_often() {
        let since = Instant::now();
        let mut known = Known {
            counted: Definitions::default(),
            since,
            catalog: Arc::default(),
            at: since,
        };
        let mut readings = 0;
        for seconds in 1..=600 {
            let now = since + Duration::from_secs(seconds);
            if !known.holds(now) {
                (known.at, readings) = (now, readings + 1);
            }
            let behind = now.duration_since(known.at);
            assert!(behind <= (now - since) / 2 + PACE && behind <= AGE);
        }
        assert!((14..=17).contains(&readings), "{readings}");
    }
}
