//! The KILL statement: whom it means.

/// A KILL statement with a plain connection id, or of the connection itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// KILL QUERY: the statement ends, the connection stays.
    pub query: bool,
    /// KILL SOFT.
    pub soft: bool,
    /// The connection's id; `None`: `CONNECTION_ID()`.
    pub id: Option<u64>,
}

impl Kill {
    /// Reads `KILL [HARD|SOFT] [CONNECTION|QUERY] id`, and the same with `CONNECTION_ID()`; `None` for every other form
    /// (KILL USER, KILL QUERY ID, other expressions).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text)
            .ok()?
            .trim_end()
            .trim_end_matches(';');
        let mut words = text.split_ascii_whitespace();
        words
            .next()
            .filter(|word| word.eq_ignore_ascii_case("kill"))?;
        let mut kill = Self {
            query: false,
            soft: false,
            id: None,
        };
        let mut word = words.next()?;
        if word.eq_ignore_ascii_case("soft") || word.eq_ignore_ascii_case("hard") {
            kill.soft = word.eq_ignore_ascii_case("soft");
            word = words.next()?;
        }
        if word.eq_ignore_ascii_case("query") || word.eq_ignore_ascii_case("connection") {
            kill.query = word.eq_ignore_ascii_case("query");
            word = words.next()?;
        }
        if !word.eq_ignore_ascii_case("connection_id()") {
            kill.id = Some(word.parse().ok()?);
        }
        words.next().is_none().then_some(kill)
    }

    /// The statement for another id.
    pub fn text(self, id: u32) -> String {
        let hard = if self.soft { "SOFT" } else { "HARD" };
        let what = if self.query { "QUERY" } else { "CONNECTION" };
        format!("KILL {hard} {what} {id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_when_parsed_says_whom_and_how() {
        assert_eq!(
            Kill::parse(b"KILL QUERY 7"),
            Some(Kill {
                query: true,
                soft: false,
                id: Some(7)
            })
        );
        assert_eq!(
            Kill::parse(b"kill soft connection 8;"),
            Some(Kill {
                query: false,
                soft: true,
                id: Some(8)
            })
        );
        assert_eq!(
            Kill::parse(b" KILL 9 "),
            Some(Kill {
                query: false,
                soft: false,
                id: Some(9)
            })
        );
        assert_eq!(
            Kill::parse(b"KILL QUERY connection_id();"),
            Some(Kill {
                query: true,
                soft: false,
                id: None
            })
        );
        for other in [
            "KILL USER app",
            "KILL QUERY ID 7",
            "KILL 1+1",
            "KILL",
            "KILL QUERY",
            "KILL (SELECT 1)",
            "KILL CONNECTION_ID() + 1",
            "KILL ID CONNECTION_ID()",
        ] {
            assert_eq!(Kill::parse(other.as_bytes()), None, "{other}");
        }
    }
}
