//! From the keeper's picture to the status document.

use cluster::{ChangeKind, Document, MemberKind, NodeName, Report, Role, Server, View};
use keeper::{Extras, Picture};

use super::document::{Change, Database, Ledger, Node, Status};

/// A node not heard for this long is not said to be anything any more.
const STALE_MS: u64 = 3_000;

impl Status {
    /// What `picture` says, for people and programs.
    pub(crate) fn of(picture: &Picture) -> Self {
        let view = &picture.view;
        let document = view.document.as_ref();
        let (epoch, primary, _) = picture.route();
        let paused = document.is_some_and(|document| document.paused);
        let mut status = Self {
            version: 1,
            cluster: picture.cluster.clone(),
            epoch,
            primary: primary.map(String::from),
            in_sync: document.map_or_else(Vec::new, |d| {
                d.in_sync.keys().map(ToString::to_string).collect()
            }),
            protected: picture.is_protected() && !paused,
            paused,
            ledger: Ledger {
                kind: picture.reach.kind.to_owned(),
                members: picture.reach.voters.clone(),
                reachable: picture.reach.reachable,
                leader: picture.reach.leader.clone(),
            },
            nodes: nodes(picture),
            last_change: document.and_then(|document| change(document, picture.last_pause_ms())),
            asked: view.me.to_string(),
            reason: picture.reason.clone(),
            concerns: Vec::new(),
            warnings: warnings(picture),
            gateway: None,
        };
        if !status.protected {
            status.concerns = concerns(&status, picture);
        }
        status
    }
}

fn nodes(picture: &Picture) -> Vec<Node> {
    let view = &picture.view;
    let Some(document) = &view.document else {
        return vec![own(picture, String::new(), false)];
    };
    let members = document.members.iter().map(|(name, member)| {
        let address = member
            .address
            .rsplit_once(':')
            .map_or("", |(address, _)| address);
        let address = address.trim_matches(['[', ']']).to_owned();
        let is_witness = member.kind == MemberKind::Witness;
        if *name == view.me {
            own(picture, address, is_witness)
        } else {
            other(picture, name, address, is_witness)
        }
    });
    members.collect()
}

fn own(picture: &Picture, address: String, is_witness: bool) -> Node {
    let view = &picture.view;
    let standing = cluster::standing(view);
    Node {
        name: view.me.to_string(),
        address,
        role: standing.is.to_string(),
        becoming: standing.becoming.map(|role| role.to_string()),
        health: health(&view.server, is_witness),
        witness: is_witness,
        seen_ms_ago: Some(0),
        database: database(&view.server, &picture.extras, standing.is),
        reason: Some(picture.reason.clone()),
        trouble: picture.extras.trouble.clone(),
        clone: picture.extras.clone.clone(),
        drain: picture.extras.drain.clone(),
    }
}

fn other(picture: &Picture, name: &NodeName, address: String, is_witness: bool) -> Node {
    let view = &picture.view;
    let report = view.peers.get(name).map(|peer| &peer.report);
    let age = view.age(name);
    let is_fresh = age.is_some_and(|age| age < STALE_MS.max(view.timing.suspicion));
    let extras = picture.others.get(name);
    let fresh = report.filter(|_| is_fresh);
    let role = match (fresh, is_witness) {
        (_, true) => Role::Witness,
        (Some(report), false) => report.role,
        (None, false) => Role::Unknown,
    };
    let no_extras = Extras::default();
    let known = report
        .map(|report: &Report| database(&report.server, extras.unwrap_or(&no_extras), report.role));
    let fresh_extras = extras.filter(|_| is_fresh);
    Node {
        name: name.to_string(),
        address,
        role: role.to_string(),
        becoming: fresh
            .and_then(|report| report.becoming)
            .map(|role| role.to_string()),
        health: fresh.map_or_else(|| "silent".to_owned(), |r| health(&r.server, is_witness)),
        witness: is_witness,
        seen_ms_ago: age,
        database: known.flatten(),
        reason: fresh_extras
            .map(|extras| extras.reason.clone())
            .filter(|reason| !reason.is_empty()),
        trouble: fresh_extras.and_then(|extras| extras.trouble.clone()),
        clone: fresh_extras.and_then(|extras| extras.clone.clone()),
        drain: fresh_extras.and_then(|extras| extras.drain.clone()),
    }
}

fn health(server: &Server, is_witness: bool) -> String {
    if is_witness {
        return "ok".to_owned();
    }
    match server {
        Server::Running(running) => running.health.to_string(),
        Server::Stopped => "stopped".to_owned(),
        Server::NoData => "no-data".to_owned(),
        Server::Busy(_) => "busy".to_owned(),
        Server::Unseen => "unknown".to_owned(),
    }
}

fn database(server: &Server, extras: &Extras, role: Role) -> Option<Database> {
    let running = server.running()?;
    Some(Database {
        version: extras.version.clone(),
        pid: extras.pid,
        socket: extras.socket.clone(),
        read_only: running.read_only,
        gtid: running.holds().to_string(),
        lag_ms: if role == Role::Primary {
            Some(0)
        } else {
            running.lag_ms
        },
    })
}

fn change(document: &Document, pause: Option<u64>) -> Option<Change> {
    let change = document.last_change.as_ref()?;
    let seconds = i64::try_from(change.at).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let kind = match change.kind {
        ChangeKind::Failover => "failover",
        ChangeKind::Switchover => "switchover",
        ChangeKind::Forced => "forced",
    };
    Some(Change {
        kind: kind.to_owned(),
        from: change.from.to_string(),
        to: change.to.to_string(),
        at: at.to_string(),
        write_pause_ms: pause,
        reason: change.reason.clone(),
    })
}

/// What the agents want people to see to, with the node's name.
fn warnings(picture: &Picture) -> Vec<String> {
    let own = (&picture.view.me, &picture.extras);
    let all = picture.others.iter().chain([own]);
    all.flat_map(|(node, extras)| {
        let told = extras.warnings.iter();
        told.map(move |warning| format!("{node}: {warning}"))
    })
    .collect()
}

/// Every reason why the loss of one server now would hurt, most important first.
fn concerns(status: &Status, picture: &Picture) -> Vec<String> {
    let view: &View = &picture.view;
    let mut found = Vec::new();
    if view.document.is_none() {
        found.push("the ledger has not been read since this agent started".to_owned());
    }
    if status.primary.is_none() {
        found.push("no node takes writes".to_owned());
    }
    if status.in_sync.is_empty() && view.document.is_some() {
        let data = view
            .document
            .iter()
            .flat_map(Document::data_members)
            .count();
        found.push(if data < 2 {
            "there is one data node: let another one join (`mainstay token`)".to_owned()
        } else {
            "no replica is in sync".to_owned()
        });
    }
    if !picture.reach.reachable {
        let why = picture.reach.trouble.as_deref();
        found.push(why.map_or_else(
            || "no quorum of the ledger answers".to_owned(),
            |why| format!("no quorum of the ledger answers: {why}"),
        ));
    } else if !picture.reach.has_spare {
        found.push(if picture.reach.voters.len() < 3 {
            "the ledger cannot lose a voter: three are needed (`mainstay token --witness`)"
                .to_owned()
        } else {
            "the ledger cannot lose another voter".to_owned()
        });
    }
    if status.paused {
        found.push("automatic change is paused (`mainstay resume`)".to_owned());
    }
    found
}
