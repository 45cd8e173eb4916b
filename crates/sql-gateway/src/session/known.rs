//! Statements that this thread has looked at lately, so that what clients send again and again is looked at once: texts that
//! are the same up to a number at their end. What a text is depends on nothing but the text, how backslashes are read, and
//! what names mean.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use wire::catalog::{Catalog, Names};
use wire::statement::{Statement, scan_to_tail};

/// Places for statements, a power of two.
const PLACES: usize = 128;
/// Longer texts are not kept: they are seldom the same.
const LONGEST: usize = 512;

thread_local! {
    static HERE: Lately = Lately::default();
}

/// What this thread knows. Cheap to share.
#[derive(Clone, Default)]
pub(super) struct Lately(Rc<RefCell<[Known; 2]>>);

impl Lately {
    /// Of this thread.
    pub(super) fn here() -> Self {
        HERE.with(Self::clone)
    }

    /// What a text is. `names`: what they mean, and those of the session's default database.
    pub(super) fn look(
        &self,
        text: &[u8],
        backslash: bool,
        names: Option<(&Arc<Catalog>, Names<'_>)>,
    ) -> Statement {
        let cut = without_number(text);
        if cut > LONGEST {
            return scan_to_tail(text, backslash, names.map(|(_, names)| names)).0;
        }
        // Why two: sessions that know what names mean, and such that do not, live side by side.
        let known = &mut self.0.borrow_mut()[usize::from(names.is_some())];
        known.look(text, cut, backslash, names)
    }
}

/// Where a plain number at the end may begin; else where the text ends.
fn without_number(text: &[u8]) -> usize {
    let mut cut = text.len();
    while let Some((last, before)) = text[..cut].split_last() {
        match last {
            b'0'..=b'9' => cut = before.len(),
            b' ' | b'=' | b'<' | b'>' | b',' | b'(' => return cut,
            _ => break,
        }
    }
    text.len()
}

#[derive(Default)]
struct Known {
    /// What names mean, for all places. Why kept: another catalog could come to lie where a dropped one lay.
    names: Option<Arc<Catalog>>,
    places: Vec<Place>,
}

#[derive(Clone, Default)]
struct Place {
    /// The hash of the text that was looked at last. Why: what comes once is not worth keeping.
    seen: u64,
    backslash: bool,
    /// A number follows.
    has_number: bool,
    database: u64,
    text: Vec<u8>,
    statement: Option<Statement>,
}

impl Known {
    #[inline]
    fn look(
        &mut self,
        text: &[u8],
        cut: usize,
        backslash: bool,
        names: Option<(&Arc<Catalog>, Names<'_>)>,
    ) -> Statement {
        let is_same = match (&self.names, names) {
            (None, None) => true,
            (Some(known), Some((names, _))) => Arc::ptr_eq(known, names),
            _ => false,
        };
        if !is_same || self.places.is_empty() {
            self.begin(names.map(|(names, _)| names));
        }
        let hash = hash(&text[..cut]);
        let has_number = cut < text.len();
        let database = names.map_or(0, |(_, names)| names.database());
        let place = &mut self.places[(hash >> 32) as usize % PLACES];
        if let Some(statement) = place.statement
            && place.text == text[..cut]
            && place.has_number == has_number
            && place.backslash == backslash
            && place.database == database
        {
            return statement;
        }
        let (statement, tail) = scan_to_tail(text, backslash, names.map(|(_, names)| names));
        if place.seen == hash && tail == cut {
            place.text.clear();
            place.text.extend_from_slice(&text[..cut]);
            place.statement = Some(statement);
            (place.backslash, place.database) = (backslash, database);
            place.has_number = has_number;
        }
        place.seen = hash;
        statement
    }

    /// Nothing is known yet of statements with these names.
    #[cold]
    fn begin(&mut self, names: Option<&Arc<Catalog>>) {
        self.names = names.cloned();
        self.places.clear();
        self.places.resize(PLACES, Place::default());
    }
}

/// Eight bytes at a time, the last ones perhaps twice. Finds a place; what lies there is compared.
fn hash(text: &[u8]) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = text.len() as u64;
    let mut mix = |chunk: &[u8; 8]| {
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*chunk)).wrapping_mul(MIX);
    };
    text.as_chunks().0.iter().for_each(&mut mix);
    if let Some(last) = text.last_chunk() {
        mix(last);
    }
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use wire::catalog::Object;
    use wire::statement::{Verdict, scan, scan_with};

    use super::*;

    const TEXTS: &[&str] = &[
        "SELECT c FROM sbtest1 WHERE id=5033",
        "SELECT c FROM sbtest1 WHERE id=7",
        "SELECT c FROM sbtest1 WHERE id=7 ",
        "SELECT c FROM sbtest2 WHERE id=7",
        "SELECT c FROM s WHERE id=7",
        "SELECT a FROM t1",
        "SELECT a FROM t2",
        "SELECT a FROM t.1",
        "SELECT a FROM t. 1",
        "SELECT a FROM t. 23",
        "SELECT a FROM t LIMIT 5,10",
        "SELECT a FROM t LIMIT 5,1000",
        "SELECT 'it\\' , 5",
        "SELECT 'it\\' , 6",
        "SELECT 'it 5",
        "SELECT 1 /* 5",
        "SELECT 1 /*!50000",
        "SELECT 1 -- 5",
        "SELECT 1e5",
        "SELECT 0x15",
        "SELECT @a1",
        "SELECT @ 1",
        "UPDATE t SET a=1",
        "UPDATE t SET a=22",
        "SELECT 1; SELECT 2",
        "SELECT 1; 5",
        "SELECT 1; ",
        "KILL 5",
        "SET autocommit=0",
        "SET autocommit=1",
        "SET timestamp=0",
        "SET timestamp=1700000000",
        "SET @@session.tx_read_only = 1",
        "SET @a=1",
        "SET SESSION x=1, autocommit=0",
        "PREPARE p FROM 1",
        "SELECT 1 INTO @a",
        "SELECT NEXT VALUE FOR s",
        "SELECT SLEEP( 5",
        "SELECT GET_LOCK('a', 5",
        "SELECT LAST_INSERT_ID( 5",
        "SELECT 1 FROM t PROCEDURE ANALYSE (1",
        "LOCK TABLES t READ, 5",
        "XA START 0x15, 0x16, 7",
        "5",
        "",
    ];

    #[test]
    fn statement_when_it_is_looked_at_again_is_what_it_is() {
        let lately = Lately::default();
        for backslash in [true, false, true, false] {
            for _ in 0..3 {
                for text in TEXTS {
                    let text = text.as_bytes();
                    let found = lately.look(text, backslash, None);
                    assert_eq!(found, scan(text, backslash), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn statement_when_names_mean_something_else_is_looked_at_anew() {
        let lately = Lately::default();
        let object = |name: &str| ("shop".to_owned(), name.to_owned(), Object::Sequence);
        for name in ["s", "t1", "t2", "sbtest1", "s"] {
            let catalog = Arc::new(Catalog::new(&[object(name)], &[]));
            for _ in 0..3 {
                for (text, database) in TEXTS.iter().flat_map(|text| [(text, "shop"), (text, "x")])
                {
                    let names = catalog.of_database(database.as_bytes());
                    let wanted = scan_with(text.as_bytes(), true, names);
                    let found = lately.look(text.as_bytes(), true, Some((&catalog, names)));
                    assert_eq!(found, wanted, "{text} in {database} with {name}");
                }
            }
        }
        let text = b"SELECT c FROM s WHERE id=7";
        assert_eq!(lately.look(text, true, None).verdict(), Verdict::Anywhere);
    }

    #[test]
    fn texts_when_they_are_many_take_no_more_places() {
        let lately = Lately::default();
        for number in 0..10_000 {
            for _ in 0..2 {
                lately.look(format!("SELECT a{number} FROM t").as_bytes(), true, None);
            }
        }
        assert_eq!(lately.0.borrow()[0].places.len(), PLACES);
    }
}
