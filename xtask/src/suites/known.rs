//! What passes directly and not through the gateway, and why; `docs/reference/gateway-probes.md` says more.

const ENDED: &str = "a connection that the server ended (KILL, wait_timeout) is made again";
const METADATA: &str = "cached metadata is not offered";

/// Suite, test, reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("mariadb-client-test", "test_bug17512527", ENDED),
    ("mariadb-client-test", "test_cache_metadata", METADATA),
];

/// The reason, when the test is known.
pub(super) fn reason(suite: &str, test: &str) -> Option<&'static str> {
    let known = KNOWN
        .iter()
        .find(|known| (known.0, known.1) == (suite, test));
    known.map(|known| known.2)
}
