//! Writers that run beside a test: single-row inserts, updates and deletes in several sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::fixture::{LIMIT, Node, until};

/// A load that runs until it is ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    writers: JoinSet<()>,
}

impl Load {
    /// Writes to `test.t` of an open primary until `end`.
    pub(crate) async fn on(node: &Node, sessions: u32) -> Self {
        let (stop, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut writers = JoinSet::new();
        for number in 0..sessions {
            let mut sql = node.sql().await;
            let (stop, done) = (stop.clone(), done.clone());
            writers.spawn(async move {
                let mut turn = u64::from(number);
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let statement = match turn % 5 {
                        0 => "UPDATE test.t SET v = v + 1 ORDER BY id DESC LIMIT 1".to_owned(),
                        1 => "DELETE FROM test.t ORDER BY id LIMIT 1".to_owned(),
                        _ => format!("INSERT INTO test.t (v) VALUES ({turn})"),
                    };
                    match sql.run("load", &statement, LIMIT).await {
                        Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                        // Two writers met at the same row.
                        Err(mariadb::Error::Sql {
                            code: 1213 | 1205 | 1020,
                            ..
                        }) => 0,
                        Err(error) => panic!("load: {error}"),
                    };
                }
            });
        }
        let load = Self {
            stop,
            done,
            writers,
        };
        load.more(50).await;
        load
    }

    /// Waits until so many more statements were done.
    pub(crate) async fn more(&self, count: u64) {
        let goal = self.done.load(Ordering::Relaxed) + count;
        until("the load goes on", || async {
            self.done.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    /// Ends it; says how many statements were done.
    pub(crate) async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.writers.join_next().await {
            ended.unwrap();
        }
        self.done.load(Ordering::Relaxed)
    }
}

/// Checksum of a table.
pub(crate) async fn checksum(node: &Node, table: &str) -> String {
    let rows = node
        .sql()
        .await
        .rows("test", &format!("CHECKSUM TABLE {table}"), LIMIT)
        .await
        .unwrap();
    mariadb::column::<String>(&rows[0], 1).expect("the table has a checksum")
}
