//! The gateway before real MariaDB servers, with real clients.

mod bulk;
mod clients;
mod failover;
mod hold;
mod kill;
mod login;
mod measure;
mod raw;
mod server;
mod session;
mod world;
