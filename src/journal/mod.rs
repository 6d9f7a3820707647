//! What happened: the connections that a journal records, as one type whatever the journal.
//!
//! Here live the event types, the address and process vocabulary and the readers of journal
//! files. Nothing here stores events or judges them.

mod address;
mod event;
mod printable;
pub mod reader;
mod sophos_pid;
mod timestamp;

pub use address::{Scope, is_loopback, normalise};
pub use event::{ConnectionEvent, Process, ProcessEvent, Protocol, record_id};
pub use printable::printable;
pub use sophos_pid::{FileTime, ParseSophosPidError, SophosPid};
pub use timestamp::{InvalidTime, parse_time, unix_seconds_to_ms};
