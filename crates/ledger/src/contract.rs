//! What every backend must hold to, as checks that can be run against any of them: in the tests of
//! a backend, and against a user's own bucket before it is trusted. Each takes several handles to
//! the same register and says in a sentence what it found broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::{Record, Register, Swap};

/// A handle to the register under test.
pub type Handle = Arc<dyn Register>;
/// What a check says: nothing, or what is broken.
pub type Verdict = Result<(), String>;

/// How long one call may take before the backend counts as not answering.
const LIMIT: Duration = Duration::from_secs(10);
const RACERS: usize = 50;

/// Runs every check. The register must be empty.
pub async fn all(handles: &[Handle]) -> Verdict {
    created_once(handles).await?;
    races_have_one_winner(handles).await?;
    stale_revision_loses(handles).await?;
    won_swap_is_read_everywhere(handles).await?;
    retry_of_a_won_swap_wins(handles).await?;
    broken_record_is_refused(handles).await?;
    large_body_is_kept(handles).await?;
    no_answer_is_never_taken_back(handles).await
}

/// Of many that create, one wins, and the others are told its record.
pub async fn created_once(handles: &[Handle]) -> Verdict {
    expect(read(handle(handles, 0)?).await?.is_none(), || {
        "the register is not empty".into()
    })?;
    race(handles, None, false).await
}

/// Of many swaps of one revision, exactly one wins; even when all bodies are the same.
pub async fn races_have_one_winner(handles: &[Handle]) -> Verdict {
    for same_bodies in [false, true, true] {
        let rev = current(handle(handles, 0)?).await?.rev;
        race(handles, Some(rev), same_bodies).await?;
    }
    Ok(())
}

/// A swap of an old revision, or of one that does not exist yet, loses and is told the current.
pub async fn stale_revision_loses(handles: &[Handle]) -> Verdict {
    let register = handle(handles, 0)?;
    step(register, b"newer").await?;
    let now = current(register).await?;
    for expected in [None, Some(now.rev - 1), Some(now.rev + 5)] {
        match swap(register, expected, record(expected, b"stale")?).await {
            Swap::Lost(Some(told)) if told == now => {}
            told => return Err(format!("swap of {expected:?} at {}: {told:?}", now.rev)),
        }
    }
    expect(current(register).await? == now, || {
        "a lost swap changed the register".into()
    })
}

/// What one handle won, every other reads at once.
pub async fn won_swap_is_read_everywhere(handles: &[Handle]) -> Verdict {
    for (turn, writer) in handles.iter().enumerate() {
        let won = step(writer, format!("turn {turn}").as_bytes()).await?;
        for reader in handles {
            let seen = current(reader).await?;
            let shown = reader
                .watch()
                .borrow()
                .as_ref()
                .map_or(0, |record| record.rev);
            expect(shown >= seen.rev, || {
                format!("shows {shown} after reading {}", seen.rev)
            })?;
            expect(seen == won, || {
                format!("read revision {} after {}", seen.rev, won.rev)
            })?;
        }
    }
    Ok(())
}

/// The very same swap again says won, even when the register has moved on.
pub async fn retry_of_a_won_swap_wins(handles: &[Handle]) -> Verdict {
    let register = handle(handles, 0)?;
    let rev = current(register).await?.rev;
    let first = record(Some(rev), b"first")?;
    for _ in 0..2 {
        for register in handles {
            let told = swap(register, Some(rev), first.clone()).await;
            expect(told == Swap::Won, || {
                format!("retry of a won swap: {told:?}")
            })?;
        }
        step(register, b"later").await?;
    }
    Ok(())
}

/// A record whose revision does not follow, or that is too large, never gets in.
pub async fn broken_record_is_refused(handles: &[Handle]) -> Verdict {
    let register = handle(handles, 0)?;
    let now = current(register).await?;
    let mut skips = record(Some(now.rev), b"skips")?;
    skips.rev += 1;
    let large = record(Some(now.rev), &vec![0; crate::BODY_LIMIT + 1])?;
    for broken in [skips, large] {
        let told = swap(register, Some(now.rev), broken).await;
        expect(matches!(told, Swap::Lost(_)), || {
            format!("a broken record: {told:?}")
        })?;
    }
    expect(current(register).await? == now, || {
        "a broken record got in".into()
    })
}

/// The largest body comes back as it was.
pub async fn large_body_is_kept(handles: &[Handle]) -> Verdict {
    let register = handle(handles, 0)?;
    let body: Vec<u8> = (0..crate::BODY_LIMIT).map(|at| (at % 251) as u8).collect();
    let won = step(register, &body).await?;
    expect(current(register).await? == won, || {
        "the largest body did not come back".into()
    })?;
    step(register, b"small again").await.map(|_| ())
}

/// Swaps with hardly any time, from everywhere at once: whatever was told, a record told lost is
/// never seen, each revision has one winner, and what had no answer is settled one way for good.
pub async fn no_answer_is_never_taken_back(handles: &[Handle]) -> Verdict {
    let mut writers = JoinSet::new();
    for (at, register) in handles.iter().cloned().enumerate() {
        for round in 0..30_u64 {
            let register = Arc::clone(&register);
            let limit = Duration::from_micros(200 * (round + at as u64 * 7) % 5000);
            writers.spawn(async move { hasty(&register, limit).await });
        }
    }
    let seen = Seen::start(handles);
    let mut history = Vec::new();
    while let Some(told) = writers.join_next().await {
        history.push(told.map_err(|error| error.to_string())??);
    }
    // A revision beyond everything tried: nothing that is under way can land any more.
    let register = handle(handles, 0)?;
    step(register, b"beyond").await?;
    let mut winners: BTreeMap<u64, u128> = BTreeMap::new();
    for (tried, told) in &history {
        let expected = Some(tried.rev - 1);
        let settled = swap(register, expected, tried.clone()).await;
        let agree = match (told, &settled) {
            (Swap::Won, Swap::Won) | (Swap::Lost(_), Swap::Lost(_)) => true,
            (Swap::Undecided, settled) => *settled != Swap::Undecided,
            _ => false,
        };
        expect(agree, || format!("told {told:?}, later {settled:?}"))?;
        if settled == Swap::Won
            && let Some(other) = winners.insert(tried.rev, tried.nonce)
        {
            expect(other == tried.nonce, || {
                format!("two winners of revision {}", tried.rev)
            })?;
        }
    }
    seen.finish(&winners, &history).await
}

/// What the watchers of all handles saw.
struct Seen(
    JoinSet<Result<BTreeSet<(u64, u128)>, String>>,
    tokio::sync::watch::Sender<bool>,
);

impl Seen {
    fn start(handles: &[Handle]) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut watchers = JoinSet::new();
        for register in handles {
            let (mut watch, mut stopped) = (register.watch(), stopped.clone());
            watchers.spawn(async move {
                let (mut seen, mut last) = (BTreeSet::new(), 0);
                loop {
                    let shown = watch
                        .borrow_and_update()
                        .as_ref()
                        .map(|it| (it.rev, it.nonce));
                    if let Some((rev, nonce)) = shown {
                        expect(rev >= last, || format!("watch went back: {last} to {rev}"))?;
                        last = rev;
                        seen.insert((rev, nonce));
                    }
                    tokio::select! {
                        biased;
                        changed = watch.changed() => changed.map_err(|e| e.to_string())?,
                        _ = stopped.changed() => return Ok(seen),
                    }
                }
            });
        }
        Self(watchers, stop)
    }

    async fn finish(
        mut self,
        winners: &BTreeMap<u64, u128>,
        history: &[(Record, Swap)],
    ) -> Verdict {
        self.1.send_replace(true);
        let lost: BTreeSet<u128> = history
            .iter()
            .filter(|(_, told)| matches!(told, Swap::Lost(_)))
            .map(|(record, _)| record.nonce)
            .collect();
        while let Some(seen) = self.0.join_next().await {
            for (rev, nonce) in seen.map_err(|error| error.to_string())?? {
                expect(!lost.contains(&nonce), || {
                    format!("a lost record was seen at {rev}")
                })?;
                let right = winners.get(&rev).is_none_or(|winner| *winner == nonce);
                expect(right, || {
                    format!("another record than the winner's was seen at {rev}")
                })?;
            }
        }
        Ok(())
    }
}

async fn hasty(register: &Handle, limit: Duration) -> Result<(Record, Swap), String> {
    let rev = register.watch().borrow().as_ref().map(|record| record.rev);
    let tried = record(rev, b"hasty")?;
    let told = register.swap(rev, tried.clone(), limit).await;
    Ok((tried, told))
}

async fn race(handles: &[Handle], expected: Option<u64>, same_bodies: bool) -> Verdict {
    let start = Arc::new(tokio::sync::Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (register, start) = (Arc::clone(handle(handles, racer)?), Arc::clone(&start));
        let body = if same_bodies {
            "same".into()
        } else {
            format!("racer {racer}")
        };
        let tried = record(expected, body.as_bytes())?;
        racers.spawn(async move {
            start.wait().await;
            let told = swap(&register, expected, tried.clone()).await;
            (tried, told)
        });
    }
    let (mut winners, mut told_winners) = (Vec::new(), Vec::new());
    while let Some(racer) = racers.join_next().await {
        match racer.map_err(|error| error.to_string())? {
            (tried, Swap::Won) => winners.push(tried),
            (_, Swap::Lost(Some(current))) => told_winners.push(current),
            (_, told) => return Err(format!("race for {expected:?}: {told:?}")),
        }
    }
    let [winner] = &winners[..] else {
        return Err(format!("race for {expected:?}: {} winners", winners.len()));
    };
    let right = told_winners.iter().all(|told| told == winner);
    expect(right, || {
        "a loser was told another record than the winner's".into()
    })?;
    expect(current(handle(handles, 0)?).await? == *winner, || {
        "the winner is not read".into()
    })
}

fn handle(handles: &[Handle], at: usize) -> Result<&Handle, String> {
    handles
        .get(at % handles.len().max(1))
        .ok_or_else(|| "no handle to the register".into())
}

fn record(expected: Option<u64>, body: &[u8]) -> Result<Record, String> {
    Record::following(expected, body.to_vec()).map_err(|error| error.to_string())
}

async fn swap(register: &Handle, expected: Option<u64>, next: Record) -> Swap {
    register.swap(expected, next, LIMIT).await
}

async fn read(register: &Handle) -> Result<Option<Record>, String> {
    register
        .read(LIMIT)
        .await
        .map_err(|error| error.to_string())
}

async fn current(register: &Handle) -> Result<Record, String> {
    read(register)
        .await?
        .ok_or_else(|| "the register is empty".into())
}

/// Wins one swap, however many it takes.
async fn step(register: &Handle, body: &[u8]) -> Result<Record, String> {
    for _ in 0..RACERS {
        let rev = current(register).await?.rev;
        let next = record(Some(rev), body)?;
        match swap(register, Some(rev), next.clone()).await {
            Swap::Won => return Ok(next),
            Swap::Lost(_) => {}
            Swap::Undecided => return Err("a swap had no answer".into()),
        }
    }
    Err("never won a swap".into())
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
