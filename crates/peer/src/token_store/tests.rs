//! The rules of one-time use, at the store itself: what a typed token never shows.

use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Claim, Hidden, TokenStore};
use crate::certificate::Fingerprint;
use crate::{Authority, Error, Kind};

const ALPHA: Fingerprint = [1; 32];
const BRAVO: Fingerprint = [2; 32];

struct Case {
    authority: Authority,
    store: TokenStore,
    claim: Claim,
    dir: TempDir,
}

fn now() -> Timestamp {
    Timestamp::from_second(1_780_000_000).unwrap()
}

fn case() -> Case {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create("c").unwrap();
    let identity = authority.enroll("first").unwrap();
    let store = TokenStore::open(dir.path()).unwrap();
    let addresses = ["10.0.0.1:7400".parse().unwrap()];
    let hour = Duration::from_hours(1);
    let token = store
        .issue(&identity, Kind::Data, &addresses, now(), hour)
        .unwrap();
    Case {
        authority,
        store,
        claim: Claim::of(&token),
        dir,
    }
}

impl Case {
    fn redeem(&self, node: &str, key: &Fingerprint) -> Result<bool, Error> {
        let redeemed = self
            .store
            .redeem(&self.claim, &self.authority, (node, key), now());
        redeemed.map(|redeemed| redeemed.again)
    }

    fn reopened(mut self) -> Self {
        self.store = TokenStore::open(self.dir.path()).unwrap();
        self
    }
}

#[test]
fn token_when_granted_then_only_its_key_comes_back_even_after_a_restart() {
    let case = case();
    assert!(!case.redeem("alpha", &ALPHA).unwrap());
    case.store.grant(&case.claim.id, &ALPHA).unwrap();
    let case = case.reopened();
    assert!(case.redeem("alpha", &ALPHA).unwrap());
    assert!(matches!(
        case.redeem("bravo", &BRAVO),
        Err(Error::TokenUsed { .. })
    ));
    assert!(matches!(
        case.redeem("bravo", &ALPHA),
        Err(Error::TokenUsed { .. })
    ));
}

#[test]
fn token_when_bound_but_never_granted_then_another_may_take_it_and_the_first_gets_nothing() {
    let case = case();
    case.redeem("alpha", &ALPHA).unwrap();
    let case = case.reopened();
    assert!(!case.redeem("bravo", &BRAVO).unwrap());
    assert!(case.store.grant(&case.claim.id, &ALPHA).is_err());
    case.store.grant(&case.claim.id, &BRAVO).unwrap();
}

#[test]
fn token_when_released_then_good_again_but_not_after_the_grant() {
    let case = case();
    case.redeem("alpha", &ALPHA).unwrap();
    case.store.release(&case.claim.id, &ALPHA).unwrap();
    case.redeem("bravo", &BRAVO).unwrap();
    case.store.grant(&case.claim.id, &BRAVO).unwrap();
    case.store.release(&case.claim.id, &BRAVO).unwrap();
    assert!(matches!(
        case.redeem("alpha", &ALPHA),
        Err(Error::TokenUsed { .. })
    ));
}

#[test]
fn token_when_guessed_ten_times_then_dead_even_for_the_right_secret() {
    let case = case();
    let mut wrong = case.claim.clone();
    wrong.secret = Hidden(hex::encode([0; 16]));
    for attempt in 0..12 {
        let guess = case
            .store
            .redeem(&wrong, &case.authority, ("alpha", &ALPHA), now());
        let expected = if attempt < 10 {
            matches!(guess, Err(Error::TokenUnknown))
        } else {
            matches!(guess, Err(Error::TokenAttempts))
        };
        assert!(expected, "{attempt}: {guess:?}");
    }
    let case = case.reopened();
    assert!(matches!(
        case.redeem("alpha", &ALPHA),
        Err(Error::TokenAttempts)
    ));
}

#[test]
fn token_when_of_another_cluster_then_said_so() {
    let mut case = case();
    case.claim.cluster_id = Authority::create("c").unwrap().cluster_id().to_owned();
    assert!(matches!(
        case.redeem("alpha", &ALPHA),
        Err(Error::TokenForeign)
    ));
}

#[test]
fn store_when_its_file_is_damaged_then_it_is_named() {
    let case = case();
    std::fs::write(case.dir.path().join("tokens.json"), "{").unwrap();
    let opened = TokenStore::open(case.dir.path());
    assert!(matches!(opened, Err(Error::Corrupt { .. })), "{opened:?}");
}
