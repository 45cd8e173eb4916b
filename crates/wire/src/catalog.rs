//! What names mean that look like tables or functions and are more: views that call functions, sequences, tables of
//! engines that do not hold the same rows everywhere. Read from the database by others; looked up by the scanner.

use std::collections::BTreeMap;

use crate::statement::{Reason, Verdict, scan_with};
use crate::words;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A sequence.
    Sequence,
    /// A stored function.
    Function,
    /// A table of an engine that does not hold the same rows on every server.
    Engine,
    /// A view that is not a plain read.
    View,
}

/// Names of one server's databases. Names are told apart by a hash without regard to case: two names that share one
/// only send a read to the primary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Hash of name and hash of database, sorted.
    names: Vec<(u64, u64, Object)>,
    /// A bit for each name's hash, so that most words need no search.
    seen: Seen,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen([u64; 32]);

/// A view as the database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Its SELECT, as `information_schema.VIEWS` has it: names in backticks, with their databases.
    pub definition: String,
}

impl Catalog {
    /// A catalog of these objects, and of those views that are not plain reads (also because of other views).
    pub fn new(objects: &[(String, String, Object)], views: &[View]) -> Self {
        let mut all: BTreeMap<(u64, u64), Object> = BTreeMap::new();
        for (database, name, object) in objects {
            all.insert(key(database, name), *object);
        }
        let mut catalog = Self::of(&all);
        loop {
            let before = all.len();
            for view in views {
                let names = catalog.of_database(view.database.as_bytes());
                let text = view.definition.as_bytes();
                // Why both: nobody knows under which mode it was written.
                let plain = [true, false].into_iter().all(|backslash| {
                    scan_with(text, backslash, names).verdict() == Verdict::Anywhere
                });
                if !plain {
                    all.entry(key(&view.database, &view.name))
                        .or_insert(Object::View);
                }
            }
            catalog = Self::of(&all);
            if all.len() == before {
                return catalog;
            }
        }
    }

    fn of(all: &BTreeMap<(u64, u64), Object>) -> Self {
        let mut seen = Seen::default();
        let names: Vec<_> = all
            .iter()
            .map(|(&(name, database), &object)| {
                let (place, bit) = Seen::bit(name);
                seen.0[place] |= bit;
                (name, database, object)
            })
            .collect();
        Self { names, seen }
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many names are in it.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The names as a session with this default database uses them.
    pub fn of_database(&self, database: &[u8]) -> Names<'_> {
        self.of_key(key_of_database(database))
    }

    /// The same, for whoever asks often: the database's [`key_of_database`].
    pub fn of_key(&self, database: u64) -> Names<'_> {
        Names {
            catalog: self,
            database,
        }
    }
}

/// What a database's name is looked up by.
pub fn key_of_database(name: &[u8]) -> u64 {
    words::hash(name)
}

fn key(database: &str, name: &str) -> (u64, u64) {
    (
        words::hash(name.as_bytes()),
        words::hash(database.as_bytes()),
    )
}

impl Seen {
    fn bit(hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize % 32, 1 << (hash & 63))
    }
}

/// A [`Catalog`] as one session sees it.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    catalog: &'a Catalog,
    database: u64,
}

impl Names<'_> {
    /// All that is looked up in the catalog depends on the default database by this.
    pub fn database(&self) -> u64 {
        self.database
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.catalog.is_empty()
    }

    /// Why a statement that uses this name runs on the primary. `qualifier`: what stood before a dot.
    #[inline]
    pub(crate) fn reason(&self, name: u64, qualifier: Option<u64>) -> Option<Reason> {
        let (place, bit) = Seen::bit(name);
        if self.catalog.seen.0[place] & bit == 0 {
            return None;
        }
        let database = qualifier.unwrap_or(self.database);
        let names = &self.catalog.names;
        let at = names
            .binary_search_by_key(&(name, database), |&(name, database, _)| (name, database))
            .ok()?;
        Some(match names[at].2 {
            Object::Sequence => Reason::Sequence,
            Object::Function => Reason::UnknownFunction,
            Object::Engine => Reason::Engine,
            Object::View => Reason::View,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, definition: &str) -> View {
        View {
            database: "shop".to_owned(),
            name: name.to_owned(),
            definition: definition.to_owned(),
        }
    }

    fn catalog() -> Catalog {
        let object = |name: &str, object| ("shop".to_owned(), name.to_owned(), object);
        Catalog::new(
            &[
                object("numbers", Object::Sequence),
                object("scratch", Object::Engine),
                object("count", Object::Function),
            ],
            &[
                view(
                    "over",
                    "select `shop`.`counting`.`a` AS `a` from `shop`.`counting`",
                ),
                view("counting", "select `shop`.`tick`() AS `a` from `shop`.`t`"),
                view(
                    "plain",
                    "select `shop`.`t`.`a` AS `a`,max(1) AS `b` from `shop`.`t`",
                ),
                view(
                    "last",
                    "select `shop`.`numbers`.`start_value` AS `s` from `shop`.`numbers`",
                ),
            ],
        )
    }

    #[test]
    fn views_when_they_call_functions_also_through_other_views_are_not_plain() {
        let catalog = catalog();
        let at = |text: &str, database: &str| {
            scan_with(
                text.as_bytes(),
                true,
                catalog.of_database(database.as_bytes()),
            )
            .verdict()
        };
        for (text, reason) in [
            ("SELECT a FROM counting", Reason::View),
            ("SELECT a FROM `Over`", Reason::View),
            ("SELECT a FROM shop.over", Reason::View),
            ("SELECT a FROM shop . `over`", Reason::View),
            ("SELECT s FROM last", Reason::View),
            (
                "SELECT next_not_cached_value FROM numbers",
                Reason::Sequence,
            ),
            ("SELECT * FROM scratch", Reason::Engine),
            ("SELECT count (1)", Reason::UnknownFunction),
        ] {
            assert_eq!(at(text, "shop"), Verdict::Primary(reason), "{text}");
        }
        assert_eq!(at("SELECT a FROM plain", "shop"), Verdict::Anywhere);
        assert_eq!(at("SELECT a FROM `over`", "blog"), Verdict::Anywhere);
        assert_eq!(at("SELECT a FROM blog.counting", "shop"), Verdict::Anywhere);
        assert_eq!(at("SELECT t.counting FROM t", "shop"), Verdict::Anywhere);
        assert_eq!(
            at("SELECT a FROM shop.counting", "blog"),
            Verdict::Primary(Reason::View)
        );
        assert_eq!(catalog.len(), 6);
    }

    #[test]
    fn a_catalog_when_empty_changes_no_verdict() {
        let catalog = Catalog::default();
        assert!(catalog.is_empty());
        let names = catalog.of_database(b"shop");
        let text = b"SELECT a FROM counting";
        assert_eq!(scan_with(text, true, names).verdict(), Verdict::Anywhere);
    }
}
