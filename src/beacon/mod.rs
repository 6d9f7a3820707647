//! The maths of rhythm: from the times of one group's connections to statistics and verdicts.
//!
//! Pure: no I/O and no clock, so that every function here is its own specification. Which
//! connections make a group, and what is shown of it, is the table's affair.

mod bars;
mod chance;
pub mod fixed_interval;
pub mod folding;
pub mod intervals;
mod multiples;
mod ordered;
pub mod periodicity;
pub mod readings;
pub mod repetitive_interval;
pub mod rita;
pub mod score;
pub mod sparkline;
mod timeline;

pub use timeline::Timeline;
