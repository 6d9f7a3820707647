//! The virtual tables: their columns, what a WHERE asks of them, and their rows.
//!
//! All of it independent of the host that serves them: a host turns a query into a
//! [`QueryContext`], calls [`Tables::generate`] and hands on the rows.

mod cache_use;
mod candidates;
mod column;
mod connections;
mod constraints;
mod error;
mod names;
mod parameter;
mod parameters;
mod query_context;
mod room;
mod row;
mod status;
mod suppressions;
#[expect(clippy::module_inception, reason = "the list of the tables is of this room alone")]
mod table;
mod tables;
mod value;

pub use cache_use::CacheUse;
pub use column::{Column, ColumnOptions, Kind};
pub use error::TableError;
pub use parameter::Parameter;
pub use query_context::{Constraint, Operator, QueryContext};
pub use row::Row;
pub use table::Table;
pub use tables::{Answer, Tables};
pub use value::{Value, real_as_text};
