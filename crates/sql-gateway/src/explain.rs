//! Where a statement would go, and why, in words: for `mainstay explain`.

use wire::catalog::Catalog;
use wire::read_only::refusal;
use wire::statement::{Verdict, scan_with};

use crate::session::Tie;

/// What is assumed of the session.
#[derive(Clone, Copy, Debug)]
pub struct Assumed<'a> {
    /// Its default database; may be empty.
    pub database: &'a str,
    /// A transaction is open.
    pub in_transaction: bool,
    /// `autocommit` is on.
    pub autocommit: bool,
    /// `sql_mode` has NO_BACKSLASH_ESCAPES.
    pub no_backslash_escapes: bool,
}

impl Default for Assumed<'_> {
    fn default() -> Self {
        Self {
            database: "",
            in_transaction: false,
            autocommit: true,
            no_backslash_escapes: false,
        }
    }
}

/// Where a statement may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// On a replica too.
    Anywhere,
    /// Where the statement before it ran.
    Follows,
    /// On the primary.
    Primary,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Where it may run.
    pub place: Where,
    /// Why, after "because".
    pub because: &'static str,
    /// The part of the text that decided, when one did.
    pub part: Option<String>,
    /// Why a listener for reads only refuses it, after "because"; `None`: it does not.
    pub refused: Option<&'static str>,
}

/// The longest part that is quoted.
const MAX_PART: usize = 40;

/// Where `text` may run, and why. `catalog`: what the database says of its names.
pub fn explain(text: &str, assumed: &Assumed<'_>, catalog: &Catalog) -> Explanation {
    let names = catalog.of_database(assumed.database.as_bytes());
    let backslash = !assumed.no_backslash_escapes;
    let statement = scan_with(text.as_bytes(), backslash, names);
    let refused = refusal(text.as_bytes(), backslash, false).map(wire::read_only::NotARead::words);
    let tied = |tie: Tie| Explanation {
        place: Where::Primary,
        because: tie.words(),
        part: None,
        refused,
    };
    match statement.verdict() {
        Verdict::Primary(reason) => Explanation {
            place: Where::Primary,
            because: reason.words(),
            part: part(text, statement.because_at()),
            refused,
        },
        Verdict::Follows => Explanation {
            place: Where::Follows,
            because: "it asks about the statement before, and goes where that one ran",
            part: None,
            refused,
        },
        Verdict::Anywhere if assumed.in_transaction => tied(Tie::Transaction),
        Verdict::Anywhere if !assumed.autocommit => tied(Tie::Autocommit),
        Verdict::Anywhere => Explanation {
            place: Where::Anywhere,
            because: "it only reads, and calls nothing but functions that every copy answers alike",
            part: None,
            refused,
        },
    }
}

/// The word that begins at a place of the text, or ends there with its call.
fn part(text: &str, at: usize) -> Option<String> {
    let bytes = text.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$@`.".contains(byte);
    let (before, rest) = bytes.split_at_checked(at)?;
    let part = if rest.first() == Some(&b'(') {
        let before = before.trim_ascii_end();
        let length = before.iter().rev().take_while(|byte| is_name(byte)).count();
        &before[before.len() - length..]
    } else {
        let length = rest.iter().take_while(|byte| is_name(byte)).count();
        &rest[..length]
    };
    let part = String::from_utf8_lossy(&part[..part.len().min(MAX_PART)]);
    (!part.is_empty()).then(|| part.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, assumed: Assumed<'_>) -> (Where, Option<String>) {
        let explanation = explain(text, &assumed, &Catalog::default());
        assert!(!explanation.because.is_empty());
        (explanation.place, explanation.part)
    }

    #[test]
    fn a_statement_when_explained_names_what_decided() {
        let plain = Assumed::default();
        for (text, place, part) in [
            ("SELECT a FROM t", Where::Anywhere, None),
            ("SELECT shop.f (1)", Where::Primary, Some("shop.f")),
            ("SELECT a, @x FROM t", Where::Primary, Some("@x")),
            ("SELECT a FROM t FOR UPDATE", Where::Primary, None),
            ("INSERT INTO t VALUES (1)", Where::Primary, Some("INSERT")),
            ("SELECT FOUND_ROWS()", Where::Follows, None),
            ("", Where::Primary, None),
            ("SELECT \u{e9}", Where::Primary, None),
        ] {
            assert_eq!(
                told(text, plain),
                (place, part.map(str::to_owned)),
                "{text}"
            );
        }
        let open = Assumed {
            in_transaction: true,
            ..plain
        };
        let manual = Assumed {
            autocommit: false,
            ..plain
        };
        let bare = Assumed {
            no_backslash_escapes: true,
            ..plain
        };
        assert_eq!(told("SELECT 1", open).0, Where::Primary);
        assert_eq!(told("SELECT 1", manual).0, Where::Primary);
        assert_eq!(told("SELECT '\\' FOR UPDATE -- '", bare).0, Where::Primary);
        assert_eq!(
            told("SELECT '\\' FOR UPDATE -- '", plain).0,
            Where::Anywhere
        );
    }
}
