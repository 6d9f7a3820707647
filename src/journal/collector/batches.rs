//! How far apart the batches are in which osquery hands on audit's records.
//!
//! A row's time is that of its batch, and a batch ends after 1,024 records or 2 s of silence: the
//! more happens, up to a point, the more the times say of batches and the less of connections.

use std::collections::BTreeMap;

use super::Slice;

/// Times so far back are looked at, in seconds.
const LOOKED_AT_S: i64 = 600;
/// osquery hands on after 2 s of silence, so shorter gaps say nothing.
const SHORTEST_GAP_S: i64 = 5;
/// A batch that takes long to fill has at least so many rows, or a burst after silence would look
/// like one.
const FEWEST_ROWS: i64 = 20;
/// So many such batches are no accident.
const FEWEST_BATCHES: usize = 3;

/// The rows of each second that had any.
#[derive(Default)]
pub(super) struct Batches {
    rows: BTreeMap<i64, i64>,
}

impl Batches {
    /// Takes the times of all rows of a slice, which may have been looked at before.
    pub(super) fn take(&mut self, slice: Slice, times_s: impl Iterator<Item = i64>) {
        self.rows
            .retain(|second, _| *second < slice.from_s && *second >= slice.from_s - LOOKED_AT_S);
        for second in times_s {
            *self.rows.entry(second).or_default() += 1;
        }
    }

    /// The longest time between two batches while rows came at one a second or more, in seconds;
    /// `None` if times are not of batches.
    pub(super) fn longest_gap_s(&self) -> Option<u32> {
        let gaps = self.rows.iter().zip(self.rows.iter().skip(1));
        let gaps = gaps.filter_map(|((before, _), (second, rows))| {
            let gap_s = second - before;
            let is_batch = *rows >= gap_s.max(FEWEST_ROWS);
            (gap_s >= SHORTEST_GAP_S && is_batch).then_some(gap_s)
        });
        let gaps: Vec<_> = gaps.collect();
        let longest = gaps.iter().max().filter(|_| gaps.len() >= FEWEST_BATCHES)?;
        u32::try_from(*longest).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of rows at these seconds, taken in slices of 30 s that overlap.
    fn longest_gap_s(mut times_s: Vec<i64>) -> Option<u32> {
        times_s.sort_unstable();
        let mut batches = Batches::default();
        for from_s in (0..times_s.last().unwrap_or(&0) + 1).step_by(30) {
            let slice = Slice { from_s: from_s - 10, to_s: from_s + 30, reaches_now: false };
            let of_slice = times_s.iter().copied();
            batches.take(slice, of_slice.filter(|s| (slice.from_s..slice.to_s).contains(s)));
        }
        batches.longest_gap_s()
    }

    /// A row a second, each at the end of its batch.
    fn batched(ends_s: &[i64]) -> Vec<i64> {
        let last_s = ends_s.last().copied().unwrap_or_default();
        (1..=last_s)
            .filter_map(|second| ends_s.iter().copied().find(|end_s| *end_s >= second))
            .collect()
    }

    #[test]
    fn batches_are_told_by_gaps_that_hold_a_row_a_second() {
        assert_eq!(longest_gap_s(batched(&[30, 55, 104, 140])), Some(49));
        let twice_a_second: Vec<_> = batched(&[22, 44, 66, 88]).repeat(2);
        assert_eq!(longest_gap_s(twice_a_second), Some(22));
    }

    #[test]
    fn true_times_a_silent_machine_and_single_bursts_are_no_batches() {
        assert_eq!(longest_gap_s((0..600).collect()), None);
        assert_eq!(longest_gap_s((0..600).step_by(60).collect()), None);
        assert_eq!(longest_gap_s(vec![]), None);
        let few_at_a_time = (0..600).step_by(10).flat_map(|second| vec![second; 12]).collect();
        assert_eq!(longest_gap_s(few_at_a_time), None);
        let mut one_burst: Vec<_> = (0..300).step_by(60).collect();
        one_burst.extend(vec![270; 500]);
        assert_eq!(longest_gap_s(one_burst), None);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut times_s = batched(&[30, 60, 90, 120]);
        times_s.extend(121..1000);
        assert_eq!(longest_gap_s(times_s), None);
    }
}
