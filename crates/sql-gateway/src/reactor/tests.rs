//! The loop with real sockets.
