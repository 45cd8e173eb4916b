//! Whether a replica begins its sessions with the settings that the primary begins them with. One that reads times in another
//! zone, or cuts GROUP_CONCAT earlier, gives other answers than the primary, without an error.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::flags;

use super::connect::{Account, Attempt, Backend, connect};
use super::one_text::one_text;
use crate::reactor::now;
use crate::route::Route;
use crate::service::Shared;

/// For so long what the primary has said is good.
const GOOD: Duration = Duration::from_secs(10);
/// It is not said more often than this that a replica's settings are others.
const PAUSE: Duration = Duration::from_mins(10);

/// What results depend on, and a session does not say itself. Limit: SET GLOBAL on one server is seen within [`GOOD`], by connections that
/// are made then.
const NAMES: &[&str] = &[
    "time_zone",
    "system_time_zone",
    "lc_time_names",
    "default_week_format",
    "sql_mode",
    "old_mode",
    "autocommit",
    "character_set_server",
    "collation_server",
    "group_concat_max_len",
    "div_precision_increment",
    "sql_auto_is_null",
    "sql_select_limit",
    "max_sort_length",
    "max_allowed_packet",
    "max_statement_time",
    "max_recursive_iterations",
    "standard_compliant_cte",
    "default_regex_flags",
    "lower_case_table_names",
    "ft_min_word_len",
    "ft_max_word_len",
    "ft_stopword_file",
    "innodb_ft_min_token_size",
    "innodb_ft_max_token_size",
    "innodb_ft_enable_stopword",
    "innodb_ft_server_stopword_table",
];

thread_local! {
    static PRIMARY: RefCell<Option<Said>> = const { RefCell::new(None) };
    static TOLD: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What the primary of a route has said.
struct Said {
    route: Arc<Route>,
    at: Instant,
    settings: Vec<u8>,
}

/// True when the replica at the end of this fresh connection has the primary's settings, or nobody can say. `account`: with which
/// the primary is asked.
pub(super) async fn are_alike(
    shared: &Shared,
    replica: &mut Backend,
    account: Account<'_>,
) -> bool {
    let marks_ends = account.login.capabilities & flags::DEPRECATE_EOF == 0;
    let Some(there) = ask(replica, marks_ends).await else {
        return true;
    };
    let route = Arc::clone(&replica.route);
    let is_good = |said: &&Said| {
        let is_same = said.route.epoch == route.epoch && said.route.target == route.target;
        is_same && now().saturating_duration_since(said.at) < GOOD
    };
    let known = PRIMARY.with_borrow(|said| {
        let good = said.as_ref().filter(is_good);
        good.map(|said| said.settings == there)
    });
    if known == Some(true) {
        return true;
    }
    // Why also when it said something else: both may have been changed since.
    let Attempt::Connected(mut primary, _, _) = connect(shared, &route, account, None).await else {
        return known.is_none();
    };
    let Some(settings) = ask(&mut primary, marks_ends).await else {
        return known.is_none();
    };
    let other = difference(&settings, &there);
    let said = Said {
        route,
        at: now(),
        settings,
    };
    PRIMARY.set(Some(said));
    let Some(other) = other else {
        return true;
    };
    if TOLD
        .get()
        .is_none_or(|told| now().saturating_duration_since(told) >= PAUSE)
    {
        TOLD.set(Some(now()));
        tracing::warn!(
            setting = other,
            "a replica gets no reads: this is another one there than on the primary"
        );
    }
    false
}

async fn ask(backend: &mut Backend, marks_ends: bool) -> Option<Vec<u8>> {
    let parts: Vec<_> = NAMES
        .iter()
        .map(|name| format!("IFNULL(@@global.{name},'')"))
        .collect();
    let sql = format!("SELECT CONCAT_WS('\\n',{})", parts.join(","));
    // An old server does not know all of them.
    one_text(&mut backend.stream, &sql, marks_ends)
        .await
        .ok()?
        .ok()
}

/// The first setting that is another one.
fn difference(here: &[u8], there: &[u8]) -> Option<&'static str> {
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(|byte| *byte == b'\n').map(Into::into).collect()
    };
    let (here, there) = (lines(here), lines(there));
    let mut all = NAMES.iter().zip(here.iter().zip(&there));
    all.find_map(|(name, (here, there))| (here != there).then_some(*name))
}
