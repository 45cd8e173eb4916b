//! A copy of another node's data: asked for, taken in beside the old directory, put in its place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster::{NodeName, View};
use mariadb::{Server, Stage};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::store::Store;
use crate::watched::Watched;
use crate::{CLONE_SERVICE, CloneProgress, Error, Handle, Result, tail};

const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// A source that sends nothing for so long is given up; a backup may have to wait for long statements.
const SOURCE_LIMIT: Duration = Duration::from_mins(5);
/// A receiver that takes nothing for so long is given up: near its end a backup holds up the source's commits.
const RECEIVER_LIMIT: Duration = Duration::from_secs(10);
const KILL_LIMIT: Duration = Duration::from_secs(10);
const START_LIMIT: Duration = Duration::from_mins(5);

const BUFFER_BYTES: usize = 64 * 1024;

/// How far the present clone has come; read by whoever publishes.
pub(crate) type Progress = Arc<Mutex<Option<CloneProgress>>>;

/// Replaces this node's data. The ledger cannot come to name this node meanwhile.
pub(crate) async fn take(
    view: &View,
    from: &NodeName,
    server: &Server,
    endpoint: &peer::Endpoint,
    store: &Store,
    progress: &Progress,
) -> Result<()> {
    let document = view.document.as_ref().ok_or(Error::NotFounded)?;
    let address = document
        .members
        .get(from)
        .map(|member| member.address.clone());
    let address = address.and_then(|address| address.parse().ok());
    let address = address.ok_or_else(|| Error::Refused(format!("{from} has no usable address")))?;
    let fail = |error: String| Error::NoAnswer {
        node: from.to_string(),
        why: error,
    };
    let opened = endpoint
        .open(from.as_str(), address, CLONE_SERVICE, json!({}), OPEN_LIMIT)
        .await;
    let mut stream = opened.map_err(|error| fail(error.to_string()))?;
    let mut size = [0; 8];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut size)
        .await
        .map_err(|error| fail(error.to_string()))?;
    let total = u64::from_be_bytes(size);
    let tell = |told: mariadb::Progress| {
        let stage = match told.stage {
            Stage::Receiving => "receiving",
            Stage::Preparing => "preparing",
            Stage::Syncing => "writing to disk",
        };
        let (from, stage, bytes) = (from.clone(), stage.to_owned(), told.bytes);
        *progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(CloneProgress {
            from,
            stage,
            bytes,
            total,
        });
    };
    tail::save_before_clone(view, server).await;
    if server.find_running().await.is_some() {
        server.kill(KILL_LIMIT).await?;
    }
    let received = server
        .receive(Watched::new(&mut stream, SOURCE_LIMIT), tell)
        .await?;
    // Why before it is put in place: from here on nothing that vouched for the old data does.
    store.forsake().await?;
    server.install_clone(received).await?;
    store.received(document.epoch).await?;
    store.tag(&server.settings().database_dir).await?;
    server.adopt_clone(START_LIMIT).await?;
    Ok(())
}

impl Handle {
    /// Serves another node's request for a copy of this node's data.
    pub async fn serve_clone(&self, server: &Server, incoming: peer::Incoming) {
        let from = incoming.from.clone();
        let serving = self.picture().borrow().view.serving().is_some();
        if !serving {
            incoming
                .refuse("this node does not serve as primary now")
                .await;
            return;
        }
        let backup = match server.backup().await {
            Ok(backup) => backup,
            Err(error) => {
                incoming
                    .refuse(format!("no backup can be taken: {error}"))
                    .await;
                return;
            }
        };
        let Ok(mut stream) = incoming.accept().await else {
            return;
        };
        match send(backup, &mut stream).await {
            Ok(bytes) => tracing::info!(%from, bytes, "gave a copy of the data"),
            Err(error) => {
                tracing::warn!(%from, %error, "a copy of the data was not completed");
                stream.abort();
            }
        }
    }
}

async fn send(mut backup: mariadb::BackupStream, to: &mut peer::Stream) -> std::io::Result<u64> {
    to.write_all(&backup.estimated_bytes().to_be_bytes())
        .await?;
    let (mut bytes, mut buffer) = (0, vec![0; BUFFER_BYTES]);
    loop {
        let count = tokio::io::AsyncReadExt::read(&mut backup, &mut buffer).await?;
        if count == 0 {
            break;
        }
        tokio::time::timeout(RECEIVER_LIMIT, to.write_all(&buffer[..count]))
            .await
            .map_err(|_| std::io::Error::other("the receiver takes nothing any more"))??;
        bytes += count as u64;
    }
    to.shutdown().await?;
    Ok(bytes)
}
