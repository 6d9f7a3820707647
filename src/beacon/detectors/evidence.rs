//! What detectors look at, and what they have found so far.

use super::periodic::{BestFit, Rhythm, THRESHOLD};
use super::repetitive_interval::{self, Finding};
use crate::beacon::sketch::Outline;

/// The connections of a group, as detectors see them. What is computed for one of them is kept for the
/// others, and for the group's row.
pub struct Evidence<'a> {
    /// Of all connections.
    pub outline: &'a Outline,
    /// The times of all connections, sorted; empty where no detector needs them.
    pub times_ms: &'a [i64],
    /// The times of those to a public address and a port other than 0, where these are some but not
    /// all.
    pub public_times_ms: Option<&'a [i64]>,
    /// Whether there are any such.
    pub has_public: bool,
    /// Shorter periods cannot be told from these times, in seconds; 0 where the times are exact.
    pub shortest_period_s: f64,
    /// Whether the group's sketch leaves a rhythm possible.
    pub may_hold_rhythm: bool,
    /// What has been found.
    pub findings: &'a mut Findings,
}

/// What has been found about a group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    repetition: Option<Finding>,
    rhythm: Option<Rhythm>,
}

impl Evidence<'_> {
    /// What the rule of the repetitive interval says.
    pub fn repetition(&mut self, thresholds: &repetitive_interval::Thresholds) -> Finding {
        *self.findings.repetition.get_or_insert_with(|| match self.public_times_ms {
            Some(times_ms) => repetitive_interval::find(times_ms, thresholds),
            None if !repetitive_interval::counts_any(self.outline, thresholds) => {
                Finding::default()
            }
            None => repetitive_interval::find(self.times_ms, thresholds),
        })
    }

    /// The rhythm, with a score of 0 if there is none.
    pub fn rhythm(&mut self) -> Rhythm {
        if let Some(rhythm) = self.findings.rhythm {
            return rhythm;
        }
        let rhythm = Rhythm::from_times(self.times_ms, self.best_fit());
        self.findings.rhythm = Some(rhythm);
        rhythm
    }

    /// Whether the score of the rhythm is above the threshold. Of most groups that takes less to tell
    /// than to compute their rhythm.
    pub fn is_periodic(&mut self) -> bool {
        if self.findings.rhythm.is_none() {
            let best = self.best_fit().filter(|best| best.score() > THRESHOLD);
            let rhythm = best.map(|best| Rhythm::from_times(self.times_ms, Some(best)));
            self.findings.rhythm = rhythm;
        }
        let rhythm = self.findings.rhythm;
        rhythm.is_some_and(|rhythm| rhythm.score > THRESHOLD && !self.is_blurred(&rhythm))
    }

    /// Whether the period is shorter than the times can tell.
    pub fn is_blurred(&self, rhythm: &Rhythm) -> bool {
        rhythm.periodicity.is_some_and(|periodicity| periodicity.period < self.shortest_period_s)
    }

    fn best_fit(&self) -> Option<BestFit> {
        if self.may_hold_rhythm { BestFit::from_times(self.times_ms) } else { None }
    }
}
