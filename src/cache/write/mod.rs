//! Writing the cache: events become blocks, each connection once, and the oldest go.

mod batch;
mod block_update;
mod blocks;
mod claims;
mod clock;
mod duplicates;
mod eviction;
mod group_row;
mod identity;
mod instances;
pub(crate) mod lock;
mod moved_aside;
pub(crate) mod names;
pub(crate) mod pass;
mod removal;
pub(crate) mod retention;
pub(crate) mod writer;
