//! Where the gateway's answers differ from a server's, and why; each is in `docs/reference/gateway-probes.md`.
//! A probe named here must differ: one that has become equal is to be taken off the list.

/// Names; each of them is seen in its first way.
pub(crate) const KNOWN: &[(&str, &str)] = &[
    ("kill_by_expression", "refused with 1235"),
    ("kill_by_user_and_query_id", "refused with 1235"),
    (
        "connection_id_is_the_greetings",
        "the greeting's id is the gateway's own",
    ),
    (
        "com_replication",
        "refused: replication goes to the server itself",
    ),
    ("login_unix_socket", "1698 says what to do"),
];
