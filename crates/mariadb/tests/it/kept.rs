//! A log that cannot be read as a tail is kept as it is.

use std::os::unix::fs::PermissionsExt;

use crate::fixture::Node;

#[tokio::test(flavor = "multi_thread")]
async fn log_when_kept_then_a_private_copy_of_its_last_file() {
    let node = Node::new(1).await;
    node.start().await;
    node.open().await;
    node.run("CREATE DATABASE test; FLUSH BINARY LOGS; CREATE TABLE test.t (id INT PRIMARY KEY) ENGINE=InnoDB")
        .await;
    let last = node.value("SHOW MASTER STATUS").await;
    let kept = node.server.keep_log("1-epoch-1.binlog").await.unwrap();
    let kept = kept.expect("there is a log");
    assert!(kept.starts_with(node.server.saved_tails_dir()));
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let original = node.server.settings().database_dir.join(last);
    assert_eq!(
        std::fs::read(kept).unwrap(),
        std::fs::read(original).unwrap()
    );
}
