//! Check-ins: connections that follow each other at once are one visit home, at the time of the
//! first.
//!
//! An implant opens several sockets, retries, or is given a task and connects again; the rhythm is
//! in the visits. They are told apart here; which rhythm they have is decided by the detectors.

/// Connections no further apart than this are one check-in, in milliseconds.
pub const MERGE_GAP_MS: i64 = 1000;

/// The number of connections that are looked at before their check-ins are moved to where they belong.
const BATCH: usize = 256;

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
    checkins.extend(times_ms.first());
    add_later(checkins, times_ms, gap_ms);
}

/// Adds the check-ins that begin after the first of `times_ms`.
fn add_later(checkins: &mut Vec<i64>, times_ms: &[i64], gap_ms: i64) {
    let next_times_ms = times_ms.get(1..).unwrap_or_default();
    let mut batch = [0; BATCH];
    for (earlier, later) in times_ms.chunks(BATCH).zip(next_times_ms.chunks(BATCH)) {
        let mut count = 0;
        for (earlier, later) in earlier.iter().zip(later) {
            // What belongs to the check-in before is overwritten: whether it does is hard to
            // foretell, and a branch would cost more.
            batch[count % BATCH] = *later;
            count += usize::from(later - earlier > gap_ms);
        }
        checkins.extend_from_slice(batch.get(..count).unwrap_or_default());
    }
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

    #[test]
    fn check_ins_are_the_same_across_batches() {
        let far_apart: Vec<i64> = (0..3 * BATCH as i64 + 1).map(|index| index * 2000).collect();
        assert_eq!(merge(&far_apart, MERGE_GAP_MS), far_apart);
        let in_pairs: Vec<i64> = far_apart.iter().flat_map(|time| [*time, time + 1]).collect();
        assert_eq!(merge(&in_pairs, MERGE_GAP_MS), far_apart);
        assert_eq!(merge(&in_pairs, 2000), [0]);
    }
}
