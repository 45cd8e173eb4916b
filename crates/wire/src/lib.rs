//! Bytes to values and back: MySQL packets, what a statement is, and GTIDs. Pure: no IO, no clock, no async.

pub mod announced;
pub mod catalog;
pub mod codec;
pub mod command;
pub mod flags;
pub mod greeting;
pub mod gtid;
pub mod kill;
mod lexeme;
pub mod login;
pub mod native;
pub mod outcome;
pub mod packet;
pub mod parts;
pub mod proxy;
pub mod read_only;
pub mod reply;
mod scanner;
pub mod statement;
pub mod tag;
pub mod unscoped;
mod verdict;
pub mod walk;
mod words;
