//! The Debian packages that tests and the demonstration need, installed without starting services.
//! As the administrator they are installed; as anyone else the one command to type is printed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// For `cargo xtask test`.
pub(crate) const FOR_TESTS: &[&str] = &[
    "mariadb-server",
    "mariadb-client",
    "mariadb-backup",
    "iproute2",
    "nftables",
    "procps",
    "libfaketime",
    "zstd",
    "sysbench",
    "php-cli",
    "php-mysql",
    "python3-pymysql",
];
/// For `cargo xtask bench gateway`, beside those for tests: a proxy to be held against, and what counts.
pub(crate) const FOR_GATEWAY_FIGURES: &[&str] = &["haproxy", "strace", "valgrind"];
/// For `cargo xtask demo`.
pub(crate) const FOR_DEMO: &[&str] = &[
    "mariadb-server",
    "mariadb-client",
    "mariadb-backup",
    "procps",
    "zstd",
];

/// Asked by Debian's maintainer scripts before they start a service; 101 forbids it.
const POLICY_FILE: &str = "/usr/sbin/policy-rc.d";
const POLICY: &str =
    "#!/bin/sh\n# Keeps services from starting while packages are installed.\nexit 101\n";

/// Sees to it that the packages are installed and that no service was started by that.
///
/// # Errors
/// When packages are missing and we may not or cannot install them.
pub(crate) fn ensure(wanted: &[&str]) -> Result<()> {
    let listing = listing(wanted)?;
    let missing = missing_in(&listing, wanted);
    if missing.is_empty() {
        let server = version_in(&listing, "mariadb-server").unwrap_or("unknown");
        eprintln!(
            "{} packages installed; mariadb-server {server}",
            wanted.len()
        );
        return Ok(());
    }
    if !process::is_root() {
        bail!(
            "packages are missing; install them with\n\n  {}\n",
            command_to_type(&missing)
        );
    }
    eprintln!("installing {}", missing.join(" "));
    install(&missing)
}

fn command_to_type(missing: &[String]) -> String {
    format!(
        "sudo apt-get install --yes --no-install-recommends {}",
        missing.join(" ")
    )
}

/// One line for each known package: status, name, version.
fn listing(wanted: &[&str]) -> Result<String> {
    // Why: the status is non-zero as soon as one name is unknown, so it says nothing here.
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat",
            "${db:Status-Status} ${Package} ${Version}\\n",
        ])
        .args(wanted)
        .output()
        .context("start `dpkg-query`: tests and the demonstration run on Debian or a derivative")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn missing_in(listing: &str, wanted: &[&str]) -> Vec<String> {
    let is_missing = |name: &&&str| version_in(listing, name).is_none();
    wanted
        .iter()
        .filter(is_missing)
        .map(ToString::to_string)
        .collect()
}

/// The version of an installed package.
fn version_in<'a>(listing: &'a str, name: &str) -> Option<&'a str> {
    let mut words = listing
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let line = words.find(|words| words.len() == 3 && words[..2] == ["installed", name])?;
    line.last().copied()
}

fn install(missing: &[String]) -> Result<()> {
    let policy = Policy::put(Path::new(POLICY_FILE))?;
    update()?;
    let mut command = apt_get(&["install", "--yes", "--no-install-recommends"]);
    process::output(command.args(missing))?;
    drop(policy);
    if missing.iter().any(|name| name == "mariadb-server") {
        stop_service("mariadb.service")?;
    }
    Ok(())
}

/// Fetches the lists of packages, where we may.
///
/// # Errors
/// When we may not, or there is no network.
pub(crate) fn update() -> Result<()> {
    process::output(&mut apt_get(&["update"])).map(drop)
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
    command.args(arguments);
    command
}

/// Stops a service that the installation started in spite of the policy.
fn stop_service(unit: &str) -> Result<()> {
    let is_active = Command::new("systemctl")
        .args(["is-active", "--quiet", unit])
        .status()
        .is_ok_and(|status| status.success());
    if is_active {
        process::output(Command::new("systemctl").args(["stop", unit]))?;
    }
    Ok(())
}

/// The policy file, removed again when this goes out of scope.
struct Policy {
    /// `None` when the machine already has its own policy, which is left alone.
    path: Option<PathBuf>,
}

impl Policy {
    fn put(path: &Path) -> Result<Self> {
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(path)
        {
            Ok(mut file) => {
                file.write_all(POLICY.as_bytes())?;
                Ok(Self {
                    path: Some(path.to_owned()),
                })
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                // Why: one that an interrupted run of ours left behind is removed at last.
                let is_ours = fs::read_to_string(path).is_ok_and(|text| text == POLICY);
                Ok(Self {
                    path: is_ours.then(|| path.to_owned()),
                })
            }
            Err(error) => Err(error).with_context(|| format!("write `{}`", path.display())),
        }
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            eprintln!("note: remove `{}` by hand: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_when_only_configuration_is_left_then_package_is_missing() {
        let listing = "installed zstd 1.5\nconfig-files procps 4.0\nnot-installed sysbench \n";
        assert_eq!(
            missing_in(listing, &["zstd", "procps", "sysbench", "php"]),
            ["procps", "sysbench", "php"]
        );
    }

    #[test]
    fn policy_when_dropped_then_removed_but_a_foreign_one_stays() {
        let path = std::env::temp_dir().join(format!("policy-{}", std::process::id()));
        let ours = Policy::put(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), POLICY);
        drop(ours);
        assert!(!path.exists());
        fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
        drop(Policy::put(&path).unwrap());
        assert!(
            path.exists(),
            "a policy that was there before is not ours to remove"
        );
        fs::write(&path, POLICY).unwrap();
        drop(Policy::put(&path).unwrap());
        assert!(!path.exists(), "one that an interrupted run left behind is");
    }

    #[test]
    fn command_to_type_when_packages_miss_then_names_them() {
        let line = command_to_type(&["zstd".to_owned(), "php-cli".to_owned()]);
        assert_eq!(
            line,
            "sudo apt-get install --yes --no-install-recommends zstd php-cli"
        );
    }
}
