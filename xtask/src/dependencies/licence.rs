//! Licence expressions: is there a way to use this package under licences we accept?
//! Reads SPDX expressions (`AND`, `OR`, `WITH`, brackets) and the older `A/B`, nothing more.

use crate::metadata::Package;

/// Licences under which anybody may link the program, in whatever way it is passed on.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Zlib",
];

/// Packages under another licence: name, licence, why that is acceptable.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Says why a package's licence cannot be accepted.
///
/// # Errors
/// The reason, as a sentence.
pub(crate) fn check(package: &Package) -> Result<(), String> {
    let Some(expression) = &package.licence else {
        return Err("states no licence expression".to_owned());
    };
    let is_exception = |licence: &str| {
        EXCEPTIONS
            .iter()
            .any(|(name, own, _)| *name == package.name && *own == licence)
    };
    let accepted = |licence: &str| ACCEPTED.contains(&licence) || is_exception(licence);
    match is_accepted(expression, &accepted) {
        Some(true) => Ok(()),
        Some(false) => Err(format!("licence `{expression}` is not on the list")),
        None => Err(format!("licence `{expression}` cannot be read")),
    }
}

/// Evaluates an expression; `None` when it is malformed.
fn is_accepted(expression: &str, accepted: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        accepted,
    };
    let value = parser.any()?;
    (parser.next == tokens.len()).then_some(value)
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    next: usize,
    accepted: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut value = self.all()?;
        while self.take("OR") {
            value |= self.all()?;
        }
        Some(value)
    }

    fn all(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.take("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let value = self.any()?;
            return self.take(")").then_some(value);
        }
        let name = self.word()?;
        if self.take("WITH") {
            let exception = self.word()?;
            return Some((self.accepted)(&format!("{name} WITH {exception}")));
        }
        Some((self.accepted)(name))
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.tokens.get(self.next) == Some(&token);
        self.next += usize::from(is_next);
        is_next
    }

    fn word(&mut self) -> Option<&'a str> {
        let word = self.tokens.get(self.next).copied()?;
        if matches!(word, "AND" | "OR" | "WITH" | "(" | ")") {
            return None;
        }
        self.next += 1;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_expression(expression: &str) -> Option<bool> {
        is_accepted(expression, &|licence| ACCEPTED.contains(&licence))
    }

    #[test]
    fn is_accepted_when_a_way_exists_then_true() {
        for expression in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
            "Apache-2.0 AND ISC",
        ] {
            assert_eq!(check_expression(expression), Some(true), "{expression}");
        }
    }

    #[test]
    fn is_accepted_when_no_way_exists_then_false() {
        for expression in [
            "AGPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "MPL-2.0",
            "GPL-2.0-only WITH x",
        ] {
            assert_eq!(check_expression(expression), Some(false), "{expression}");
        }
    }

    #[test]
    fn is_accepted_when_malformed_then_none() {
        for expression in ["", "MIT OR", "(MIT", "MIT MIT", "AND", "MIT WITH"] {
            assert_eq!(check_expression(expression), None, "{expression}");
        }
    }

    #[test]
    fn check_when_no_licence_is_stated_then_refused() {
        assert!(check(&Package::default()).is_err());
    }
}
