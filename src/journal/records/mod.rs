//! Records of products whose events are rows of named fields: which field is which of our columns,
//! and which rows are connections.
//!
//! Each product is a table in `layouts/`; a user's own is the same. Where the records come from
//! (lines, CSV, event logs) is `reader`'s.

mod condition;
mod layout;
mod paths;
mod record;
mod time_format;

pub(super) use layout::built_in;
pub use layout::{Layout, LayoutError};
pub(super) use paths::{Slot, Values};
