//! One MariaDB server: process, administration, replication, clone.
