//! The smallest configuration with which each proxy does its job in front of one server: two threads,
//! room for ten thousand clients, no logs; ProxySQL and MaxScale split reads from writes and watch
//! the server, as people run them.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{
    peer::Peer,
    site::{Site, WATCHER},
};

fn write(path: &Path, text: &str) -> Result<String> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path.display().to_string())
}

pub(super) fn haproxy(dir: &Path, port: u16, site: &Site) -> Result<Vec<String>> {
    let server = site.server;
    let most = super::site::most_clients(11_000);
    let text = format!(
        "global\n  nbthread 2\n  maxconn {most}\n\
         defaults\n  mode tcp\n  maxconn {most}\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n\
         listen sql\n  bind 127.0.0.1:{port}\n  server db {server}\n"
    );
    let path = write(&dir.join("haproxy.cfg"), &text)?;
    Ok(vec![
        "-db".to_owned(),
        "-q".to_owned(),
        "-f".to_owned(),
        path,
    ])
}

pub(super) fn proxysql(dir: &Path, port: u16, admin: u16, site: &Site) -> Result<Vec<String>> {
    let (user, password) = (&site.who.user, &site.who.password);
    let (server, shown) = (site.server.port(), dir.display());
    let text = format!(
        r#"datadir="{shown}"
admin_variables={{ admin_credentials="admin:admin" mysql_ifaces="127.0.0.1:{admin}" }}
mysql_variables=
{{
  threads=2
  interfaces="127.0.0.1:{port}"
  max_connections=20000
  server_version="10.11.19"
  max_allowed_packet=67108864
  monitor_username="{WATCHER}"
  monitor_password="{password}"
}}
mysql_servers=
(
  {{ address="127.0.0.1" port={server} hostgroup=0 max_connections=2000 }},
  {{ address="127.0.0.1" port={server} hostgroup=1 max_connections=2000 }}
)
mysql_users= ( {{ username="{user}" password="{password}" default_hostgroup=0 active=1 }} )
mysql_query_rules=
(
  {{ rule_id=1 active=1 match_digest="^SELECT.*FOR UPDATE" destination_hostgroup=0 apply=1 }},
  {{ rule_id=2 active=1 match_digest="^SELECT" destination_hostgroup=1 apply=1 }}
)
"#
    );
    let path = write(&dir.join("proxysql.cnf"), &text)?;
    let words = ["-f", "--initial", "--idle-threads", "-D"];
    let mut args: Vec<String> = words.map(str::to_owned).to_vec();
    args.extend([shown.to_string(), "-c".to_owned(), path]);
    Ok(args)
}

pub(super) fn maxscale(dir: &Path, port: u16, admin: u16, site: &Site) -> Result<Vec<String>> {
    let (password, server) = (&site.who.password, site.server.port());
    let text = format!(
        "[maxscale]\nthreads=2\nadmin_port={admin}\nadmin_secure_gui=false\n\
         [db]\ntype=server\naddress=127.0.0.1\nport={server}\n\
         [watch]\ntype=monitor\nmodule=mariadbmon\nservers=db\nuser={WATCHER}\npassword={password}\n\
         [split]\ntype=service\nrouter=readwritesplit\nservers=db\nuser={WATCHER}\npassword={password}\n\
         [listen]\ntype=listener\nservice=split\naddress=127.0.0.1\nport={port}\n"
    );
    let path = write(&dir.join("maxscale.cnf"), &text)?;
    let mut args = vec!["--nodaemon".to_owned(), format!("--config={path}")];
    for option in ["logdir", "datadir", "cachedir", "piddir", "persistdir"] {
        let below = dir.join(option);
        fs::create_dir_all(&below).with_context(|| format!("create {}", below.display()))?;
        args.push(format!("--{option}={}", below.display()));
    }
    Ok(args)
}

pub(super) fn alone(peer: Peer, dir: &Path, port: u16, site: &Site) -> Vec<String> {
    let mut words = vec![
        format!("127.0.0.1:{port}"),
        dir.join("sql.sock").display().to_string(),
        site.server.port().to_string(),
        site.who.user.clone(),
        site.hash.clone(),
    ];
    let place = match peer {
        Peer::Both => Some("least"),
        Peer::There => Some("replica"),
        _ => None,
    };
    words.extend(
        place
            .into_iter()
            .flat_map(|place| [site.replica_port.to_string(), place.to_owned()]),
    );
    words
}
