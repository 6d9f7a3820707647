//! Connections on disk: one SQLite file, compressed blocks per group, one writer and any number
//! of readers.
//!
//! A *group* here is the finest that the cache keeps: host, pathname, destination, port and
//! protocol. What is asked of the groups, and how they are put together into larger ones, is
//! decided to the right of this room.

mod error;
mod evictions;
mod format;
mod location;
mod read;
mod sources;
mod write;

pub use error::CacheError;
pub use evictions::{Evicted, Reason};
pub use format::block::{self, Connection};
pub use format::decoded::{DecodedBlock, Parts, Run};
pub use format::group::Group;
pub use location::{default_path, system_path};
pub use read::payloads::Payloads;
pub use read::read_ahead::ReadAhead;
pub use read::reader::{Cost, Instance, Reader, Totals};
pub use read::scan::ALL_GROUPS;
pub use sources::{Cursor, PassOutcome, Source};
pub(crate) use write::names::is_windows;
pub use write::pass::Pass;
pub use write::retention::Retention;
pub use write::writer::{PassCounts, Writer};
