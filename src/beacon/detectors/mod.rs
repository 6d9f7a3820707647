//! The detectors: each decides by its own rule whether a group's connections look like a beacon.

pub mod fixed_interval;
pub mod periodic;
pub mod repetitive_interval;
