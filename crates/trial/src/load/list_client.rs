//! A client of lists: transactions of one to four appends and reads over a few lists that all
//! clients share. Some are single statements, some REPEATABLE READ, some lock what they read,
//! some are SERIALIZABLE, some are rolled back on purpose.

use std::sync::Arc;

use super::{
    Outcome, Shared,
    client::{Client, Trouble},
    keys,
    transaction::{Action, Class, Element, Key, Step, Transaction},
    writer::mix,
};

/// A lock is not waited for longer: less than any client's deadline, so that nobody hangs on
/// what a lost client still holds.
const SETUP: &str = "SET SESSION innodb_lock_wait_timeout = 5";
/// Deadlock, lock wait timeout, row changed since the snapshot (`innodb_snapshot_isolation`):
/// healthy servers say so when transactions meet.
const MEETINGS: [&str; 3] = ["error 1213", "error 1205", "error 1020"];

pub(crate) async fn run(shared: Arc<Shared>, id: u32) -> Vec<Transaction> {
    let mut turns = Shared::turns(id, shared.plan.rate.div_ceil(2));
    let mut lists = ListClient {
        client: Client::new(&shared).with_setup(SETUP),
        shared,
        id,
        seq: 0,
        elements: 0,
    };
    let mut transactions = Vec::new();
    while lists.shared.turn(&mut turns).await {
        lists.seq += 1;
        let (done, trouble) = lists.transact().await;
        let is_meeting = trouble
            .as_ref()
            .is_some_and(|trouble| MEETINGS.contains(&trouble.kind.as_str()));
        if let Some(trouble) = trouble.filter(|_| !is_meeting) {
            lists
                .shared
                .counters
                .error(&format!("list: {}", trouble.kind), &trouble.text);
            lists.shared.counters.count_transaction(Some(done.outcome));
        } else {
            lists.shared.counters.count_transaction(None);
        }
        transactions.push(done);
    }
    transactions
}

struct ListClient {
    shared: Arc<Shared>,
    client: Client,
    id: u32,
    seq: u64,
    /// How many elements were used.
    elements: u32,
}

/// What a statement shall do.
enum Wish {
    Append(Key),
    Read { key: Key, locks: bool },
}

/// What a transaction shall be.
struct Script {
    class: Class,
    wishes: Vec<Wish>,
    rolls_back: bool,
}

impl ListClient {
    /// Runs one; what stopped it, if anything.
    async fn transact(&mut self) -> (Transaction, Option<Trouble>) {
        let script = self.script();
        let mut record = Transaction {
            client: self.id,
            seq: self.seq,
            gateway: self.shared.number,
            connection: 0,
            class: script.class,
            steps: Vec::with_capacity(script.wishes.len()),
            invoked: self.shared.now(),
            committing: None,
            returned: self.shared.now(),
            outcome: Outcome::Failed,
        };
        let result = if script.class == Class::Single {
            self.single(&script, &mut record).await
        } else {
            self.several(&script, &mut record).await
        };
        record.connection = self.client.connections();
        record.returned = self.shared.now();
        record.outcome = match &result {
            Ok(()) if script.rolls_back => Outcome::Failed,
            Ok(()) => Outcome::Ok,
            // Until what commits was sent, nothing can be done.
            Err(_) if record.committing.is_none() => Outcome::Failed,
            Err(trouble) => trouble.outcome,
        };
        (record, result.err())
    }

    /// Spread by the client's and the transaction's number.
    fn script(&self) -> Script {
        let dice = |turn: u64| mix((self.seq << 16) ^ (u64::from(self.id) << 48) ^ turn);
        let class = match dice(0) % 10 {
            0..3 => Class::Single,
            3..6 => Class::Repeatable,
            6..8 => Class::Locking,
            _ => Class::Serializable,
        };
        let count = if class == Class::Single {
            1
        } else {
            1 + dice(1) % 4
        };
        let wish = |number: u64| {
            let key = self.shared.keys.choose(dice(10 + number) >> 8);
            let chance = dice(20 + number);
            if chance.is_multiple_of(2) {
                return Wish::Append(key);
            }
            let locks = match class {
                Class::Single => false,
                Class::Repeatable => (chance >> 8).is_multiple_of(4),
                Class::Locking | Class::Serializable => true,
            };
            Wish::Read { key, locks }
        };
        Script {
            class,
            wishes: (0..count).map(wish).collect(),
            rolls_back: class != Class::Single && dice(2).is_multiple_of(12),
        }
    }

    async fn single(&mut self, script: &Script, record: &mut Transaction) -> Result<(), Trouble> {
        for wish in &script.wishes {
            record.committing = Some(self.shared.now());
            self.step(wish, record).await?;
        }
        Ok(())
    }

    async fn several(&mut self, script: &Script, record: &mut Transaction) -> Result<(), Trouble> {
        let prepared = self.steps(script, record).await;
        if prepared.is_err() || script.rolls_back {
            // Ends the transaction on this connection, or with it.
            if self.client.execute("ROLLBACK").await.is_err() {
                self.client.hang_up();
            }
            return prepared;
        }
        record.committing = Some(self.shared.now());
        let committed = self.client.execute("COMMIT").await;
        if committed.is_err() {
            self.client.hang_up();
        }
        committed.map(drop)
    }

    async fn steps(&mut self, script: &Script, record: &mut Transaction) -> Result<(), Trouble> {
        if script.class == Class::Serializable {
            let level = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
            self.client.execute(level).await?;
        }
        self.client.execute("START TRANSACTION").await?;
        for wish in &script.wishes {
            self.step(wish, record).await?;
        }
        Ok(())
    }

    async fn step(&mut self, wish: &Wish, record: &mut Transaction) -> Result<(), Trouble> {
        let sent = self.shared.now();
        match *wish {
            Wish::Append(key) => {
                self.elements += 1;
                let element = keys::element(self.id, self.elements);
                self.shared.keys.appending();
                let result = self.append(key, element).await;
                record.steps.push(Step {
                    sent,
                    answered: self.shared.now(),
                    action: Action::Append { key, element },
                });
                result
            }
            Wish::Read { key, locks } => {
                // SERIALIZABLE locks without being told, which is what is to be seen.
                let is_told = locks && record.class != Class::Serializable;
                let lock = if is_told { " FOR UPDATE" } else { "" };
                let sql = format!("SELECT value FROM list WHERE id = {key}{lock}");
                let value = self.client.first::<String>(&sql).await?;
                record.steps.push(Step {
                    sent,
                    answered: self.shared.now(),
                    action: Action::Read {
                        key,
                        locks,
                        seen: keys::parse(value.as_deref().unwrap_or_default()),
                    },
                });
                Ok(())
            }
        }
    }

    /// A new list begins with it, so inserts and updates both happen.
    async fn append(&mut self, key: Key, element: Element) -> Result<(), Trouble> {
        let sql = format!(
            "INSERT INTO list VALUES ({key}, '{element}') \
             ON DUPLICATE KEY UPDATE value = CONCAT(value, ',{element}')"
        );
        self.client.execute(&sql).await.map(drop)
    }
}
