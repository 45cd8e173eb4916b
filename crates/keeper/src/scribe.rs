//! Reading and swapping the ledger's document: bytes, nonce, and what an answer is worth.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Document, Outcome};
use ledger::{Record, Register, Swap};

use crate::{Error, Result, decode_document, encode_document};

const READ_LIMIT: Duration = Duration::from_secs(1);
/// Why so long: the ledger may have to elect a leader first, and an answer spares a second swap.
const SWAP_LIMIT: Duration = Duration::from_secs(3);
/// How often an edit is tried again after losing to somebody else's.
const TRIES: usize = 8;
/// How often one that got no answer is.
const UNDECIDED_TRIES: usize = 3;

#[derive(Clone)]
pub(crate) struct Scribe {
    register: Arc<dyn Register>,
}

impl Scribe {
    pub(crate) fn new(register: Arc<dyn Register>) -> Self {
        Self { register }
    }

    pub(crate) fn register(&self) -> &Arc<dyn Register> {
        &self.register
    }

    /// Linearizable.
    pub(crate) async fn read(&self) -> Result<Option<Document>> {
        let record = self.register.read(READ_LIMIT).await?;
        record
            .map(|record| decode_document(&record.body))
            .transpose()
    }

    /// The ledger is heard now; as patient as a swap.
    pub(crate) async fn hear(&self) -> Result<()> {
        self.register.read(SWAP_LIMIT).await?;
        Ok(())
    }

    pub(crate) async fn swap(&self, next: &Document) -> Outcome {
        let expected = (next.rev > 1).then(|| next.rev - 1);
        let record =
            match encode_document(next).and_then(|body| Ok(Record::following(expected, body)?)) {
                Ok(record) => record,
                Err(error) => return Outcome::Failed(error.to_string()),
            };
        match self.register.swap(expected, record, SWAP_LIMIT).await {
            Swap::Won => Outcome::Won,
            Swap::Undecided => Outcome::Undecided,
            Swap::Lost(None) => Outcome::Failed("the ledger refused the document".into()),
            Swap::Lost(Some(record)) => match decode_document(&record.body) {
                Ok(document) => Outcome::Lost(Box::new(document)),
                Err(error) => Outcome::Failed(error.to_string()),
            },
        }
    }

    /// Changes what `edit` changes, by itself; `None` from it: there is nothing to change.
    pub(crate) async fn edit(
        &self,
        edit: impl Fn(&Document) -> Result<Option<Document>>,
    ) -> Result<Document> {
        let mut undecided = 0;
        for _ in 0..TRIES {
            let document = self.read().await?.ok_or(Error::NotFounded)?;
            let Some(next) = edit(&document)? else {
                return Ok(document);
            };
            match self.swap(&next).await {
                Outcome::Won => return Ok(next),
                Outcome::Failed(why) => return Err(Error::Ledger(why)),
                // An undecided edit is looked up: it landed, or it is tried on what is there now. It takes
                // nobody into the set and makes nobody primary, so it binds nobody else when it lands late.
                Outcome::Undecided => undecided += 1,
                _ => {}
            }
            if undecided == UNDECIDED_TRIES {
                let why = "no answer in time; the change may still come about";
                return Err(Error::Ledger(why.into()));
            }
        }
        Err(Error::Ledger("others kept changing it".into()))
    }
}
