//! What a node knows of its cluster: `status --json`, version 1 of the contract, and the table.

mod document;
mod gateway;
mod gather;
mod human;

pub(crate) use document::Status;
pub(crate) use human::lines;
