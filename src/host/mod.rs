//! The hosts that serve the tables: osquery, and an SQLite of our own with the same behaviour.

pub mod embedded;
