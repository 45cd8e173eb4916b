//! A replica's node freezes while a client of its gateway has a transaction open. What that transaction
//! has locked is free again soon, for all who write elsewhere: the primary ends what comes from a node
//! that it does not hear. When its node is back, the transaction is run again, behind what came between.

use std::time::Instant;

use anyhow::{Result, ensure};
use trial::Fault;

use crate::stage::{GAP_LIMIT, LIMIT, Measured, Shape, Stage, tell};

const UPDATE: &str = "UPDATE stock SET count = count - 1 WHERE id = 1";
const COUNT: &str = "SELECT count FROM stock WHERE id = 1";

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let replica = &stage.replicas[0];
        let mut elsewhere = prepare(stage).await?;
        let mut frozen = stage.cluster.at_gateway(replica, &stage.account).await?;
        frozen.execute("BEGIN", LIMIT).await?;
        frozen.execute(UPDATE, LIMIT).await?;
        let injected = stage.cluster.inject(replica, Fault::FreezeNode)?;
        let asked = Instant::now();
        elsewhere.execute(UPDATE, LIMIT * 2).await?;
        let waited = asked.elapsed();
        // Less than any time after which a server or a network gives up by itself.
        ensure!(
            waited < GAP_LIMIT,
            "the lock of a frozen client was free only after {waited:?}"
        );
        stage.cluster.heal(&injected)?;
        stage.cluster.wait_settled(LIMIT).await?;
        frozen.execute(UPDATE, LIMIT).await?;
        frozen.execute("COMMIT", LIMIT).await?;
        let count = frozen.value(COUNT, LIMIT).await?;
        ensure!(count.as_deref() == Some("97"), "the count is {count:?}");
        Ok(Measured::new(injected.at, vec![stage.primary.clone()]))
    })
    .await;
}

async fn prepare(stage: &Stage) -> Result<trial::Session> {
    let primary = &stage.primary;
    let mut session = stage.cluster.at_gateway(primary, &stage.account).await?;
    let table = "CREATE TABLE stock (id INT PRIMARY KEY, count INT NOT NULL) ENGINE=InnoDB";
    session.execute(table, LIMIT).await?;
    session
        .execute("INSERT INTO stock VALUES (1, 100)", LIMIT)
        .await?;
    Ok(session)
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_when_the_node_of_their_client_is_lost_then_free_soon() {
    story("locks freed", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_when_the_node_of_their_client_is_lost_among_three_then_free_soon() {
    story("locks freed, three nodes", Shape::Three).await;
}
