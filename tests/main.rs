//! The integration tests: one binary, a module for each capability.

// Clippy's allowance for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cache;
mod cli;
mod documentation;
mod evtx_file;
mod oracle;
#[cfg(unix)]
mod osquery_peer;
mod random_journal;
mod readers;
mod support;
mod table;
