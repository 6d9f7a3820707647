//! The integration tests: one binary, a module for each capability.

mod cache;
mod cli;
mod documentation;
mod evtx_file;
mod oracle;
mod random_journal;
mod readers;
mod support;
mod table;
