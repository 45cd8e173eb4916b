//! What a cluster on trial shall look like, and its first start.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    Cluster, Error, Holds, Layout, Node, Place, Result,
    cluster::Estate,
    disk::{self, Disk},
    layout::Ports,
    namespace::{self, Network},
    power,
    process::{self, Identity},
};

static SERIAL: AtomicU32 = AtomicU32::new(0);
const NAMES: [&str; 4] = ["alpha", "bravo", "charlie", "delta"];
/// How long the first node may take until it is primary.
const FIRST_LIMIT: Duration = Duration::from_mins(1);

/// A cluster to be.
#[derive(Debug, Clone)]
pub struct Builder {
    binary: PathBuf,
    dir: PathBuf,
    data_nodes: usize,
    spare_nodes: usize,
    witness: bool,
    layout: Layout,
    disks: Option<(u64, Holds)>,
    keys: Vec<String>,
    reads_elsewhere: bool,
}

impl Builder {
    /// A cluster of this program in this directory: two data nodes and a witness, on loopback.
    pub fn new(binary: impl Into<PathBuf>, dir: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            dir: dir.into(),
            data_nodes: 2,
            spare_nodes: 0,
            witness: true,
            layout: Layout::Loopback,
            disks: None,
            keys: Vec::new(),
            reads_elsewhere: false,
        }
    }

    /// How many data nodes: `alpha`, `bravo`, `charlie` (1 to 3).
    #[must_use]
    pub fn data_nodes(mut self, count: usize) -> Self {
        self.data_nodes = count.clamp(1, 3);
        self
    }

    /// How many more that do not join by themselves (0 or 1): see [`Cluster::join`].
    #[must_use]
    pub fn spare_nodes(mut self, count: usize) -> Self {
        self.spare_nodes = count.min(1);
        self
    }

    /// With a witness or without.
    #[must_use]
    pub fn witness(mut self, witness: bool) -> Self {
        self.witness = witness;
        self
    }

    /// Where the nodes live.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// A configuration key more for each data node, as `gateway.max_connections=100`.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// The gateways of all data nodes but the first read on replicas whenever they may: so that a small load does, too.
    #[must_use]
    pub fn reads_elsewhere(mut self) -> Self {
        self.reads_elsewhere = true;
        self
    }

    /// Each data node has a disk of its own, of so many MiB (256 is little, 400 enough for a
    /// clone of small data), that can hang, fail and be full, and a boot id of its own. Needs root.
    #[must_use]
    pub fn disks(mut self, mib: u64, holds: Holds) -> Self {
        self.disks = Some((mib, holds));
        self
    }

    /// Sweeps what dead trials left, makes directories and network, starts nothing.
    ///
    /// # Errors
    /// The directory or, with namespaces, the network refuses.
    pub fn build(&self) -> Result<Cluster> {
        process::sweep();
        if self.layout == Layout::Namespaces {
            namespace::sweep();
        }
        if self.disks.is_some() {
            disk::sweep();
        }
        make_dir(&self.dir)?;
        let dir = fs::canonicalize(&self.dir).map_err(Error::file("find", &self.dir))?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut network = match self.layout {
            Layout::Namespaces => Some(Network::new(serial)?),
            Layout::Loopback => None,
        };
        let mark = process::new_mark(serial);
        let count = self.data_nodes + self.spare_nodes;
        let names = NAMES.iter().take(count).map(|name| (*name, false));
        let mut nodes = Vec::new();
        for (name, witness) in names.chain(self.witness.then_some(("witness", true))) {
            let number = u8::try_from(nodes.len() + 1).unwrap_or(u8::MAX);
            let mut node = self.node(name, witness, number, &dir)?;
            node.identity.mark = format!("{mark}/{name}");
            let marked = process::mark_dir(&node.dir, &node.identity.mark);
            marked.map_err(Error::file("mark", &node.dir))?;
            if let (Some((mib, holds)), false) = (self.disks, witness) {
                power::boot(&node.dir)?;
                node.disk = Mutex::new(Some(Disk::make(&node.dir, mib)?));
                node.holds = Some(holds);
            }
            if let Some(network) = &mut network {
                node.place = Place::Namespace(network.add(name, node.address)?);
            }
            nodes.push(node);
        }
        Ok(Cluster::new(Estate {
            nodes,
            network: Mutex::new(network),
        }))
    }

    fn node(&self, name: &str, witness: bool, number: u8, dir: &Path) -> Result<Node> {
        let address = self.layout.address(number);
        let dir = dir.join(name);
        make_dir(&dir)?;
        // The longest socket below it is `data/run/mariadb.sock`; the kernel's limit is 108.
        if dir.as_os_str().len() > 80 {
            return Err(Error::LongPath(dir));
        }
        let mut keys = self.keys.clone();
        if self.reads_elsewhere && !witness && number > 1 {
            keys.push("gateway.prefer_replicas=true".to_owned());
        }
        Ok(Node {
            name: name.to_owned(),
            address,
            binary: self.binary.clone(),
            place: Place::Host,
            ports: match self.layout {
                Layout::Loopback => Some(Ports::free(address)?),
                Layout::Namespaces => None,
            },
            witness,
            identity: Identity {
                mark: String::new(),
                dir: dir.display().to_string(),
            },
            agent: Mutex::new(None),
            heir: Mutex::new(None),
            holds: None,
            disk: Mutex::new(None),
            keys,
            dir,
        })
    }

    /// Builds, and brings all nodes but the spare ones in: the first by `init`, the others by
    /// `token` and `join`. Protection may still be on its way: see [`Cluster::wait_protected`].
    ///
    /// # Errors
    /// As `build`; a verb refuses; the first node does not become primary within a minute.
    pub async fn start(&self) -> Result<Cluster> {
        let cluster = self.build()?;
        let first = NAMES[0];
        cluster.found(cluster.node(first)?).await?;
        let is_primary = |status: &crate::Status| status.primary.as_deref() == Some(first);
        cluster
            .wait_until("the first node is primary", FIRST_LIMIT, is_primary)
            .await?;
        for name in NAMES.iter().take(self.data_nodes).skip(1) {
            cluster.join(name, first).await?;
        }
        if self.witness {
            cluster.join("witness", first).await?;
        }
        Ok(cluster)
    }
}

/// Makes it, open to be entered: MariaDB may run as a user of its own below it.
fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir, open).map_err(Error::file("open up", dir))
}
