//! A reader: sums the bank up and looks at the registers of all writers of its gateway.
//! What it sees is checked against the end: nothing may be read that never was.

use std::sync::Arc;

use super::{
    Kind, Operation, Outcome, Shared,
    client::{Client, Trouble},
};

pub(crate) async fn run(shared: Arc<Shared>) -> Vec<Operation> {
    let mut client = Client::new(&shared);
    let mut turns = Shared::turns(u32::MAX, shared.plan.rate);
    let mut operations = Vec::new();
    let mut seq = 0_u64;
    while shared.turn(&mut turns).await {
        seq += 1;
        let invoked = shared.now();
        let result = read(&shared, &mut client, seq).await;
        let Ok(kind) =
            result.map_err(|trouble| shared.counters.error(&trouble.kind, &trouble.text))
        else {
            continue;
        };
        let done = Operation {
            writer: u32::MAX,
            seq,
            gateway: shared.number,
            kind,
            invoked,
            returned: shared.now(),
            outcome: Outcome::Ok,
        };
        shared.counters.count(&done);
        operations.push(done);
    }
    operations
}

async fn read(shared: &Shared, client: &mut Client, seq: u64) -> Result<Kind, Trouble> {
    if seq.is_multiple_of(2) {
        let sql = "SELECT CAST(COALESCE(SUM(balance), 0) AS SIGNED) FROM account";
        let seen = client.first::<i64>(sql).await?.unwrap_or(0);
        return Ok(Kind::ReadTotal { seen });
    }
    let writers = u64::from(shared.plan.writers.max(1));
    let own_first = shared.number as u64 * writers;
    let writer = u32::try_from(own_first + (seq / 2) % writers).unwrap_or(0);
    let sql = format!("SELECT value FROM register WHERE writer = {writer}");
    let seen = client.first::<u64>(&sql).await?.filter(|seen| *seen > 0);
    Ok(Kind::ReadOther { writer, seen })
}
