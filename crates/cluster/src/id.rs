//! The names and numbers that tell nodes, boots, data directories and revisions apart.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Grows by one with each new primary; an order of an older epoch is never obeyed.
pub type Epoch = u64;
/// Grows by one with each change of the ledger's document.
pub type Rev = u64;
/// Milliseconds of a clock that only goes forward; its zero means nothing.
pub type Millis = u64;

/// A node's name: 1 to 63 of `a-z 0-9 -`, starting and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(Arc<str>);

/// Text that cannot be a node's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be a node's name: use 1 to 63 of a-z, 0-9 and `-`, not at either end")]
pub struct NotAName(String);

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(NotAName(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for NodeName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is not 128 bits in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id of 32 hexadecimal digits")]
pub struct NotAnId(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            /// Hyphens, as in the kernel's own notation of a boot id, are passed over.
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
                let wrong = || NotAnId(text.chars().take(80).collect());
                if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(wrong());
                }
                u128::from_str_radix(&digits, 16).map(Self).map_err(|_| wrong())
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id! {
    /// One boot of a kernel (`/proc/sys/kernel/random/boot_id`): what was not fsynced ends with it.
    BootId
}
id! {
    /// One life of a data directory: a clone, a restore and a destructive start each make a new one.
    DataId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_hosts() {
        for good in ["a", "db-1", "alpha"] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Alpha", "a.b", "a b", &"x".repeat(64)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn boot_ids_are_read_as_the_kernel_writes_them() {
        let id: BootId = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n".parse().unwrap();
        assert_eq!(id.to_string(), "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
        assert!("0f1e".parse::<BootId>().is_err());
    }
}
