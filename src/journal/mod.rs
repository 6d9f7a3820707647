//! What happened: the connections that a journal records, as one type whatever the journal.
//!
//! Here live the event types, the address and process vocabulary, the readers of journal files
//! and the collectors of live ones. Nothing here stores events or judges them.

mod address;
pub mod audit;
pub mod collector;
mod delivery;
mod event;
mod field;
pub mod kernel;
mod osquery_event;
mod pathname;
mod printable;
pub mod reader;
pub mod records;
mod row;
mod sophos;
mod sophos_pid;
mod sysmon_event;
mod timestamp;

pub use address::{Scope, is_loopback, normalise};
pub use delivery::{Delivered, JournalSink, Rejection};
pub use event::{ConnectionEvent, Process, ProcessEvent, Protocol, record_id};
pub use pathname::is_windows_path;
pub use printable::printable;
pub use sophos_pid::{FileTime, ParseSophosPidError, SophosPid};
pub use timestamp::{InvalidTime, parse_time, unix_seconds_to_ms};
