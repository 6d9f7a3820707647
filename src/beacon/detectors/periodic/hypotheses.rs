//! Which hypotheses of a group's connections may hold a rhythm: those whose check-ins are visits, and
//! whose neighbouring intervals are alike.
//!
//! Decided by sums alone, which blocks hold, so that most groups need no decoding. How good a
//! rhythm is, is decided in the module above.

use super::folding::FEWEST;
use crate::beacon::hypothesis::{HYPOTHESES, Hypothesis};
use crate::beacon::sketch::{Pauses, RhythmSums, Variation};

/// Neighbouring intervals of a rhythm differ by no more than this local variation, for each number
/// of agents: clockwork has 0, connections at random have 1 (of several agents 0.6, 0.43, 0.33), a
/// sleep of +-60 % with three of ten check-ins missed has 0.4.
const VARIATION: [f64; 4] = [0.4, 0.15, 0.1, 0.1];
/// Of few pairs of intervals by so much more, over their number.
const VARIATION_OF_FEW: [f64; 4] = [2.4, 1.0, 1.0, 1.0];

/// Whether each of [`HYPOTHESES`] may hold a rhythm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HypothesisSet([bool; HYPOTHESES.len()]);

impl HypothesisSet {
    /// Of connections at `times_ms`, sorted.
    pub fn from_times(times_ms: &[i64]) -> HypothesisSet {
        HypothesisSet::from_sums(&RhythmSums::from_times(times_ms))
    }

    /// Of connections of which only this is known. Their check-ins are, of their variation and
    /// activity a lower bound, and of their pauses an upper one: no hypothesis is ruled out that
    /// [`HypothesisSet::from_times`] would let pass.
    pub fn from_sums(sums: &RhythmSums) -> HypothesisSet {
        let mut merged = u64::MAX;
        let mut may_hold = [false; HYPOTHESES.len()];
        let each = sums.variations.iter().zip(&sums.pauses).zip(HYPOTHESES);
        for (may_hold, ((variation, pauses), hypothesis)) in may_hold.iter_mut().zip(each) {
            // A longer gap that changes nothing has nothing to say.
            let before = std::mem::replace(&mut merged, variation.checkins());
            let is_another = hypothesis.agents > 1 || before != merged;
            *may_hold = is_another && resembles_rhythm(variation, pauses, hypothesis);
        }
        HypothesisSet(may_hold)
    }

    /// Whether so many connections can hold a rhythm under any hypothesis.
    pub fn can_hold(connections: u64) -> bool {
        connections > FEWEST as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|may_hold| !may_hold)
    }

    /// Those that may.
    pub(super) fn iter(&self) -> impl Iterator<Item = Hypothesis> {
        HYPOTHESES
            .into_iter()
            .zip(self.0)
            .filter_map(|(hypothesis, may_hold)| may_hold.then_some(hypothesis))
    }
}

/// Whether there are enough intervals, check-ins do not outlast the pauses between them, and
/// neighbouring intervals are alike enough. Where not all of it is known, yes in doubt.
pub(super) fn resembles_rhythm(
    variation: &Variation,
    pauses: &Pauses,
    hypothesis: Hypothesis,
) -> bool {
    if variation.checkins() < (FEWEST + hypothesis.agents) as u64 || pauses.are_outlasted() {
        return false;
    }
    let (most, more) = (VARIATION[hypothesis.agents - 1], VARIATION_OF_FEW[hypothesis.agents - 1]);
    variation.at_least(hypothesis) <= most + more / variation.all_pairs(hypothesis) as f64
}
