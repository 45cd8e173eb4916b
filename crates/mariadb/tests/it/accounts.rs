//! Our accounts and those of applications.

use crate::fixture::{Node, cluster};

#[tokio::test]
async fn accounts_when_of_several_kinds_then_their_proofs_are_told() {
    let node = Node::new(1).await;
    node.start().await;
    node.run(
        "CREATE USER app@'%' IDENTIFIED BY 'secret'; CREATE USER open@localhost; \
         CREATE USER twice@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('secret'); \
         CREATE USER shut@'10.%' IDENTIFIED BY 'secret' REQUIRE SSL ACCOUNT LOCK; CREATE ROLE helper",
    )
    .await;
    let accounts = node.server.accounts().await.unwrap();
    let find = |user: &str| accounts.iter().find(|a| a.user == user);
    let hash = Some("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7".to_owned());
    assert_eq!(find("app").unwrap().native_hash, hash);
    assert_eq!(find("open").unwrap().native_hash, Some(String::new()));
    let twice = find("twice").unwrap();
    assert_eq!(
        (twice.plugins.join(" "), &twice.native_hash),
        ("unix_socket mysql_native_password".to_owned(), &hash)
    );
    let shut = find("shut").unwrap();
    assert!(shut.needs_tls && shut.is_locked && shut.host == "10.%");
    assert!(find("helper").is_none(), "a role is no account");
    assert!(
        find("replication").is_none() && find(mariadb::ADMINISTRATOR).is_none(),
        "ours are left out"
    );
    assert!(
        !format!("{accounts:?}").contains("14E6"),
        "hashes are not shown"
    );
}

#[tokio::test]
async fn privileged_accounts_when_some_pass_read_only_then_they_are_told() {
    let node = Node::new(1).await;
    node.start().await;
    assert_eq!(
        node.server.privileged_accounts().await.unwrap(),
        Vec::<String>::new()
    );
    node.run(
        "CREATE USER plain@'%' IDENTIFIED BY 'x'; GRANT ALL ON app.* TO plain@'%'; \
         CREATE USER boss@'%' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO boss@'%'; \
         CREATE USER reader@'%' IDENTIFIED BY 'x'; GRANT READ_ONLY ADMIN ON *.* TO reader@'%'; \
         CREATE USER old@'%' IDENTIFIED BY 'x'; GRANT SUPER ON *.* TO old@'%'; \
         CREATE ROLE strong; GRANT SUPER ON *.* TO strong; CREATE ROLE outer_role; GRANT strong TO outer_role; \
         CREATE USER helped@'%' IDENTIFIED BY 'x'; GRANT outer_role TO helped@'%'",
    )
    .await;
    let mut found = node.server.privileged_accounts().await.unwrap();
    found.sort();
    assert_eq!(found, ["boss@%", "helped@%", "old@%", "reader@%"]);
}

#[tokio::test]
async fn ensure_accounts_when_repeated_or_spoilt_then_they_are_right_and_in_no_binlog() {
    let nodes = cluster(1, false).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    let before = primary.status().await.binlog;
    assert!(!primary.server.ensure_accounts().await.unwrap());
    primary
        .run("SET sql_log_bin=0; DROP USER replication@'127.0.0.1'; ALTER USER mainstay_administrator@'127.0.0.1' IDENTIFIED BY 'wrong'")
        .await;
    assert!(primary.server.ensure_accounts().await.unwrap());
    assert!(!primary.server.ensure_accounts().await.unwrap());
    assert!(!replica.server.ensure_accounts().await.unwrap());
    assert_eq!(primary.status().await.binlog, before);
    assert!(replica.status().await.binlog.same_as(&before));
    let mut extra = primary
        .server
        .sql_extra(crate::fixture::LIMIT)
        .await
        .unwrap();
    extra
        .run("test", "DO 1", crate::fixture::LIMIT)
        .await
        .unwrap();
}
