//! osquery as a host: the tables as an extension of it, over Thrift on its extension socket.
//!
//! `wire` is how queries and rows are written there, `answers` keeps concurrent queries cheap,
//! `extension` serves the tables, `manager` calls osquery, `collection` fills the cache by its
//! queries, and `supervisor` keeps all together for as long as osquery runs.

mod answers;
mod collection;
mod extension;
mod manager;
mod polling;
mod slices;
mod stale_sockets;
mod stream;
mod supervisor;
mod wire;

pub use manager::{Manager, ManagerError, Row};
pub use supervisor::{Options, SupervisorError, run};
