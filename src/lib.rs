//! Which process talks to which address on a rhythm?

pub mod beacon;
pub mod cache;
pub mod journal;
