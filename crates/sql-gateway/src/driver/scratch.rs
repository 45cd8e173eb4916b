//! One read buffer per thread: an idle session holds none.

use std::cell::RefCell;
use std::io;
use std::task::Poll;

use crate::reactor::Socket;

/// Big enough for one answer of most pages, small enough for the second-level cache.
pub(crate) const SIZE: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// Reads what is there into the thread's buffer and hands it to `take`. Zero bytes mean the end of the stream.
pub(crate) fn poll_read<T>(
    socket: &mut Socket,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    BUFFER.with_borrow_mut(|buffer| {
        socket
            .poll_read(buffer)
            .map(|read| read.map(|n| take(&buffer[..n])))
    })
}
