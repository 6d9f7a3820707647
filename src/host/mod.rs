//! The hosts that serve the tables: osquery, and an SQLite of our own with the same behaviour.

pub mod config;
pub mod embedded;
#[cfg(unix)] // osquery-rust-ng knows no named pipes
pub mod osquery;
