//! A ledger's document that a later version has written: nothing is decided on what was before, what serves
//! goes on, people are told what to do, and all is well once it can be read.

use crate::node::{in_sync, shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keepers_when_the_document_is_of_a_later_version_then_serve_on_decide_nothing_and_say_so() {
    let (alpha, bravo) = shop().await;
    let known = alpha.register.document();
    alpha
        .register
        .put_bytes(br#"{"version":2,"document":{"rev":"later"}}"#);
    for node in [&alpha, &bravo] {
        let mut pictures = node.handle.picture();
        let told = pictures.wait_for(|picture| {
            let trouble = picture.extras.trouble.as_deref().unwrap_or_default();
            trouble.contains("newer Mainstay") && trouble.contains("upgrade Mainstay on this node")
        });
        let told = tokio::time::timeout(crate::node::LIMIT, told).await;
        let reason = told.unwrap().unwrap().reason.clone();
        assert!(reason.contains("nothing is decided here"), "{reason}");
    }
    // Acknowledged by the replica, as before.
    alpha.write("INSERT INTO shop.t VALUES (1)").await;
    bravo.until_value("SELECT COUNT(*) FROM shop.t", "1").await;
    let refused = alpha.handle.switchover(None).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("upgrade Mainstay"), "{refused}");
    let pid = alpha.server.find_running().await.unwrap();
    crate::story::signal(pid, "-KILL");
    // The end of the server is seen, and nobody does anything about it.
    alpha
        .until("its end is seen", |view| {
            !matches!(view.server, cluster::Server::Running(_))
        })
        .await;
    assert_eq!(bravo.view().serving(), None);
    assert_eq!(alpha.server.find_running().await, None);
    alpha.register.put_after(known.rev + 1, &known);
    bravo
        .until("serves", |view| view.serving() == Some(2))
        .await;
    bravo
        .until("protected again", |view| in_sync(view) == ["alpha"])
        .await;
}
