//! Which statements a connection for reads lets through.

use super::*;

fn refused(text: &str) -> Option<NotARead> {
    refusal(text.as_bytes(), true, false)
}

#[test]
fn reads_when_looked_at_are_let_through() {
    for text in [
        "SELECT 1",
        "",
        "  /* c */ -- c\n # c\n",
        "(SELECT a FROM t) UNION (SELECT 'INSERT')",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT a, @x := a FROM t INTO @y",
        "SELECT replace(a, 'b', insert('x', 1, 1, 'y')) FROM t",
        "SELECT a FROM t ORDER BY a OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY",
        "SELECT `for update`, \"lock in share mode\", 'it''s; DROP TABLE t', '\\'; DELETE' FROM t",
        "SELECT /*!40001 SQL_NO_CACHE */ * FROM `t`",
        "SET NAMES utf8mb4",
        "/*!80000 SET SESSION information_schema_stats_expiry=0 */",
        "/*!40014 SET @OLD=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;",
        "SHOW /*!50002 FULL*/ TABLES",
        "SET @x = 'tx_read_only'",
        "SET @x = @@global.max_connections, @y = 1",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET STATEMENT max_statement_time = 10 FOR SELECT 1",
        "SET SQL_QUOTE_SHOW_CREATE=1/*!40102 ,SQL_MODE=concat(@@sql_mode, _utf8 ',NO') */",
        "START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */",
        "START TRANSACTION READ ONLY",
        "BEGIN",
        "BEGIN WORK;",
        "COMMIT; ROLLBACK TO SAVEPOINT sp; SAVEPOINT sp",
        "USE shop",
        "SHOW CREATE TABLE t; DESC t; EXPLAIN UPDATE t SET a = 1",
        "CREATE TEMPORARY TABLE x AS SELECT 1",
        "CREATE OR REPLACE TEMPORARY TABLE x (a INT)",
        "DROP TEMPORARY TABLE IF EXISTS x",
        "KILL QUERY 5",
        "ANALYZE FORMAT=JSON SELECT 1",
        "SELECT \u{e9}t\u{e9} FROM caf\u{e9}",
    ] {
        assert_eq!(refused(text), None, "{text}");
    }
}

#[test]
fn what_is_no_read_when_looked_at_is_refused_with_its_reason() {
    use NotARead::{Administers, Hidden, Locks, NamedLock, OpensUp, Unknown, Writes, WritesFile};
    for (text, why) in [
        ("INSERT INTO t VALUES (1)", Writes),
        ("/*!50000 INSERT INTO t VALUES (1) */", Writes),
        ("/*M!100000 DELETE */ FROM t", Writes),
        ("/* c */ uPdAtE t SET a = 1", Writes),
        ("/*!999999 SELECT */ DELETE FROM t", Writes),
        ("/*!80000 SELECT */ UPDATE t SET a = 1", Writes),
        ("/*!80000 SELECT */ /*!50000 DROP */ TABLE t", Writes),
        (
            "START TRANSACTION READ /*!999999 ONLY, READ */ WRITE",
            OpensUp,
        ),
        ("SELECT a FROM t FOR /*M!999999 x */ UPDATE", Locks),
        ("SET SESSION `tx_read_only` = 0", OpensUp),
        ("SET @@session.`TX_READ_ONLY` = 0", OpensUp),
        ("SET \"transaction_read_only\" = 0", OpensUp),
        ("SELECT 1; DELETE FROM t", Writes),
        ("SELECT 'a\\'; SELECT 1'; DROP TABLE t", Writes),
        ("(SELECT 1); TRUNCATE t", Writes),
        ("CREATE TABLE x (a INT)", Writes),
        ("CREATE OR REPLACE TABLE x (a INT)", Writes),
        ("DROP TABLE x", Writes),
        ("CALL p()", Writes),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", Writes),
        ("SET PASSWORD = 'x'", Writes),
        ("SET DEFAULT ROLE r", Writes),
        (
            "SET STATEMENT max_statement_time=1 FOR DELETE FROM t",
            Writes,
        ),
        ("ANALYZE TABLE t", Writes),
        ("ANALYZE UPDATE t SET a = 1", Writes),
        ("SELECT NEXT VALUE FOR s", Writes),
        ("SELECT nextval (s)", Writes),
        ("SELECT a FROM t FOR UPDATE", Locks),
        ("SELECT a FROM t LOCK IN SHARE MODE", Locks),
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            Locks,
        ),
        ("LOCK TABLES t READ", Locks),
        ("SELECT GET_LOCK('a', 1)", NamedLock),
        ("SELECT a FROM t INTO OUTFILE '/x'", WritesFile),
        ("SET GLOBAL read_only = 0", Administers),
        ("SET @x = 1, @@global.read_only = 0", Administers),
        ("FLUSH TABLES WITH READ LOCK", Administers),
        ("START SLAVE", Administers),
        ("STOP ALL SLAVES", Administers),
        ("SET SESSION TRANSACTION READ WRITE", OpensUp),
        ("SET tx_read_only = 0", OpensUp),
        ("SET @@session.transaction_read_only = OFF", OpensUp),
        ("START TRANSACTION READ WRITE", OpensUp),
        ("SET STATEMENT tx_read_only=0 FOR SELECT f()", OpensUp),
        ("PREPARE s FROM @x", Hidden),
        ("EXECUTE IMMEDIATE CONCAT('DEL', 'ETE FROM t')", Hidden),
        ("BEGIN NOT ATOMIC DELETE FROM t; END", Hidden),
        ("XA START 'x'", Unknown),
        ("'x'", Unknown),
    ] {
        assert_eq!(refused(text), Some(why), "{text}");
    }
}

#[test]
fn a_change_when_the_session_has_temporary_tables_is_the_servers_to_refuse() {
    assert_eq!(refusal(b"INSERT INTO x VALUES (1)", true, true), None);
    assert_eq!(
        refusal(b"INSERT INTO x VALUES (1); DROP TABLE t", true, true),
        Some(NotARead::Writes)
    );
}

proptest::proptest! {
    #[test]
    fn refusal_when_the_text_is_anything_then_an_answer(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = refusal(&text, true, false);
        let _ = refusal(&text, false, true);
    }
}
