//! Puts a cluster on trial: starts it, loads it, breaks it, checks its history.
