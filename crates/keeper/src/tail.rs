//! Nothing that only this node holds is thrown away unseen: before recovery drops the end of its log,
//! and before its data is replaced, what the cluster does not have is written to a file.

use std::time::Duration;

use cluster::{Position, View};
use mariadb::{Server, TailSummary};
use wire::gtid::Gtid;

use crate::own_writes;

const STATUS_LIMIT: Duration = Duration::from_secs(5);

/// Before a destructive start: everything beyond the point where the cluster went on without it.
///
/// Why it never fails: a node that cannot read its own log must come back all the same; the log is
/// copied as it is then.
pub(crate) async fn save_before_recovery(view: &View, server: &Server) {
    let Some(document) = &view.document else {
        return;
    };
    let cut = document.cuts.iter().find(|cut| cut.epoch > view.followed);
    let Some(cut) = cut else { return };
    save(view, server, &cut.position).await;
}

/// Before a clone: what somebody wrote on this node while it was a replica.
pub(crate) async fn save_before_clone(view: &View, server: &Server) {
    let number = server.settings().server_id;
    if server.find_running().await.is_none() {
        save_own(view, server, own_writes::server_id(number, view.followed)).await;
        return;
    }
    let status = match server.status(STATUS_LIMIT).await {
        Ok(status) => status,
        Err(error) => {
            save_own(view, server, own_writes::server_id(number, view.followed)).await;
            return keep_log(view, server, &error).await;
        }
    };
    if status.source.is_none() {
        return;
    }
    let own = own_writes::since_following(&status, number, view.followed);
    if let Some(own) = own {
        save_own(view, server, own.server).await;
    }
    // Under an earlier id: beyond what replication has applied.
    let is_beyond = |id: &Gtid| id.sequence > status.applied.sequence(id.domain);
    let mut ends = status.binlog.iter();
    if ends.any(|id| is_beyond(&id) && own != Some(id)) {
        save(view, server, &status.applied).await;
    }
}

/// What stands in the log under this id, which this node has never had as a primary. The server need not run.
async fn save_own(view: &View, server: &Server, id: u32) {
    let name = name(view, "by-hand.sql");
    let saved = server.save_written_under(id, &name).await;
    note(view, server, saved).await;
}

async fn save(view: &View, server: &Server, cut: &Position) {
    let saved = server.save_tail(cut, &name(view, "sql")).await;
    note(view, server, saved).await;
}

async fn note(view: &View, server: &Server, saved: mariadb::Result<TailSummary>) {
    match saved {
        Ok(tail) => told(&tail),
        Err(error) => keep_log(view, server, &error).await,
    }
}

/// Says where a tail was saved, if there was one.
pub(crate) fn told(tail: &TailSummary) {
    if tail.transactions == 0 {
        return;
    }
    tracing::warn!(
        file = %tail.file.display(),
        transactions = tail.transactions,
        "saved transactions that the cluster does not have"
    );
}

/// What people are told while saved transactions lie in their directory: until they have looked and taken them away.
pub(crate) fn kept(server: &Server) -> Option<String> {
    let dir = server.saved_tails_dir();
    let files = std::fs::read_dir(&dir).ok()?.flatten();
    let newest = files
        .filter(|file| file.path().extension().is_none_or(|ending| ending != "new"))
        .map(|file| file.file_name())
        .max()?;
    let newest = dir.join(newest);
    Some(format!(
        "transactions that the cluster does not have are saved in {}: look whether they matter, put them back on the \
         primary or not, and remove the file",
        newest.display()
    ))
}

/// The name of a file for what this node alone holds.
pub(crate) fn name(view: &View, ending: &str) -> String {
    format!("{}-epoch-{}.{ending}", view.wall, view.followed)
}

async fn keep_log(view: &View, server: &Server, why: &mariadb::Error) {
    match server.keep_log(&name(view, "binlog")).await {
        Ok(Some(file)) => tracing::warn!(
            file = %file.display(),
            %why,
            "kept the end of the log as it is: what it holds beyond the cluster cannot be told"
        ),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, %why, "the end of the log could not be kept"),
    }
}
