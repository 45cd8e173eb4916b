//! What a client leaves on its connection, as far as its session knows: may somebody else have it?

/// What is known of a session when its client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each of which decides"
)]
pub(crate) struct Remains {
    /// Nothing runs, nothing is owed, no byte lies on the way.
    pub(crate) at_rest: bool,
    /// It may hold what outlives a change of user: random seeds, profiles (10.11.19), or what it hid from tracking.
    pub(crate) marked: bool,
    /// COM_SET_OPTION: outlives a change of user.
    pub(crate) options: bool,
    /// The client may know the server's id of the connection, and others may have it from there: to them the connection must
    /// end with its client, and no KILL of theirs may hit another.
    pub(crate) knows_id: bool,
    /// A KILL was sent for it: it may arrive late.
    pub(crate) was_killed: bool,
}

impl Remains {
    /// True when, after [`super::Cleaning`], the connection is to the next client as a fresh one.
    pub(crate) fn may_be_shared(self) -> bool {
        self.at_rest && !(self.marked || self.options || self.knows_id || self.was_killed)
    }
}

/// True when an answer to this text may show a connection's id: a function of it, a variable, a table of them.
/// Limit: routines, triggers and views that ask for it are not seen.
pub(crate) fn may_show_id(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [
        b"connection_id",
        b"thread_id",
        b"processlist",
        b"innodb",
        b"used_lock",
    ];
    let begins = |rest: &[u8], word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    (0..text.len())
        .filter(|&at| matches!(text[at] | 0x20, b'c' | b't' | b'p' | b'i' | b'u'))
        .any(|at| WORDS.iter().any(|word| begins(&text[at..], word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: Remains = Remains {
        at_rest: true,
        marked: false,
        options: false,
        knows_id: false,
        was_killed: false,
    };

    #[test]
    fn connection_when_anything_speaks_against_it_is_not_shared() {
        assert!(CLEAN.may_be_shared());
        for bad in [
            Remains {
                at_rest: false,
                ..CLEAN
            },
            Remains {
                marked: true,
                ..CLEAN
            },
            Remains {
                options: true,
                ..CLEAN
            },
            Remains {
                knows_id: true,
                ..CLEAN
            },
            Remains {
                was_killed: true,
                ..CLEAN
            },
        ] {
            assert!(!bad.may_be_shared(), "{bad:?}");
        }
    }

    #[test]
    fn text_when_it_asks_for_ids_is_noticed() {
        for text in [
            "SELECT Connection_ID()",
            "select @@pseudo_thread_id",
            "SHOW FULL PROCESSLIST",
            "SHOW ENGINE INNODB STATUS",
            "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx",
            "SELECT IS_USED_LOCK('x')",
        ] {
            assert!(may_show_id(text.as_bytes()), "{text}");
        }
        for text in ["", "SELECT 1", "UPDATE t SET connection = 5, thread = 2"] {
            assert!(!may_show_id(text.as_bytes()), "{text}");
        }
    }
}
