//! Boots of a node: its processes see a boot id of its own, which changes when its power was lost.
//! Needs root: each of its agents runs in a private mount namespace in which a file of the node lies
//! over the kernel's. The product is not told.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Cluster, Error, Node, Place, Result,
    disk::{self, Disk},
    fault::freeze,
};

const FILE: &str = "boot-id";
/// The file is `$0`, the node's own disk `$1`, what is then run is the rest. Why the other nodes' disks are
/// unmounted there: each would be kept in use by nodes that have nothing to do with it.
const SCRIPT: &str = r#"mount --bind "$0" /proc/sys/kernel/random/boot_id || exit
own=$1
shift
while read -r from point rest; do
    case $from:$point in
    /dev/loop*:"$own") ;;
    /dev/loop*:*/disk) umount --lazy "$point" ;;
    esac
done </proc/self/mounts
exec "$@""#;

/// Boots anew: writes another boot id to the file in the node's directory.
pub(crate) fn boot(dir: &Path) -> Result<()> {
    let path = file(dir);
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::file("fill", &path)(std::io::Error::other(error)))?;
    let mut text = String::new();
    for (at, byte) in random.iter().enumerate() {
        text.push_str(if [4, 6, 8, 10].contains(&at) { "-" } else { "" });
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    fs::write(&path, text).map_err(Error::file("write", &path))
}

fn file(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// A command that will run there with the node's present boot id. It keeps its pid.
pub(crate) fn command(place: &Place, dir: &Path, program: &Path) -> Command {
    let mut command = place.command(Path::new("unshare"));
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "--",
            "sh",
            "-c",
            SCRIPT,
        ])
        .args([file(dir), disk::point(dir)])
        .arg(program);
    command
}

impl Cluster {
    /// Silent, then stopped, then gone: nothing is said or done after the disk has lost what it lacks.
    /// The disk is left as a boot would find it.
    pub(crate) fn lose_power(&self, node: &Node) -> Result<()> {
        if node.disk().is_none() {
            return Err(Error::NoDisk(node.name.clone()));
        }
        self.plug(node, false)?;
        freeze(node, Node::pids)?;
        node.on_disk(Disk::fail)?;
        node.kill(Node::pids)?;
        node.reap();
        node.on_disk(Disk::repair)?;
        boot(&node.dir)
    }

    pub(crate) fn restore_power(&self, node: &Node) -> Result<()> {
        self.plug(node, true)?;
        node.start()
    }

    /// On loopback there is no cable: the others hear it die.
    fn plug(&self, node: &Node, plugged: bool) -> Result<()> {
        match self.on_network(|network| network.set_plugged(&node.name, plugged)) {
            Err(Error::NoCable) => Ok(()),
            result => result,
        }
    }
}

impl Node {
    /// Does something to its disk.
    pub(crate) fn on_disk(&self, act: impl FnOnce(&Disk) -> Result<()>) -> Result<()> {
        let disk = self.disk();
        let none = || Error::NoDisk(self.name.clone());
        act(disk.as_ref().ok_or_else(none)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_when_repeated_then_the_program_sees_another_id_and_the_machine_does_not() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let kernel = "/proc/sys/kernel/random/boot_id";
        let own = fs::read_to_string(kernel).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let seen = || {
            boot(dir.path()).unwrap();
            let mut command = command(&Place::Host, dir.path(), Path::new("cat"));
            String::from_utf8(command.arg(kernel).output().unwrap().stdout).unwrap()
        };
        let (first, second) = (seen(), seen());
        assert_eq!((first.len(), second.len()), (own.len(), own.len()));
        assert!(first != second && first != own);
        assert_eq!(fs::read_to_string(kernel).unwrap(), own);
    }
}
