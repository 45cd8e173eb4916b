//! Breaks the primary again and again: usually its server, now and then the whole node. The next
//! fault waits until everything of the last one has healed.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use trial::{Cluster, Error, Status};

use super::Script;
use super::board::{Board, Fault};
use super::screen::Screen;

/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(300);
/// Every so many faults hit the whole node.
const WHOLE_NODE_EVERY: usize = 3;
/// So long a node is away when all of it is killed.
const AWAY: Duration = Duration::from_secs(2);
/// After three failovers without this much protection in between the cluster rightly holds: it takes
/// that for something that moving does not repair.
const RELIEF: Duration = Duration::from_secs(11);
/// A fault that moved nothing has been noticed, and dealt with, after this time.
const NOTICED: Duration = Duration::from_secs(5);
/// Healing may take this long, or the demonstration goes to its end without further faults.
const HEAL_LIMIT: Duration = Duration::from_mins(2);

/// Runs for the length of the script, and on until the last fault has healed.
pub(super) async fn run(
    script: &Script,
    cluster: &Cluster,
    board: &Board,
    screen: &Screen,
) -> Result<(), Error> {
    let start = Instant::now();
    let mut next = start + script.between_faults;
    screen.begin();
    let mut epoch = 0;
    while start.elapsed() < script.length {
        if let Some(status) = look(cluster, board).await {
            tell_change(&status, &mut epoch, screen);
            let is_due = !script.between_faults.is_zero() && Instant::now() >= next;
            if is_due && status.is_protected() {
                let healed = strike(cluster, board, screen, &mut epoch).await?;
                if !healed {
                    return Ok(());
                }
                next = (next + script.between_faults).max(Instant::now() + RELIEF);
            }
        }
        sleep(LOOK).await;
    }
    Ok(())
}

async fn look(cluster: &Cluster, board: &Board) -> Option<Status> {
    let status = cluster.any_status().await.ok()?;
    board.set_status(status.clone());
    Some(status)
}

fn tell_change(status: &Status, epoch: &mut u64, screen: &Screen) {
    if let Some(primary) = status.primary.as_ref().filter(|_| status.epoch > *epoch) {
        if *epoch > 0 {
            screen.say(&format!("`{primary}` is primary (epoch {})", status.epoch));
        }
        *epoch = status.epoch;
    }
}

/// One fault and its healing; false when it has not healed in time.
async fn strike(
    cluster: &Cluster,
    board: &Board,
    screen: &Screen,
    epoch: &mut u64,
) -> Result<bool, Error> {
    let node = cluster.primary().await?;
    let is_whole = board.faults().len() % WHOLE_NODE_EVERY == WHOLE_NODE_EVERY - 1;
    let (kind, what) = if is_whole {
        (trial::Fault::KillNode, "node killed (agent and server)")
    } else {
        (trial::Fault::KillServer, "server killed")
    };
    let done = cluster.inject(&node, kind)?;
    board.add(Fault {
        node: node.clone(),
        what,
        at: done.at,
        healed: None,
    });
    screen.say(&format!("FAULT: `{node}`: {what}"));
    if is_whole {
        let away = async {
            loop {
                if let Some(status) = look(cluster, board).await {
                    tell_change(&status, epoch, screen);
                }
                sleep(LOOK).await;
            }
        };
        let _: Result<(), _> = timeout(AWAY, away).await;
        cluster.heal(&done)?;
        screen.say(&format!("`{node}`: its agent is started again"));
    }
    let before = *epoch;
    let heal = async {
        loop {
            if let Some(status) = look(cluster, board).await {
                tell_change(&status, epoch, screen);
                let is_noticed = status.epoch > before || done.at.elapsed() > NOTICED;
                if is_noticed && is_healed(&status, &node) {
                    return;
                }
            }
            sleep(LOOK).await;
        }
    };
    if timeout(HEAL_LIMIT, heal).await.is_err() {
        screen.say(&format!(
            "not healed after {} s: no more faults",
            HEAL_LIMIT.as_secs()
        ));
        return Ok(false);
    }
    let healed = board.healed().unwrap_or_default();
    screen.say(&format!(
        "protected again, `{node}` is back after {:.1} s",
        healed.as_secs_f64()
    ));
    Ok(true)
}

/// Protected, and the node that was hit is in service.
fn is_healed(status: &Status, node: &str) -> bool {
    let role = status.node(node).map(|node| node.role.as_str());
    status.is_protected() && matches!(role, Some("replica" | "primary"))
}
