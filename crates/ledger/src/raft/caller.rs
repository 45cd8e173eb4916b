//! Asks other nodes: envelope, limit, and what their refusals mean. Also the shape in which
//! openraft asks.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::error::{Fatal, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{InstallSnapshotRequest, InstallSnapshotResponse, SnapshotResponse};

use super::format;
use super::message::{Answer, Call, Refusal, Request};
use super::peers::Peers;
use super::store::Store;
use super::timing::Timing;
use super::transport::Transport;
use super::types::{
    AppendRequest, AppendResponse, Member, SnapshotMeta, Types, Vote, VoteRequest, VoteResponse,
};
use super::voter::Identity;

/// How long a whole snapshot may take to be sent and installed.
pub(crate) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(10);

/// Asks other nodes on behalf of this one.
pub(crate) struct Caller {
    pub(crate) me: Identity,
    pub(crate) timing: Timing,
    pub(crate) peers: Peers,
    /// The term in which the leader asked this node to stand for election; 0: none.
    pub(crate) handover_term: AtomicU64,
    store: Arc<Store>,
    transport: Arc<dyn Transport>,
}

impl Caller {
    pub(crate) fn new(
        me: Identity,
        timing: Timing,
        store: Arc<Store>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        let (peers, handover_term) = (Peers::default(), AtomicU64::new(0));
        Self {
            me,
            timing,
            peers,
            handover_term,
            store,
            transport,
        }
    }

    /// Asks `member`, who is node `to`, and insists on the store with which it joined.
    ///
    /// Errors: a sentence; it does not say whether the other side did what was asked.
    pub(crate) async fn ask_member(
        &self,
        to: u64,
        member: &Member,
        call: Call,
        limit: Duration,
    ) -> Result<Answer, String> {
        let answer = self
            .ask(to, &member.address, Some(member.store), call, limit)
            .await;
        if let Ok(Answer::Refused(Refusal::OtherStore(store))) = &answer {
            self.peers.note_stranger(to, *store);
        }
        answer
    }

    /// Asks node `to` at `address`.
    pub(crate) async fn ask(
        &self,
        to: u64,
        address: &str,
        store: Option<u64>,
        call: Call,
        limit: Duration,
    ) -> Result<Answer, String> {
        let request = Request {
            cluster: self.me.cluster.clone(),
            founding: self.store.founding(),
            from: self.me.node,
            to,
            store,
            call,
        };
        let bytes = format::encode(&request)?;
        let call = self.transport.call(to, address, bytes, limit);
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => format::decode(&answer),
            Ok(Err(error)) => Err(format!("node {to}: {error}")),
            Err(_) => Err(format!("node {to} did not answer within {limit:?}")),
        }
    }
}

/// Opens openraft's lines to other nodes.
pub(crate) struct Lines(pub(crate) Arc<Caller>);

impl RaftNetworkFactory<Types> for Lines {
    type Network = Line;

    async fn new_client(&mut self, target: u64, node: &Member) -> Line {
        Line {
            caller: Arc::clone(&self.0),
            to: target,
            member: node.clone(),
        }
    }
}

/// openraft's line to one node.
pub(crate) struct Line {
    caller: Arc<Caller>,
    to: u64,
    member: Member,
}

impl Line {
    async fn ask(&self, call: Call, limit: Duration) -> Result<Answer, Unreachable> {
        let answer = self
            .caller
            .ask_member(self.to, &self.member, call, limit)
            .await;
        // Why: whatever went wrong, openraft must wait before it tries again, or it spins.
        match answer {
            Ok(Answer::Refused(why)) => Err(unreachable_node(&why.to_string())),
            Ok(answer) => Ok(answer),
            Err(why) => Err(unreachable_node(&why)),
        }
    }
}

fn unreachable_node(why: &str) -> Unreachable {
    Unreachable::new(&io::Error::other(why.to_string()))
}

type CallError<E = openraft::error::Infallible> = RPCError<u64, Member, RaftError<u64, E>>;

impl RaftNetwork<Types> for Line {
    async fn append_entries(
        &mut self,
        rpc: AppendRequest,
        option: RPCOption,
    ) -> Result<AppendResponse, CallError> {
        match self.ask(Call::Append(rpc), option.hard_ttl()).await? {
            Answer::Appended(response) => Ok(response),
            _ => Err(unreachable_node("unexpected answer").into()),
        }
    }

    async fn install_snapshot(
        &mut self,
        _: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, CallError<openraft::error::InstallSnapshotError>>
    {
        Err(unreachable_node("snapshots are sent whole").into())
    }

    async fn vote(
        &mut self,
        request: VoteRequest,
        option: RPCOption,
    ) -> Result<VoteResponse, CallError> {
        let term = self.caller.handover_term.load(Ordering::Relaxed);
        let handover = term != 0 && request.vote.leader_id().term == term;
        match self
            .ask(Call::Vote { request, handover }, option.hard_ttl())
            .await?
        {
            Answer::Voted(response) => Ok(response),
            _ => Err(unreachable_node("unexpected answer").into()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::Snapshot<Types>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        use base64::Engine as _;
        let meta: SnapshotMeta = snapshot.meta;
        let data = base64::engine::general_purpose::STANDARD.encode(snapshot.snapshot.get_ref());
        let ask = self.ask(Call::Snapshot { vote, meta, data }, SNAPSHOT_LIMIT);
        tokio::select! {
            closed = cancel => Err(closed.into()),
            answer = ask => match answer {
                Ok(Answer::Installed(vote)) => Ok(SnapshotResponse::new(vote)),
                Ok(_) => Err(unreachable_node("unexpected answer").into()),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(self.caller.timing.heartbeat))
    }
}
