//! What many clients have alike is kept once: applications have thousands of connections and a few logins.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// More different ones than this are not remembered: who has one that was forgotten keeps it alone.
const REMEMBERED: usize = 32;

/// The values that were used last.
#[derive(Debug)]
pub(crate) struct Alike<T: ?Sized>(Mutex<VecDeque<Weak<T>>>);

impl<T: ?Sized> Default for Alike<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: PartialEq + ?Sized> Alike<T> {
    /// The value, as somebody else has it already if anybody has.
    pub(crate) fn share<V: AsRef<T> + Into<Arc<T>>>(&self, value: V) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known
            .iter()
            .filter_map(Weak::upgrade)
            .find(|known| **known == *value.as_ref());
        if let Some(same) = same {
            return same;
        }
        known.retain(|known| known.strong_count() > 0);
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        let value: Arc<T> = value.into();
        known.push_back(Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_when_they_are_alike_are_one() {
        let names = Alike::<[u8]>::default();
        let first = names.share(&b"app"[..]);
        assert!(Arc::ptr_eq(&first, &names.share(&b"app"[..])));
        assert!(!Arc::ptr_eq(&first, &names.share(&b"other"[..])));
        drop(first);
        assert_eq!(*names.share(&b"app"[..]), *b"app");
    }

    #[test]
    fn values_when_there_are_many_are_right_and_not_all_remembered() {
        let names = Alike::<[u8]>::default();
        let all: Vec<_> = (0..100u8)
            .map(|number| names.share(&[number][..]))
            .collect();
        assert!((0..100u8).all(|number| *all[usize::from(number)] == [number]));
        assert_eq!(names.0.lock().unwrap().len(), REMEMBERED);
        assert!(Arc::ptr_eq(&all[99], &names.share(&[99][..])));
        drop(all);
        drop(names.share(&b"one more"[..]));
        assert_eq!(names.0.lock().unwrap().len(), 1, "the dead are forgotten");
    }
}
