//! Connections on disk: one SQLite file, compressed blocks per group, one writer and any number
//! of readers.
//!
//! A *group* here is the finest that the cache keeps: host, pathname, destination, port and
//! protocol. What is asked of the groups, and how they are put together into larger ones, is
//! decided to the right of this room.

use std::ops::Range;

pub mod block;
mod blocks;
pub mod checkins;
mod claims;
mod column;
mod decoded;
mod digest;
mod error;
mod group;
mod group_row;
mod instances;
mod location;
mod lock;
mod merge;
mod merge_into_blocks;
mod names;
mod pace;
mod pass;
mod pauses;
mod payloads;
mod read_ahead;
mod reader;
pub mod repetition;
mod retention;
mod schema;
mod sources;
mod spread;
mod summary;
mod variation;
mod waiting;
mod walk;
mod writer;

pub use block::Connection;
pub use decoded::{DecodedBlock, Parts, Run};
pub use error::CacheError;
pub use group::Group;
pub use location::{default_path, system_path};
pub use lock::is_being_written;
pub(crate) use names::is_windows;
pub use pace::Pace;
pub use pass::Pass;
pub use pauses::Pauses;
pub use payloads::Payloads;
pub use read_ahead::ReadAhead;
pub use reader::{Cost, Instance, Reader, Totals};
pub use repetition::Repetition;
pub use retention::Retention;
pub use sources::{Cursor, PassOutcome, Source};
pub use spread::{Counting, Median, Spread};
pub use summary::{Outline, Rhythms, Summary, shortest_and_longest};
pub use variation::Variation;
pub use walk::ALL_GROUPS;
pub use writer::{PassCounts, Writer};

/// A span of time, both ends included, in unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first millisecond of it.
    pub since_ms: i64,
    /// The last millisecond of it.
    pub until_ms: i64,
}

impl Window {
    /// Its first and its last millisecond.
    pub fn span_ms(self) -> (i64, i64) {
        (self.since_ms, self.until_ms)
    }

    /// Where the points in time that it holds lie among `sorted_ms`.
    pub fn range_of(self, sorted_ms: &[i64]) -> Range<usize> {
        let from = sorted_ms.partition_point(|time_ms| *time_ms < self.since_ms);
        let to = sorted_ms.partition_point(|time_ms| *time_ms <= self.until_ms);
        from.min(to)..to
    }
}
