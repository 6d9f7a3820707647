//! How long check-ins last, and the pauses between them, as sums that add up over blocks.
//!
//! Busy traffic merged over a gap leaves few check-ins that last for hours with pauses hardly
//! longer than the gap between them. What that rules out is decided by the detector `periodic`.

use crate::beacon::hypothesis::{HYPOTHESES, Hypothesis};

/// A pause counts up to this many merge gaps: a night is no sign of rest between check-ins.
pub(super) const LONGEST: i64 = 10;
/// The merge gaps of [`HYPOTHESES`] and ten times those: what lies between two of them is alike to
/// all hypotheses.
const LIMITS_MS: [i64; 11] =
    [1_000, 5_000, 10_000, 20_000, 30_000, 50_000, 60_000, 100_000, 200_000, 300_000, 600_000];

/// Sums over the check-ins of one hypothesis, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// From the first to the last connection of each check-in.
    pub(super) active_ms: i64,
    /// From there to the next check-in, up to ten merge gaps each.
    pub(super) paused_ms: i64,
}

impl Pauses {
    /// Of connections at `times_ms`, sorted.
    pub fn from_times(times_ms: &[i64], hypothesis: Hypothesis) -> Pauses {
        let mut pauses = Pauses::default();
        for pair in times_ms.windows(2) {
            pauses.add_gap(pair[1] - pair[0], hypothesis);
        }
        pauses
    }

    /// The same in each of [`HYPOTHESES`]; of several agents, who have no merge gap, none.
    pub(super) fn for_each_hypothesis(times_ms: &[i64]) -> [Pauses; HYPOTHESES.len()] {
        let (mut counts, mut sums_ms) = ([0; LIMITS_MS.len() + 1], [0; LIMITS_MS.len() + 1]);
        for pair in times_ms.windows(2) {
            let gap_ms = pair[1] - pair[0];
            let between = LIMITS_MS.partition_point(|limit_ms| *limit_ms < gap_ms);
            counts[between] += 1;
            sums_ms[between] += gap_ms;
        }
        let up_to = |ms| LIMITS_MS.partition_point(|limit_ms| *limit_ms <= ms);
        HYPOTHESES.map(|hypothesis| match hypothesis.agents {
            1 => {
                let longest_ms = LONGEST * hypothesis.merge_gap_ms;
                let (merged, counted) = (up_to(hypothesis.merge_gap_ms), up_to(longest_ms));
                let longer: i64 = counts[counted..].iter().sum();
                let paused_ms = sums_ms[merged..counted].iter().sum::<i64>() + longer * longest_ms;
                Pauses { active_ms: sums_ms[..merged].iter().sum(), paused_ms }
            }
            _ => Pauses::default(),
        })
    }

    /// Adds the time from one connection to the next.
    pub(super) fn add_gap(&mut self, gap_ms: i64, hypothesis: Hypothesis) {
        if gap_ms <= hypothesis.merge_gap_ms {
            self.active_ms = self.active_ms.saturating_add(gap_ms);
        } else {
            let counted_ms = gap_ms.min(LONGEST * hypothesis.merge_gap_ms);
            self.paused_ms = self.paused_ms.saturating_add(counted_ms);
        }
    }

    /// Whether check-ins last longer than the pauses between them; of sums in whole seconds no in
    /// doubt.
    pub fn are_outlasted(&self) -> bool {
        self.active_ms > self.paused_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_hypotheses_at_once_are_each_by_itself(
            gaps in prop::collection::vec(
                prop_oneof![0..2_000i64, (0..700i64).prop_map(|s| s * 1000), 0..1_000_000i64],
                0..60,
            ),
        ) {
            let ends = gaps.iter().scan(0, |end, gap| {
                *end += gap;
                Some(*end)
            });
            let times: Vec<i64> = std::iter::once(0).chain(ends).collect();
            let each = HYPOTHESES.map(|hypothesis| match hypothesis.agents {
                1 => Pauses::from_times(&times, hypothesis),
                _ => Pauses::default(),
            });
            prop_assert_eq!(Pauses::for_each_hypothesis(&times), each);
        }
    }
}
