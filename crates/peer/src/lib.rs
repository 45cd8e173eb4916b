//! Agent to agent: mutual TLS identity, calls, streams.
