//! Connections on disk: one SQLite file, compressed blocks per group, one writer and any number
//! of readers.
//!
//! A *group* here is the finest that the cache keeps: host, pathname, destination, port and
//! protocol. What is asked of the groups, and how they are put together into larger ones, is
//! decided to the right of this room.

pub mod block;
mod blocks;
mod claims;
mod column;
mod decoded;
mod error;
mod group;
mod group_row;
mod instances;
mod location;
mod lock;
mod merge;
mod merge_into_blocks;
mod names;
mod pass;
mod payloads;
mod read_ahead;
mod reader;
mod retention;
mod schema;
mod sources;
mod waiting;
mod walk;
mod writer;

pub use block::Connection;
pub use decoded::{DecodedBlock, Parts, Run};
pub use error::CacheError;
pub use group::Group;
pub use location::{default_path, system_path};
pub(crate) use names::is_windows;
pub use pass::Pass;
pub use payloads::Payloads;
pub use read_ahead::ReadAhead;
pub use reader::{Cost, Instance, Reader, Totals};
pub use retention::Retention;
pub use sources::{Cursor, PassOutcome, Source};
pub use walk::ALL_GROUPS;
pub use writer::{PassCounts, Writer};
