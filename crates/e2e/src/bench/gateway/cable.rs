//! Visits over a cable: the clients are on the replica's node, and what the primary's node gets and sends is late. They go
//! straight to the primary's server, through HAProxy on their own node, and through the gateway of their own node.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use trial::{Layout, Place, Weather};

use super::{
    Wish,
    cell::{Cell, median},
    child, others,
    peer::{Peer, Running},
    round::{self, Plan, Watched},
    site::Site,
    workload::Workload,
};
use crate::{Ground, Say, Stop};

/// The ways; of our gateway only that of the clients' own node.
const WAYS: [Peer; 3] = [Peer::Direct, Peer::HaProxy, Peer::Far];
/// Nobody listens there.
const CLOSED: u16 = 9;
/// So many round trips are looked at.
const TRIPS: usize = 51;
/// Nothing here takes longer that is done once.
const LIMIT: Duration = Duration::from_secs(10);

/// The name by which these are wished for.
pub(super) fn key(workload: Workload) -> String {
    format!("cable-{}", workload.key())
}

/// Cells of what was measured, and how long a round trip of each cable took, in words.
pub(super) type Measured = (Vec<Cell>, String);

/// Sets a cluster with cables up and measures at each of the delays, one client at a time.
pub(super) async fn measure(
    ground: &Ground,
    wish: &Wish,
    workloads: Vec<Workload>,
    stop: &Stop,
    say: Say<'_>,
) -> Result<Measured> {
    say("setting a cluster with cables up");
    let ground = Ground {
        dir: ground.dir.join("cable"),
        ..ground.clone()
    };
    let site = Site::open(&ground, Layout::Namespaces).await?;
    // Why: a node that connects anew all the time soon has no port left, and then looks for one for milliseconds.
    let reuse = ["-qw", "net.ipv4.tcp_tw_reuse=1"].map(str::to_owned);
    child::output(&site.clients, "sysctl", &reuse, LIMIT).await?;
    let plan = Plan {
        threads: vec![1],
        workloads,
        ..wish.plan()
    };
    let mut ways = Vec::new();
    for peer in WAYS.into_iter().filter(|peer| wish.wants_peer(*peer)) {
        ways.extend(match peer {
            Peer::Direct => Some(Running::direct(&site)),
            Peer::Far => Some(Running::gateway(&site, peer)?),
            _ => Running::start(peer, &wish.programs(), &site).await?,
        });
    }
    let measured = at_each(&site, &ways, (&plan, &wish.delays_us), stop, say).await;
    for running in ways {
        if let Err(error) = running.end().await {
            say(&format!("{error:#}"));
        }
    }
    site.cluster.stop().await;
    measured
}

async fn at_each(
    site: &Site,
    ways: &[Running],
    (plan, delays_us): (&Plan, &[u32]),
    stop: &Stop,
    say: Say<'_>,
) -> Result<Measured> {
    let watched = Watched::of(site)?;
    let (mut all, mut trips) = (Vec::new(), Vec::new());
    for delay in delays_us {
        if stop.is_asked() {
            break;
        }
        if *delay == 0 {
            site.cluster.clear_weather()?;
        } else {
            let late = Duration::from_micros(u64::from(*delay));
            site.cluster.set_weather(Weather::new(late, 0))?;
        }
        let trip = round_trip_us(&site.clients, site.server.ip())?;
        let told = format!("{delay} us: {trip:.0} us there and back");
        say(&told);
        trips.push(told);
        let mut cells = round::run(plan, (ways, &watched), &site.who, stop, say).await?;
        for cell in &mut cells {
            cell.one_way_us = Some(*delay);
        }
        all.extend(cells);
    }
    others::charge(&mut all);
    Ok((all, trips.join(", ")))
}

/// How long it takes to be refused by the other node, in microseconds: once there and back, and no server has a part in it.
fn round_trip_us(from: &Place, to: IpAddr) -> Result<f64> {
    let trip = |address: &SocketAddr| {
        let start = Instant::now();
        let refused = TcpStream::connect_timeout(address, LIMIT).is_err();
        refused.then(|| start.elapsed().as_secs_f64() * 1e6)
    };
    let look = || {
        from.enter().context("enter the place of the clients")?;
        let address = SocketAddr::from((to, CLOSED));
        let trips = (0..TRIPS).filter_map(|_| trip(&address));
        median(trips).context("somebody listens at the port that nobody should have")
    };
    let looked = thread::scope(|scope| scope.spawn(look).join());
    looked.map_err(|_| anyhow::anyhow!("the one who looked broke down"))?
}
