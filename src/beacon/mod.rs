//! The maths of rhythm: from the times of one group's connections to statistics and verdicts.
//!
//! Pure: no I/O, no clock and no storage, so that every function here is its own specification. Every
//! other room may use it, and it uses none of them.

mod bars;
pub mod checkins;
pub mod detectors;
mod hypothesis;
pub mod intervals;
pub mod periodicity;
mod quantile;
pub mod rita;
pub mod sketch;
pub mod sparkline;
mod window;

pub use hypothesis::{HYPOTHESES, Hypothesis};
pub use window::Window;
