//! One tunnel on the primary's side while it is open: its sockets, its figures, and the inspection of
//! what the replica's server says.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::hello::Mode;
use super::login::{Finding, LoginWatch};
use super::meter::Meter;
use crate::Stream;
use crate::pipe::{Tap, pipe};
use crate::socket::{Severer, Socket};

#[derive(Debug)]
pub(super) struct Passage {
    pub(super) since: Instant,
    /// Both sockets, once they are there.
    severers: Mutex<Vec<Severer>>,
    cut: AtomicBool,
    pub(super) connected: AtomicBool,
    pub(super) announced: AtomicBool,
    pub(super) dumping: AtomicBool,
    pub(super) from_replica: Meter,
    pub(super) to_replica: Arc<Meter>,
    over: watch::Sender<bool>,
}

impl Passage {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            severers: Mutex::default(),
            cut: false.into(),
            connected: false.into(),
            announced: false.into(),
            dumping: false.into(),
            from_replica: Meter::default(),
            to_replica: Arc::default(),
            over: watch::Sender::new(false),
        }
    }

    fn severers(&self) -> MutexGuard<'_, Vec<Severer>> {
        self.severers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a socket; severs it when the tunnel was cut before.
    pub(super) fn attach(&self, severer: Severer) {
        let mut severers = self.severers();
        if self.is_cut() {
            severer.sever();
        }
        severers.push(severer);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// From here on no byte passes.
    pub(super) fn sever(&self) {
        let severers = self.severers();
        self.cut.store(true, Ordering::Release);
        severers.iter().for_each(Severer::sever);
    }

    /// Its sockets are closed.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }

    pub(super) async fn wait_for_end(&self) {
        // Why an error is fine: the sender is gone only with the tunnel itself.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Carries bytes until one side ends or the tunnel is cut. `Err`: an async replica said what it
    /// must not, or could not be read; nothing of that chunk was passed on.
    pub(super) async fn carry(
        &self,
        (mut stream, mut server): (Stream, Socket),
        mode: Mode,
        changed: &(dyn Fn() + Send + Sync),
    ) -> Result<(), &'static str> {
        let mut inward = Inspector {
            passage: self,
            mode,
            changed,
            watch: Some(LoginWatch::new()),
            violation: None,
        };
        let mut outward = Arc::clone(&self.to_replica);
        let taps = (
            &mut inward as &mut (dyn Tap + Send),
            &mut outward as &mut (dyn Tap + Send),
        );
        if pipe(&mut stream, &mut server, taps).await.is_err() {
            self.sever();
        }
        inward.violation.map_or(Ok(()), Err)
    }
}

/// Counts what the replica sends and watches over its login.
struct Inspector<'a> {
    passage: &'a Passage,
    mode: Mode,
    changed: &'a (dyn Fn() + Send + Sync),
    /// Until there is nothing more to learn.
    watch: Option<LoginWatch>,
    violation: Option<&'static str>,
}

impl Tap for Inspector<'_> {
    fn pass(&mut self, chunk: &[u8]) -> io::Result<()> {
        let passage = self.passage;
        passage.from_replica.add(chunk.len());
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        let finding = watch.feed(chunk);
        let (announced, dumping) = (watch.has_announced(), watch.is_dumping());
        passage.announced.store(announced, Ordering::Relaxed);
        if self.mode == Mode::Async && finding != Finding::Nothing {
            self.violation = Some(violation(finding));
            return Err(io::ErrorKind::InvalidData.into());
        }
        if dumping && !passage.dumping.swap(true, Ordering::Relaxed) {
            (self.changed)();
        }
        // Why: of a sync replica only the announcement is of interest; its acknowledgements are
        // too many to read.
        let learned = dumping || matches!(finding, Finding::Acknowledges | Finding::Unreadable(_));
        if self.mode == Mode::Sync && learned {
            self.watch = None;
        }
        Ok(())
    }
}

fn violation(finding: Finding) -> &'static str {
    match finding {
        Finding::Announces => "an async replica announced semi-sync",
        Finding::Acknowledges => "an async replica acknowledged a transaction",
        Finding::Unreadable(reason) => reason,
        Finding::Nothing => "nothing",
    }
}
