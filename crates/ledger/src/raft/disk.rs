//! The file of the store: a redb database that only its own thread touches, one durable commit
//! (fsync) per job. Everybody else sees whether a flush is owed for too long or has failed; redb
//! refuses everything after an I/O error until it is opened again, so a failure here is final.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::oneshot;

use super::file::{LOG, Loaded, META, failed, load};
use super::look::look;
use super::voter::Identity;
use crate::Result;

/// The state is some kilobytes; redb would otherwise take up to 1 GiB.
const CACHE_BYTES: usize = 4 << 20;

/// One durable change of the file.
pub(crate) enum Write {
    Vote(Vec<u8>),
    /// Which founding of the ledger this store belongs to.
    Founding(Vec<u8>),
    /// Begins anew: everything that was is in `snapshot` now.
    Restart {
        founding: Vec<u8>,
        vote: Vec<u8>,
        purged: Vec<u8>,
        snapshot: Vec<u8>,
    },
    Append {
        entries: Vec<(u64, Vec<u8>)>,
        committed: Option<Vec<u8>>,
    },
    Truncate {
        from: u64,
    },
    Purge {
        upto: u64,
        mark: Vec<u8>,
    },
    Snapshot(Vec<u8>),
    /// Changes nothing that matters: shows that the disk still flushes.
    Probe,
}

struct Job {
    write: Write,
    done: oneshot::Sender<Result<(), String>>,
}

/// Flushes that are owed, and what became of the store.
#[derive(Default)]
struct Ledger {
    owed: VecDeque<Instant>,
    flushed: Option<Instant>,
    failure: Option<String>,
}

/// A change that is queued.
pub(crate) struct Pending(oneshot::Receiver<Result<(), String>>);

impl Pending {
    /// As [`Pending::wait`], outside of any runtime's workers.
    pub(crate) fn wait_blocking(self) -> Result<(), String> {
        self.0
            .blocking_recv()
            .unwrap_or_else(|_| Err("the store is closed".into()))
    }

    /// Returns when the change is durable.
    pub(crate) async fn wait(self) -> Result<(), String> {
        self.0
            .await
            .unwrap_or_else(|_| Err("the store is closed".into()))
    }
}

/// The store's thread, seen from outside.
pub(crate) struct Disk {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Disk {
    /// Opens or creates the store in `dir`. Blocks.
    ///
    /// Errors: the store is another's or newer, or the disk fails.
    pub(crate) fn open(dir: &Path, me: &Identity) -> Result<(Self, Loaded)> {
        // Why first: opening writes to the file, also when it is refused afterwards.
        look(dir, me)?;
        create_dir(dir).map_err(|error| failed("create", &error))?;
        let path = dir.join("ledger.redb");
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&path)
            .map_err(|error| failed("open", &error))?;
        // Why: without it a new file's name may not survive a power loss, its promises with it.
        let sync = |dir: &Path| std::fs::File::open(dir).and_then(|dir| dir.sync_all());
        sync(dir)
            .and_then(|()| dir.parent().map_or(Ok(()), sync))
            .map_err(|e| failed("sync", &e))?;
        Self::start(database, &path, me)
    }

    /// Goes on with an opened database.
    pub(crate) fn start(database: Database, path: &Path, me: &Identity) -> Result<(Self, Loaded)> {
        let loaded = load(&database, path, me)?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (jobs, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("ledger-store".into())
            .spawn({
                let ledger = Arc::clone(&ledger);
                move || work(&database, &inbox, &ledger)
            })
            .map_err(|error| failed("start thread", &error))?;
        let disk = Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            ledger,
        };
        Ok((disk, loaded))
    }

    /// Carries out `write` and returns when it is durable. It happens even if the caller goes away.
    ///
    /// Errors: the store failed, now or before, or is closed.
    pub(crate) async fn write(&self, write: Write) -> Result<(), String> {
        self.begin(write)?.wait().await
    }

    /// Queues `write` behind all earlier ones.
    ///
    /// Errors: as for [`Disk::write`].
    pub(crate) fn begin(&self, write: Write) -> Result<Pending, String> {
        let (done, answer) = oneshot::channel();
        self.submit(write, done)?;
        Ok(Pending(answer))
    }

    /// Asks for a flush without waiting, unless one is owed already.
    pub(crate) fn probe(&self) {
        if lock(&self.ledger).owed.is_empty() {
            let (done, _) = oneshot::channel();
            let _ = self.submit(Write::Probe, done);
        }
    }

    fn submit(
        &self,
        write: Write,
        done: oneshot::Sender<Result<(), String>>,
    ) -> Result<(), String> {
        let jobs = lock(&self.jobs);
        let jobs = jobs.as_ref().ok_or("the store is closed")?;
        let mut ledger = lock(&self.ledger);
        if let Some(failure) = &ledger.failure {
            return Err(failure.clone());
        }
        ledger.owed.push_back(Instant::now());
        jobs.send(Job { write, done })
            .map_err(|_| "the store is closed".to_string())
    }

    /// Why the store cannot be relied on now: it failed, or owes a flush for longer than `stall`.
    pub(crate) fn trouble(&self, stall: Duration) -> Option<String> {
        let ledger = lock(&self.ledger);
        if let Some(failure) = &ledger.failure {
            return Some(format!("the ledger's store failed: {failure}"));
        }
        let owed = ledger.owed.front()?.elapsed();
        (owed > stall).then(|| format!("the ledger's store has not flushed for {owed:.1?}"))
    }

    /// Why the store is lost, if it is.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.ledger).failure.clone()
    }

    /// How long ago the last flush ended; `None` before the first.
    pub(crate) fn flushed(&self) -> Option<Duration> {
        lock(&self.ledger).flushed.map(|at| at.elapsed())
    }

    /// Ends the thread after the jobs it has, and closes the file. Blocks; a hung disk is left alone.
    pub(crate) fn close(&self) {
        lock(&self.jobs).take();
        let hung = self.trouble(Duration::from_secs(1)).is_some() && self.failure().is_none();
        if let Some(thread) = lock(&self.thread).take()
            && !hung
        {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

fn work(database: &Database, inbox: &mpsc::Receiver<Job>, ledger: &Mutex<Ledger>) {
    while let Ok(Job { write, done }) = inbox.recv() {
        let known = lock(ledger).failure.clone();
        let result = match known {
            Some(failure) => Err(failure),
            None => carry_out(database, &write).map_err(|error| error.to_string()),
        };
        let mut ledger = lock(ledger);
        ledger.owed.pop_front();
        match &result {
            Ok(()) => ledger.flushed = Some(Instant::now()),
            Err(failure) => {
                if ledger.failure.is_none() {
                    tracing::error!(%failure, "the ledger's store failed, this node stops voting");
                }
                ledger.failure.get_or_insert_with(|| failure.clone());
            }
        }
        drop(ledger);
        let _ = done.send(result);
    }
}

fn carry_out(database: &Database, write: &Write) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        let mut log = transaction.open_table(LOG)?;
        match write {
            Write::Vote(vote) => {
                meta.insert("vote", &vote[..])?;
            }
            Write::Founding(founding) => {
                meta.insert("founding", &founding[..])?;
            }
            Write::Restart {
                founding,
                vote,
                purged,
                snapshot,
            } => {
                meta.insert("founding", &founding[..])?;
                meta.insert("vote", &vote[..])?;
                meta.insert("purged", &purged[..])?;
                meta.insert("snapshot", &snapshot[..])?;
                meta.remove("committed")?;
                log.retain_in::<u64, _>(.., |_, _| false)?;
            }
            Write::Append { entries, committed } => {
                for (index, entry) in entries {
                    log.insert(index, &entry[..])?;
                }
                if let Some(committed) = committed {
                    meta.insert("committed", &committed[..])?;
                }
            }
            Write::Truncate { from } => log.retain_in::<u64, _>(*from.., |_, _| false)?,
            Write::Purge { upto, mark } => {
                log.retain_in::<u64, _>(..=*upto, |_, _| false)?;
                meta.insert("purged", &mark[..])?;
            }
            Write::Snapshot(state) => {
                meta.insert("snapshot", &state[..])?;
            }
            Write::Probe => {
                meta.insert("probe", &[][..])?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
