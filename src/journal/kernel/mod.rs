//! Live journals of the Linux kernel's own, without osquery. What becomes of their connections is
//! not decided here.

pub mod audit_rules;
mod audit_socket;
pub mod audit_stream;
