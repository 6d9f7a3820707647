//! Hypotheses of how the check-ins of one or several agents became the connections at hand.
//!
//! Sketches hold sums for each of them, and the detector `periodic` looks for a rhythm under each.

use super::checkins::MERGE_GAP_MS;

/// How check-ins may have become connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypothesis {
    /// Connections no further apart are one check-in, in milliseconds.
    pub merge_gap_ms: i64,
    /// How many agents check in by turns.
    pub agents: usize,
}

/// All that are tried: check-ins merged as usual, and over the gaps that an implant leaves while it
/// works on a task; and several agents of one process name at one C2.
pub const HYPOTHESES: [Hypothesis; 9] = [
    Hypothesis { merge_gap_ms: MERGE_GAP_MS, agents: 1 },
    Hypothesis { merge_gap_ms: 5_000, agents: 1 },
    Hypothesis { merge_gap_ms: 10_000, agents: 1 },
    Hypothesis { merge_gap_ms: 20_000, agents: 1 },
    Hypothesis { merge_gap_ms: 30_000, agents: 1 },
    Hypothesis { merge_gap_ms: 60_000, agents: 1 },
    Hypothesis { merge_gap_ms: 0, agents: 2 },
    Hypothesis { merge_gap_ms: 0, agents: 3 },
    Hypothesis { merge_gap_ms: 0, agents: 4 },
];
