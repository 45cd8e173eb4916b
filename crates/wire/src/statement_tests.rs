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

fn verdict(text: &str) -> Verdict {
    look(text).verdict()
}

#[test]
fn reads_that_any_copy_answers_when_scanned_may_run_anywhere() {
    for text in [
        "SELECT c FROM sbtest1 WHERE id=1",
        "select count(*), max(a) from t where b in (1,2) and c between 1 and 2.5e-3 or d = .5",
        "(SELECT 1) UNION (SELECT 2)",
        "/* a ; FOR UPDATE */ SELECT 'a;b @x', \"FOR UPDATE\" FROM `for update` -- INTO @x; \n # @@x",
        "SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts WHERE 1=1 LIMIT 0, 10;",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "VALUES (1), (2)",
        "SELECT REPLACE(a, 'x', 'y'), INSERT/**/('a',1,1,'b') , `update` FROM t;",
        "SELECT NOW(), database(), 0xff, x'41', N'a', _utf8mb4'a', \\N FROM dual",
        "SELECT a.mysql, b.sys, `c`.`into` FROM a, b, c",
        "SHOW FULL COLUMNS FROM `wp_options`",
        "SHOW TABLES LIKE 'wp\\_%'",
        "SHOW DATABASES",
        "DESCRIBE wp_options",
        "SELECT a FROM t WHERE MATCH (a) AGAINST ('x' IN BOOLEAN MODE) ORDER BY a DESC LIMIT 5",
        "SELECT 1 --\t@x",
    ] {
        assert_eq!(verdict(text), Verdict::Anywhere, "{text}");
    }
}

use Reason as R;

/// Statements that need the primary, by the reason they must give.
const TIED: &[(Reason, &[&str])] = &[
    (
        R::LocksRows,
        &[
            "SELECT a FROM t FOR UPDATE",
            "select 1 from t for/**/update",
            "SELECT a FROM t LOCK IN SHARE MODE",
            "(SELECT a FROM t FOR UPDATE) UNION SELECT 1",
        ],
    ),
    (
        R::StoresResult,
        &[
            "SELECT a INTO @x FROM t",
            "SELECT a FROM t INTO OUTFILE '/x'",
            "SELECT a INTO DUMPFILE 'x' FROM t",
            "SELECT 1.5 into @x",
        ],
    ),
    (
        R::UserVariable,
        &[
            "SELECT @a",
            "SELECT @`a b`",
            "SELECT a FROM t WHERE b = @'x'",
            "SELECT @x := 1",
        ],
    ),
    (
        R::SystemVariable,
        &[
            "SELECT @@hostname",
            "SELECT @@session.sql_mode",
            "SELECT @@identity",
        ],
    ),
    (
        R::UnknownFunction,
        &[
            "SELECT f(1)",
            "SELECT f /* x */ -- y\n (1)",
            "SELECT shop.count(1)",
            "SELECT shop . count(1)",
            "SELECT `shop`./**/`count` (1)",
            "SELECT \"f\"(1)",
            "SELECT f\x0b(1)",
            "SELECT a_function_with_a_name_longer_than_any_word(1)",
            "SELECT DEFAULT(a) FROM t",
        ],
    ),
    (
        R::NamedLock,
        &[
            "SELECT GET_LOCK('x', 1)",
            "SELECT release_lock('x')",
            "SELECT IS_USED_LOCK('x')",
        ],
    ),
    (
        R::Sequence,
        &[
            "SELECT NEXT VALUE FOR s",
            "SELECT NEXTVAL(s)",
            "SELECT lastval(s)",
            "SELECT s.nextval",
            "SELECT PREVIOUS VALUE FOR s",
            "SELECT SETVAL(s, 1)",
        ],
    ),
    (
        R::LastInsertId,
        &["SELECT LAST_INSERT_ID()", "SELECT last_insert_id(5) AS a;"],
    ),
    (R::Connection, &["SELECT CONNECTION_ID()"]),
    (R::Waits, &["SELECT SLEEP (5)", "SELECT benchmark(10, 1)"]),
    (
        R::OfServer,
        &[
            "SELECT UUID_SHORT()",
            "SELECT MASTER_GTID_WAIT('0-1-1')",
            "SELECT LOAD_FILE('x')",
        ],
    ),
    (
        R::OwnTables,
        &[
            "SELECT * FROM information_schema.tables",
            "SELECT user FROM mysql.user",
            "SELECT 1 FROM `mysql` . `user`",
            "SELECT 1 FROM \"mysql\".\"user\"",
            "SELECT * FROM Sys./**/x",
            "SELECT 1 FROM PERFORMANCE_SCHEMA.threads",
        ],
    ),
    (
        R::Several,
        &[
            "SELECT 1; SELECT 2",
            "SELECT 1; /*! DELETE FROM t */",
            "SELECT 1;;`x`",
        ],
    ),
    (
        R::ExecutableComment,
        &[
            "SELECT 1 /*! , 2 */",
            "SELECT 1 /*M!100000 , 2 */",
            "SELECT 1 /*!999999 ' */ FOR UPDATE -- '",
        ],
    ),
    (
        R::Quoting,
        &[
            "SELECT 'a",
            "SELECT 1 /* a",
            "SELECT `a",
            "SELECT \"\\\" FOR UPDATE -- \"",
            "SELECT 1.into @x",
            "SELECT .5into @x",
            "SELECT 1e5into @x",
            "SELECT 1\u{a0}into\u{a0}@x",
            "SELECT 1 --\u{a0}'\n FOR UPDATE -- '",
        ],
    ),
    (
        R::Writes,
        &[
            "INSERT INTO t VALUES (1)",
            "INSERT INTO t VALUES (1) RETURNING a",
            "update t set a=1",
            "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "REPLACE t SET a=1",
        ],
    ),
    (
        R::Defines,
        &[
            "CREATE TEMPORARY TABLE t (a INT)",
            "TRUNCATE t",
            "GRANT ALL ON *.* TO a@b",
        ],
    ),
    (
        R::Transaction,
        &[
            "BEGIN",
            "START TRANSACTION READ ONLY",
            "commit",
            "ROLLBACK",
            "XA START 'a'",
            "SAVEPOINT a",
        ],
    ),
    (
        R::Session,
        &[
            "SET NAMES utf8mb4",
            "USE shop",
            "SET STATEMENT max_statement_time=1 FOR SELECT 1",
            "SET autocommit=0",
            "SET TRANSACTION READ ONLY",
        ],
    ),
    (
        R::Procedure,
        &[
            "CALL p()",
            "DO 1",
            "PREPARE s FROM 'SELECT 1'",
            "EXECUTE s",
            "BEGIN NOT ATOMIC SELECT 1; END",
        ],
    ),
    (
        R::OfConnection,
        &["HANDLER t OPEN", "LOCK TABLES t WRITE", "UNLOCK TABLES"],
    ),
    (
        R::Administers,
        &[
            "ANALYZE TABLE t",
            "CHECK TABLE t",
            "FLUSH TABLES",
            "KILL 1",
            "START SLAVE",
        ],
    ),
    (
        R::Shows,
        &[
            "SHOW STATUS",
            "SHOW FULL PROCESSLIST",
            "SHOW VARIABLES LIKE 'a'",
            "SHOW CREATE TABLE t",
            "SHOW TABLE STATUS",
            "SHOW INDEX FROM t",
            "SHOW GLOBAL STATUS",
        ],
    ),
    (
        R::Plan,
        &[
            "EXPLAIN SELECT 1",
            "DESC SELECT 1",
            "EXPLAIN EXTENDED UPDATE t SET a=1",
            "DESCRIBE (SELECT 1)",
        ],
    ),
    (
        R::Unknown,
        &[
            "",
            "  ",
            "-- x",
            "frobnicate",
            "SELECT a FROM t PROCEDURE ANALYSE()",
            "`select` 1",
        ],
    ),
];

#[test]
fn statements_when_they_need_the_primary_say_why() {
    for (reason, texts) in TIED {
        for text in *texts {
            let seen = verdict(text);
            // Why either: what follows a semicolon gives this reason first.
            let several = Verdict::Primary(R::Several);
            let is_right = seen == Verdict::Primary(*reason) || seen == several;
            assert!(is_right, "{text}: {seen:?}, not {reason:?}");
        }
    }
}

#[test]
fn statement_when_it_looks_back_and_reads_tables_does_not_follow() {
    for text in [
        "SELECT FOUND_ROWS(), COUNT(*) FROM t",
        "SELECT ROW_COUNT() FROM (SELECT 1 FROM DUAL) AS d JOIN t",
        "SELECT @@warning_count, a FROM t",
        "SELECT a FROM t WHERE a < `found_rows`()",
    ] {
        assert_eq!(verdict(text), Verdict::Primary(Reason::Past), "{text}");
        assert!(look(text).marks.has(Marks::LOOKS_BACK), "{text}");
    }
    for text in [
        "SELECT FOUND_ROWS() FROM DUAL",
        "SELECT `row_count` ()",
        "SELECT @@error_count",
    ] {
        assert_eq!(verdict(text), Verdict::Follows, "{text}");
    }
    for text in [
        "SELECT row_count, t.found_rows FROM t ORDER BY row_count",
        "SELECT `row_count` FROM t WHERE found_rows IN (1, 2)",
    ] {
        assert_eq!(verdict(text), Verdict::Anywhere, "{text}");
        assert!(!look(text).marks.has(Marks::LOOKS_BACK), "{text}");
    }
    assert!(
        look("SELECT `get_lock`('a', 1)")
            .marks
            .has(Marks::NAMED_LOCK)
    );
    let text = "SELECT `nextval`(s)";
    assert_eq!(verdict(text), Verdict::Primary(Reason::Sequence));
}

#[test]
fn questions_about_the_statement_before_when_scanned_follow_it() {
    for text in [
        "SELECT FOUND_ROWS()",
        "select row_count() as n",
        "SHOW WARNINGS",
        "SHOW COUNT(*) ERRORS",
        "show errors limit 1",
        "SELECT @@warning_count",
        "SELECT @@session.error_count",
    ] {
        assert_eq!(verdict(text), Verdict::Follows, "{text}");
    }
    assert!(look("SELECT FOUND_ROWS()").marks.has(Marks::FOUND_ROWS));
    assert!(!look("SELECT ROW_COUNT()").marks.has(Marks::FOUND_ROWS));
    assert!(
        look("GET DIAGNOSTICS @a = NUMBER")
            .marks
            .has(Marks::LOOKS_BACK)
    );
    assert!(matches!(
        verdict("SELECT FOUND_ROWS(), @a"),
        Verdict::Primary(_)
    ));
    assert!(matches!(
        verdict("INSERT INTO t SELECT FOUND_ROWS()"),
        Verdict::Primary(Reason::Writes)
    ));
}

#[test]
fn a_text_when_not_seen_whole_runs_on_the_primary() {
    let mut seen = look("SELECT 1");
    seen.marks.add(Marks::CUT);
    assert_eq!(seen.verdict(), Verdict::Primary(Reason::Cut));
    assert!(matches!(Statement::OPAQUE.verdict(), Verdict::Primary(_)));
    assert!(matches!(Statement::HARMLESS.verdict(), Verdict::Primary(_)));
}

#[test]
fn statements_when_they_differ_in_values_only_have_one_digest() {
    let one = look("SELECT a FROM t WHERE b = 'x' AND c = 7").digest;
    assert_eq!(
        one,
        look("select a from `t` where b='yy' and c = 12").digest
    );
    assert_ne!(one, look("SELECT a FROM u WHERE b = 'x' AND c = 7").digest);
}

#[test]
fn the_place_of_a_reason_when_asked_is_where_it_was_met() {
    let text = "SELECT a, @x FROM t FOR UPDATE";
    assert_eq!(look(text).because_at(), text.find('@').unwrap());
}

/// What must never run on a replica, wherever between other tokens it stands.
const DANGEROUS: &[&str] = &[
    "FOR UPDATE",
    "LOCK IN SHARE MODE",
    "INTO @x",
    "INTO OUTFILE 'x'",
    "@x",
    "@@x",
    "f(1)",
    "f/**/(1)",
    "`f`(1)",
    "db.count(1)",
    "db . count (1)",
    "GET_LOCK('a',1)",
    "nextval(s)",
    "NEXT VALUE FOR s",
    "LAST_INSERT_ID()",
    "; DELETE FROM t",
    "/*! x */",
    "/*M!100100 x */",
    "sleep(1)",
    "CONNECTION_ID()",
    "mysql.user",
    "`mysql`.`user`",
    "information_schema.tables",
    "uuid_short()",
    "x := 1",
    "RETURNING a",
    "1f(2)",
];

/// Tokens that do no harm. What begins a comment or a quote also ends it.
const HARMLESS: &[&str] = &[
    "a", "`b`", "'c'", "\"d\"", "1", "1.5", "1e5", ".5", ",", "=", "+", "(", ")", "count(*)",
    "t.a", "-- x\n", "# y\n", "/* z */", "FROM t", "WHERE", "'it''s'", "'\\'' ", "`a``b`", "0xff",
    "\\N", "-", "/", "*", "<", "now()", "IN (1,2)", "\n", "\t", "%", "!", "?", "--1", "'/*'",
    "\"-- \"",
];

proptest! {
    #[test]
    fn a_read_when_anything_dangerous_stands_in_it_never_runs_on_a_replica(
        before in prop::collection::vec(prop::sample::select(HARMLESS), 0..8),
        danger in prop::sample::select(DANGEROUS),
        after in prop::collection::vec(prop::sample::select(HARMLESS), 0..8),
    ) {
        // Why the space: `t. f(1)` is still dangerous, `tf(1)` is another thing.
        let text = format!("SELECT {} {danger} {}", before.join(" "), after.join(" "));
        prop_assert_ne!(verdict(&text), Verdict::Anywhere, "{}", text);
        prop_assert_ne!(verdict(&text), Verdict::Follows, "{}", text);
    }

    #[test]
    fn a_read_when_nothing_dangerous_stands_in_it_may_run_anywhere(
        tokens in prop::collection::vec(prop::sample::select(HARMLESS), 0..12),
    ) {
        // Why the comma: a name before a parenthesis would be a call.
        let text = format!("SELECT {}", tokens.join(" , "));
        prop_assert_eq!(verdict(&text), Verdict::Anywhere, "{}", text);
    }

    #[test]
    fn a_verdict_when_the_other_mode_of_quoting_is_on_is_for_the_primary_if_the_text_differs(
        text in "[a-c'\"`;\\\\ (@]{0,30}",
    ) {
        // What a server with ANSI_QUOTES sees: a name, which knows no backslash.
        let text = format!("SELECT {text}");
        if verdict(&text) == Verdict::Anywhere && text.contains('"') {
            let as_names = text.replace('"', "`");
            if !text.contains('`') {
                prop_assert_eq!(scan(as_names.as_bytes(), true).verdict(), Verdict::Anywhere, "{}", text);
            }
        }
    }
}

#[test]
fn long_texts_when_scanned_take_no_more_than_one_pass() {
    // Why no clock: more than one pass for each byte of these would take hours.
    for part in [
        "'", "/*", "a ", "a.", "\"\\", "1.", "`", "--", "@", "/*!", "((", "update ", "1e", "'\\''",
    ] {
        let text = part.repeat(1 << 20);
        assert_ne!(verdict(&text), Verdict::Anywhere, "{part}");
    }
}
