//! What was received ends in the middle of a transaction, and an earlier one waits for it.

use std::time::{Duration, Instant};

use mariadb::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{LIMIT, Node, cluster, until};

const MARK: &[u8] = b"nothing comes from here on";

/// A port that leads to `port`, whose answers end, without an end, where the mark stands in them.
async fn breaks_off(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
                continue;
            };
            let (mut questions, mut to_near) = near.into_split();
            let (mut answers, mut to_far) = far.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut questions, &mut to_far).await });
            tokio::spawn(async move {
                let (mut all, mut sent, mut buffer) = (Vec::new(), 0, [0; 16_384]);
                while let Ok(read @ 1..) = answers.read(&mut buffer).await {
                    all.extend_from_slice(&buffer[..read]);
                    let mark = all.windows(MARK.len()).position(|part| part == MARK);
                    let end = mark.unwrap_or(all.len());
                    if to_near.write_all(&all[sent..end.max(sent)]).await.is_err() {
                        return;
                    }
                    sent = end;
                    if mark.is_some() {
                        // The connection stays open, and nothing comes.
                        std::future::pending::<()>().await;
                    }
                }
            });
        }
    });
    own
}

async fn workers(node: &Node, condition: &str) -> String {
    let text = format!(
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p \
         ON p.ID=t.trx_mysql_thread_id WHERE p.USER='system user' AND {condition}"
    );
    // Why: the server looks again only when nobody has asked for a tenth of a second.
    tokio::time::sleep(Duration::from_millis(150)).await;
    node.value(&text).await
}

/// A replica that has received two transactions and the first half of a third, which has locked a row that the
/// first wants.
async fn entangled() -> Vec<Node> {
    let nodes = cluster(1, false).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    primary
        .run("INSERT INTO test.t (id, v) VALUES (1, 0), (2, 0), (3, 0)")
        .await;
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    let port = breaks_off(primary.server.settings().extra_port).await;
    replica.tunnel.lead_to(port);
    // Through the new way.
    replica
        .run("STOP SLAVE IO_THREAD; START SLAVE IO_THREAD")
        .await;
    let mut lock = replica.sql().await;
    lock.run(
        "test",
        "BEGIN; SELECT * FROM test.t WHERE id=2 FOR UPDATE",
        LIMIT,
    )
    .await
    .unwrap();
    primary
        .run(
            "BEGIN; UPDATE test.t SET v=v+1 WHERE id=2; UPDATE test.t SET v=v+1 WHERE id=1; COMMIT",
        )
        .await;
    primary.run("UPDATE test.t SET v=v+1 WHERE id=3").await;
    let text = format!(
        "BEGIN; UPDATE test.t SET v=v+1 WHERE id=1; UPDATE/* {} */ test.t SET v=v+1 WHERE id=3; COMMIT",
        String::from_utf8_lossy(MARK)
    );
    primary.run(&text).await;
    until(
        "the first waits for us, the second for the first, and the third has its row",
        || async {
            workers(replica, "t.trx_state='LOCK WAIT'").await == "1"
                && workers(replica, "t.trx_rows_modified>0 AND t.trx_state='RUNNING'").await == "2"
                && replica
                    .status()
                    .await
                    .received
                    .missing_from(&primary.status().await.binlog)
                    == 1
        },
    )
    .await;
    replica.tunnel.cut();
    replica.server.stop_receiving(LIMIT).await.unwrap();
    lock.close().await;
    nodes
}

#[tokio::test]
async fn apply_when_the_last_transaction_is_half_there_then_it_waits_for_itself_until_a_salvage() {
    let nodes = entangled().await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    until("it is seen", || async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        replica.server.is_apply_entangled(LIMIT).await.unwrap()
    })
    .await;
    let received = replica.status().await.received;
    let applied = replica
        .server
        .wait_applied(&received, Duration::from_secs(3));
    assert!(
        !applied.await.unwrap(),
        "this server has learnt it: nothing of this is needed any more"
    );
    replica.server.leave_to_salvage().unwrap();
    let refused = replica.server.follow(false, LIMIT).await;
    assert!(
        matches!(refused, Err(Error::RelayLogUnexamined)),
        "{refused:?}"
    );
    let start = Instant::now();
    replica.server.stop_for_salvage(LIMIT).await.unwrap();
    let salvaged = replica.server.salvage(None, |_, _| {}).await.unwrap();
    println!(
        "stopped and salvaged {salvaged:?} after {:?}",
        start.elapsed()
    );
    assert!(salvaged.position.same_as(&received));
    let rows = "SELECT GROUP_CONCAT(v ORDER BY id) FROM test.t";
    assert_eq!(replica.value(rows).await, "1,1,1");
    // And it goes on from there.
    replica.tunnel.lead_to(primary.server.settings().extra_port);
    replica.server.follow(false, LIMIT).await.unwrap();
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(replica.value(rows).await, "2,1,2");
}

#[tokio::test]
async fn apply_when_it_only_waits_for_somebodys_lock_then_it_is_not_taken_for_entangled() {
    let nodes = cluster(1, false).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    primary
        .run("INSERT INTO test.t (id, v) VALUES (1, 0)")
        .await;
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    let mut lock = replica.sql().await;
    lock.run(
        "test",
        "BEGIN; SELECT * FROM test.t WHERE id=1 FOR UPDATE",
        LIMIT,
    )
    .await
    .unwrap();
    primary.run("UPDATE test.t SET v=1 WHERE id=1").await;
    primary.run("UPDATE test.t SET v=2 WHERE id=1").await;
    until("a worker waits", || async {
        workers(replica, "t.trx_state='LOCK WAIT'").await != "0"
    })
    .await;
    assert!(!replica.server.is_apply_entangled(LIMIT).await.unwrap());
    // What is not marked is not stopped: nothing is lost by a call at the wrong time.
    replica.server.stop_for_salvage(LIMIT).await.unwrap();
    lock.close().await;
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
}
