//! The file's format: its tables, and how connections are encoded in them.
//!
//! What is written when is decided by `write`, and what is read by `read`.

pub mod block;
pub(crate) mod block_row;
pub(crate) mod checksum;
mod column;
pub(crate) mod decoded;
pub(crate) mod group;
pub(crate) mod schema;
pub(crate) mod upgrade;
