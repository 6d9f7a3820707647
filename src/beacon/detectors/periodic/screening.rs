//! Screening: which hypotheses of a group's connections may hold a rhythm. Those whose check-ins are
//! visits, and whose neighbouring intervals are alike.
//!
//! Decided by sums alone, which blocks hold, so that most groups need no decoding. How good a
//! rhythm is, is decided in the module above.

use super::fit::FEWEST;
use crate::beacon::checkins::MERGE_GAP_MS;
use crate::beacon::hypothesis::{HYPOTHESES, Hypothesis};
use crate::beacon::quantile::quantile;
use crate::beacon::sketch::{Pauses, RhythmSums, Variation};

/// Neighbouring intervals of a rhythm differ by no more than this local variation, for each number
/// of agents: clockwork has 0, connections at random have 1 (of several agents 0.6, 0.43, 0.33), a
/// sleep of +-60 % with three of ten check-ins missed has 0.4.
const VARIATION: [f64; 4] = [0.4, 0.15, 0.1, 0.1];
/// Of few pairs of intervals it may be higher by this, divided by their number.
const VARIATION_OF_FEW: [f64; 4] = [2.4, 1.0, 1.0, 1.0];

/// Connections every few seconds, as of somebody who works through an implant: the usual gap would merge
/// them. Sketches hold nothing for it alone, because what they hold for the others tells enough.
pub(super) const POLLS: Hypothesis = Hypothesis { merge_gap_ms: 0, agents: 1 };
/// The fewest connections that are polls, and the median of their intervals, in milliseconds: longer
/// than the first, and no longer than the second.
const FEWEST_POLLS: u64 = 30;
const POLLS_MS: (f64, f64) = (MERGE_GAP_MS as f64, 6_000.0);
/// Every second interval of polls is like its neighbour, up to this local variation: at random it has 0.6,
/// and sleeps of +-65 % have 0.11.
const POLLS_VARIATION: f64 = 0.3;
const EVERY_SECOND: Hypothesis = Hypothesis { merge_gap_ms: 0, agents: 2 };
/// Polls are alike: two intervals, or one in twenty, may be longer than the second share of the median;
/// and one of a few shorter than the first, as where some polls open two sockets.
const SECOND_SOCKETS: u64 = 5;
const UNLIKE_POLLS: (u64, u64) = (2, 20);
const LIKE_POLLS: (f64, f64) = (0.2, 5.5);
/// The shortest interval that is none of polls', whatever their median; and the gap of one of
/// [`HYPOTHESES`] that is no shorter.
const LONGEST_POLL_MS: i64 = (LIKE_POLLS.1 * POLLS_MS.1) as i64;
const NO_POLL_MS: i64 = 60_000;
const _: () = assert!(LONGEST_POLL_MS <= NO_POLL_MS);

/// Whether connections of which only these sums are known may hold a rhythm under any hypothesis. Their
/// check-ins are exact, of their variation and activity the sums are a lower bound, and of their pauses an
/// upper one: no hypothesis is ruled out that all times would let pass.
pub(super) fn may_hold_rhythm(sums: &RhythmSums) -> bool {
    let mut merged = u64::MAX;
    let mut each = sums.variations.iter().zip(&sums.pauses).zip(HYPOTHESES);
    each.any(|((variation, pauses), hypothesis)| {
        let before = std::mem::replace(&mut merged, variation.checkins());
        is_another(hypothesis, before, merged) && resembles_rhythm(variation, pauses, hypothesis)
    }) || may_be_polls(sums)
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

/// Whether connections, no two at once, are polls.
pub(super) fn are_polls(checkins_ms: &[i64]) -> bool {
    if (checkins_ms.len() as u64) < FEWEST_POLLS
        || !are_alike(&Variation::from_checkins(checkins_ms, EVERY_SECOND))
    {
        return false;
    }
    let mut intervals_ms: Vec<f64> =
        checkins_ms.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let Some(median_ms) = quantile(&mut intervals_ms, 0.5) else {
        return false;
    };
    let count = |is_unlike: &dyn Fn(f64) -> bool| {
        intervals_ms.iter().filter(|interval_ms| is_unlike(**interval_ms)).count() as u64
    };
    let short = count(&|interval_ms| interval_ms < LIKE_POLLS.0 * median_ms);
    let long = count(&|interval_ms| interval_ms > LIKE_POLLS.1 * median_ms);
    let intervals = intervals_ms.len() as u64;
    POLLS_MS.0 < median_ms
        && median_ms <= POLLS_MS.1
        && long <= most_unlike(intervals)
        && short <= intervals / SECOND_SOCKETS
}

/// Whether [`are_polls`] may hold, by how many intervals are longer than each of the merge gaps.
fn may_be_polls(sums: &RhythmSums) -> bool {
    let longer = |gap_ms| {
        let mut each = HYPOTHESES.iter().zip(&sums.variations);
        let checkins = each.find(|(hypothesis, _)| hypothesis.merge_gap_ms == gap_ms);
        checkins.map_or(0, |(_, variation)| variation.checkins().saturating_sub(1))
    };
    let mut each = HYPOTHESES.iter().zip(&sums.variations);
    let every_second = each.find(|(hypothesis, _)| **hypothesis == EVERY_SECOND);
    let intervals = longer(0);
    intervals + 1 >= FEWEST_POLLS
        && every_second.is_none_or(|(_, variation)| are_alike(variation))
        && 2 * longer(MERGE_GAP_MS) >= intervals
        && longer(NO_POLL_MS) <= most_unlike(intervals)
}

/// Whether intervals are as alike as polls'; where not all of them are known, yes in doubt.
fn are_alike(every_second: &Variation) -> bool {
    every_second.at_least(EVERY_SECOND) <= POLLS_VARIATION
}

/// How many of these intervals may be unlike the others.
fn most_unlike(intervals: u64) -> u64 {
    UNLIKE_POLLS.0.max(intervals / UNLIKE_POLLS.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::BestFit;
    use super::*;
    use crate::beacon::sketch::{BlockSketch, Sketch, encode};

    proptest! {
        /// Whatever the blocks that connections lie in.
        #[test]
        fn no_sketch_rules_out_what_has_a_score(
            intervals_ms in prop_oneof![
                prop::collection::vec(900..4_000_i64, 30..120),
                prop::collection::vec(40_000..80_000_i64, 5..80),
                prop::collection::vec(prop_oneof![0..9_000_i64, 100_000..130_000_i64], 8..80),
                prop::collection::vec(
                    prop_oneof![20 => 1_000..3_000_i64, 1 => 0..90_000_i64], 30..120,
                ),
            ],
            block in 3..60_usize,
        ) {
            let mut time_ms = 1_790_000_000_000;
            let times: Vec<i64> = intervals_ms.iter().map(|interval_ms| {
                time_ms += interval_ms;
                time_ms
            }).collect();
            let mut sketch = Sketch::default();
            for part in times.chunks(block) {
                let mut bytes = Vec::new();
                encode(part, &mut bytes);
                let span_ms = (part[0], part[part.len() - 1]);
                let decoded = BlockSketch::decode(span_ms, part.len() as u64, &bytes).unwrap();
                sketch.add(&decoded.unwrap()).unwrap();
            }
            if BestFit::from_times(&times).is_some() {
                prop_assert!(may_hold_rhythm(&sketch.rhythm));
            }
        }
    }
}
