//! What a server is told between two clients, and what it must answer: COM_CHANGE_USER, and what that leaves as it was.
//!
//! Measured on 10.11.19: a change of user keeps the role that was set, FOUND_ROWS(), the random seeds and the profiles, and nothing else
//! that a statement can show (variables, default database, temporary tables, locks, prepared statements, transactions,
//! LAST_INSERT_ID(), LASTVAL(), warnings, status counters are as after a login).

use wire::command::code;
use wire::login::AuthSwitch;
use wire::native;
use wire::packet::put;

use super::identity::Dress;
use crate::secret::Credential;

/// FOUND_ROWS() is 1 on a fresh connection. Why the limit: `sql_select_limit` may be 0.
const AS_NEW: [&str; 2] = ["SET ROLE NONE", "SELECT 1 LIMIT 1"];

/// What is sent before the change of user, by the answer that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// OK.
    Role,
    /// One row: so many packets are left.
    Row(u8),
    /// The plugin's name and a fresh salt: MariaDB asks again in every change of user (10.11.19).
    Switch,
    /// OK or a refusal.
    Login,
    /// OK.
    Tracking,
}

/// How far it is after a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More of this answer comes.
    More,
    /// The next answer comes; it is numbered from 1 again.
    Next,
    /// Send these packets, the first of which goes on with the numbers of this answer.
    Say(Vec<u8>),
    /// All is as after a login; the OK to the login.
    Done(Vec<u8>),
    /// The account is not let in any more.
    Refused,
    /// The connection is of no more use.
    Unfit,
}

/// One connection between two clients.
#[derive(Debug)]
pub(crate) struct Cleaning {
    owed: Owed,
    marks_ends: bool,
    tracks: bool,
    credential: Credential,
    ok: Vec<u8>,
}

impl Cleaning {
    /// After a client. The bytes to send are put into `out`. `marks_ends`: the server tells the end of columns by a packet.
    pub(crate) fn after_client(marks_ends: bool, login: Entrance<'_>, out: &mut Vec<u8>) -> Self {
        for text in AS_NEW {
            put(out, 0, &[&[code::QUERY], text.as_bytes()].concat());
        }
        Self {
            owed: Owed::Role,
            ..Self::before_client(marks_ends, login, out)
        }
    }

    /// Before a client, on a connection that was cleaned after the last one.
    pub(crate) fn before_client(marks_ends: bool, login: Entrance<'_>, out: &mut Vec<u8>) -> Self {
        put(out, 0, &login.change_user());
        Self {
            owed: Owed::Switch,
            marks_ends,
            tracks: login.tracks,
            credential: login.credential.clone(),
            ok: Vec::new(),
        }
    }

    /// The next packet of the server.
    pub(crate) fn packet(&mut self, payload: &[u8]) -> Progress {
        let first = payload.first().copied();
        match (self.owed, first) {
            (Owed::Role, Some(0)) => {
                // The number of columns, the column, perhaps their end, the row, the end.
                self.owed = Owed::Row(4 + u8::from(self.marks_ends));
                Progress::Next
            }
            (Owed::Row(1), Some(0xfe)) => {
                self.owed = Owed::Switch;
                Progress::Next
            }
            (Owed::Row(left), Some(first)) if left > 1 && first != 0xff => {
                self.owed = Owed::Row(left - 1);
                Progress::More
            }
            (Owed::Switch, Some(0xfe)) => self.prove(payload),
            (Owed::Login, Some(0)) if !self.tracks => Progress::Done(payload.to_vec()),
            (Owed::Login, Some(0)) => {
                self.owed = Owed::Tracking;
                self.ok = payload.to_vec();
                Progress::Next
            }
            (Owed::Switch | Owed::Login, Some(0xff)) => Progress::Refused,
            (Owed::Tracking, Some(0)) => Progress::Done(std::mem::take(&mut self.ok)),
            _ => Progress::Unfit,
        }
    }

    fn prove(&mut self, payload: &[u8]) -> Progress {
        let switch = AuthSwitch::parse(payload);
        let native = switch.filter(|switch| switch.plugin == native::PLUGIN.as_bytes());
        let Some(salt) = native.and_then(|switch| switch.salt()) else {
            return Progress::Unfit;
        };
        let proof = match &self.credential {
            Credential::Native(secret) => native::prove(&salt, secret).to_vec(),
            _ => Vec::new(),
        };
        self.owed = Owed::Login;
        let mut out = Vec::new();
        put(&mut out, 2, &proof);
        if self.tracks {
            out.extend_from_slice(&crate::session::tracking());
        }
        Progress::Say(out)
    }
}

/// What the server is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance<'a> {
    /// The user's name.
    pub(crate) user: &'a [u8],
    /// What proves it.
    pub(crate) credential: &'a Credential,
    /// The rest of the login.
    pub(crate) dress: &'a Dress,
    /// What its session changes is to be reported: on the primary.
    pub(crate) tracks: bool,
}

impl Entrance<'_> {
    /// COM_CHANGE_USER's payload. Without a proof: the server asks for it.
    fn change_user(&self) -> Vec<u8> {
        let mut out = vec![code::CHANGE_USER];
        out.extend_from_slice(self.user);
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.dress.database());
        out.push(0);
        out.extend_from_slice(&[self.dress.collation(), 0]);
        out.extend_from_slice(native::PLUGIN.as_bytes());
        out.push(0);
        if !self.dress.attributes().is_empty() {
            wire::codec::put_counted(&mut out, self.dress.attributes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::flags;
    use wire::login::Login;
    use zeroize::Zeroizing;

    fn dress() -> Dress {
        let login = Login {
            collation: 45,
            attributes: b"\x01a\x01b".to_vec(),
            ..Login::default()
        };
        Dress::of(&login, b"shop")
    }

    fn begun(marks_ends: bool) -> (Cleaning, Vec<u8>) {
        let (credential, dress) = (Credential::Native(Zeroizing::new([7; 20])), dress());
        let login = Entrance {
            user: b"app",
            credential: &credential,
            dress: &dress,
            tracks: true,
        };
        let mut out = Vec::new();
        let cleaning = Cleaning::after_client(marks_ends, login, &mut out);
        (cleaning, out)
    }

    fn switch() -> Vec<u8> {
        AuthSwitch::native(&[9; 20])
    }

    #[test]
    fn change_of_user_when_read_again_says_what_the_login_said() {
        let dress = dress();
        let login = Entrance {
            user: b"app",
            credential: &Credential::Empty,
            dress: &dress,
            tracks: true,
        };
        let all = flags::PLUGIN_AUTH | flags::CONNECT_ATTRS;
        let login = Login::parse_change_user(&login.change_user(), all).unwrap();
        assert_eq!((login.user.as_slice(), login.proof.len()), (&b"app"[..], 0));
        assert_eq!(login.plugin, native::PLUGIN.as_bytes());
        assert_eq!(Dress::of(&login, &login.database), dress);
    }

    #[test]
    fn answers_when_all_are_good_end_with_the_logins_ok() {
        for marks_ends in [false, true] {
            let (mut cleaning, _) = begun(marks_ends);
            assert_eq!(cleaning.packet(b"\0\0\0\x02\0\0\0"), Progress::Next);
            for _ in 0..3 + usize::from(marks_ends) {
                assert_eq!(cleaning.packet(b"\x01x"), Progress::More);
            }
            assert_eq!(cleaning.packet(b"\xfe\0\0\x02\0"), Progress::Next);
            let Progress::Say(said) = cleaning.packet(&switch()) else {
                panic!("no proof");
            };
            let proof = native::prove(&[9; 20], &[7; 20]);
            assert_eq!(said[..4], [20, 0, 0, 2]);
            assert_eq!(said[4..24], proof);
            assert_eq!(said[24..], crate::session::tracking());
            assert_eq!(cleaning.packet(b"\0\0\0\x02\0\0\0login"), Progress::Next);
            let done = Progress::Done(b"\0\0\0\x02\0\0\0login".to_vec());
            assert_eq!(cleaning.packet(b"\0\0\0\x02\0\0\0"), done);
        }
    }

    #[test]
    fn connection_to_a_replica_is_done_with_the_login() {
        let (credential, dress) = (Credential::Empty, dress());
        let login = Entrance {
            user: b"app",
            credential: &credential,
            dress: &dress,
            tracks: false,
        };
        let mut cleaning = Cleaning::before_client(false, login, &mut Vec::new());
        let Progress::Say(said) = cleaning.packet(&switch()) else {
            panic!("no proof");
        };
        assert_eq!(said, [0, 0, 0, 2]);
        let ok = b"\0\0\0\x02\0\0\0".to_vec();
        assert_eq!(cleaning.packet(&ok.clone()), Progress::Done(ok));
    }

    #[test]
    fn answer_when_it_is_anything_else_makes_the_connection_unfit() {
        let switch = switch();
        let good: [&[u8]; 8] = [
            b"\0", b"\x01", b"\x03def", b"\x011", b"\xfe", &switch, b"\0", b"\0",
        ];
        for at in 0..good.len() {
            for bad in [&b""[..], b"\xff\x01\x02", b"\xfb"] {
                let (mut cleaning, _) = begun(false);
                for payload in &good[..at] {
                    cleaning.packet(payload);
                }
                let said = cleaning.packet(bad);
                let odd_row = bad == b"\xfb" && (1..4).contains(&at);
                let refused = (at == 5 || at == 6) && bad.first() == Some(&0xff);
                let expected = match (odd_row, refused) {
                    (true, _) => Progress::More,
                    (_, true) => Progress::Refused,
                    _ => Progress::Unfit,
                };
                assert_eq!(said, expected, "{at} {bad:?}");
            }
        }
    }

    #[test]
    fn account_when_it_proves_itself_otherwise_is_not_for_this() {
        let (mut cleaning, _) = begun(false);
        for payload in [&b"\0"[..], b"\x01", b"\x03def", b"\x011", b"\xfe"] {
            cleaning.packet(payload);
        }
        let said = cleaning.packet(b"\xfeclient_ed25519\0abcdefghijklmnopqrstuvwxyz");
        assert_eq!(said, Progress::Unfit);
    }
}
