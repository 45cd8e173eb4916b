//! Who is measured: the server itself, the proxies that people use, and our gateway in its shapes.
//! Each proxy gets the smallest configuration that does its job, with two threads.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use trial::{Node, Place};

use super::{
    callgrind::Runnable,
    child::Program,
    client::{At, Client, Who},
    configuration,
    site::{BY_TCP, HOME, HOME_BY_TCP, Site},
    usage::Part,
};

/// How long a proxy may take until it serves.
const LIMIT: Duration = Duration::from_mins(1);

/// One way to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    /// Straight to the server.
    Direct,
    /// HAProxy, TCP mode.
    HaProxy,
    /// ProxySQL with rules that split reads from writes.
    ProxySql,
    /// MaxScale's readwritesplit.
    MaxScale,
    /// Our gateway, in the agent of the primary's node.
    Mainstay,
    /// The same by its Unix socket.
    Socket,
    /// The same by TCP on both sides, by an account that is not let in at the server's socket.
    Tcp,
    /// By its Unix socket, by an account whose reads stay on the primary: nothing leaves the node.
    SocketHome,
    /// By TCP on both sides, and nothing leaves the node.
    TcpHome,
    /// Our gateway on the replica's node: its primary is another node's.
    Far,
    /// Our gateway without an agent, on one thread, before the primary alone: for exact counts.
    Alone,
    /// The same before the primary and its replica: reads go to where least runs.
    Both,
    /// The same, and reads go to the replica whenever they may.
    There,
}

impl Peer {
    pub(super) const ALL: [Self; 13] = [
        Self::Direct,
        Self::HaProxy,
        Self::ProxySql,
        Self::MaxScale,
        Self::Mainstay,
        Self::Socket,
        Self::Tcp,
        Self::SocketHome,
        Self::TcpHome,
        Self::Far,
        Self::Alone,
        Self::Both,
        Self::There,
    ];

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::HaProxy => "haproxy",
            Self::ProxySql => "proxysql",
            Self::MaxScale => "maxscale",
            Self::Mainstay => "mainstay",
            Self::Socket => "mainstay-socket",
            Self::Tcp => "mainstay-tcp",
            Self::SocketHome => "mainstay-socket-home",
            Self::TcpHome => "mainstay-tcp-home",
            Self::Far => "mainstay-far",
            Self::Alone => "mainstay-alone",
            Self::Both => "mainstay-alone-both",
            Self::There => "mainstay-alone-replica",
        }
    }

    /// The gateway without an agent: for exact counts.
    pub(super) fn is_alone(self) -> bool {
        matches!(self, Self::Alone | Self::Both | Self::There)
    }

    /// The gateway as a part of an agent, which has more to do than this.
    pub(super) fn is_agent(self) -> bool {
        self == Self::Mainstay || self.is_special()
    }

    /// The same, reached in another way than most are: where nobody is counted who does not come.
    pub(super) fn is_special(self) -> bool {
        self.is_by_tcp() || matches!(self, Self::Socket | Self::SocketHome | Self::Far)
    }

    /// Its account is not let in at the server's socket.
    pub(super) fn is_by_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::TcpHome)
    }

    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.key() == key)
    }
}

/// Where the programs are; none: not here.
#[derive(Debug, Clone, Default)]
pub(super) struct Programs {
    pub(super) haproxy: Option<PathBuf>,
    pub(super) proxysql: Option<PathBuf>,
    pub(super) maxscale: Option<PathBuf>,
    pub(super) alone: Option<PathBuf>,
}

/// A way that can be taken now.
pub(super) struct Running {
    pub(super) peer: Peer,
    pub(super) at: At,
    /// Where its clients are.
    pub(super) from: Place,
    /// What of it is counted; none for the server itself.
    pub(super) part: Option<Part>,
    program: Option<Program>,
}

impl Running {
    /// The server, which is nobody's proxy.
    pub(super) fn direct(site: &Site) -> Self {
        Self {
            peer: Peer::Direct,
            at: At::Tcp(site.server),
            from: site.clients.clone(),
            part: None,
            program: None,
        }
    }

    /// What of the primary's agent is its gateway's own.
    pub(super) fn agent(site: &Site) -> Result<Part> {
        let pid = site.cluster.node(&site.primary)?.agent_pid();
        pid.map(Part::of).context("the agent does not run")
    }

    /// What of the data nodes' agents carries other nodes' connections to their servers.
    pub(super) fn carriers(site: &Site) -> Vec<Part> {
        let pids = site.cluster.nodes().iter().filter_map(Node::agent_pid);
        pids.map(Part::carrying).collect()
    }

    /// The gateway in an agent.
    pub(super) fn gateway(site: &Site, peer: Peer) -> Result<Self> {
        let name = if peer == Peer::Far {
            &site.replica
        } else {
            &site.primary
        };
        let node = site.cluster.node(name)?;
        let pid = node.agent_pid().context("the agent does not run")?;
        let at = match peer {
            Peer::Socket | Peer::SocketHome => At::Socket(node.sql_socket()),
            _ => At::Tcp(node.sql_address()),
        };
        Ok(Self {
            peer,
            at,
            from: site.clients.clone(),
            part: Some(Part::of(pid)),
            program: None,
        })
    }

    /// A proxy of its own, started; none when its program is not here.
    pub(super) async fn start(
        peer: Peer,
        programs: &Programs,
        site: &Site,
    ) -> Result<Option<Self>> {
        let Some(runnable) = runnable(peer, programs, site)? else {
            return Ok(None);
        };
        let Runnable { program, args, at } = runnable;
        let from = site.clients.clone();
        let mut program = Program::start(&from, &program, &args, &site.dir)?;
        let serves = |_: &Program| serves(&from, &at, &site.who).unwrap_or(false);
        let what = format!("{} serves", peer.key());
        program.wait_until(&what, LIMIT, serves).await?;
        let part = Part::of(working_pid(program.pid()?));
        Ok(Some(Self {
            peer,
            at,
            from,
            part: Some(part),
            program: Some(program),
        }))
    }

    /// As whom its clients come.
    pub(super) fn who(&self, who: &Who) -> Who {
        let mut who = who.clone();
        let user = match self.peer {
            Peer::Tcp => BY_TCP,
            Peer::SocketHome => HOME,
            Peer::TcpHome => HOME_BY_TCP,
            _ => return who,
        };
        user.clone_into(&mut who.user);
        who
    }

    /// Ends what was started.
    pub(super) async fn end(self) -> Result<()> {
        match self.program {
            Some(program) => program.end(Signal::TERM).await.map(drop),
            None => Ok(()),
        }
    }
}

/// How to run a proxy; its configuration is written.
pub(super) fn runnable(peer: Peer, programs: &Programs, site: &Site) -> Result<Option<Runnable>> {
    let program = match peer {
        Peer::HaProxy => &programs.haproxy,
        Peer::ProxySql => &programs.proxysql,
        Peer::MaxScale => &programs.maxscale,
        Peer::Alone | Peer::Both | Peer::There => &programs.alone,
        Peer::Direct
        | Peer::Mainstay
        | Peer::Socket
        | Peer::Tcp
        | Peer::SocketHome
        | Peer::TcpHome
        | Peer::Far => &None,
    };
    let Some(program) = program else {
        return Ok(None);
    };
    ensure!(program.is_file(), "there is no {}", program.display());
    let dir = site.dir.join(peer.key());
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let port = free_port()?;
    let args = match peer {
        Peer::HaProxy => configuration::haproxy(&dir, port, site)?,
        Peer::ProxySql => configuration::proxysql(&dir, port, free_port()?, site)?,
        Peer::MaxScale => configuration::maxscale(&dir, port, free_port()?, site)?,
        _ => configuration::alone(peer, &dir, port, site),
    };
    Ok(Some(Runnable {
        program: program.clone(),
        args,
        at: At::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
    }))
}

/// Lets a client in. Why a thread: it enters the place for good.
fn serves(from: &Place, at: &At, who: &Who) -> Option<bool> {
    let come = || {
        from.enter().ok()?;
        let client = Client::connect(at, who).ok()?;
        Some(client.leave().is_ok())
    };
    thread::scope(|scope| scope.spawn(come).join().ok()?)
}

/// Some start a child that does the work and only look after it.
fn working_pid(pid: i32) -> i32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let child = children
        .ok()
        .and_then(|pids| pids.split_whitespace().next()?.parse().ok());
    child.unwrap_or(pid)
}

/// The program of this name where programs are looked for.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.push(Path::new("/usr/sbin").to_owned());
    let mut files = dirs.iter().map(|dir| dir.join(name));
    files.find(|file| file.is_file())
}

/// A port below those that the kernel gives to outgoing connections, which here are many.
fn free_port() -> Result<u16> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1_000 {
        let number = std::process::id().wrapping_mul(97) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 11_000 + (number % 20_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("there is no free port")
}
