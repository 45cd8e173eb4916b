//! One WordPress on every data node: the same files, PHP's own web server on each, each of them
//! with the gateway of its node for a database.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use trial::{Cluster, Node, Place};

use super::browser::{Browser, Page, Sent};

const CONFIGURATION: &str = r"<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'blog');
define('DB_PASSWORD', 'of the blog');
define('DB_HOST', getenv('BLOG_DATABASE'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $of) {
    define($of . '_KEY', sha1('key' . $of));
    define($of . '_SALT', sha1('salt' . $of));
}
define('COOKIEHASH', 'blog');
define('WP_DEFAULT_THEME', 'twentytwentyone');
define('WP_HOME', 'http://' . getenv('BLOG_ADDRESS'));
define('WP_SITEURL', 'http://' . getenv('BLOG_ADDRESS'));
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('DISABLE_WP_CRON', true);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
";
const ACCOUNT: [&str; 3] = [
    "CREATE DATABASE wordpress",
    "CREATE USER blog@localhost IDENTIFIED BY 'of the blog'",
    "GRANT ALL ON wordpress.* TO blog@localhost",
];
/// Visitors that one web server serves at a time.
const WORKERS: &str = "4";
const LIMIT: Duration = Duration::from_mins(1);

/// A web server with WordPress on one node.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) node: String,
    place: Place,
    address: SocketAddr,
    log: PathBuf,
    server: Child,
}

impl Site {
    /// Its page at this path, for this visitor; no page that says that something broke.
    pub(crate) fn ask(&self, visitor: &Browser, path: &str, sent: &Sent<'_>) -> Result<Page> {
        let page = visitor
            .ask((&self.place, self.address), path, sent)
            .with_context(|| format!("the site on {}", self.node))?;
        let is_broken = page.status >= 500
            || page
                .body
                .contains("Error establishing a database connection")
            || page.body.contains("WordPress database error");
        ensure!(
            !is_broken,
            "{} answers {path} with {}:\n{}",
            self.node,
            page.status,
            page.body
        );
        Ok(page)
    }

    /// What its web server logged of errors of the database.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let about = text.lines().filter(|line| {
            ["database error", "PHP Fatal", "mysqli"]
                .iter()
                .any(|word| line.contains(word))
        });
        about.map(str::to_owned).collect()
    }

    fn start(node: &Node, files: &Path, database: &str) -> Result<Self> {
        let place = node.place().clone();
        let address = free(node)?;
        let log = node.dir().join("php.log");
        let file = File::create(&log)?;
        let mut command: Command = node.beside(Path::new("php"));
        command
            .args([
                "-d",
                "opcache.enable_cli=1",
                "-d",
                "sendmail_path=/bin/true",
            ])
            .args(["-S", &address.to_string(), "-t"])
            .arg(files)
            .env("PHP_CLI_SERVER_WORKERS", WORKERS)
            .env("BLOG_DATABASE", database)
            .env("BLOG_ADDRESS", address.to_string())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        let server = command.spawn().context("start PHP's web server")?;
        Ok(Self {
            node: node.name().to_owned(),
            place,
            address,
            log,
            server,
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Why the group: its workers would outlive it.
        if let Some(group) = rustix::process::Pid::from_raw(self.server.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.server.wait();
    }
}

/// A port that is free at the address at which the node's gateway listens.
fn free(node: &Node) -> Result<SocketAddr> {
    let ip = node.sql_address().ip();
    if *node.place() != Place::Host {
        return Ok(SocketAddr::new(ip, 8080));
    }
    Ok(std::net::TcpListener::bind((ip, 0))?.local_addr()?)
}

/// WordPress on these nodes: unpacked files copied beside the cluster, an account, web servers.
/// The first talks to its gateway by TCP, the others by the socket.
pub(crate) async fn open(
    cluster: &Cluster,
    unpacked: &Path,
    nodes: &[String],
) -> Result<Vec<Arc<Site>>> {
    let primary = cluster.primary().await?;
    let mut administrator = cluster.as_administrator(&primary).await?;
    for statement in ACCOUNT {
        administrator.execute(statement, LIMIT).await?;
    }
    let beside = cluster.node(&primary)?.dir().parent().context("no place")?;
    let copy = beside.join("software");
    let copied = Command::new("cp")
        .args(["--recursive", "--no-dereference", "--preserve=timestamps"])
        .args([unpacked, &copy])
        .status()?;
    ensure!(copied.success(), "WordPress could not be copied");
    let files = copy.join("wordpress");
    fs::write(files.join("wp-config.php"), CONFIGURATION)?;
    let mut sites = Vec::new();
    for name in nodes {
        let node = cluster.node(name)?;
        let database = if sites.is_empty() {
            node.sql_address().to_string()
        } else {
            format!("localhost:{}", node.sql_socket().display())
        };
        sites.push(Arc::new(Site::start(node, &files, &database)?));
    }
    Ok(sites)
}
