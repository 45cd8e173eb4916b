//! Bytes from outside that no honest node sends.

use ledger::Register as _;

use crate::net::{Cluster, LIMIT, still, voter, write};

/// `call` in an otherwise honest envelope of node 2.
fn envelope(founding: &str, call: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"cluster":"trial","founding":{founding},"from":2,"to":1,"store":null,"call":{call}}}"#
    );
    [&b"MSL\x01"[..], text.as_bytes()].concat()
}

/// The founding of the cluster's ledger, overheard in its first call.
async fn founding(cluster: &mut Cluster) -> String {
    cluster.wanted.insert(2, voter(2, false));
    cluster.reconcile().await;
    let call = String::from_utf8(cluster.net.last.lock().unwrap().clone()).unwrap();
    let (_, rest) = call.split_once("\"founding\":").unwrap();
    rest.split_once(',').unwrap().0.to_string()
}

fn refused(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).contains("Refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_when_handled_then_refused_and_nothing_breaks() {
    let mut cluster = Cluster::found(still()).await;
    let node = cluster.nodes[&1].clone();
    let founding = founding(&mut cluster).await;
    let envelope = |call: &str| envelope(&founding, call);
    let written = write(&*node, "sound").await;
    let max = u64::MAX;
    let vote = |term: u64, id: u64, committed: bool| {
        format!(r#"{{"leader_id":{{"term":{term},"node_id":{id}}},"committed":{committed}}}"#)
    };
    let log = |term: u64, index: u64| {
        format!(r#"{{"leader_id":{{"term":{term},"node_id":2}},"index":{index}}}"#)
    };
    let append = |vote: &str, prev: &str, entries: &str| {
        format!(
            r#"{{"Append":{{"vote":{vote},"prev_log_id":{prev},"entries":[{entries}],"leader_commit":null}}}}"#
        )
    };
    let entry = |index| format!(r#"{{"log_id":{},"payload":"Blank"}}"#, log(9, index));
    let calls = [
        "null".to_string(),
        r#""Nonsense""#.into(),
        append(&vote(9, 3, true), "null", ""),
        append(&vote(9, 2, false), "null", ""),
        append(&vote(max, 2, true), "null", ""),
        append(&vote(9, 2, true), &log(9, max), &entry(0)),
        append(&vote(9, 2, true), &log(9, 5), &entry(9)),
        append(&vote(9, 2, true), "null", &format!("{},{}", entry(0), entry(2))),
        append(
            &vote(9, 2, true),
            "null",
            r#"{"log_id":{"leader_id":{"term":9,"node_id":2},"index":0},"payload":{"Membership":{"configs":[],"nodes":{}}}}"#,
        ),
        format!(r#"{{"Vote":{{"request":{{"vote":{},"last_log_id":null}},"handover":true}}}}"#, vote(max, 2, false)),
        format!(r#"{{"Vote":{{"request":{{"vote":{},"last_log_id":null}},"handover":false}}}}"#, vote(9, 3, false)),
        format!(r#"{{"TakeOver":{{"vote":{},"last_log":null}}}}"#, vote(9, 2, true)),
        format!(r#"{{"Ping":{{"vote":{},"reachable":true,"has_spare":true}}}}"#, vote(9, 2, false)),
        r#"{"Swap":{"proposal":{"expected":1,"record":{"rev":7,"nonce":"1","body":""}},"limit_ms":9,"relay":true}}"#.into(),
        r#"{"Swap":{"proposal":{"expected":1,"record":{"rev":2,"nonce":"zz","body":""}},"limit_ms":9,"relay":true}}"#.into(),
    ];
    for call in &calls {
        let answer = node.handle(&envelope(call)).await;
        assert!(
            refused(&answer),
            "{call}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    let honest = envelope(r#""Hello""#);
    assert!(!refused(&node.handle(&honest).await));
    let text = String::from_utf8(honest.clone()).unwrap();
    for wrong in [
        text.replace("trial", "other"),
        text.replace("\"to\":1", "\"to\":9"),
    ] {
        assert!(refused(&node.handle(wrong.as_bytes()).await), "{wrong}");
    }
    for at in 0..honest.len() {
        let mut flipped = honest.clone();
        flipped[at] ^= 0x15;
        node.handle(&flipped).await;
        node.handle(&honest[..at]).await;
    }
    let deep = [&b"MSL\x01"[..], "[".repeat(1 << 20).as_bytes()].concat();
    assert!(refused(&node.handle(&deep).await));
    assert!(refused(&node.handle(&vec![b'M'; 5 << 20]).await));
    assert_eq!(node.read(LIMIT).await.unwrap(), Some(written));
    write(&*node, "still sound").await;
    cluster.stop().await;
}
