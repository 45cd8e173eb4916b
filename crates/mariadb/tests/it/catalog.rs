//! What names mean, read from a server that has them.

use wire::statement::{Reason, Verdict, scan_with};

use crate::fixture::Node;

#[tokio::test]
async fn names_when_they_are_more_than_tables_then_reads_of_them_say_so() {
    let node = Node::new(1).await;
    node.start().await;
    node.run(
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT) ENGINE=InnoDB; CREATE SEQUENCE shop.numbers; \
         CREATE TABLE shop.scratch (a INT) ENGINE=MEMORY; \
         CREATE FUNCTION shop.tick() RETURNS INT NO SQL RETURN 1; \
         CREATE VIEW shop.counting AS SELECT shop.tick() AS a FROM shop.t; \
         CREATE VIEW shop.over AS SELECT c.a + 1 AS a FROM shop.counting c; \
         CREATE VIEW shop.plain AS SELECT MAX(a) AS a, CONCAT('x', NOW()) AS b, IFNULL(a, 1) AS c, \
             DATE_ADD(NOW(), INTERVAL 1 DAY) AS d, COUNT(DISTINCT a) AS e FROM shop.t WHERE a IN (1, 2) GROUP BY a; \
         CREATE VIEW shop.asks AS SELECT CONNECTION_ID() AS a",
    )
    .await;
    let catalog = node.server.catalog().await.unwrap();
    let seen = |text: &str| {
        let names = catalog.of_database(b"shop");
        scan_with(text.as_bytes(), true, names).verdict()
    };
    for (text, reason) in [
        ("SELECT a FROM counting", Reason::View),
        ("SELECT a FROM `over`", Reason::View),
        ("SELECT a FROM shop.asks", Reason::View),
        ("SELECT * FROM numbers", Reason::Sequence),
        ("SELECT a FROM scratch", Reason::Engine),
        ("SELECT tick()", Reason::UnknownFunction),
    ] {
        assert_eq!(seen(text), Verdict::Primary(reason), "{text}");
    }
    for text in ["SELECT a FROM t", "SELECT a, b, c, d, e FROM plain"] {
        assert_eq!(seen(text), Verdict::Anywhere, "{text}");
    }
}
