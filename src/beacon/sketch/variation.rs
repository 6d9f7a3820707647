//! Local variation: how unlike neighbouring intervals are, as sums that add up over blocks.
//!
//! Three times the mean of ((a - b) / (a + b))^2 over neighbouring intervals a and b: 0 for
//! clockwork, 1 for connections at random, more for bursts (Shinomoto, Shima and Tanji, Neural
//! Computation 15, 2003). Which variation a rhythm may have is decided by the detector `periodic`.

use crate::beacon::hypothesis::Hypothesis;

/// Terms are counted in whole parts of this many, so that sums do not depend on their order.
pub(super) const SCALE: f64 = 256.0;
/// One interval over ten times its neighbour is an absence: from this term on, (9/11)^2.
pub(super) const ABSENCE: u32 = (SCALE * 81.0 / 121.0) as u32;
/// Absences of the host that are forgiven: a pair for either side of two of them, or this share.
const FORGIVEN: (u64, u64) = (4, 10);

/// Sums over the pairs of neighbouring intervals of one hypothesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variation {
    /// Check-ins.
    pub(super) checkins: u64,
    /// Pairs whose terms are in the sums.
    pub(super) pairs: u64,
    /// Of those, how many are absences.
    pub(super) absences: u64,
    /// Sum of the terms of absences.
    pub(super) sum_of_absences: u64,
    /// Sum of the other terms.
    pub(super) sum: u64,
}

impl Variation {
    /// Of all check-ins of a timeline, sorted.
    pub fn from_checkins(checkins_ms: &[i64], hypothesis: Hypothesis) -> Variation {
        let agents = hypothesis.agents;
        let gap_ms = if agents == 1 { hypothesis.merge_gap_ms } else { 0 };
        let (middle, last) = (checkins_ms.get(agents..), checkins_ms.get(2 * agents..));
        let last = last.unwrap_or_default();
        let (mut absences, mut sum_of_absences, mut sum) = (0, 0, 0);
        for ((first, middle), last) in checkins_ms.iter().zip(middle.unwrap_or_default()).zip(last)
        {
            let (a, b) = (middle - first, last - middle);
            // Of what exceeds the gap: below it there is nothing, which looks like regularity. Where
            // nothing does, the ratio is no number, which is cast to 0. And no branch here: nobody can
            // foretell absences.
            let ratio = (a - b) as f64 / (a + b - 2 * gap_ms) as f64;
            let term = (SCALE * ratio * ratio) as u32;
            let is_absence = u64::from(term >= ABSENCE);
            absences += is_absence;
            sum_of_absences += is_absence * u64::from(term);
            sum += u64::from(term);
        }
        let sum = sum - sum_of_absences;
        let (checkins, pairs) = (checkins_ms.len() as u64, last.len() as u64);
        Variation { checkins, pairs, absences, sum_of_absences, sum }
    }

    /// Of a part of a timeline. Its first check-in may have begun before: what depends on it is
    /// left out.
    pub fn from_part(checkins_ms: &[i64], hypothesis: Hypothesis) -> Variation {
        let known = checkins_ms.get(1..).unwrap_or_default();
        let checkins = checkins_ms.len() as u64;
        Variation { checkins, ..Variation::from_checkins(known, hypothesis) }
    }

    /// Adds the check-ins of the part that comes next, and so many pairs as its sums hold;
    /// `goes_on` if its first check-in began before it.
    pub(super) fn add_checkins(&mut self, checkins: u64, goes_on: bool, hypothesis: Hypothesis) {
        self.pairs += checkins.saturating_sub(1 + 2 * hypothesis.agents as u64);
        self.checkins += checkins.saturating_sub(goes_on.into());
    }

    /// Check-ins.
    pub fn checkins(&self) -> u64 {
        self.checkins
    }

    /// Pairs of neighbouring intervals there are, in the sums or not.
    pub fn all_pairs(&self, hypothesis: Hypothesis) -> u64 {
        self.checkins.saturating_sub(2 * hypothesis.agents as u64)
    }

    /// The local variation without absences that are forgiven; where not all pairs are in the sums
    /// a lower bound of it.
    ///
    /// A pair that is missing counts as 0. If it were an absence beyond those forgiven, it would
    /// add at least (9/11)^2 to the sum and nothing to the divisor; if it were forgiven, it would
    /// take one from the divisor: either gives more.
    pub fn at_least(&self, hypothesis: Hypothesis) -> f64 {
        let pairs = self.all_pairs(hypothesis).max(self.pairs);
        let forgiven = self.absences.min(FORGIVEN.0.max(pairs / FORGIVEN.1));
        let counted = pairs.saturating_sub(forgiven);
        if counted == 0 {
            return 0.0;
        }
        let left = match self.absences {
            0 => 0.0,
            absences => (absences - forgiven) as f64 / absences as f64,
        };
        let sum = self.sum as f64 + left * self.sum_of_absences as f64;
        3.0 * sum / SCALE / counted as f64
    }
}
