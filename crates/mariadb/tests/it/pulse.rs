//! A commit whose acknowledgement was lost on the way waits on; a pulse releases it.

use std::time::Duration;

use mariadb::SemiSync;

use crate::fixture::{LIMIT, cluster, until};

#[tokio::test(flavor = "multi_thread")]
async fn pulse_when_an_acknowledgement_was_lost_then_the_commit_is_released() {
    let nodes = cluster(1, true).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    primary.server.ensure_pulse(LIMIT).await.unwrap();
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    replica.tunnel.cut();
    replica.server.stop_receiving(LIMIT).await.unwrap();
    let commit = primary.begin("INSERT INTO test.t (v) VALUES (1)").await;
    until("the commit waits", || async {
        primary.status().await.commits_waiting == 1
    })
    .await;

    // It receives the transaction without acknowledging it, then comes back as one that does.
    let extra_port = primary.server.settings().extra_port;
    replica.tunnel.lead_to(extra_port);
    replica.server.start_receiving(false, LIMIT).await.unwrap();
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    replica.server.stop_receiving(LIMIT).await.unwrap();
    replica.server.start_receiving(true, LIMIT).await.unwrap();
    until("it acknowledges again", || async {
        primary.status().await.semi_sync_clients == 1
    })
    .await;

    let mut commit = commit;
    let still = tokio::time::timeout(Duration::from_millis(700), &mut commit).await;
    assert!(
        still.is_err(),
        "this server releases it by itself: the pulse is not needed any more"
    );
    primary.server.pulse(LIMIT).await.unwrap();
    tokio::time::timeout(LIMIT, commit)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
