//! The intervals between the check-ins of one hypothesis, in order of their length, each with the pause
//! within it.

use super::ordinary::PauseSums;
use crate::beacon::hypothesis::Hypothesis;

/// The rhythm is judged by this many check-ins, the latest. They are counted once merged: a transfer
/// in a thousand connections must not push the beacon out.
const MOST_CHECKINS: usize = 5_000;

/// Intervals, the shortest first.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    /// From a check-in to the next of the same agent, in seconds.
    sorted_s: Vec<f64>,
    /// Of the pauses within the first intervals, by how many intervals these are.
    pauses: Vec<PauseSums>,
    /// Space for each with its pause, in milliseconds.
    pairs_ms: Vec<(i64, i64)>,
}

impl Intervals {
    /// Takes those of connections at `times_ms` (sorted), whose check-ins under the hypothesis are at
    /// `checkins_ms`, in place of what is there. Times are known to `resolution_s` seconds, or to the
    /// millisecond if that is 0.
    pub(super) fn take(
        &mut self,
        times_ms: &[i64],
        checkins_ms: &[i64],
        hypothesis: Hypothesis,
        resolution_s: f64,
    ) {
        let latest = checkins_ms.get(checkins_ms.len().saturating_sub(MOST_CHECKINS)..);
        let latest = latest.unwrap_or_default();
        self.pairs_ms.clear();
        if hypothesis.agents == 1 {
            self.take_pauses(times_ms, latest, hypothesis.merge_gap_ms);
        } else {
            let next = latest.get(hypothesis.agents..).unwrap_or_default();
            let intervals = latest.iter().zip(next).map(|(earlier, later)| later - earlier);
            self.pairs_ms.extend(intervals.map(|interval_ms| (interval_ms, interval_ms)));
        }
        self.pairs_ms.sort_unstable();
        // A pause that ends within a second may be up to that second shorter. What is between the
        // check-ins of several agents is no pause, and has a second in which it may lie.
        let shown_s = |pause_ms: i64| match hypothesis.agents {
            1 => pause_ms as f64 / 1000.0 - 0.5 * resolution_s,
            _ => (pause_ms as f64 / 1000.0).max(0.5 * resolution_s),
        };
        self.sorted_s.clear();
        self.pauses.clear();
        let mut sums = PauseSums::default();
        self.pauses.push(sums);
        for (interval_ms, pause_ms) in &self.pairs_ms {
            self.sorted_s.push(*interval_ms as f64 / 1000.0);
            sums += PauseSums::of(shown_s(*pause_ms));
            self.pauses.push(sums);
        }
    }

    /// Intervals of one agent. The pause is from the last connection of a check-in to the first of the
    /// next, less the gap: shorter ones have been merged over.
    fn take_pauses(&mut self, times_ms: &[i64], checkins_ms: &[i64], gap_ms: i64) {
        let Some(first_ms) = checkins_ms.first() else {
            return;
        };
        let from = times_ms.partition_point(|time_ms| time_ms < first_ms);
        let times_ms = times_ms.get(from..).unwrap_or_default();
        let mut checkin_ms = *first_ms;
        for pair in times_ms.windows(2) {
            let pause_ms = pair[1] - pair[0] - gap_ms;
            if pause_ms > 0 {
                self.pairs_ms.push((pair[1] - checkin_ms, pause_ms));
                checkin_ms = pair[1];
            }
        }
    }

    /// Their lengths in seconds, the shortest first.
    pub(super) fn sorted_s(&self) -> &[f64] {
        &self.sorted_s
    }

    /// The pauses within the first `count` intervals.
    pub(super) fn pauses_of_first(&self, count: usize) -> PauseSums {
        self.pauses.get(count).copied().unwrap_or_default()
    }
}
