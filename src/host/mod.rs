//! The hosts that serve the tables: osquery, and an SQLite of our own with the same behaviour.

pub mod config;
pub mod embedded;
#[cfg(unix)] // on Windows osquery listens on a named pipe
pub mod osquery;
