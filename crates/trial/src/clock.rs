//! Wall clocks that jump, by Debian's libfaketime in the agent and in its server. Clocks that only go
//! forward are left alone, as they are when somebody sets a machine's time.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::{Error, Node, Result};

/// Where Debian puts it, below the directory of the machine's kind.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Holds the present jump; while it is there, what is started has its clock faked.
const FILE: &str = "clock";
/// A directory with a program that starts the server with its clock faked.
const PROGRAMS: &str = "programs";

impl Node {
    /// From its next start on its clocks can jump. They are right at first.
    ///
    /// # Errors
    /// `libfaketime` or `mariadbd` is not installed; the node's directory cannot be written.
    pub fn loosen_clock(&self) -> Result<()> {
        let library = library()?;
        let programs = self.dir().join(PROGRAMS);
        fs::create_dir_all(&programs).map_err(Error::file("create", &programs))?;
        let open = fs::Permissions::from_mode(0o755);
        let wrapper = programs.join("mariadbd");
        let exports = variables(self.dir(), &library)
            .map(|(key, value)| format!("export {key}='{value}'"))
            .join("\n");
        let text = format!("#!/bin/sh\n{exports}\nexec /usr/sbin/mariadbd \"$@\"\n");
        fs::write(&wrapper, text).map_err(Error::file("write", &wrapper))?;
        fs::set_permissions(&wrapper, open).map_err(Error::file("open up", &wrapper))?;
        self.jump(0)
    }

    /// Its wall clocks are off by so many seconds from now on (they look once a second).
    ///
    /// # Errors
    /// The node's directory cannot be written.
    pub fn jump(&self, seconds: i64) -> Result<()> {
        let (file, beside) = (self.dir().join(FILE), self.dir().join("clock.new"));
        let written = fs::write(&beside, format!("{seconds:+}\n"));
        written.map_err(Error::file("write", &beside))?;
        fs::rename(&beside, &file).map_err(Error::file("put in place", &file))
    }
}

/// Prepares what is to be started in a node of this directory.
pub(crate) fn prepare(command: &mut Command, dir: &Path) {
    let Ok(library) = library() else { return };
    if !dir.join(FILE).exists() {
        return;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = dir.join(PROGRAMS);
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.envs(variables(dir, &library));
}

fn variables(dir: &Path, library: &str) -> [(&'static str, String); 4] {
    [
        ("LD_PRELOAD", library.to_owned()),
        (
            "FAKETIME_TIMESTAMP_FILE",
            dir.join(FILE).display().to_string(),
        ),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

fn library() -> Result<String> {
    let place = format!("/usr/lib/{}-linux-gnu/{LIBRARY}", std::env::consts::ARCH);
    match fs::metadata(&place) {
        Ok(_) => Ok(place),
        Err(error) => Err(Error::file("find", &place)(error)),
    }
}
