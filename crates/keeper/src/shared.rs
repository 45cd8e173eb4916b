//! What the loop shares with its handles and its heartbeats.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cluster::{Document, Gate};
use tokio::sync::{Notify, watch};

use crate::board::Board;
use crate::journal::{Journal, Remark};
use crate::scribe::Scribe;
use crate::{Error, Parts, Result};

/// The time at which clocks start.
const ZERO: u64 = 1_000_000;

/// A clock that only goes forward.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

/// What the loop shares with its handles and its heartbeats.
pub(crate) struct Shared {
    pub(crate) me: cluster::NodeName,
    pub(crate) clock: Clock,
    pub(crate) endpoint: Arc<peer::Endpoint>,
    pub(crate) board: Board,
    pub(crate) scribe: Scribe,
    pub(crate) gate: watch::Sender<Gate>,
    /// Told when others should be asked at once.
    pub(crate) hurry: watch::Sender<u64>,
    /// Told when others should be told at once.
    pub(crate) material: watch::Sender<u64>,
    pub(crate) sequence: AtomicU64,
    pub(crate) incarnation: u64,
    pub(crate) stirred: Notify,
    pub(crate) learned: Mutex<Option<Document>>,
    pub(crate) journal: Mutex<Journal>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds; it starts well above zero so that "long ago" can be told.
    pub(crate) fn now(self) -> u64 {
        ZERO + self.0.elapsed().as_millis() as u64
    }

    /// The instant of which `now` said this.
    pub(crate) fn instant(self, ms: u64) -> Instant {
        self.0 + std::time::Duration::from_millis(ms.saturating_sub(ZERO))
    }
}

impl Shared {
    pub(crate) fn new(parts: &Parts, scribe: Scribe, clock: Clock) -> Result<Self> {
        Ok(Self {
            me: parts.me.clone(),
            clock,
            endpoint: Arc::clone(&parts.endpoint),
            board: Board::default(),
            scribe,
            gate: watch::Sender::new(Gate::default()),
            hurry: watch::Sender::new(0),
            material: watch::Sender::new(0),
            sequence: AtomicU64::new(1),
            incarnation: incarnation()?,
            stirred: Notify::new(),
            learned: Mutex::default(),
            journal: Mutex::default(),
        })
    }

    /// Makes the loop look again now.
    pub(crate) fn stir(&self) {
        self.stirred.notify_one();
    }

    /// A document that is known to be committed.
    pub(crate) fn learn(&self, document: Document) {
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = Some(document);
        self.stir();
    }

    pub(crate) fn remarks(&self) -> Vec<Remark> {
        self.journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all()
    }
}

fn incarnation() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(u64::from_le_bytes(bytes))
}
