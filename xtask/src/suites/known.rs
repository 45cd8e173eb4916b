//! What passes directly and not through the gateway, and why; `docs/reference/gateway-probes.md` says more.

const ENDED: &str = "a connection that the server ended (KILL, wait_timeout) is made again";
const METADATA: &str = "cached metadata is not offered";
const ID: &str = "the greeting's id is not `CONNECTION_ID()`";
const CURSOR: &str = "a result in a procedure that opened a cursor is taken for a cursor";
const WORDS: &str = "the refusal of an unknown account says more";
const COMPRESSION: &str = "compression is not offered";

/// Suite, test, reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("mariadb-client-test", "test_bug17512527", ENDED),
    ("mariadb-client-test", "test_cache_metadata", METADATA),
    ("php", "bug73462.phpt", ID),
    ("php", "bug77935.phpt", CURSOR),
    ("php", "mysqli_connect.phpt", WORDS),
    ("php", "mysqli_connect_oo.phpt", WORDS),
    ("php", "mysqli_fetch_array_large.phpt", COMPRESSION),
    ("php", "mysqli_no_reconnect.phpt", ENDED),
    ("php", "mysqli_pconn_kill.phpt", ENDED),
    ("php", "mysqli_real_connect.phpt", WORDS),
    (
        "php",
        "mysqli_real_connect_compression_error.phpt",
        COMPRESSION,
    ),
    ("php", "mysqli_real_connect_pconn.phpt", WORDS),
    ("php", "mysqli_report.phpt", WORDS),
    ("php", "ps_cursor_multiple_result_sets.phpt", CURSOR),
];

/// The reason, when the test is known.
pub(super) fn reason(suite: &str, test: &str) -> Option<&'static str> {
    let known = KNOWN
        .iter()
        .find(|known| (known.0, known.1) == (suite, test));
    known.map(|known| known.2)
}
