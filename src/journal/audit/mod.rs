//! Linux audit records: taking one apart, and joining those of one event into the connection or
//! the program start that they tell of.
//!
//! Nothing here reads a file or a socket, and nothing knows of a clock.

mod call;
mod event;
mod join;
mod record;
mod socket_address;

pub use call::{Call, native_architecture};
pub use event::{AuditConnection, AuditEvent, AuditExec, AuditProcess};
pub use join::Join;
pub use record::{NotARecord, Record, RecordId, RecordType, is_record_line, is_separator};
