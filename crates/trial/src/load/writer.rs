//! A writer: inserts, transfers, raises its register and reads it back, in a fixed cycle.
//! Sequence numbers are never used twice, so each write can be found in the data for good.

use std::sync::Arc;

use super::{
    Kind, Operation, Outcome, Shared,
    client::{Client, Trouble},
};

/// The cycle of a writer: `i`nsert, `t`ransfer, `r`aise, read `o`wn.
const CYCLE: &[u8; 10] = b"ititroitir";

pub(crate) async fn run(shared: Arc<Shared>, writer: u32) -> Vec<Operation> {
    let client = Client::new(&shared);
    let turns = Shared::turns(writer, shared.plan.rate);
    Writer {
        shared,
        id: writer,
        client,
        raised: 0,
        operations: Vec::new(),
    }
    .work(turns)
    .await
}

struct Writer {
    shared: Arc<Shared>,
    id: u32,
    client: Client,
    /// The highest register value acknowledged.
    raised: u64,
    operations: Vec<Operation>,
}

impl Writer {
    async fn work(mut self, mut turns: tokio::time::Interval) -> Vec<Operation> {
        let mut seq = 0_u64;
        while self.shared.turn(&mut turns).await {
            seq += 1;
            let invoked = self.shared.now();
            let (kind, result) = self.act(seq).await;
            let outcome = match &result {
                Ok(()) => Outcome::Ok,
                Err(trouble) => trouble.outcome,
            };
            let done = Operation {
                writer: self.id,
                seq,
                gateway: self.shared.number,
                kind,
                invoked,
                returned: self.shared.now(),
                outcome,
            };
            if let Err(trouble) = result {
                self.shared.counters.error(&trouble.kind, &trouble.text);
            }
            self.shared.counters.count(&done);
            self.operations.push(done);
        }
        self.operations
    }

    async fn act(&mut self, seq: u64) -> (Kind, Result<(), Trouble>) {
        match CYCLE[(seq % CYCLE.len() as u64) as usize] {
            b't' => {
                let kind = self.choose_transfer(seq);
                (kind, self.transfer(seq, kind).await)
            }
            b'r' => (Kind::Raise, self.raise(seq).await),
            b'o' => {
                let floor = self.raised;
                let sql = format!("SELECT value FROM register WHERE writer = {}", self.id);
                let result = self.client.first::<u64>(&sql).await;
                let seen = result
                    .as_ref()
                    .ok()
                    .copied()
                    .flatten()
                    .filter(|seen| *seen > 0);
                (Kind::ReadOwn { floor, seen }, result.map(drop))
            }
            _ => (Kind::Insert, self.insert(seq).await),
        }
    }

    async fn insert(&mut self, seq: u64) -> Result<(), Trouble> {
        let (writer, node) = (self.id, &self.shared.gateway.node);
        let sql = format!("INSERT INTO entry VALUES ({writer}, {seq}, '{node}')");
        self.client.execute(&sql).await.map(drop)
    }

    /// Raises only: a statement that a client gave up on may be carried out late, and must not
    /// undo a later one.
    async fn raise(&mut self, seq: u64) -> Result<(), Trouble> {
        let writer = self.id;
        let sql =
            format!("UPDATE register SET value = GREATEST(value, {seq}) WHERE writer = {writer}");
        self.client.execute(&sql).await?;
        self.raised = seq;
        Ok(())
    }

    /// Deterministic, spread over accounts and amounts.
    fn choose_transfer(&self, seq: u64) -> Kind {
        let accounts = u64::from(self.shared.accounts);
        let mixed = mix(seq.wrapping_add(u64::from(self.id) << 32));
        let source = mixed % accounts;
        let target = (source + 1 + (mixed >> 20) % (accounts - 1)) % accounts;
        let amount = i64::try_from(1 + (mixed >> 40) % 100).unwrap_or(1);
        let account = |id: u64| u32::try_from(id).unwrap_or(0);
        Kind::Transfer {
            source: account(source),
            target: account(target),
            amount,
        }
    }

    /// Until COMMIT is sent nothing may be done, whatever happens: a silent partial transaction
    /// would show as a refused transfer that is there.
    async fn transfer(&mut self, seq: u64, kind: Kind) -> Result<(), Trouble> {
        let Kind::Transfer {
            source,
            target,
            amount,
        } = kind
        else {
            return Ok(());
        };
        let writer = self.id;
        let mut changes = [(source, -amount), (target, amount)];
        // Why in order: two transfers that meet must not deadlock.
        changes.sort_unstable();
        let update = |(id, change): (u32, i64)| {
            format!("UPDATE account SET balance = balance + ({change}) WHERE id = {id}")
        };
        let steps = [
            "START TRANSACTION".to_owned(),
            update(changes[0]),
            update(changes[1]),
            format!("INSERT INTO transfer VALUES ({writer}, {seq}, {source}, {target}, {amount})"),
        ];
        for step in steps {
            if let Err(trouble) = self.client.execute(&step).await {
                self.client.hang_up();
                return Err(Trouble {
                    outcome: Outcome::Failed,
                    ..trouble
                });
            }
        }
        let result = self.client.execute("COMMIT").await;
        if result.is_err() {
            self.client.hang_up();
        }
        result.map(drop)
    }
}

/// SplitMix64's finisher.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
