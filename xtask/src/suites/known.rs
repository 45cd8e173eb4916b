//! What passes directly and not through the gateway, and why; `docs/reference/gateway-probes.md` says more.

const ENDED: &str = "a connection that `wait_timeout` ended is made again";
const METADATA: &str = "cached metadata is not offered";
const ID: &str = "the greeting's id is not the one that the process list shows";
const USER: &str = "after a change of user `CONNECTION_ID()` is another";

/// Suite, test, reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("mariadb-client-test", "test_cache_metadata", METADATA),
    ("php", "bug73462.phpt", USER),
    ("php", "mysqli_no_reconnect.phpt", ENDED),
    ("php", "mysqli_pconn_kill.phpt", ID),
    (
        "pymysql",
        "test_connection.py::TestConnection::test_connection_gone_away",
        ENDED,
    ),
    (
        "pymysql",
        "test_issues.py::TestNewIssues::test_issue_36",
        ID,
    ),
];

/// The tests of a suite that are known, each with its reason.
pub(super) fn of(suite: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let known = KNOWN.iter().filter(move |known| known.0 == suite);
    known.map(|known| (known.1, known.2))
}
