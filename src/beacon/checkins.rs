//! Check-ins: connections that follow each other at once are one visit home, at the time of the
//! first.
//!
//! An implant opens several sockets, retries, or is given a task and connects again; the rhythm is
//! in the visits.

/// Connections no further apart than this are one check-in, in milliseconds.
pub const MERGE_GAP_MS: i64 = 1000;

/// The times of check-ins among connections at `times_ms`, which must be sorted: chains of
/// connections with gaps of at most `gap_ms`, each at the time of its first.
pub fn merge(times_ms: &[i64], gap_ms: i64) -> Vec<i64> {
    let chains = times_ms.chunk_by(|earlier, later| later - earlier <= gap_ms);
    chains.filter_map(|chain| chain.first().copied()).collect()
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
