//! What a new connection must be told so that the client does not notice: learned from the server's own
//! reports. And what cannot be told: the pins.

use std::hash::{DefaultHasher, Hash, Hasher};

use wire::catalog;
use wire::command::code;
use wire::packet;

use super::choice::Choice;
use super::side::Tie;

/// More than this in session variables is not kept; such a session cannot be moved.
const MAX_VARIABLES: usize = 64 * 1024;

/// Stands for the collation of a database, whose name follows in hexadecimal digits. No collation is called so.
const OF_DATABASE: &[u8] = b"of database ";

pub(super) const TRACKING: &str = "SET SESSION session_track_system_variables='*', session_track_schema=1, session_track_state_change=1";

/// What the words, the quotes and the collations of a text's own strings depend on.
const PARSED_BY: [&str; 4] = [
    "character_set_client",
    "character_set_connection",
    "collation_connection",
    "sql_mode",
];

/// What keeps every transaction of a session from writing.
pub(super) const READS: &str = "tx_read_only=1";

/// State that lives in one server's session only, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins(u16);

impl Pins {
    pub(crate) const USER_VARIABLES: Pins = Pins(1);
    pub(crate) const TEMPORARY_TABLES: Pins = Pins(1 << 1);
    pub(crate) const NAMED_LOCKS: Pins = Pins(1 << 2);
    pub(crate) const TABLE_LOCKS: Pins = Pins(1 << 3);
    pub(crate) const SESSION_OBJECTS: Pins = Pins(1 << 4);
    pub(crate) const ROLE: Pins = Pins(1 << 5);
    pub(crate) const ONE_SHOT: Pins = Pins(1 << 6);
    pub(crate) const UNTRACKED: Pins = Pins(1 << 7);
    pub(crate) const SOMETHING: Pins = Pins(1 << 8);
    /// Something was changed that the server tells later.
    pub(crate) const UNTOLD: Pins = Pins(1 << 9);

    pub(crate) fn add(&mut self, other: Pins) {
        self.0 |= other.0;
    }

    pub(crate) fn remove(&mut self, other: Pins) {
        self.0 &= !other.0;
    }

    pub(crate) fn has(self, other: Pins) -> bool {
        self.0 & other.0 != 0
    }

    /// In words, for the one error.
    pub(crate) fn obstacle(self) -> Option<&'static str> {
        const WORDS: [(Pins, &str); 10] = [
            (Pins::TEMPORARY_TABLES, "a session with temporary tables"),
            (Pins::NAMED_LOCKS, "a session that used GET_LOCK"),
            (Pins::TABLE_LOCKS, "a session with locked tables"),
            (Pins::USER_VARIABLES, "a session with user variables"),
            (
                Pins::SESSION_OBJECTS,
                "a session with PREPARE or HANDLER objects",
            ),
            (Pins::ROLE, "a session with a role"),
            (
                Pins::ONE_SHOT,
                "a session with a set timestamp, insert_id or random seed",
            ),
            (
                Pins::UNTRACKED,
                "a session that changed its session tracking",
            ),
            (Pins::SOMETHING, "a session with state of its own"),
            (
                Pins::UNTOLD,
                "a session with changes the server has not told",
            ),
        ];
        if self == Pins::default() {
            return None;
        }
        WORDS
            .iter()
            .find(|(pin, _)| self.0 & pin.0 != 0)
            .map(|(_, words)| *words)
    }
}

/// A session's state.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Variables in the order of their last assignment.
    variables: Vec<(Box<str>, Box<[u8]>)>,
    /// The character set and collation that SET NAMES gave the results. Why beside the variables: they name the character set only, and
    /// what is said of columns shows the collation.
    results: Option<(Box<str>, Box<str>)>,
    database: Box<[u8]>,
    /// The server has forgotten which collation that has.
    is_collation_lost: bool,
    /// The default database as names are looked up in it.
    database_key: u64,
    /// What of this ties all reads to the primary.
    tie: Option<Tie>,
    pub(crate) pins: Pins,
    /// `SET TRANSACTION …` that waits for its transaction; empty: a routine may have said one, of which the server does not tell.
    pub(crate) next_transaction: Option<Box<[u8]>>,
    pub(crate) last_insert_id: u64,
    pub(crate) multi_statements: Option<bool>,
    /// What the client wants to hear of changes, if it has said so.
    pub(super) choice: Option<Box<Choice>>,
    /// The server tells what the client chose, and the client hears all of it.
    pub(super) is_natural: bool,
    /// The values that a text's meaning depends on, in short: a prepared one keeps the meaning it was prepared with.
    pub(super) parsing: u64,
    /// Grows with each change of `variables`.
    pub(crate) version: u32,
}

impl State {
    pub(crate) fn new(database: &[u8]) -> Self {
        let mut state = Self::default();
        state.set_database(database);
        state
    }

    /// The default database.
    pub(crate) fn database(&self) -> &[u8] {
        &self.database
    }

    /// The same, for [`wire::catalog::Catalog::of_key`].
    pub(super) fn database_key(&self) -> u64 {
        self.database_key
    }

    /// The default database is another one.
    pub(super) fn set_database(&mut self, name: &[u8]) {
        self.database = name.into();
        self.is_collation_lost = false;
        self.database_key = catalog::key_of_database(name);
        self.judge();
    }

    /// What of it ties all reads to the primary.
    pub(super) fn tie(&self) -> Option<Tie> {
        self.tie
    }

    /// Why here: each read asks, and seldom does it change.
    fn judge(&mut self) {
        let own = ["mysql", "sys", "information_schema", "performance_schema"];
        let is_own = |own: &str| self.database.eq_ignore_ascii_case(own.as_bytes());
        self.tie = if self.finds_last_id() {
            Some(Tie::Pinned("`IS NULL` may ask for the last insert id"))
        } else if !self.has_plain_dialect() {
            Some(Tie::Dialect)
        } else if !self.has_usual_isolation() {
            Some(Tie::Isolation)
        } else if own.into_iter().any(is_own) {
            Some(Tie::Database)
        } else {
            None
        };
    }

    /// The server says that a variable has this value now.
    pub(crate) fn variable(&mut self, name: &[u8], value: &[u8]) {
        let Ok(name) = std::str::from_utf8(name) else {
            return self.pins.add(Pins::UNTRACKED);
        };
        match name {
            "last_gtid" | "in_transaction" | "error_count" | "warning_count" => return,
            "last_insert_id" | "identity" => {
                let digits = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                self.last_insert_id = digits.unwrap_or(0);
                return;
            }
            // Why: `SET timestamp=DEFAULT` is reported with the old frozen value (10.11.19), and the others
            // hold for one statement.
            "timestamp" | "insert_id" | "rand_seed1" | "rand_seed2" | "gtid_seq_no"
            | "pseudo_thread_id" => {
                return self.pins.add(Pins::ONE_SHOT);
            }
            _ if name.starts_with("session_track_") => {
                self.is_natural = true;
                return self.pins.add(Pins::UNTRACKED);
            }
            // Why: the server does not report the collation that goes with a new charset (10.11.19).
            "character_set_connection" => self.forget("collation_connection"),
            "character_set_results" => self.results = None,
            _ => {}
        }
        self.forget(name);
        self.version = self.version.wrapping_add(1);
        let size: usize = self
            .variables
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size + name.len() + value.len() > MAX_VARIABLES {
            return self.pins.add(Pins::UNTRACKED);
        }
        self.variables.push((name.into(), value.into()));
        if PARSED_BY.contains(&name) {
            let mut hasher = DefaultHasher::new();
            PARSED_BY.map(|name| self.value(name)).hash(&mut hasher);
            self.parsing = hasher.finish();
        }
        self.judge();
    }

    /// SET CHARACTER SET: the connection's collation is that of the default database now.
    pub(super) fn collates_as_database(&mut self) {
        let known = if self.is_collation_lost {
            &[]
        } else {
            &*self.database
        };
        let value = [OF_DATABASE, hex(known).as_bytes()].concat();
        self.variable(b"collation_connection", &value);
    }

    /// True when a read may ask for the last insert id by `IS NULL`.
    fn finds_last_id(&self) -> bool {
        !matches!(self.value("sql_auto_is_null"), None | Some(b"OFF" | b"0"))
    }

    fn forget(&mut self, name: &str) {
        self.variables.retain(|(known, _)| &**known != name);
    }

    /// COM_RESET_CONNECTION: all but the database is as after the login.
    pub(crate) fn reset(&mut self) {
        let database = std::mem::take(&mut self.database);
        *self = Self {
            multi_statements: self.multi_statements,
            version: self.version.wrapping_add(1),
            // 10.11.19: until the next USE, `collation_database` is the server's.
            is_collation_lost: true,
            ..Self::new(&database)
        };
    }

    /// SET NAMES has given a collation to all that it names.
    pub(super) fn names(&mut self, collation: &str) {
        self.variable(b"collation_connection", collation.as_bytes());
        let charset = self.value("character_set_results").map(<[u8]>::to_vec);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.results = charset
            .and_then(|charset| String::from_utf8(charset).ok())
            .filter(|charset| charset.chars().all(plain) && collation.chars().all(plain))
            .map(|charset| (charset.into(), collation.into()));
    }

    /// The statement that sets the variables, if there are any.
    pub(super) fn settings(&self) -> Option<String> {
        let set = self.assignments().join(", ");
        (!set.is_empty()).then(|| format!("SET {set}"))
    }

    /// What SET assigns: SET NAMES first, where it gave a collation.
    fn assignments(&self) -> Vec<String> {
        let names = self.results.as_ref();
        let mut all: Vec<_> = names
            .map(|(charset, collation)| format!("NAMES {charset} COLLATE {collation}"))
            .into_iter()
            .collect();
        // Why: the client's has a collation, too, which only SET NAMES can give.
        let is_left = |(name, value): &&(Box<str>, Box<[u8]>)| match names {
            Some((charset, _)) if &**name == "character_set_client" => {
                **value != *charset.as_bytes()
            }
            Some(_) => &**name != "character_set_results",
            None => true,
        };
        let left = self.variables.iter().filter(is_left);
        all.extend(left.map(|(name, value)| format!("{name}={}", literal(name, value))));
        all
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        let known = self.variables.iter().find(|(known, _)| &**known == name);
        known.map(|(_, value)| &**value)
    }

    /// True when this variable was set.
    pub(super) fn was_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// True when this variable was set to this.
    pub(super) fn has_value(&self, name: &str, value: &[u8]) -> bool {
        self.value(name) == Some(value)
    }

    /// True when texts mean what the scanner takes them for: no character set with halves that look like quotes, no
    /// mode of another dialect.
    fn has_plain_dialect(&self) -> bool {
        let odd = [&b"big5"[..], b"cp932", b"gbk", b"sjis", b"swe7"];
        let client = self.value("character_set_client").unwrap_or_default();
        let mode = self.value("sql_mode").unwrap_or_default();
        !odd.contains(&client) && !mode.windows(6).any(|part| part == b"ORACLE")
    }

    /// True when the isolation level was not changed, or to one under which a single read is the same.
    fn has_usual_isolation(&self) -> bool {
        let levels = ["tx_isolation", "transaction_isolation"].map(|name| self.value(name));
        let mut levels = levels.into_iter().flatten();
        levels.all(|level| matches!(level, b"REPEATABLE-READ" | b"READ-COMMITTED"))
    }

    /// The statements that make this state on a fresh connection; each is answered with OK.
    pub(crate) fn script(&self) -> Vec<String> {
        let mut set = TRACKING.to_owned();
        for assignment in self.assignments() {
            set.push_str(", ");
            set.push_str(&assignment);
        }
        if self.last_insert_id != 0 {
            set.push_str(", last_insert_id=");
            set.push_str(&self.last_insert_id.to_string());
        }
        let next = self
            .next_transaction
            .as_ref()
            .filter(|text| !text.is_empty())
            .map(|text| String::from_utf8_lossy(text).into_owned());
        std::iter::once(set).chain(next).collect()
    }
}

/// The same for sessions that only read.
pub(crate) fn tracking_reads() -> Vec<u8> {
    query(format!("{TRACKING}, {READS}").as_bytes())
}

/// COM_QUERY packets that switch tracking on.
pub(crate) fn tracking() -> Vec<u8> {
    query(TRACKING.as_bytes())
}

/// A COM_QUERY packet.
pub(crate) fn query(text: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(1 + text.len());
    payload.push(code::QUERY);
    payload.extend_from_slice(text);
    packet::packet(0, &payload)
}

/// A value as SQL that means the same under every `sql_mode` and charset.
fn literal(name: &str, value: &[u8]) -> String {
    if value.is_empty() && name == "character_set_results" {
        return "NULL".to_owned();
    }
    if let Some(database) = value.strip_prefix(OF_DATABASE) {
        let database = std::str::from_utf8(database).unwrap_or_default();
        return if database.is_empty() {
            "@@collation_server".to_owned()
        } else {
            format!(
                "(SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
                 WHERE SCHEMA_NAME=CONVERT(x'{database}' USING utf8mb4))"
            )
        };
    }
    let number = !value.is_empty()
        && value
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        && std::str::from_utf8(value).is_ok_and(|text| text.parse::<f64>().is_ok());
    let plain = value
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte) && !matches!(byte, b'\'' | b'\\'));
    if number {
        String::from_utf8_lossy(value).into_owned()
    } else if plain {
        format!("'{}'", String::from_utf8_lossy(value))
    } else {
        format!("CONVERT(x'{}' USING utf8mb4)", hex(value))
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_when_learned_are_set_in_the_order_of_their_last_assignment() {
        let mut state = State::new(b"shop");
        for (name, value) in [
            ("sql_mode", "ANSI"),
            ("collation_connection", "utf8mb4_bin"),
            ("character_set_connection", "latin1"),
            ("max_statement_time", "5.000000"),
            ("sql_mode", ""),
            ("character_set_results", ""),
            ("init_thing", "a'b"),
        ] {
            state.variable(name.as_bytes(), value.as_bytes());
        }
        state.last_insert_id = 7;
        assert_eq!(
            state.script()[0].strip_prefix(TRACKING).unwrap(),
            ", character_set_connection='latin1', max_statement_time=5.000000, sql_mode='', \
             character_set_results=NULL, init_thing=CONVERT(x'612762' USING utf8mb4), last_insert_id=7"
        );
        assert_eq!(state.pins.obstacle(), None);
    }

    #[test]
    fn what_cannot_be_replayed_when_reported_pins_the_session() {
        let mut state = State::default();
        state.variable(b"timestamp", b"1.0");
        assert!(state.pins.obstacle().unwrap().contains("timestamp"));
        state.reset();
        assert_eq!(state.pins.obstacle(), None);
        state.variable(b"session_track_schema", b"OFF");
        assert!(state.pins.obstacle().is_some());
    }
}
