//! The integration tests: one binary, a module for each capability.

// Clippy's allowance for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(target_os = "linux")]
mod audit_stream;
mod browser;
mod cache;
mod cli;
mod collectors;
mod documentation;
mod documents;
mod evtx_file;
mod files;
mod golden;
#[cfg(unix)]
mod help;
mod journal_rows;
mod journal_shapes;
#[cfg(target_os = "linux")]
mod kernel_sources;
#[cfg(unix)]
mod live_collection;
#[cfg(target_os = "linux")]
mod load;
mod oracle;
#[cfg(unix)]
mod osquery_peer;
mod packaging;
#[cfg(unix)]
mod peer;
mod random_journal;
mod readers;
#[cfg(unix)]
mod real_osquery;
mod report;
mod retention;
mod rhythm;
mod sensor_formats;
#[cfg(unix)]
mod soak;
mod statements;
mod support;
mod suppression;
mod table;
#[cfg(unix)]
mod terminal;
