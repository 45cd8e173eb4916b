//! The program as people and scripts meet it: whole commands with exit code, standard output and
//! standard error, and one life of a node with a real MariaDB.

mod commands;
mod documents;
mod life;
mod program;
