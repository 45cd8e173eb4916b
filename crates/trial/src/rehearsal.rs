//! Agents that die at a certain step of what they do, which no signal from outside could hit. Programs
//! that were built without debug assertions know nothing of it.

use std::{fs, path::PathBuf};

use crate::{Error, Node, Result};

/// The variable by which an agent knows where to look.
pub(crate) const VARIABLE: &str = "MAINSTAY_TEST_END_AFTER";

impl Node {
    /// Its agent dies right after the next step whose name has this word in it.
    ///
    /// # Errors
    /// The file that tells the agent cannot be written.
    pub fn end_after(&self, word: &str) -> Result<()> {
        let path = self.end_after_file();
        fs::write(&path, word).map_err(Error::file("write", &path))
    }

    pub(crate) fn end_after_file(&self) -> PathBuf {
        self.dir().join("end-after")
    }
}
