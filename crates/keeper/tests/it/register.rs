//! A register in memory, shared by its handles; the swaps of one handle can be left without an answer.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cluster::Document;
use ledger::{Reach, Record, Register, Swap};
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct Memory {
    turn: Arc<Mutex<()>>,
    record: watch::Sender<Option<Record>>,
    pub(crate) hangs: Arc<AtomicBool>,
    /// Swaps without an answer so far.
    pub(crate) hung: Arc<AtomicU32>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            turn: Arc::default(),
            record: watch::Sender::new(None),
            hangs: Arc::default(),
            hung: Arc::default(),
        }
    }

    /// Another node's handle.
    pub(crate) fn handle(&self) -> Self {
        Self {
            hangs: Arc::default(),
            hung: Arc::default(),
            ..self.clone()
        }
    }

    pub(crate) fn document(&self) -> Document {
        let record = self.record.borrow();
        keeper::decode_document(&record.as_ref().unwrap().body).unwrap()
    }

    /// Swaps as somebody else would.
    pub(crate) fn put(&self, next: &Document) {
        let body = keeper::encode_document(next).unwrap();
        let expected = Some(next.rev - 1);
        let record = Record::following(expected, body).unwrap();
        assert_eq!(self.try_swap(expected, record), Swap::Won);
    }

    /// Swaps these bytes in, as a version that is not known here might.
    pub(crate) fn put_bytes(&self, body: &[u8]) {
        let expected = self.document().rev;
        let record = Record::following(Some(expected), body.to_vec()).unwrap();
        assert_eq!(self.try_swap(Some(expected), record), Swap::Won);
    }

    /// As the next version does it when this one can read it again: the document, two revisions on.
    pub(crate) fn put_after(&self, unreadable: u64, document: &Document) {
        let mut next = document.clone();
        next.rev = unreadable + 1;
        self.put(&next);
    }

    fn try_swap(&self, expected: Option<u64>, next: Record) -> Swap {
        let _turn = self.turn.lock().unwrap();
        let known = self.record.borrow().clone();
        if known.as_ref().map(|record| record.rev) != expected {
            return Swap::Lost(known);
        }
        self.record.send_replace(Some(next));
        Swap::Won
    }
}

#[async_trait]
impl Register for Memory {
    async fn read(&self, _: Duration) -> ledger::Result<Option<Record>> {
        Ok(self.record.borrow().clone())
    }

    async fn swap(&self, expected: Option<u64>, next: Record, limit: Duration) -> Swap {
        if self.hangs.load(Ordering::Relaxed) {
            self.hung.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            return Swap::Undecided;
        }
        self.try_swap(expected, next)
    }

    fn watch(&self) -> watch::Receiver<Option<Record>> {
        self.record.subscribe()
    }

    fn reach(&self) -> Reach {
        Reach {
            reachable: true,
            has_spare: true,
            ..Reach::default()
        }
    }
}
