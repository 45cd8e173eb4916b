//! A small disk for each data node: an ext4 image on a loop device, mounted below the node's directory.
//! Needs root. It can hang (frozen file system), be full, turn read-only as after an error, and lose what was
//! not yet written when power goes. Unmounted when dropped; a later run sweeps what a dead one left.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use crate::{Error, Result, process};

/// The name of the mount point in a node's directory, by which the sweep knows it.
const POINT: &str = "disk";
const IMAGE: &str = "disk.img";
const BALLAST: &str = "ballast";
/// How long processes that were killed may keep the disk busy.
const BUSY_LIMIT: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);
/// What `e2fsck -y` may end with: clean, or repaired (1, and 2: "reboot", for a mounted root).
const REPAIRED: [i32; 3] = [0, 1, 2];

/// What lies on a node's own disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The database alone, at its root, as with a volume for `/var/lib/mysql`; the agent's state is elsewhere.
    Database,
    /// The database and the agent's state, as on a server with one disk.
    Everything,
}

/// A mounted image.
#[derive(Debug)]
pub(crate) struct Disk {
    image: PathBuf,
    point: PathBuf,
}

impl Disk {
    /// Makes one of `mib` MiB in a node's directory and mounts it. Its file is sparse.
    pub(crate) fn make(dir: &Path, mib: u64) -> Result<Self> {
        let disk = Self {
            image: dir.join(IMAGE),
            point: point(dir),
        };
        let file = File::create(&disk.image).map_err(Error::file("create", &disk.image))?;
        file.set_len(mib << 20)
            .map_err(Error::file("size", &disk.image))?;
        fs::create_dir_all(&disk.point).map_err(Error::file("create", &disk.point))?;
        // Why no reserve: root's writes would find room where MariaDB's find none.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<()> {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([&self.image, &self.point]))
    }

    /// Everything that writes to it, and what waits for that, stops until `thaw`.
    pub(crate) fn freeze(&self) -> Result<()> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.point))
    }

    /// Ends a freeze; nothing when there is none.
    pub(crate) fn thaw(&self) {
        thaw(&self.point);
    }

    /// Leaves not one block free.
    pub(crate) fn fill(&self) -> Result<()> {
        let path = self.point.join(BALLAST);
        let file = File::create(&path).map_err(Error::file("create", &path))?;
        let mut length = 0;
        for piece in [16 << 20, 1 << 20, 64 << 10, 4 << 10] {
            loop {
                match fallocate(&file, FallocateFlags::empty(), length, piece) {
                    Ok(()) => length += piece,
                    Err(Errno::NOSPC) => break,
                    Err(error) => return Err(Error::file("fill", &path)(error.into())),
                }
            }
        }
        Ok(())
    }

    /// Gives back what `fill` took.
    pub(crate) fn empty(&self) -> Result<()> {
        let path = self.point.join(BALLAST);
        fs::remove_file(&path).map_err(Error::file("remove", &path))
    }

    /// Turns it read-only at once, as the kernel does upon an error of the disk: what was not yet
    /// written never will be. Nothing when that has happened before.
    pub(crate) fn fail(&self) -> Result<()> {
        if self.has_failed()? {
            return Ok(());
        }
        run(Command::new("mount")
            .args(["-o", "remount,abort"])
            .arg(&self.point))?;
        if self.has_failed()? {
            return Ok(());
        }
        Err(Error::Refused {
            command: "mount -o remount,abort".into(),
            code: "success".into(),
            said: "and yet it takes writes".into(),
        })
    }

    /// Why tried: the kernel does not say so in the flags of the file system.
    fn has_failed(&self) -> Result<bool> {
        let path = self.point.join(BALLAST);
        match fs::OpenOptions::new().append(true).create(true).open(&path) {
            Ok(_) => Ok(false),
            Err(error) if error.raw_os_error() == Some(Errno::ROFS.raw_os_error()) => Ok(true),
            Err(error) => Err(Error::file("try", &path)(error)),
        }
    }

    /// What a boot does after `fail`: the journal is replayed, the rest repaired. Nothing may use it.
    pub(crate) fn repair(&self) -> Result<()> {
        self.unmount()?;
        let mut command = Command::new("e2fsck");
        command.arg("-y").arg(&self.image);
        let output = output(&mut command)?;
        if !output
            .status
            .code()
            .is_some_and(|code| REPAIRED.contains(&code))
        {
            return Err(crate::node::refused("e2fsck -y", &output));
        }
        self.mount()
    }

    fn unmount(&self) -> Result<()> {
        let until = Instant::now() + BUSY_LIMIT;
        loop {
            match run(Command::new("umount").arg(&self.point)) {
                Err(_) if Instant::now() < until => std::thread::sleep(LOOK),
                result => break result?,
            }
        }
        // Why also the device: a process elsewhere may hold the file system, which is then not repaired but shared.
        while self.is_attached()? {
            if Instant::now() > until {
                let command = format!("umount {}", self.point.display());
                let said = "and yet the file system is in use".into();
                return Err(Error::Refused {
                    command,
                    code: "success".into(),
                    said,
                });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn is_attached(&self) -> Result<bool> {
        let output = output(Command::new("losetup").arg("--associated").arg(&self.image))?;
        Ok(!output.stdout.trim_ascii().is_empty())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        if self.unmount().is_err() {
            detach(&self.point);
        }
        let _ = fs::remove_dir(&self.point);
    }
}

/// Where the disk of the node with this directory is mounted.
pub(crate) fn point(dir: &Path) -> PathBuf {
    dir.join(POINT)
}

/// Unmounts what interrupted trials left whose owner is gone. After the sweep of their processes.
pub(crate) fn sweep() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        fields.next().filter(|from| from.starts_with("/dev/loop"))?;
        fields.next().map(Path::new)
    });
    for point in points.filter(|point| point.file_name().is_some_and(|name| name == POINT)) {
        if point.parent().is_some_and(process::is_left_behind) {
            tracing::warn!(point = %point.display(), "unmounted a disk that an interrupted trial left behind");
            thaw(point);
            detach(point);
        }
    }
}

/// Something is mounted there.
fn is_mounted(point: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    point.parent().map(device) != Some(device(point))
}

fn thaw(point: &Path) {
    // Why asked first: it would thaw the file system of the directory above.
    if is_mounted(point) {
        let _ = output(Command::new("fsfreeze").arg("--unfreeze").arg(point));
    }
}

fn detach(point: &Path) {
    let _ = output(Command::new("umount").arg("--lazy").arg(point));
}

fn run(command: &mut Command) -> Result<()> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(crate::node::refused(&format!("{command:?}"), &output))
}

fn output(command: &mut Command) -> Result<std::process::Output> {
    command.output().map_err(|source| Error::NotRun {
        command: format!("{command:?}"),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn disk() -> Option<(tempfile::TempDir, Disk)> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::make(dir.path(), 16).unwrap();
        Some((dir, disk))
    }

    #[test]
    fn disk_when_power_is_lost_then_what_was_not_synced_is_gone() {
        let Some((_dir, disk)) = disk() else { return };
        let path = disk.point.join("log");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"kept").unwrap();
        file.sync_all().unwrap();
        file.write_all(b"lost").unwrap();
        disk.fail().unwrap();
        disk.fail().unwrap();
        file.write_all(b"refused").unwrap_err();
        drop(file);
        disk.repair().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        fs::write(&path, "again").unwrap();
    }

    #[test]
    fn disk_when_filled_then_nothing_fits_until_it_is_emptied() {
        let Some((_dir, disk)) = disk() else { return };
        disk.fill().unwrap();
        let path = disk.point.join("file");
        fs::write(&path, [1; 9000]).unwrap_err();
        disk.empty().unwrap();
        fs::write(&path, [1; 9000]).unwrap();
    }

    #[test]
    fn disk_when_dropped_frozen_then_it_is_unmounted() {
        let Some((_dir, disk)) = disk() else { return };
        let point = disk.point.clone();
        assert!(is_mounted(&point));
        disk.freeze().unwrap();
        drop(disk);
        assert!(!point.exists());
    }

    #[test]
    fn disk_when_its_owner_died_then_the_sweep_unmounts_it_and_no_other() {
        let (Some((left, lost)), Some((_dir, other))) = (disk(), disk()) else {
            return;
        };
        lost.freeze().unwrap();
        // Its owner's end runs no destructor.
        std::mem::forget(lost);
        let point = point(left.path());
        sweep();
        assert!(is_mounted(&point), "it has no mark");
        let own = rustix::process::getpid().as_raw_nonzero().get();
        process::mark_dir(left.path(), &format!("{own}.1.1/alpha")).unwrap();
        sweep();
        assert!(!is_mounted(&point) && is_mounted(&other.point));
    }
}
