//! Buffers of transactions that are over, for those that begin. They are the thread's: an idle session has none, and a
//! busy one asks for no memory each time.

use std::cell::RefCell;

use super::transcript::Entry;

/// Buffers greater than this, in bytes, are given up.
const GREATEST: usize = 4096;
/// So many are kept: those of transactions that are open at the same time.
const MOST: usize = 32;

/// What a transaction is written down in.
pub(super) type Paper = (Vec<u8>, Vec<Entry>);

thread_local! {
    static STOCK: RefCell<Vec<Paper>> = const { RefCell::new(Vec::new()) };
}

/// Empty ones.
pub(super) fn take() -> Paper {
    let taken = STOCK.try_with(|stock| stock.borrow_mut().pop());
    taken.ok().flatten().unwrap_or_default()
}

/// Takes them back; what is in them is forgotten.
pub(super) fn give_back((mut bytes, mut entries): Paper) {
    let size = bytes
        .capacity()
        .max(entries.capacity() * size_of::<Entry>());
    if size == 0 || size > GREATEST {
        return;
    }
    bytes.clear();
    entries.clear();
    // Why no matter if it fails: the thread ends.
    let _ = STOCK.try_with(|stock| {
        let mut stock = stock.borrow_mut();
        if stock.len() < MOST {
            stock.push((bytes, entries));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_when_given_back_are_empty_and_used_again_unless_they_are_great() {
        give_back((b"BEGIN".to_vec(), Vec::new()));
        give_back((vec![0; GREATEST + 1], Vec::new()));
        give_back(Paper::default());
        let (bytes, entries) = take();
        assert!(bytes.is_empty() && bytes.capacity() >= 5 && entries.is_empty());
        assert_eq!(take().0.capacity(), 0);
        for _ in 0..2 * MOST {
            give_back((vec![0], Vec::new()));
        }
        assert_eq!(STOCK.with_borrow(Vec::len), MOST);
    }
}
