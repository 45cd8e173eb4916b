//! Calls: who may, what reaches whom, and what happens when the other side goes away or hangs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use peer::{Authority, Config, Endpoint, Error, Handler, MAX_FRAME};
use tokio::net::TcpListener;

use crate::support::{LIMIT, TestService, free_port, node, pair};

#[tokio::test]
async fn call_when_between_members_then_answered_and_named() {
    let (_authority, alpha, bravo) = pair().await;
    let text = b"hello".to_vec();
    let echoed = alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", text.clone(), LIMIT)
        .await;
    assert_eq!(echoed.unwrap(), text);
    let who = alpha
        .endpoint
        .call("bravo", bravo.addr, "who", Vec::new(), LIMIT)
        .await;
    assert_eq!(who.unwrap(), b"alpha");
}

#[tokio::test]
async fn call_when_refused_by_the_service_then_its_reason_arrives_and_the_lane_goes_on() {
    let (_authority, alpha, bravo) = pair().await;
    for _ in 0..3 {
        let refused = alpha
            .endpoint
            .call("bravo", bravo.addr, "nothing", Vec::new(), LIMIT)
            .await;
        match refused {
            Err(Error::Refused { peer, reason }) => {
                assert_eq!(
                    (peer.as_str(), reason.as_str()),
                    ("bravo", "no service `nothing`")
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn call_when_of_the_greatest_size_then_carried_and_beyond_it_refused() {
    let (_authority, alpha, bravo) = pair().await;
    let full = vec![3; MAX_FRAME];
    let limit = Duration::from_secs(30);
    let echoed = alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", full, limit)
        .await
        .unwrap();
    assert_eq!(echoed.len(), MAX_FRAME);
    let over = vec![3; MAX_FRAME + 1];
    let refused = alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", over, limit)
        .await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    let refused = alpha
        .endpoint
        .call("bravo", bravo.addr, "big", Vec::new(), limit)
        .await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn call_when_another_node_answers_then_wrong_peer() {
    let (_authority, alpha, bravo) = pair().await;
    let wrong = alpha
        .endpoint
        .call("charlie", bravo.addr, "echo", Vec::new(), LIMIT)
        .await;
    assert!(matches!(wrong, Err(Error::WrongPeer { .. })), "{wrong:?}");
}

#[tokio::test]
async fn call_when_the_server_is_of_another_cluster_then_wrong_peer() {
    let (_authority, alpha, _bravo) = pair().await;
    let other = Authority::create("test").unwrap();
    let foreign = node(&other, "bravo").await;
    let wrong = alpha
        .endpoint
        .call("bravo", foreign.addr, "echo", Vec::new(), LIMIT)
        .await;
    assert!(matches!(wrong, Err(Error::WrongPeer { .. })), "{wrong:?}");
    assert_eq!(foreign.service.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn call_when_the_other_side_restarted_then_the_next_call_connects_again() {
    let (authority, alpha, bravo) = pair().await;
    let addr = bravo.addr;
    let listen = async || {
        let identity = Arc::new(authority.enroll("bravo").unwrap());
        let endpoint = Endpoint::new(identity, Config::default()).unwrap();
        let service: Arc<dyn Handler> = Arc::new(TestService::default());
        endpoint.listen(addr, service).await.unwrap()
    };
    let call = || alpha.endpoint.call("bravo", addr, "echo", vec![1], LIMIT);
    call().await.unwrap();
    bravo.listener.close().await;
    let listener = listen().await;
    // The first call after a restart works: the dead connection is noticed before it is used.
    assert_eq!(call().await.unwrap(), [1]);
    listener.close().await;
    assert!(call().await.is_err());
    let _listener = listen().await;
    assert_eq!(call().await.unwrap(), [1]);
}

#[tokio::test]
async fn call_when_the_peer_hangs_then_it_costs_only_the_deadline() {
    let (_authority, alpha, bravo) = pair().await;
    let limit = Duration::from_millis(200);
    let start = Instant::now();
    let late = alpha
        .endpoint
        .call("bravo", bravo.addr, "hang", Vec::new(), limit)
        .await;
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    // A port that accepts and never says a word, as a stopped process does.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead_addr = dead.local_addr().unwrap();
    let late = alpha
        .endpoint
        .call("bravo", dead_addr, "echo", Vec::new(), limit)
        .await;
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    assert!(start.elapsed() < LIMIT);
    alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", Vec::new(), LIMIT)
        .await
        .unwrap();
}

#[tokio::test]
async fn call_when_nobody_listens_then_the_connection_is_refused_at_once() {
    let (_authority, alpha, _bravo) = pair().await;
    let addr = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let refused = alpha
        .endpoint
        .call("bravo", addr, "echo", Vec::new(), LIMIT)
        .await;
    assert!(matches!(refused, Err(Error::Connect { .. })), "{refused:?}");
}

#[tokio::test]
async fn call_when_a_service_has_a_bug_then_only_that_connection_ends() {
    let (_authority, alpha, bravo) = pair().await;
    let lost = alpha
        .endpoint
        .call("bravo", bravo.addr, "panic", Vec::new(), LIMIT)
        .await;
    assert!(matches!(lost, Err(Error::Lost { .. })), "{lost:?}");
    alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", Vec::new(), LIMIT)
        .await
        .unwrap();
}

#[tokio::test]
async fn calls_when_many_at_once_then_all_get_their_own_answer() {
    let (_authority, alpha, bravo) = pair().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200_u32 {
        let (endpoint, addr) = (alpha.endpoint.clone(), bravo.addr);
        tasks.spawn(async move {
            let bytes = number.to_be_bytes().to_vec();
            let echoed = endpoint
                .call("bravo", addr, "echo", bytes.clone(), LIMIT * 4)
                .await;
            assert_eq!(echoed.unwrap(), bytes);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn node_when_removed_then_cut_and_refused_both_ways() {
    let (_authority, alpha, bravo) = pair().await;
    alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", Vec::new(), LIMIT)
        .await
        .unwrap();
    let hang = {
        let (endpoint, addr) = (alpha.endpoint.clone(), bravo.addr);
        tokio::spawn(async move {
            endpoint
                .call("bravo", addr, "hang", Vec::new(), LIMIT * 4)
                .await
        })
    };
    let calls = || bravo.service.calls.load(Ordering::Relaxed);
    crate::support::wait_until("the call is there", LIMIT, || calls() == 2).await;
    let start = Instant::now();
    bravo
        .endpoint
        .set_refused(BTreeSet::from(["alpha".to_owned()]));
    let cut = hang.await.unwrap();
    assert!(matches!(cut, Err(Error::Lost { .. })), "{cut:?}");
    assert!(start.elapsed() < LIMIT);
    let refused = alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", Vec::new(), LIMIT)
        .await;
    match refused {
        Err(Error::Refused { reason, .. }) => assert!(reason.contains("removed"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let refused = bravo
        .endpoint
        .call("alpha", alpha.addr, "echo", Vec::new(), LIMIT)
        .await;
    assert!(matches!(refused, Err(Error::Removed(_))), "{refused:?}");
    bravo.endpoint.set_refused(BTreeSet::new());
    alpha
        .endpoint
        .call("bravo", bravo.addr, "echo", Vec::new(), LIMIT)
        .await
        .unwrap();
}

/// Carries bytes to `to` and back, each way so late.
async fn slow_way(to: std::net::SocketAddr, late: Duration) -> std::net::SocketAddr {
    let listener = TcpListener::bind(crate::support::any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = tokio::net::TcpStream::connect(to).await.unwrap();
            let ((near_read, near_write), (far_read, far_write)) =
                (near.into_split(), far.into_split());
            tokio::spawn(carry_late(near_read, far_write, late));
            tokio::spawn(carry_late(far_read, near_write, late));
        }
    });
    addr
}

async fn carry_late(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    late: Duration,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(late).await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn call_when_connecting_takes_longer_than_its_limit_then_a_later_one_is_answered() {
    let (_authority, alpha, bravo) = pair().await;
    // Why: three round trips of a new connection and its question do not fit the limit, one does.
    let (late, limit) = (Duration::from_millis(100), Duration::from_millis(500));
    let addr = slow_way(bravo.addr, late).await;
    let start = Instant::now();
    let mut given_up = 0;
    loop {
        let call = alpha
            .endpoint
            .call("bravo", addr, "echo", b"hello".to_vec(), limit);
        match call.await {
            Ok(echoed) => break assert_eq!(echoed, b"hello"),
            Err(Error::Timeout { .. }) => given_up += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(start.elapsed() < LIMIT, "{given_up} calls given up");
    }
    assert!(given_up > 0, "the first one connects");
}
