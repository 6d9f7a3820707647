//! Connections on disk: one SQLite file, compressed blocks per group, one writer and any number
//! of readers.
//!
//! A *group* here is the finest that the cache keeps: host, pathname, destination, port and
//! protocol. What is asked of the groups, and how they are put together into larger ones, is
//! decided to the right of this room. What sketches hold is decided in `beacon`; here they are bytes.
//!
//! ```text
//! name               id, text                     hosts, pathnames and destinations
//! domain             id, text, last_ms            names of destinations, by connection
//! process_instance   id, host, pathname, pid, start, cmdline, ...
//! connection_group   id, host, pathname, destination, port, protocol, scope, ...
//! block              group_id, first_ms, last_ms, id, connections, bytes, summary
//! payload            id, bytes                    the connections of a block
//! latest             last_ms                      one row
//! sketches           version                      one row: of the sketches of all blocks
//! source             name, state, cursor_s, ...   what beacon_status shows
//! ```
//!
//! `block.summary` is all that a query reads of most blocks, in one value. Numbers without a width are
//! LEB128:
//!
//! ```text
//! 00                       1 byte   format 9; format 8 began with the group's id
//! group                             id, host, pathname, destination, port
//! protocol, scope          2 bytes
//! number                            of the block within its group
//! first_ms                 8 bytes  unix milliseconds
//! last_ms - first_ms
//! connections
//! sketch                            to the end, as `beacon::sketch::encode` has it
//!   version                2 bytes  of the maths that made it
//!   shortest, longest               interval, milliseconds; only of two connections or more
//!   twice the median                of the intervals, milliseconds; the same
//!   sum of squares         8 bytes  of the intervals; the same
//!   sums                            numbers of two bytes, zeros at the end left out
//! ```
//!
//! `payload.bytes` holds the connections column by column: their number; then times, process instances
//! and domains, each as a first value and the differences between the others; then bytes sent and
//! received. How a column is coded is told in `format/column.rs`.

mod blur;
mod error;
mod evictions;
mod format;
mod location;
mod pace;
mod read;
mod sources;
mod write;

pub use blur::shortest_period_s;
pub use error::CacheError;
pub use evictions::{Evicted, Reason};
pub use format::block::{self, Connection};
pub use format::decoded::{DecodedBlock, Parts, Run};
pub use format::group::Group;
pub use location::{default_path, system_path};
pub use pace::Pace;
pub use read::payloads::Payloads;
pub use read::read_ahead::ReadAhead;
pub use read::reader::{Cost, Instance, Reader, Totals};
pub use sources::{Cursor, PassOutcome, Source};
pub use write::lock::is_being_written;
pub use write::pass::Pass;
pub use write::retention::Retention;
pub use write::writer::{PassCounts, Writer};
