//! Names of nodes and clusters, and the DNS name that a node's certificate carries:
//! `NODE.CLUSTERID.mainstay`. The cluster id in it is what makes another cluster's certificate foreign.

use crate::{Error, Result};

const SUFFIX: &str = "mainstay";

/// Checks that a node name is one DNS label: 1 to 63 lower-case letters, digits and hyphens.
pub fn check_node_name(name: &str) -> Result<()> {
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let bytes = name.as_bytes();
    let good = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&c| fine(c))
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-');
    if good {
        Ok(())
    } else {
        Err(Error::NodeName(name.chars().take(80).collect()))
    }
}

/// Checks that a cluster name has 1 to 100 printable characters.
pub(crate) fn check_cluster_name(name: &str) -> Result<()> {
    let count = name.chars().count();
    if (1..=100).contains(&count) && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Error::ClusterName)
    }
}

/// A fresh cluster id: 80 random bits in hexadecimal.
pub(crate) fn new_cluster_id() -> Result<String> {
    Ok(hex::encode(random::<10>()?))
}

/// Whether the text has the shape of a cluster id.
pub(crate) fn is_cluster_id(id: &str) -> bool {
    id.len() == 20
        && id
            .bytes()
            .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// The DNS name in the certificate of a node.
pub(crate) fn dns_name(node: &str, cluster_id: &str) -> String {
    format!("{node}.{cluster_id}.{SUFFIX}")
}

/// Node and cluster id of a certificate's DNS name.
pub(crate) fn parse_dns_name(name: &str) -> Option<(&str, &str)> {
    let (node, rest) = name.split_once('.')?;
    let (cluster, suffix) = rest.split_once('.')?;
    let good = suffix == SUFFIX && is_cluster_id(cluster) && check_node_name(node).is_ok();
    good.then_some((node, cluster))
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_name_when_parsed_then_gives_node_and_cluster_back() {
        let id = new_cluster_id().unwrap();
        let name = dns_name("alpha-1", &id);
        assert_eq!(parse_dns_name(&name), Some(("alpha-1", id.as_str())));
        for bad in [
            "alpha",
            "alpha.beta.mainstay",
            &format!("A.{id}.mainstay"),
            &format!("a.{id}.other"),
        ] {
            assert_eq!(parse_dns_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn node_name_when_not_a_label_then_refused() {
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(64)] {
            assert!(check_node_name(bad).is_err(), "{bad}");
        }
        assert!(check_node_name("db1").is_ok());
    }
}
