//! What each hypothesis makes of connections, as sums that add up over blocks.

use super::pauses::Pauses;
use super::variation::Variation;
use crate::beacon::checkins;
use crate::beacon::hypothesis::HYPOTHESES;

/// What each of [`HYPOTHESES`] makes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RhythmSums {
    /// How unlike neighbouring intervals are.
    pub variations: [Variation; HYPOTHESES.len()],
    /// How long check-ins last, and the pauses between them.
    pub pauses: [Pauses; HYPOTHESES.len()],
}

impl RhythmSums {
    /// Of the connections of a block, at `times_ms` (sorted), which may be a part of a timeline.
    pub(super) fn from_part(times_ms: &[i64]) -> RhythmSums {
        let mut checkins = Vec::with_capacity(times_ms.len());
        let mut merged_over = None;
        let variations = HYPOTHESES.map(|hypothesis| {
            if merged_over != Some(hypothesis.merge_gap_ms) {
                checkins::merge_into(&mut checkins, times_ms, hypothesis.merge_gap_ms);
                merged_over = Some(hypothesis.merge_gap_ms);
            }
            Variation::from_part(&checkins, hypothesis)
        });
        RhythmSums { variations, pauses: Pauses::for_each_hypothesis(times_ms) }
    }
}
