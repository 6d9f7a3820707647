//! What each hypothesis makes of connections, as sums that add up over blocks.

use super::pauses::Pauses;
use super::variation::Variation;
use crate::beacon::checkins;
use crate::beacon::hypothesis::{HYPOTHESES, Hypothesis};

/// What each of [`HYPOTHESES`] makes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RhythmSums {
    /// How unlike neighbouring intervals are.
    pub variations: [Variation; HYPOTHESES.len()],
    /// How long check-ins last, and the pauses between them.
    pub pauses: [Pauses; HYPOTHESES.len()],
}

impl RhythmSums {
    /// Of all connections of a timeline, at `times_ms` (sorted).
    pub fn from_times(times_ms: &[i64]) -> RhythmSums {
        RhythmSums::with(times_ms, Variation::from_checkins)
    }

    /// The same with a `variation` of their check-ins.
    pub(super) fn with(
        times_ms: &[i64],
        variation: fn(&[i64], Hypothesis) -> Variation,
    ) -> RhythmSums {
        let mut checkins = Vec::with_capacity(times_ms.len());
        let mut merged_over = None;
        let variations = HYPOTHESES.map(|hypothesis| {
            if merged_over != Some(hypothesis.merge_gap_ms) {
                checkins::merge_into(&mut checkins, times_ms, hypothesis.merge_gap_ms);
                merged_over = Some(hypothesis.merge_gap_ms);
            }
            variation(&checkins, hypothesis)
        });
        RhythmSums { variations, pauses: Pauses::for_each_hypothesis(times_ms) }
    }
}
