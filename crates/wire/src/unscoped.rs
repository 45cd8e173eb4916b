//! `SET @@name = …`: the one assignment of a session's variable that the server does not report (10.11.19), unlike those of
//! `name` and of `@@session.name`, which mean the same. But for `@@tx_…` and `@@transaction_…`, which so mean the next
//! transaction only.

use crate::lexeme::{self, Class};
use crate::read_only::{comment, is_gap, line};

/// What a SET has of such assignments.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unscoped {
    /// The text with `@@session.name` instead; `None`: there is nothing to replace.
    pub scoped: Option<Vec<u8>>,
    /// There may be one that is left as it is.
    pub is_odd: bool,
}

/// What stands behind `@@` where something is assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// A name and nothing else.
    Bare,
    /// It says its scope, or is for the next transaction.
    Said,
    Odd,
}

/// Looks at one statement; what is no SET has none. `backslash` as in [`crate::statement::scan`].
pub fn unscoped(text: &[u8], backslash: bool) -> Unscoped {
    let mut found = Unscoped::default();
    let Some(mut at) = opening(text).filter(|_| text.windows(2).any(|two| two == b"@@")) else {
        return found;
    };
    let (mut places, mut depth, mut is_target) = (Vec::new(), 0_usize, true);
    while let Some(&byte) = text.get(at) {
        if let Some(behind) = gap(text, at) {
            found.is_odd |= text[at..].starts_with(b"/*!") || text[at..].starts_with(b"/*M!");
            at = behind;
            continue;
        }
        let was_target = std::mem::take(&mut is_target);
        match Class::of(byte) {
            Class::String | Class::Name => {
                let escapes = backslash && byte != b'`';
                at = lexeme::quoted(text, at + 1, byte, escapes).unwrap_or(text.len());
            }
            Class::Word | Class::Digit | Class::High => at = lexeme::word(text, at).0,
            Class::At if was_target && text.get(at + 1) == Some(&b'@') => {
                let (end, _) = lexeme::word(text, at + 2);
                match target(&text[at + 2..end], &text[end..]) {
                    Target::Bare => places.push(at + 2),
                    Target::Said => {}
                    Target::Odd => found.is_odd = true,
                }
                at = end;
            }
            Class::Parenthesis => (depth, at) = (depth + 1, at + 1),
            _ => {
                depth = depth.saturating_sub(usize::from(byte == b')'));
                is_target = byte == b',' && depth == 0;
                at += 1;
            }
        }
    }
    found.scoped = (!places.is_empty()).then(|| with_scopes(text, &places));
    found
}

/// Behind the word SET, when the text begins with it.
fn opening(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(behind) = text.get(at).and_then(|_| gap(text, at)) {
        at = behind;
    }
    let (end, _) = lexeme::word(text, at);
    text[at..end].eq_ignore_ascii_case(b"set").then_some(end)
}

/// Behind the white space or the comment that begins at `at`; of a comment that some versions run, behind what begins it.
fn gap(text: &[u8], at: usize) -> Option<usize> {
    let next = text.get(at + 1).copied();
    match Class::of(text[at]) {
        Class::Space => Some(at + 1),
        Class::Hash => Some(line(text, at)),
        Class::Dash if next == Some(b'-') && is_gap(text.get(at + 2)) => Some(line(text, at)),
        Class::Slash if next == Some(b'*') => Some(comment(text, at)),
        _ => None,
    }
}

fn target(name: &[u8], rest: &[u8]) -> Target {
    let rest = rest.trim_ascii_start();
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let begins = |known: &str| {
        name.get(..known.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
    };
    if rest.starts_with(b".") && ["session", "local", "global"].into_iter().any(is) {
        return Target::Said;
    }
    if name.is_empty() || !(rest.starts_with(b"=") || rest.starts_with(b":=")) {
        return Target::Odd;
    }
    if ["tx_", "transaction_"].into_iter().any(begins) {
        return Target::Said;
    }
    Target::Bare
}

fn with_scopes(text: &[u8], places: &[usize]) -> Vec<u8> {
    const SCOPE: &[u8] = b"session.";
    let mut scoped = Vec::with_capacity(text.len() + places.len() * SCOPE.len());
    let mut begin = 0;
    for &place in places {
        scoped.extend_from_slice(&text[begin..place]);
        scoped.extend_from_slice(SCOPE);
        begin = place;
    }
    scoped.extend_from_slice(&text[begin..]);
    scoped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn look(text: &str) -> (String, bool) {
        let found = unscoped(text.as_bytes(), true);
        let text = found.scoped.map(|text| String::from_utf8(text).unwrap());
        (text.unwrap_or_default(), found.is_odd)
    }

    #[test]
    fn assignments_without_a_scope_when_found_get_the_sessions() {
        for (text, wanted) in [
            ("SET @@a='b'", "SET @@session.a='b'"),
            ("set@@A := 1", "set@@session.A := 1"),
            (
                " /* x */ SET x=f(1, @@b), @@timestamp = 1 -- @@",
                " /* x */ SET x=f(1, @@b), @@session.timestamp = 1 -- @@",
            ),
            (
                "SET GLOBAL a=1, @@b=2, @@global.c=3, @@d=(SELECT 1, @@e=2), @f=@@g",
                "SET GLOBAL a=1, @@session.b=2, @@global.c=3, @@session.d=(SELECT 1, @@e=2), @f=@@g",
            ),
            (
                "SET @@a='it\\', @@b=1', @@c=1, @@tx_isolation='x'",
                "SET @@session.a='it\\', @@b=1', @@session.c=1, @@tx_isolation='x'",
            ),
        ] {
            assert_eq!(look(text), (wanted.to_owned(), false), "{text}");
            assert_eq!(look(wanted), (String::new(), false), "{wanted}");
        }
    }

    #[test]
    fn what_assigns_nothing_so_when_looked_at_is_left() {
        for text in [
            "",
            "SET",
            "SELECT @@a=1",
            "SET a=@@b=1",
            "SET @a=@@b",
            "SET `x`=1, y='@@z=1'",
            "SET @@session.a=1, @@LOCAL.b=2, @@global . c=3",
            "SET @@tx_read_only=1",
            "SET @@Transaction_Isolation='x'",
            "settle @@a=1",
        ] {
            assert_eq!(look(text), (String::new(), false), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_when_looked_at_is_odd() {
        for text in [
            "SET @@`a`=1",
            "SET @@ a=1",
            "SET @@a.b=1",
            "SET @@a/**/=1",
            "SET /*!50000 @@a=1 */",
            "SET x=1 /*M! , @@a=1 */",
        ] {
            assert!(look(text).1, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_when_it_has_scopes_has_no_more_to_replace(
            text in "(set|SET) ?[@a-c_,=:()'\"`\\\\/*!. #-]{0,40}", backslash: bool,
        ) {
            if let Some(scoped) = unscoped(text.as_bytes(), backslash).scoped {
                prop_assert!(scoped.len() > text.len());
                prop_assert_eq!(unscoped(&scoped, backslash).scoped, None);
            }
        }

        #[test]
        fn any_bytes_when_looked_at_never_panic(text: Vec<u8>, backslash: bool) {
            let _ = unscoped(&text, backslash);
            let _ = unscoped(&[b"SET @@".as_slice(), &text].concat(), backslash);
        }
    }
}
