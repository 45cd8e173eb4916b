//! A gateway that lies now and then, between the load and a real server: whatever the clients are
//! told that is not so, the check must find by itself.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
};
use trial::{Gateway, Layout, Load, Plan, Verdict, Violation, examine};

use crate::{LIMIT, cluster, damage::database, limits};

#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// Says "done" to an insert and does nothing.
    SwallowInsert,
    /// Says "done" to the second step of a transfer and does nothing.
    HalveTransfer,
    /// Says "refused" to an insert that was done.
    RefuseDone,
}

const OK: &[u8] = &[7, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0];
const EVERY: u32 = 7;

/// A whole packet with its header; `None` at the end.
async fn packet(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await.ok()?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await.ok()?;
    Some(packet)
}

fn refusal() -> Vec<u8> {
    let said = [&[0xff][..], &1290_u16.to_le_bytes(), b"#HY000read only"].concat();
    [&[u8::try_from(said.len()).unwrap(), 0, 0, 1][..], &said].concat()
}

struct Liar {
    lie: Lie,
    told: AtomicU32,
}

impl Liar {
    /// It is time to lie about this statement.
    fn lies_about(&self, packet: &[u8]) -> bool {
        let text = String::from_utf8_lossy(packet.get(5..).unwrap_or_default()).into_owned();
        let is_query = packet.get(4) == Some(&3);
        let is_meant = match self.lie {
            Lie::SwallowInsert | Lie::RefuseDone => text.starts_with("INSERT INTO entry"),
            Lie::HalveTransfer => text.starts_with("UPDATE account"),
        };
        // An odd number, so that first and second steps of transfers both have their turn.
        is_query && is_meant && self.told.fetch_add(1, SeqCst) % EVERY == EVERY - 1
    }

    async fn serve(self: Arc<Self>, client: TcpStream, upstream: SocketAddr) {
        let Ok(server) = TcpStream::connect(upstream).await else {
            return;
        };
        let (mut asked, answers) = client.into_split();
        let (answered, mut asks) = server.into_split();
        let answers = Arc::new(Mutex::new(answers));
        let replace = Arc::new(AtomicBool::new(false));
        let back = tokio::spawn(answer(Arc::clone(&answers), Arc::clone(&replace), answered));
        while let Some(packet) = packet(&mut asked).await {
            let is_lie = self.lies_about(&packet);
            if is_lie && self.lie != Lie::RefuseDone {
                answers.lock().await.write_all(OK).await.unwrap();
                continue;
            }
            replace.store(is_lie, SeqCst);
            if asks.write_all(&packet).await.is_err() {
                break;
            }
        }
        back.abort();
    }
}

async fn answer(to: Arc<Mutex<OwnedWriteHalf>>, replace: Arc<AtomicBool>, mut from: OwnedReadHalf) {
    while let Some(packet) = packet(&mut from).await {
        let packet = if replace.swap(false, SeqCst) {
            refusal()
        } else {
            packet
        };
        if to.lock().await.write_all(&packet).await.is_err() {
            return;
        }
    }
}

/// Starts one; its address.
async fn liar(lie: Lie, upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let liar = Arc::new(Liar {
        lie,
        told: AtomicU32::new(0),
    });
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&liar).serve(client, upstream));
        }
    });
    address
}

async fn told(cluster: &trial::Cluster, lie: Lie) -> Verdict {
    let account = cluster.prepare_load(10).await.unwrap();
    let honest = cluster.node("alpha").unwrap().gateway(&account);
    let address = liar(lie, honest.address).await;
    let plan = Plan {
        writers: 3,
        readers: 1,
        lists: 2,
        rate: 100,
        deadline: LIMIT,
        connect: LIMIT,
    };
    let load = Load::start(vec![Gateway { address, ..honest }], plan).unwrap();
    load.wait_acknowledged(&["alpha"], 200, LIMIT)
        .await
        .unwrap();
    let history = load.finish().await.unwrap();
    examine(&history, &[database(cluster, "alpha")], limits())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_when_a_gateway_lies_then_each_lie_is_found_from_the_history_alone() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;

    let verdict = told(&cluster, Lie::SwallowInsert).await;
    assert!(
        verdict.lost() >= 5 && verdict.lost() == verdict.violations().len(),
        "{verdict}"
    );

    let verdict = told(&cluster, Lie::RefuseDone).await;
    let is_refused = |found: &Violation| matches!(found, Violation::Refused { .. });
    assert!(verdict.violations().len() >= 5, "{verdict}");
    assert!(verdict.violations().iter().all(is_refused), "{verdict}");

    let verdict = told(&cluster, Lie::HalveTransfer).await;
    let has = |kind: fn(&Violation) -> bool| verdict.violations().iter().any(kind);
    assert!(
        has(|found| matches!(found, Violation::Torn { .. })),
        "{verdict}"
    );
    assert!(
        has(|found| matches!(found, Violation::Total { .. })),
        "{verdict}"
    );
    assert!(
        has(|found| matches!(found, Violation::TornRead { .. })),
        "{verdict}"
    );
    assert_eq!(verdict.lost(), 0, "{verdict}");
}
