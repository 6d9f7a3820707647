//! Reading the cache: one state of it, whatever is written meanwhile.

pub(crate) mod payloads;
pub(crate) mod read_ahead;
pub(crate) mod reader;
pub(crate) mod scan;
