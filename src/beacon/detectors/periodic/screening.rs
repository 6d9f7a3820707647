//! Screening: which hypotheses of a group's connections may hold a rhythm. Those whose check-ins are
//! visits, and whose neighbouring intervals are alike.
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
/// Of few pairs of intervals it may be higher by this, divided by their number.
const VARIATION_OF_FEW: [f64; 4] = [2.4, 1.0, 1.0, 1.0];

/// Whether connections of which only these sums are known may hold a rhythm under any hypothesis. Their
/// check-ins are exact, of their variation and activity the sums are a lower bound, and of their pauses an
/// upper one: no hypothesis is ruled out that all times would let pass.
pub(super) fn may_hold_rhythm(sums: &RhythmSums) -> bool {
    let mut merged = u64::MAX;
    let mut each = sums.variations.iter().zip(&sums.pauses).zip(HYPOTHESES);
    each.any(|((variation, pauses), hypothesis)| {
        let before = std::mem::replace(&mut merged, variation.checkins());
        is_another(hypothesis, before, merged) && resembles_rhythm(variation, pauses, hypothesis)
    })
}

/// Whether a hypothesis says anything new with this number of check-ins, after one with the number
/// `before`: a longer gap that changes nothing does not.
pub(super) fn is_another(hypothesis: Hypothesis, before: u64, checkins: u64) -> bool {
    hypothesis.agents > 1 || before != checkins
}

/// Whether this number of connections can hold a rhythm under any hypothesis.
pub(super) fn can_hold(connections: u64) -> bool {
    connections > FEWEST as u64
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
