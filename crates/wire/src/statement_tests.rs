//! A table of statements, and any bytes at all.

use proptest::prelude::*;

use super::*;

fn look(text: &str) -> Statement {
    scan(text.as_bytes(), true)
}

#[test]
fn plain_reads_when_scanned_may_run_twice() {
    for text in [
        "SELECT c FROM sbtest1 WHERE id=1",
        "select count(*), max(a) from t where b in (1,2) and c between 1 and 2",
        "(SELECT 1) UNION (SELECT 2)",
        "/* hint */ SELECT 'a;b', \"x\\\"y\" FROM t -- end; \n",
        "SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts LIMIT 0, 10",
        "SHOW FULL COLUMNS FROM `wp_options`",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT @@session.sql_mode;",
        "SELECT @a",
        "SELECT REPLACE(a, 'x', 'y'), INSERT('a',1,1,'b') FROM t;",
    ] {
        assert!(look(text).is_plain_read(), "{text}: {:?}", look(text));
    }
}

#[test]
fn reads_with_side_effects_when_scanned_may_not_run_twice() {
    for text in [
        "SELECT a FROM t FOR UPDATE",
        "SELECT a FROM t LOCK IN SHARE MODE",
        "SELECT a INTO @x FROM t",
        "SELECT a INTO OUTFILE '/tmp/x' FROM t",
        "SELECT @x := 1",
        "SELECT my_function(1)",
        "SELECT shop.my_function(1)",
        "SELECT `my function`(1)",
        "SELECT GET_LOCK('x', 1)",
        "SELECT SLEEP (5)",
        "SELECT NEXT VALUE FOR s",
        "SELECT NEXTVAL(s)",
        "SELECT 1; DELETE FROM t",
        "SELECT 1 /*! INTO OUTFILE 'x' */ FROM t",
        "SELECT 1 /*M!100000 ; DELETE FROM t */",
        "ANALYZE SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "INSERT INTO t VALUES (1)",
        "CALL p()",
        "",
    ] {
        assert!(!look(text).is_plain_read(), "{text}");
    }
}

#[test]
fn a_string_when_backslashes_are_plain_ends_earlier() {
    let text = b"SELECT 'a\\'; DELETE FROM t; -- '";
    assert!(scan(text, true).is_plain_read());
    assert!(scan(text, false).marks.has(Marks::MULTI));
}

#[test]
fn statements_when_scanned_are_of_their_kind() {
    for (text, kind) in [
        ("set names utf8mb4 collate utf8mb4_bin", Kind::SetNames),
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            Kind::Set,
        ),
        ("SET TRANSACTION READ ONLY", Kind::SetTransaction),
        (
            "SET STATEMENT max_statement_time=1 FOR SELECT 1",
            Kind::SetStatement,
        ),
        ("SET ROLE r", Kind::SetRole),
        ("START TRANSACTION", Kind::Begin),
        ("START SLAVE", Kind::Other),
        ("BEGIN NOT ATOMIC SELECT 1; END", Kind::Other),
        ("COMMIT", Kind::Commit),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", Kind::Change),
        ("TRUNCATE t", Kind::Definition),
        ("KILL QUERY 7", Kind::Kill),
        ("UNLOCK TABLES", Kind::Unlock),
    ] {
        assert_eq!(look(text).kind, kind, "{text}");
    }
}

#[test]
fn session_state_when_made_is_marked() {
    for (text, mark) in [
        ("SET @a = 1", Marks::SETS_USER_VARIABLE),
        ("SET sql_mode = '', @a = 1", Marks::SETS_USER_VARIABLE),
        ("CALL p(@out)", Marks::SETS_USER_VARIABLE),
        ("INSERT INTO t SELECT @k := 3", Marks::SETS_USER_VARIABLE),
        ("CREATE TEMPORARY TABLE t (a INT)", Marks::TEMPORARY),
        ("LOCK TABLES t WRITE", Marks::TABLE_LOCK),
        ("FLUSH TABLES WITH READ LOCK", Marks::TABLE_LOCK),
        ("DO GET_LOCK('x', 0)", Marks::NAMED_LOCK),
        ("PREPARE s FROM 'SELECT 1'", Marks::SESSION_OBJECT),
        ("HANDLER t OPEN", Marks::SESSION_OBJECT),
        ("SELECT FOUND_ROWS()", Marks::LOOKS_BACK),
        ("SHOW WARNINGS", Marks::LOOKS_BACK),
    ] {
        assert!(look(text).marks.has(mark), "{text}");
    }
    assert!(
        !look("SET SESSION sql_mode='', @@autocommit=1")
            .marks
            .has(Marks::SETS_USER_VARIABLE)
    );
}

#[test]
fn a_collation_when_named_alone_is_found() {
    assert_eq!(
        names_collation(b"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'"),
        Some("utf8mb4_unicode_520_ci")
    );
    assert_eq!(
        names_collation(b"set names utf8mb4 collate utf8mb4_bin;"),
        Some("utf8mb4_bin")
    );
    assert_eq!(names_collation(b"set names utf8mb4"), None);
    assert_eq!(
        names_collation(b"set names utf8mb4 collate x, sql_mode=''"),
        None
    );
}

proptest! {
    #[test]
    fn any_bytes_when_scanned_never_panic(bytes: Vec<u8>, backslash: bool) {
        let _ = scan(&bytes, backslash);
        let _ = names_collation(&bytes);
        let _ = crate::kill::Kill::parse(&bytes);
    }

    #[test]
    fn any_sql_like_text_when_scanned_never_panics(text in "[a-z@'\"`;/*!# \\\\().:=-]{0,80}") {
        let _ = scan(text.as_bytes(), true);
    }
}
