//! Lets a node in that has shown a good token: makes it a member, tells it what it needs to know.

use std::net::SocketAddr;

use cluster::{MemberKind, NodeName};
use peer::{JoinOffer, Kind, Refusal};
use serde_json::Value;

use super::node::Node;
use crate::setup::{Application, Welcome};

/// Decides about an offer. Repeated for the same node and address it gives the same answer.
pub(super) async fn join(
    node: &Node,
    keeper: &keeper::Handle,
    offer: JoinOffer,
) -> Result<Value, Refusal> {
    let refuse = |why: &dyn std::fmt::Display| Refusal(why.to_string());
    let name: NodeName = offer.name.parse().map_err(|error| refuse(&error))?;
    let application: Application =
        serde_json::from_value(offer.payload).map_err(|error| refuse(&error))?;
    if application.version != 1 {
        return Err(Refusal(
            "the joining server's program is of another version".to_owned(),
        ));
    }
    let address: SocketAddr = application
        .address
        .parse()
        .map_err(|error| refuse(&error))?;
    let kind = match offer.kind {
        Kind::Data => MemberKind::Data,
        Kind::Witness => MemberKind::Witness,
    };
    let number = keeper
        .add_member(name.clone(), address.to_string(), kind)
        .await;
    let number = number.map_err(|error| refuse(&error))?;
    tracing::info!(node = %name, number, %address, program = application.program, "a node joined");
    let is_data = kind == MemberKind::Data;
    let (secrets, desk) = (node.secrets.as_ref(), node.desk.as_ref());
    let welcome = Welcome {
        version: 1,
        cluster: node.identity.cluster_name().to_owned(),
        number,
        replication_password: secrets
            .filter(|_| is_data)
            .map(|s| s.replication_password.clone()),
        authority: desk.filter(|_| is_data).map(|desk| desk.authority.copy()),
        members: node
            .directory
            .all()
            .into_iter()
            .filter(|other| other.name != name)
            .collect(),
    };
    serde_json::to_value(&welcome).map_err(|error| refuse(&error))
}
