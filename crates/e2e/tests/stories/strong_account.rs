//! Accounts with more rights than an application should have: one with READ ONLY ADMIN, one with
//! everything. The status warns of them and the gateways refuse them. On a replica's own server
//! nothing holds them back: what they write there is found, saved to a file that the status names, and taken out.
//! An ordinary account is refused there.

use std::time::Instant;

use anyhow::{Result, ensure};
use trial::{Account, Session};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

const WRITTEN: &str = "INSERT INTO story.own VALUES (77, 77)";
const SHOWN: &str = "###   @1=77";
const LEFT: &str = "SELECT COUNT(*) FROM story.own WHERE id=77";
/// What makes them strong: the second is a word for everything, which holds SUPER.
const STRONG: [(&str, &str); 2] = [
    ("caretaker", "READ ONLY ADMIN, SELECT, INSERT"),
    ("boss", "ALL"),
];
const PASSWORD: &str = "only-for-a-story";

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let at = Instant::now();
        let replica = stage.replicas[0].clone();
        stage.own_table(1).await?;
        for (user, rights) in STRONG {
            let make = format!("CREATE USER {user}@localhost IDENTIFIED BY '{PASSWORD}'");
            let grant = format!("GRANT {rights} ON *.* TO {user}@localhost");
            stage.by_hand(&stage.primary, &[&make, &grant]).await?;
        }
        for (user, _) in STRONG {
            let warning = format!("account {user}@localhost may write on a replica");
            stage.shows(&stage.primary, "status", &warning).await?;
            for node in stage.everyone() {
                refused(stage, &node, user).await?;
            }
        }
        let mut ordinary = stage.cluster.at_server(&replica, &stage.account).await?;
        let told = match ordinary
            .execute("UPDATE account SET balance=0", LIMIT)
            .await
        {
            Ok(()) => "nothing".to_owned(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        ensure!(
            told.contains("--read-only"),
            "an application was told {told}"
        );
        let (caretaker, _) = STRONG[0];
        let caretaker = account(caretaker);
        let mut past = stage.cluster.at_server(&replica, &caretaker).await?;
        past.execute(WRITTEN, LIMIT).await?;
        stage.saved(&replica, SHOWN).await?;
        stage.until(&replica, LEFT, "0").await?;
        stage.cluster.wait_settled(LIMIT).await?;
        for node in stage.everyone() {
            stage.until(&node, LEFT, "0").await?;
        }
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

fn account(user: &str) -> Account {
    Account {
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
        accounts: 0,
    }
}

/// Waits until this node's gateway does not let this user in, and says why.
async fn refused(stage: &Stage, node: &str, user: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let told = match at_gateway(stage, node, user).await {
            Ok(_) => "nothing".to_owned(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        if told.contains("READ ONLY ADMIN or SUPER") {
            return Ok(());
        }
        ensure!(
            start.elapsed() < LIMIT,
            "the gateway of {node} told {user} {told}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn at_gateway(stage: &Stage, node: &str, user: &str) -> trial::Result<Session> {
    stage.cluster.at_gateway(node, &account(user)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn account_when_it_could_write_on_a_replica_then_it_is_refused_or_found_out() {
    story("strong account", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_when_it_could_write_on_a_replica_among_three_then_it_is_refused_or_found_out() {
    story("strong account, three nodes", Shape::Three).await;
}
