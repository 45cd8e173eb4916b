//! Disks of their own for tests that fill, freeze or break one. Only root can make them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

/// A file system of its own on a loop device, thawed and detached when it goes, whatever happens.
pub(crate) struct Disk {
    top: tempfile::TempDir,
    device: String,
}

impl Disk {
    /// `None`, with a word, when this machine does not let us.
    pub(crate) fn new(megabytes: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can mount a disk");
            return None;
        }
        let top = tempfile::tempdir().unwrap();
        let image = top.path().join("image");
        std::fs::File::create(&image)
            .unwrap()
            .set_len(u64::from(megabytes) << 20)
            .unwrap();
        if !run("mkfs.ext4", &["-q", "-m", "0", image.to_str().unwrap()]).0 {
            println!("skipped: no mkfs.ext4");
            return None;
        }
        let (ok, device) = run("losetup", &["--find", "--show", image.to_str().unwrap()]);
        if !ok {
            println!("skipped: no loop devices");
            return None;
        }
        let disk = Self {
            top,
            device: device.trim().to_owned(),
        };
        std::fs::create_dir(disk.root()).unwrap();
        assert!(run("mount", &[&disk.device, disk.root().to_str().unwrap()]).0);
        for path in [disk.top.path(), &disk.root()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(disk)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.top.path().join("disk")
    }

    pub(crate) fn freeze(&self) {
        assert!(run("fsfreeze", &["--freeze", self.root().to_str().unwrap()]).0);
    }

    pub(crate) fn thaw(&self) {
        run("fsfreeze", &["--unfreeze", self.root().to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        run("umount", &["--lazy", self.root().to_str().unwrap()]);
        run("losetup", &["--detach", &self.device]);
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    match Command::new(program).args(arguments).output() {
        Ok(output) => (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ),
        Err(_) => (false, String::new()),
    }
}
