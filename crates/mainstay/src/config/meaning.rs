//! What the configuration means to the rooms of the house: the gateway, the decisions, the server.

use super::Config;

impl Config {
    /// The gateway's settings.
    pub(crate) fn gateway(&self) -> sql_gateway::Config {
        let typed = &self.file.gateway;
        sql_gateway::Config {
            listen: self.listen.clone(),
            require_tls: self.front.require_tls.clone(),
            accept_proxy: self.front.accept_proxy.clone(),
            proxy_from: self.front.proxy_from.clone(),
            sockets: typed.sockets.clone(),
            hold_max: typed.hold_max.0,
            max_connections: typed.max_connections,
            threads: typed.threads,
            pool: sql_gateway::Pool {
                enabled: typed.pool,
                idle_time: typed.pool_idle_time.0,
                idle_clients: typed.pool_idle_clients.0,
                idle_max: typed.pool_idle_max,
                per_account: typed.pool_per_account,
                queue_max: typed.pool_queue_max.0,
            },
            split: typed.split,
            prefer_replicas: typed.prefer_replicas,
            freshness: typed.freshness,
            freshness_at: self.reading.freshness_at.clone(),
            freshness_of: typed.freshness_of.clone(),
            read_only: sql_gateway::ReadOnly {
                listen: self.reading.listen.clone(),
                sockets: typed.read_only_sockets.clone(),
                lag_max: typed.read_only_lag_max.0,
                on_primary: typed.read_only_on_primary,
            },
            lag_max: typed.lag_max.0,
            ..sql_gateway::Config::default()
        }
    }

    /// The waiting times of the decisions.
    pub(crate) fn timing(&self) -> cluster::Timing {
        let typed = &self.file.timing;
        cluster::Timing {
            suspicion: typed.suspicion.millis(),
            shrink: typed.shrink.millis(),
            ill: typed.ill.millis(),
            hung: typed.hung.millis(),
            grace: typed.grace.millis(),
            grow: typed.grow.millis(),
            regrow: typed.regrow.millis(),
            caught_up: typed.caught_up.millis(),
            lag_limit: typed.lag_limit.millis(),
            drain: typed.drain.millis(),
            hold: typed.hold.millis(),
            ready: typed.ready.millis(),
            relief: typed.relief.millis(),
            budget: typed.budget,
        }
    }

    /// The server's settings on this node.
    pub(crate) fn server(&self, number: u32, replication: mariadb::Account) -> mariadb::Settings {
        let typed = &self.file.mariadb;
        let is_root = rustix::process::geteuid().is_root();
        mariadb::Settings {
            database_dir: typed.database_dir.clone(),
            state_dir: self.data_dir().to_owned(),
            server_id: number,
            port: typed.port,
            extra_port: typed.extra_port,
            user: is_root.then(|| typed.user.clone()),
            replication,
            tunnel_port: typed.tunnel_port,
            options: typed.options.0.clone(),
        }
    }
}
