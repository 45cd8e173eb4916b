//! Sessions: what the driver makes of several statements sent at once.

use crate::fixture::{LIMIT, Node};

#[tokio::test(flavor = "multi_thread")]
async fn error_of_a_later_statement_is_told_once() {
    let node = Node::new(1).await;
    node.start().await;
    let mut sql = node.sql().await;
    assert!(
        sql.run("test", "DO 0; SELECT * FROM mysql.nothing", LIMIT)
            .await
            .is_err()
    );
    let next = sql.value("test", "SELECT 7", LIMIT).await.unwrap();
    assert_eq!(next.as_deref(), Some("7"));
}
