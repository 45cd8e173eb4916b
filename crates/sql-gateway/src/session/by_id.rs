//! What belongs to prepared statements, by the client's ids of these. An execution looks for the same one several times: a list
//! in the order of the ids, and where the last one was found, cost less of it than a hash table.

use std::cell::Cell;

/// Values by number.
#[derive(Debug)]
pub(super) struct ById<T> {
    /// In the order of the numbers. Why boxes: to move places when one is taken out costs little, however many there are.
    all: Vec<(u32, Box<T>)>,
    /// Where the last one was found.
    last: Cell<usize>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            last: Cell::new(0),
        }
    }
}

impl<T> ById<T> {
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        let at = self.find(id)?;
        self.all.get(at).map(|(_, value)| &**value)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let at = self.find(id)?;
        self.all.get_mut(at).map(|(_, value)| &mut **value)
    }

    /// Adds one; what had the number is dropped.
    pub(super) fn insert(&mut self, id: u32, value: T) {
        match self.search(id) {
            Ok(at) => *self.all[at].1 = value,
            Err(at) => self.all.insert(at, (id, Box::new(value))),
        }
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        let at = self.find(id)?;
        let (_, value) = self.all.remove(at);
        if self.all.is_empty() {
            self.clear();
        }
        Some(*value)
    }

    /// Takes all out, and gives their memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.all.iter().map(|(_, value)| &**value)
    }

    #[inline]
    fn find(&self, id: u32) -> Option<usize> {
        let last = self.last.get();
        if self.all.get(last).is_some_and(|(known, _)| *known == id) {
            return Some(last);
        }
        let found = self.search(id).ok()?;
        self.last.set(found);
        Some(found)
    }

    fn search(&self, id: u32) -> Result<usize, usize> {
        self.all.binary_search_by_key(&id, |(known, _)| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_when_some_come_and_go_in_any_order_are_found_by_their_numbers() {
        let mut all = ById::default();
        let value = |id: u32| id ^ 0x55;
        for id in [3, 1, u32::MAX, 2, 7] {
            all.insert(id, value(id));
        }
        for id in [7, 7, 1, 2, u32::MAX, 3] {
            assert_eq!(all.get(id), Some(&value(id)), "{id}");
        }
        assert_eq!(all.remove(2), Some(value(2)));
        assert_eq!(all.get(2), None);
        assert_eq!(all.remove(2), None);
        // The one behind it has moved to where it was.
        assert_eq!(all.get(3), Some(&value(3)));
        all.insert(3, 5);
        assert_eq!(all.get_mut(3), Some(&mut 5));
        assert_eq!(all.values().count(), 4);
        for id in [1, 3, 7, u32::MAX] {
            assert!(!all.is_empty() && all.remove(id).is_some());
        }
        assert!(all.is_empty() && all.all.capacity() == 0);
        assert_eq!(all.get(1), None);
    }
}
