//! Which readings of a group's connections may hold a rhythm: those whose check-ins are visits, and
//! whose neighbouring intervals are alike.
//!
//! Decided by sums alone, which blocks hold, so that most groups need no decoding. How good a
//! rhythm is, is for `score` to say.

use super::folding::FEWEST;
use crate::cache::checkins::{READINGS, Reading};
use crate::cache::{Pauses, Rhythms, Variation};

/// Neighbouring intervals of a rhythm differ by no more than this local variation, for each number
/// of agents: clockwork has 0, connections at random have 1 (of several agents 0.6, 0.43, 0.33), a
/// sleep of +-60 % with three of ten check-ins missed has 0.4.
const VARIATION: [f64; 4] = [0.4, 0.15, 0.1, 0.1];
/// Of few pairs of intervals by so much more, over their number.
const VARIATION_OF_FEW: [f64; 4] = [2.4, 1.0, 1.0, 1.0];

/// Whether each of [`READINGS`] may hold a rhythm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings([bool; READINGS.len()]);

impl Readings {
    /// Of connections at `times_ms`, sorted.
    pub fn of_times(times_ms: &[i64]) -> Readings {
        Readings::of(&Rhythms::of(times_ms))
    }

    /// Of connections of which only this is known. Their check-ins are, of their variation and
    /// activity a lower bound, and of their pauses an upper one: no reading is ruled out that
    /// [`Readings::of_times`] would let pass.
    pub fn of(rhythms: &Rhythms) -> Readings {
        let mut merged = u64::MAX;
        let mut may_hold = [false; READINGS.len()];
        let each = rhythms.variations.iter().zip(&rhythms.pauses).zip(READINGS);
        for (may_hold, ((variation, pauses), reading)) in may_hold.iter_mut().zip(each) {
            // A longer gap that changes nothing has nothing to say.
            let before = std::mem::replace(&mut merged, variation.checkins());
            let is_another = reading.agents > 1 || before != merged;
            *may_hold = is_another && resembles_rhythm(variation, pauses, reading);
        }
        Readings(may_hold)
    }

    /// Whether so many connections can hold a rhythm in any reading.
    pub fn can_be_among(connections: u64) -> bool {
        connections > FEWEST as u64
    }

    /// Whether there is none.
    pub fn are_none(&self) -> bool {
        self.0.iter().all(|may_hold| !may_hold)
    }

    /// Those that may.
    pub(super) fn possible(&self) -> impl Iterator<Item = Reading> {
        READINGS
            .into_iter()
            .zip(self.0)
            .filter_map(|(reading, may_hold)| may_hold.then_some(reading))
    }
}

/// Whether there are enough intervals, check-ins do not outlast the pauses between them, and
/// neighbouring intervals are alike enough. Where not all of it is known, yes in doubt.
pub(super) fn resembles_rhythm(variation: &Variation, pauses: &Pauses, reading: Reading) -> bool {
    if variation.checkins() < (FEWEST + reading.agents) as u64 || pauses.are_outlasted() {
        return false;
    }
    let (most, more) = (VARIATION[reading.agents - 1], VARIATION_OF_FEW[reading.agents - 1]);
    variation.at_least(reading) <= most + more / variation.all_pairs(reading) as f64
}
