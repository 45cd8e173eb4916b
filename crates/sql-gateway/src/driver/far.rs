//! Connections to other nodes' servers: made in the agent's runtime, whose business other nodes are, and used in the
//! gateway's own loop, encryption and all.

use std::io;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::reactor::Socket;
use crate::route::Route;
use crate::service::Shared;

/// A stream to `node`, the primary of `route` or one of its replicas.
pub(super) async fn reach(shared: &Shared, route: &Arc<Route>, node: &str) -> io::Result<Socket> {
    let (dial, route, node) = (Arc::clone(&shared.dial), Arc::clone(route), node.to_owned());
    let mut dialling = Dialling(
        shared
            .runtime
            .spawn(async move { dial.dial(&route, &node).await }),
    );
    let sealed = (&mut dialling.0).await.map_err(io::Error::other)??;
    Socket::sealed(sealed)
}

/// Is not wanted when nobody waits for it.
struct Dialling<T>(JoinHandle<T>);

impl<T> Drop for Dialling<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
