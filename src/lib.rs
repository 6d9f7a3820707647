//! Which process talks to which address on a rhythm?

pub mod cache;
pub mod journal;
