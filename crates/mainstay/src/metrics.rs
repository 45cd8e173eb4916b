//! What a node can say in numbers, in Prometheus' text format. Who serves it: `agent/pages.rs`.

mod gateway;
mod page;

pub(crate) use page::Page;

use crate::status::Status;

/// The page of a node: its cluster as it sees it, and what its gateway has done.
pub(crate) fn page(status: Option<&Status>) -> String {
    let mut page = Page::default();
    if let Some(status) = status {
        cluster(&mut page, status);
        if let Some(figures) = &status.gateway {
            gateway::write(&mut page, figures);
        }
    }
    page.text()
}

fn cluster(page: &mut Page, status: &Status) {
    page.gauge(
        "mainstay_epoch",
        "The epoch, which grows with each new primary.",
    )
    .value(&[], status.epoch as f64);
    page.gauge(
        "mainstay_protected",
        "1 when any one server can be lost without losing anything acknowledged.",
    )
    .value(&[], f64::from(u8::from(status.protected)));
    page.gauge(
        "mainstay_primary",
        "1 for the node that takes writes, as this node sees it.",
    );
    for node in status.nodes.iter().filter(|node| !node.witness) {
        let is_primary = status.primary.as_ref() == Some(&node.name);
        page.value(&[("node", &node.name)], f64::from(u8::from(is_primary)));
    }
    page.gauge(
        "mainstay_lag_seconds",
        "How far a node's data is behind the primary's.",
    );
    for node in &status.nodes {
        let lag = node.database.as_ref().and_then(|database| database.lag_ms);
        if let Some(lag) = lag {
            page.value(&[("node", &node.name)], seconds(lag));
        }
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use sql_gateway::{AccountFigures, Figures, RouteFigures};

    use super::*;

    #[test]
    fn figures_when_written_then_each_has_its_account_and_route() {
        let app = AccountFigures {
            account: "app".to_owned(),
            clients: 2,
            held: 1,
            held_ms: 1_500,
            primary: RouteFigures {
                connections: 2,
                queries: 10,
                time_ms: 250,
                failed: 1,
            },
            ..AccountFigures::default()
        };
        let figures = Figures {
            clients: 2,
            accounts: vec![app, AccountFigures::default()],
            clients_closed: [("quit".to_owned(), 4)].into(),
            ..Figures::default()
        };
        let mut page = Page::default();
        gateway::write(&mut page, &figures);
        let text = page.text();
        for line in [
            "# TYPE mainstay_gateway_queries_total counter",
            "mainstay_gateway_queries_total{account=\"app\",route=\"primary\"} 10",
            "mainstay_gateway_queries_total{account=\"app\",route=\"replica\"} 0",
            "mainstay_gateway_query_seconds_total{account=\"app\",route=\"primary\"} 0.25",
            "mainstay_gateway_held_seconds_total{account=\"app\"} 1.5",
            "mainstay_gateway_clients{account=\"other\"} 0",
            "mainstay_gateway_clients_closed_total{reason=\"quit\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
