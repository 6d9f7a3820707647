//! Check-ins: connections that follow each other at once are one visit home, at the time of the
//! first.
//!
//! An implant opens several sockets, retries, or is given a task and connects again; the rhythm is
//! in the visits. They are told apart here, where blocks are summarised by them; what rhythm they
//! have is the beacon room's affair.

/// Connections no further apart than this are one check-in, in milliseconds.
pub const MERGE_GAP_MS: i64 = 1000;

/// What connections are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Connections no further apart are one check-in, in milliseconds.
    pub merge_gap_ms: i64,
    /// How many agents check in by turns.
    pub agents: usize,
}

/// What is tried: check-ins merged as usual, and over the gaps that an implant leaves while it
/// works on a task; and several agents of one process name at one C2.
pub const READINGS: [Reading; 9] = [
    Reading { merge_gap_ms: MERGE_GAP_MS, agents: 1 },
    Reading { merge_gap_ms: 5_000, agents: 1 },
    Reading { merge_gap_ms: 10_000, agents: 1 },
    Reading { merge_gap_ms: 20_000, agents: 1 },
    Reading { merge_gap_ms: 30_000, agents: 1 },
    Reading { merge_gap_ms: 60_000, agents: 1 },
    Reading { merge_gap_ms: 0, agents: 2 },
    Reading { merge_gap_ms: 0, agents: 3 },
    Reading { merge_gap_ms: 0, agents: 4 },
];

/// The times of check-ins among connections at `times_ms`, which must be sorted: chains of
/// connections with gaps of at most `gap_ms`, each at the time of its first.
pub fn merge(times_ms: &[i64], gap_ms: i64) -> Vec<i64> {
    let mut checkins = Vec::new();
    merge_into(&mut checkins, times_ms, gap_ms);
    checkins
}

/// The same in place of what `checkins` holds.
pub fn merge_into(checkins: &mut Vec<i64>, times_ms: &[i64], gap_ms: i64) {
    checkins.clear();
    checkins.extend_from_slice(times_ms);
    let mut count = 1;
    for pair in times_ms.windows(2) {
        // What belongs to the check-in before is overwritten: whether it does is hard to foretell,
        // and a branch would cost more.
        if let Some(next) = checkins.get_mut(count) {
            *next = pair[1];
        }
        count += usize::from(pair[1] - pair[0] > gap_ms);
    }
    checkins.truncate(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_short_gaps_is_one_check_in_however_long() {
        let times = [0, 900, 1900, 2901, 60_000];
        assert_eq!(merge(&times, MERGE_GAP_MS), [0, 2901, 60_000]);
        assert_eq!(merge(&times, 5_000), [0, 60_000]);
        assert_eq!(merge(&[], MERGE_GAP_MS), [0; 0]);
    }
}
