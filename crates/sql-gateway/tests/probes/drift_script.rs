//! What random sessions do: a seed makes one script, always the same.

use crate::drift::CONNECTIONS;

/// One step of one connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Text(String),
    Use(&'static str),
    Prepare(usize, &'static str),
    /// Slot, value, and whether its type is told.
    Execute(usize, i64, bool),
    Reset,
    ChangeUser,
    /// It leaves and comes back.
    Again,
}

/// Made once.
pub(crate) const SCHEMA: &str = "
CREATE DATABASE probe; CREATE DATABASE other COLLATE utf8mb4_bin; USE probe;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60), KEY(k)) ENGINE=InnoDB;
CREATE TABLE u (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60)) ENGINE=MyISAM;
CREATE TABLE m (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60)) ENGINE=MEMORY;
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60)) ENGINE=InnoDB;
CREATE TABLE calc (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60), w INT AS (k * 2), c BIGINT AS (CONNECTION_ID() * 0 + 5)) ENGINE=InnoDB;
CREATE TABLE hist (id INT PRIMARY KEY, k INT, v VARCHAR(60)) ENGINE=InnoDB WITH SYSTEM VERSIONING;
CREATE TABLE other.t LIKE t; CREATE TABLE other.u LIKE u;
CREATE SEQUENCE s; CREATE SEQUENCE other.s START 1000;
DELIMITER $$
CREATE FUNCTION writes(x INT) RETURNS INT BEGIN INSERT INTO log (k, v) VALUES (x, 'f'); RETURN x; END$$
CREATE FUNCTION looks() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM log)$$
CREATE FUNCTION doubles(x INT) RETURNS INT DETERMINISTIC RETURN 2 * x$$
CREATE FUNCTION sets(x INT) RETURNS INT BEGIN SET @f = x; SET SESSION sql_select_limit = x + 5; RETURN x; END$$
CREATE PROCEDURE changes(x INT) BEGIN INSERT INTO t (k, v) VALUES (x, 'p'); UPDATE t SET v = 'q' WHERE k = x; END$$
CREATE PROCEDURE answers(x INT) BEGIN INSERT INTO log (k, v) VALUES (x, 'a'); SELECT COUNT(*) AS n FROM log; SELECT x AS y; END$$
CREATE PROCEDURE sets_mode(x INT) BEGIN SET SESSION sql_mode = IF(x % 2, 'ANSI_QUOTES', 'PIPES_AS_CONCAT'); END$$
CREATE PROCEDURE sets_limit(x INT) BEGIN SET STATEMENT sql_select_limit = 1 FOR SELECT id FROM t ORDER BY id; END$$
CREATE PROCEDURE begins(x INT) BEGIN START TRANSACTION; INSERT INTO t (k, v) VALUES (x, 'b'); END$$
CREATE PROCEDURE makes(x INT) BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS tt (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60)); INSERT INTO tt (k, v) VALUES (x, 'tt'); END$$
CREATE TRIGGER after_u AFTER INSERT ON u FOR EACH ROW INSERT INTO log (k, v) VALUES (NEW.k, 'tr')$$
DELIMITER ;
CREATE VIEW plain AS SELECT id, k, v FROM t WHERE k > 1;
CREATE VIEW writing AS SELECT writes(1) AS w FROM t LIMIT 1;
CREATE VIEW above AS SELECT w FROM writing;
CREATE VIEW numbers AS SELECT next_not_cached_value AS n FROM s;
CREATE VIEW next_one AS SELECT NEXTVAL(s) AS n;
";

/// Before each run.
pub(crate) const STARTS_ANEW: &str = "
USE probe; TRUNCATE t; TRUNCATE u; TRUNCATE m; TRUNCATE log; TRUNCATE calc; DELETE FROM hist; DELETE HISTORY FROM hist; DROP TABLE IF EXISTS x1, x2;
TRUNCATE other.t; TRUNCATE other.u; DROP TABLE IF EXISTS other.x1, other.x2; DROP VIEW IF EXISTS other.changing; ALTER SEQUENCE s RESTART 1; ALTER SEQUENCE other.s RESTART 1000;
DROP VIEW IF EXISTS changing; CREATE VIEW changing AS SELECT COUNT(*) AS w FROM t;
INSERT INTO t (k, v) VALUES (1, 'one'), (2, 'TWO'), (3, 'three'), (4, NULL), (5, 'A'), (6, 'a'), (7, 'b\"c');
INSERT INTO m (k, v) VALUES (1, 'm'); INSERT INTO calc (k, v) VALUES (1, 'c'), (2, 'd');
INSERT INTO other.t (k, v) VALUES (10, 'other'), (20, 'OTHER');
";

/// Reads; `{n}` is a small number, `{t}` a table.
const READS: &[&str] = &[
    "SELECT id, k, v FROM {t} ORDER BY id",
    "SELECT id, k, v FROM {t} WHERE k = {n} ORDER BY id",
    "SELECT COUNT(*), SUM(k), MAX(id) FROM {t}",
    "SELECT v FROM t WHERE id = {n}",
    "SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 2",
    "(SELECT id FROM t WHERE k < {n}) UNION (SELECT k FROM log) ORDER BY 1",
    "WITH c AS (SELECT k, COUNT(*) AS n FROM t GROUP BY k) SELECT * FROM c ORDER BY k",
    "SELECT * FROM plain ORDER BY id",
    "SELECT t.id, log.id FROM t LEFT JOIN log ON t.k = log.k ORDER BY 1, 2",
    "SELECT w, c FROM calc ORDER BY id",
    "SELECT k, v FROM hist ORDER BY id",
    "SELECT COUNT(*) FROM hist FOR SYSTEM_TIME ALL",
    "SELECT GROUP_CONCAT(v ORDER BY id) FROM t",
    "SELECT id FROM t WHERE v = 'a' ORDER BY id",
    "SELECT id FROM t WHERE id IS NULL",
    "SELECT \"a\" = 'A', 'a' = 'A', 'x' || 'y', 1 / 3",
    "SELECT 'a\\'b', CHARSET('a'), COLLATION('a'), COLLATION(v) FROM t WHERE id = 1",
    "SELECT DATABASE(), USER(), CURRENT_USER()",
    "SELECT FROM_UNIXTIME(86400), DATE_FORMAT('2024-05-01', '%W %M'), WEEK('2024-01-01')",
    "SELECT CAST('x' AS INT), 1/0",
    "SELECT /* hint */ id FROM t -- end\n ORDER BY id",
    "SELECT id FROM t ORDER BY id;",
    "SELECT 1 FROM nowhere",
    "SELECT nothing FROM t",
    "SELECT id, id FROM (SELECT id, k FROM t ORDER BY id LIMIT 3) AS d ORDER BY 1",
    "SHOW TABLES LIKE 't%'",
    "SHOW COLUMNS FROM t",
    "DESCRIBE u",
    "VALUES (1, 2), (3, {n})",
    "SELECT * FROM x1 ORDER BY id",
    "SELECT EXISTS (SELECT 1 FROM x2)",
    "SELECT @a, @b",
    "SELECT id FROM other.t ORDER BY id",
    "SELECT doubles({n}), looks()",
    "SELECT ELT({n}, 'a', 'b'), FIELD('b', 'a', 'b')",
];

/// What asks about what was before, or about the session.
const LOOKS: &[&str] = &[
    "SELECT LAST_INSERT_ID()",
    "SELECT @@sql_mode, @@autocommit, @@tx_isolation, @@sql_select_limit, @@in_transaction",
    "SELECT LASTVAL(s)",
    "SELECT LAST_INSERT_ID({n})",
];

/// Writes, and reads that write.
const WRITES: &[&str] = &[
    "INSERT INTO {t} (k, v) VALUES ({n}, 'i{n}')",
    "INSERT INTO {t} (k, v) VALUES ({n}, 'i'), ({n}, 'j')",
    "UPDATE {t} SET v = 'u{n}' WHERE k = {n}",
    "DELETE FROM {t} WHERE k = {n}",
    "REPLACE INTO t (id, k, v) VALUES ({n}, {n}, 'r')",
    "INSERT INTO t (k, v) VALUES ({n}, 'ret') RETURNING id, k",
    "DELETE FROM t WHERE k = {n} RETURNING id",
    "INSERT IGNORE INTO t (id, k) VALUES ({n}, 1)",
    "INSERT INTO t (id, k) VALUES (1, 1)",
    "INSERT INTO t (id, k, v) VALUES ({n}, 1, 'd') ON DUPLICATE KEY UPDATE k = k + 1",
    "INSERT INTO hist VALUES ({n}, 1, 'h') ON DUPLICATE KEY UPDATE k = k + 1",
    "INSERT INTO t (k, v) SELECT k, 'sel' FROM log LIMIT 2",
    "INSERT INTO t (k, v) VALUES (LAST_INSERT_ID(), 'l')",
    "CALL changes({n})",
    "CALL answers({n})",
    "SELECT writes({n})",
    "SELECT w FROM writing",
    "SELECT w FROM above",
    "SELECT n FROM next_one",
    "SELECT n FROM numbers",
    "SELECT w FROM changing",
    "SELECT NEXTVAL(s)",
    "SELECT NEXT VALUE FOR s",
    "DO writes({n})",
    "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE t (id, k, v)",
    "INSERT INTO t (k) VALUES ({n}); SELECT COUNT(*) FROM t",
    "SELECT 1; UPDATE t SET k = k + 1 WHERE id = {n}",
    "UPDATE t SET k = 5 WHERE id = {n}; SELECT nothing",
    "START TRANSACTION; INSERT INTO t (k) VALUES ({n}); COMMIT",
    "EXECUTE IMMEDIATE 'INSERT INTO t (k) VALUES ({n})'",
    "SET STATEMENT max_statement_time = 20 FOR INSERT INTO t (k) VALUES ({n})",
];

/// The session's settings.
const SETTINGS: &[&str] = &[
    "SET sql_mode = ''",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = 'PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
    "SET sql_mode = DEFAULT",
    "SET time_zone = '+05:00'",
    "SET time_zone = 'SYSTEM'",
    "SET NAMES utf8mb4",
    "SET NAMES latin1",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET CHARACTER SET utf8mb4",
    "SET CHARACTER SET latin1",
    "SET character_set_results = NULL",
    "SET collation_connection = utf8mb4_bin",
    "SET sql_select_limit = 2",
    "SET sql_select_limit = DEFAULT",
    "SET group_concat_max_len = 4",
    "SET group_concat_max_len = DEFAULT, div_precision_increment = 8",
    "SET lc_time_names = 'de_DE', default_week_format = 3",
    "SET sql_auto_is_null = 1",
    "SET sql_auto_is_null = 0",
    "SET STATEMENT sql_select_limit = 1 FOR SELECT id FROM t ORDER BY id",
    "SET sql_select_limit = 3; SET sql_mode = ''",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET max_sort_length = 8",
    "SET autocommit = 1, sql_mode = 'ANSI_QUOTES', session_track_system_variables = CONCAT(@@global.session_track_system_variables, ',tx_isolation'), sql_select_limit = 3",
    "SET time_zone = '+05:00', session_track_system_variables = '*', session_track_schema = 0, NAMES latin1",
    "SET group_concat_max_len = 4, session_track_system_variables = DEFAULT, session_track_state_change = 1",
    "SELECT @@session_track_system_variables, @@session_track_schema, @@session_track_state_change",
    "SET sql_big_selects = 1, max_join_size = 1000000",
    "SET autocommit = 1",
];

/// What ties the session to one server, or opens something.
const STATES: &[&str] = &[
    "SET @a = {n}",
    "SET @a = {n}, @b = 'x'",
    "SELECT {n} INTO @b",
    "SELECT @a := COUNT(*) FROM t",
    "SELECT sets({n})",
    "CREATE TEMPORARY TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60))",
    "DROP TEMPORARY TABLE IF EXISTS t",
    "CALL makes({n})",
    "SELECT COUNT(*) FROM tt",
    "SET timestamp = 1700000000",
    "SELECT NOW() > '2024-01-01'",
    "SELECT GET_LOCK('l{n}', 0)",
    "PREPARE p FROM 'SELECT COUNT(*) FROM t'",
    "EXECUTE p",
    "SET last_insert_id = 77",
    "CALL sets_mode({n})",
    "CALL sets_limit({n})",
    "SELECT 1; SET STATEMENT sql_select_limit = 2 FOR SELECT id FROM t ORDER BY id",
    "SET STATEMENT sql_select_limit = 1 FOR SELECT id FROM t ORDER BY id; SELECT 1",
    "SET @@tx_isolation = 'READ-COMMITTED'",
    "SET TRANSACTION READ ONLY",
    "SELECT 1; SET TRANSACTION READ ONLY",
    "SET TRANSACTION READ ONLY; SELECT 1",
];

/// Beginnings and ends of transactions.
const BEGINS: &[&str] = &[
    "BEGIN",
    "START TRANSACTION",
    "START TRANSACTION READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "SET autocommit = 0",
    "CALL begins({n})",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
];
const ENDS: &[&str] = &[
    "COMMIT",
    "ROLLBACK",
    "COMMIT",
    "SET autocommit = 1",
    "COMMIT AND CHAIN",
];

/// Definitions, when nobody has a transaction.
const DEFINES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS x1 (id INT PRIMARY KEY AUTO_INCREMENT, k INT, v VARCHAR(60))",
    "CREATE OR REPLACE TABLE x2 AS SELECT id, k FROM t",
    "DROP TABLE IF EXISTS x1",
    "DROP TABLE IF EXISTS x2",
    "ALTER TABLE x1 ADD COLUMN IF NOT EXISTS w INT DEFAULT {n}",
    "TRUNCATE log",
    "RENAME TABLE x2 TO x1",
    "CREATE OR REPLACE VIEW changing AS SELECT COUNT(*) AS w FROM t",
    "CREATE OR REPLACE VIEW changing AS SELECT writes(9) AS w",
    "CREATE OR REPLACE VIEW changing AS SELECT NEXTVAL(s) AS w",
    "ALTER TABLE calc ENGINE = InnoDB",
];

const PREPARED: &[&str] = &[
    "SELECT id, k, v FROM t WHERE k >= ? ORDER BY id",
    "SELECT COUNT(*) FROM log WHERE k >= ?",
    "SELECT * FROM x1 WHERE id > ? ORDER BY id",
    "INSERT INTO t (k, v) VALUES (?, 'prep')",
    "SELECT w + ? FROM changing",
    "SELECT w + ? FROM writing",
    "SELECT NEXTVAL(s) + ?",
    "UPDATE log SET k = k + 1 WHERE k = ?",
    "SELECT ? + 1, COLLATION('a'), \"a\"",
    "SET sql_select_limit = ?",
    "SELECT id FROM t ORDER BY id LIMIT ?",
    "SELECT k FROM t WHERE id = ? FOR UPDATE",
    "CALL answers(?)",
    "SET sql_select_limit = ?, session_track_schema = 1",
];

/// What goes on in one go.
const BURSTS: &[&[&str]] = &[
    &[
        "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1",
        "BEGIN",
        "INSERT INTO t (k) VALUES ({n})",
        "SELECT FOUND_ROWS()",
        "COMMIT",
    ],
    &[
        "LOCK TABLES t WRITE, log READ",
        "SELECT COUNT(*) FROM t",
        "INSERT INTO t (k) VALUES ({n})",
        "SELECT COUNT(*) FROM log",
        "UNLOCK TABLES",
    ],
    &[
        "XA START 'x'",
        "INSERT INTO t (k) VALUES ({n})",
        "SELECT COUNT(*) FROM t",
        "XA END 'x'",
        "XA PREPARE 'x'",
        "XA COMMIT 'x'",
    ],
    &[
        "INSERT INTO t (k) VALUES ({n})",
        "SELECT LAST_INSERT_ID()",
        "SELECT id FROM t ORDER BY id DESC LIMIT 1",
    ],
    &[
        "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1",
        "SELECT FOUND_ROWS()",
    ],
    &["SELECT CAST('x' AS INT)", "SHOW WARNINGS"],
    &["UPDATE t SET k = 'x' WHERE id = {n}", "SHOW WARNINGS"],
    &[
        "SET TRANSACTION READ ONLY",
        "SELECT COUNT(*) FROM t",
        "INSERT INTO t (k) VALUES ({n})",
    ],
    &["HANDLER t OPEN", "HANDLER t READ FIRST", "HANDLER t CLOSE"],
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn number(&mut self) -> i64 {
        i64::try_from(self.roll(9)).unwrap()
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.roll(all.len())]
    }

    fn fill(&mut self, text: &str) -> String {
        let table = self.of(&["t", "t", "t", "u", "log", "m", "probe.t"]);
        let number = (self.roll(9) + 1).to_string();
        text.replace("{t}", table).replace("{n}", &number)
    }
}

/// What this seed does.
pub(crate) fn script(seed: usize, length: usize) -> Vec<(usize, Step)> {
    let mut dice = Dice((seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut steps: Vec<(usize, Step)> = Vec::new();
    let mut may_be_open = [false; CONNECTIONS];
    let mut pinned = [0_usize; CONNECTIONS];
    while steps.len() < length {
        let number = dice.roll(CONNECTIONS);
        let is_calm = may_be_open == [false; CONNECTIONS];
        pinned[number] += usize::from(pinned[number] > 0);
        let over = pinned[number] > 8;
        let step = match dice.roll(100) {
            _ if over => {
                (pinned[number], may_be_open[number]) = (0, false);
                [Step::Reset, Step::Again, Step::ChangeUser][dice.roll(3)].clone()
            }
            0..=39 => Step::Text(dice.of(READS).to_owned()),
            40..=45 => Step::Text(dice.of(LOOKS).to_owned()),
            46..=65 => Step::Text(dice.of(WRITES).to_owned()),
            66..=73 => Step::Text(dice.of(SETTINGS).to_owned()),
            74..=75 => {
                pinned[number] += 1;
                may_be_open[number] = true;
                Step::Text(dice.of(STATES).to_owned())
            }
            76..=77 => {
                may_be_open[number] = true;
                pinned[number] += 1;
                Step::Text(dice.of(BEGINS).to_owned())
            }
            78..=80 => Step::Text(dice.of(ENDS).to_owned()),
            81..=83 if is_calm => Step::Text(dice.of(DEFINES).to_owned()),
            84..=88 => Step::Prepare(dice.roll(3), dice.of(PREPARED)),
            89..=95 => Step::Execute(dice.roll(3), dice.number(), dice.roll(3) > 0),
            96 => Step::Use(dice.of(&["probe", "other", "nowhere"])),
            97 => Step::Text("USE probe".to_owned()),
            98 if is_calm => {
                let burst = BURSTS[dice.roll(BURSTS.len())];
                for text in burst {
                    let text = dice.fill(text);
                    steps.push((number, Step::Text(text)));
                }
                continue;
            }
            _ => continue,
        };
        let step = match step {
            Step::Text(text) => Step::Text(dice.fill(&text)),
            step => step,
        };
        steps.push((number, step));
    }
    steps
}
