//! Joining: from a token to an identity that works, and every way in which a token is no good.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use peer::{
    Applicant, Authority, Config, Endpoint, Error, JoinAnswer, JoinDesk, JoinRequest, Kind, Token,
    TokenStore, join,
};
use serde_json::json;

use crate::support::{LIMIT, Node, TestService, node, node_with};

const HOUR: Duration = Duration::from_hours(1);

struct Desk {
    authority: Arc<Authority>,
    tokens: Arc<TokenStore>,
    alpha: Node,
    dir: tempfile::TempDir,
}

async fn desk_with(service: TestService) -> Desk {
    let authority = Arc::new(Authority::create("test").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let tokens = Arc::new(TokenStore::open(dir.path()).unwrap());
    let alpha = node_with(&authority, "alpha", service, Config::default()).await;
    let desk = Desk {
        authority,
        tokens,
        alpha,
        dir,
    };
    desk.serve();
    desk
}

impl Desk {
    fn serve(&self) {
        let desk = JoinDesk::new(Arc::clone(&self.authority), Arc::clone(&self.tokens));
        self.alpha.endpoint.set_join_desk(Some(desk));
    }

    fn token(&self, kind: Kind) -> Token {
        self.token_from(kind, Timestamp::now())
    }

    fn token_from(&self, kind: Kind, now: Timestamp) -> Token {
        let identity = self.alpha.endpoint.identity();
        let token = self
            .tokens
            .issue(identity, kind, &[self.alpha.addr], now, HOUR)
            .unwrap();
        // Why: what is typed is the text.
        token.to_string().parse().unwrap()
    }

    fn reopen(&mut self) {
        self.tokens = Arc::new(TokenStore::open(self.dir.path()).unwrap());
        self.serve();
    }
}

fn request(applicant: &Applicant, name: &str) -> JoinRequest {
    let csr = applicant.csr().to_owned();
    JoinRequest {
        name: name.to_owned(),
        csr,
        kind: Kind::Data,
        payload: json!({ "ip": "10.0.0.2" }),
    }
}

async fn ask(token: &Token, applicant: &Applicant, name: &str) -> Result<JoinAnswer, Error> {
    join(token, request(applicant, name), LIMIT).await
}

#[tokio::test]
async fn join_when_the_token_is_good_then_the_new_node_is_a_member() {
    let desk = desk_with(TestService::default()).await;
    let token = desk.token(Kind::Data);
    let applicant = Applicant::new("bravo").unwrap();
    let answer = ask(&token, &applicant, "bravo").await.unwrap();
    assert_eq!(answer.payload["got"]["ip"], "10.0.0.2");
    assert_eq!(answer.payload["again"], false);
    let identity = applicant
        .into_identity(&answer.certificate, &answer.authority)
        .unwrap();
    let bravo = Endpoint::new(Arc::new(identity), Config::default()).unwrap();
    let who = bravo
        .call("alpha", desk.alpha.addr, "who", Vec::new(), LIMIT)
        .await;
    assert_eq!(who.unwrap(), b"bravo");
}

#[tokio::test]
async fn join_when_the_answer_was_lost_then_the_same_key_gets_it_again_and_another_does_not() {
    let mut desk = desk_with(TestService::default()).await;
    let token = desk.token(Kind::Data);
    let applicant = Applicant::new("bravo").unwrap();
    ask(&token, &applicant, "bravo").await.unwrap();
    desk.reopen();
    let again = ask(&token, &applicant, "bravo").await.unwrap();
    assert_eq!(again.payload["again"], true);
    let thief = Applicant::new("charlie").unwrap();
    match ask(&token, &thief, "charlie").await {
        Err(Error::TokenUsed { by }) => assert_eq!(by, "bravo"),
        other => panic!("{other:?}"),
    }
    match ask(&token, &applicant, "charlie").await {
        Err(Error::TokenUsed { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.alpha.service.joins.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn join_when_the_token_expired_then_says_when() {
    let desk = desk_with(TestService::default()).await;
    let long_ago = Timestamp::from_second(Timestamp::now().as_second() - 7200).unwrap();
    let token = desk.token_from(Kind::Data, long_ago);
    let applicant = Applicant::new("bravo").unwrap();
    match ask(&token, &applicant, "bravo").await {
        Err(Error::TokenExpired { at }) => assert_eq!(at.as_second(), long_ago.as_second() + 3600),
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.alpha.service.joins.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn join_when_the_token_is_of_another_cluster_then_the_secret_is_not_even_sent() {
    let desk = desk_with(TestService::default()).await;
    let other = desk_with(TestService::default()).await;
    let mut token = other.token(Kind::Data);
    token.addresses = vec![desk.alpha.addr];
    let applicant = Applicant::new("bravo").unwrap();
    match ask(&token, &applicant, "bravo").await {
        Err(Error::WrongPeer { reason, .. }) => {
            assert!(reason.contains("another cluster"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn join_when_another_node_than_the_issuer_answers_then_refused() {
    let desk = desk_with(TestService::default()).await;
    let bravo = node(&desk.authority, "bravo").await;
    let mut token = desk.token(Kind::Data);
    token.addresses = vec![bravo.addr];
    let applicant = Applicant::new("charlie").unwrap();
    let refused = ask(&token, &applicant, "charlie").await;
    assert!(
        matches!(refused, Err(Error::WrongPeer { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn join_when_the_first_address_is_dead_then_the_next_is_tried() {
    let desk = desk_with(TestService::default()).await;
    let mut token = desk.token(Kind::Data);
    let dead = format!("127.0.0.1:{}", crate::support::free_port())
        .parse()
        .unwrap();
    token.addresses.insert(0, dead);
    ask(&token, &Applicant::new("bravo").unwrap(), "bravo")
        .await
        .unwrap();
}

#[tokio::test]
async fn join_when_the_token_is_for_a_witness_then_no_data_node() {
    let desk = desk_with(TestService::default()).await;
    let token = desk.token(Kind::Witness);
    let applicant = Applicant::new("bravo").unwrap();
    let refused = ask(&token, &applicant, "bravo").await;
    assert!(
        matches!(refused, Err(Error::TokenKind { .. })),
        "{refused:?}"
    );
    let mut as_witness = request(&applicant, "bravo");
    as_witness.kind = Kind::Witness;
    join(&token, as_witness, LIMIT).await.unwrap();
}

#[tokio::test]
async fn join_when_the_handler_refuses_then_its_reason_arrives_and_the_token_is_still_good() {
    let service = TestService {
        refuse_joins: true,
        ..TestService::default()
    };
    let desk = desk_with(service).await;
    let token = desk.token(Kind::Data);
    for name in ["bravo", "charlie"] {
        match ask(&token, &Applicant::new(name).unwrap(), name).await {
            Err(Error::Refused { reason, .. }) => assert_eq!(reason, "the name is taken"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn join_when_the_node_keeps_no_desk_then_refused() {
    let desk = desk_with(TestService::default()).await;
    let token = desk.token(Kind::Data);
    desk.alpha.endpoint.set_join_desk(None);
    let refused = ask(&token, &Applicant::new("bravo").unwrap(), "bravo").await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn join_when_the_store_was_lost_then_the_token_is_unknown() {
    let mut desk = desk_with(TestService::default()).await;
    let token = desk.token(Kind::Data);
    std::fs::remove_file(desk.dir.path().join("tokens.json")).unwrap();
    desk.reopen();
    let refused = ask(&token, &Applicant::new("bravo").unwrap(), "bravo").await;
    assert!(matches!(refused, Err(Error::TokenUnknown)), "{refused:?}");
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn token_file_when_written_then_holds_no_secret_and_is_private() {
    let desk = desk_with(TestService::default()).await;
    let token = desk.token(Kind::Data);
    let path = desk.dir.path().join("tokens.json");
    assert_eq!(mode(&path), 0o600);
    let file = std::fs::read_to_string(&path).unwrap();
    let text = token.to_string();
    let bytes = base64::Engine::decode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        text.strip_prefix("mainstay1-").unwrap(),
    );
    let secret = hex::encode(&bytes.unwrap()[9..25]);
    assert!(!file.contains(&secret));
    assert!(!format!("{token:?}").contains(&secret));
    assert!(format!("{token:?}").contains("redacted"));
}
