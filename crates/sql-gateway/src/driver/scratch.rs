//! One read buffer per thread: an idle session holds none.

use std::cell::Cell;
use std::io;
use std::task::Poll;

use crate::reactor::Socket;

/// Big enough for one answer of most pages, small enough for the second-level cache.
pub(crate) const SIZE: usize = 64 * 1024;

thread_local! {
    /// Taken out while it is in use.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads what is there into the thread's buffer and hands it to `take`. Zero bytes mean the end of the stream.
#[inline]
pub(crate) fn poll_read<T>(
    socket: &mut Socket,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    let mut buffer = BUFFER.take();
    if buffer.is_empty() {
        buffer = vec![0; SIZE];
    }
    let read = socket.poll_read(&mut buffer);
    let taken = read.map(|read| read.map(|n| take(&buffer[..n])));
    BUFFER.set(buffer);
    taken
}
