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
    catalog: Arc<Catalog>,
    at: Instant,
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
    if let Some(known) = known
        && counted.are_still(&known.counted)
        && known.at.elapsed() < AGE
    {
        return Ok(Arc::clone(&known.catalog));
    }
    let catalog = Arc::new(server.catalog().await?);
    *known = Some(Known {
        counted,
        catalog: Arc::clone(&catalog),
        at: begun,
    });
    Ok(catalog)
}
