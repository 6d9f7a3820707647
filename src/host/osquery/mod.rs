//! osquery as a host: the tables as an extension of it, over Thrift on its extension socket.
//!
//! `incoming` reads messages, `manager` calls osquery, and `server` is called by it; `wire` is how
//! queries and rows are written there. `answers` keeps concurrent queries cheap, `extension` serves
//! the tables, `collection` fills the cache, and `supervisor` keeps all together for as long as
//! osquery has us registered (`registration`).

mod answers;
mod collection;
mod extension;
mod incoming;
mod manager;
mod parent;
mod polling;
mod registration;
mod server;
mod slices;
mod stale_sockets;
mod stream;
mod supervisor;
mod wire;

pub use manager::{ExtensionInfo, Manager, ManagerError, Row, TableRoutes};
pub use supervisor::{Options, SupervisorError, run};
