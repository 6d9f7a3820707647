//! The virtual tables: their columns, what a WHERE asks of them, and their rows.
//!
//! All of it independent of the host that serves them: a host turns a query into a
//! [`QueryContext`], calls [`Tables::generate`] and hands on the rows.

mod beacon_candidates;
mod beacon_connections;
mod beacon_status;
mod beacon_suppressions;
mod both;
mod cache_use;
mod candidate_row;
mod column;
mod columns;
mod error;
mod examination;
mod grouping;
mod judgement;
mod narrowing;
mod parameters;
mod query_context;
mod room;
mod row;
mod scan;
mod selection;
mod tables;
mod tally;
mod value;

pub use cache_use::CacheUse;
pub use column::{Column, ColumnOptions, Kind};
pub use columns::Table;
pub use error::TableError;
pub use parameters::Parameter;
pub use query_context::{Constraint, Operator, QueryContext};
pub use row::Row;
pub use tables::{Answer, Tables};
pub use value::Value;
