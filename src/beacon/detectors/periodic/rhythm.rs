//! What is shown of a rhythm: all of it read off the fit that was scored.

use super::best_fit::BestFit;
use super::fit::within;
use super::intervals::Intervals;
use crate::beacon::checkins;
use crate::beacon::hypothesis::HYPOTHESES;
use crate::beacon::periodicity::Periodicity;
use crate::beacon::quantile::quartiles;
use crate::beacon::sketch::{Spread, shortest_and_longest};

/// What is to be said of a group's rhythm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// From 0 to 1.
    pub score: f64,
    /// Check-ins, merged over `merge_gap_ms`.
    pub checkins: usize,
    /// The gap over which connections were merged, in milliseconds.
    pub merge_gap_ms: i64,
    /// How many agents are taken to check in by turns.
    pub agents: usize,
    /// Period, jitter and missed check-ins; `None` under two check-ins.
    pub periodicity: Option<Periodicity>,
}

impl Rhythm {
    /// Of connections at `times_ms`, which must be sorted, with this best fit.
    pub fn from_times(times_ms: &[i64], best: Option<BestFit>) -> Rhythm {
        let Some(BestFit { fit, hypothesis }) = best else {
            return Rhythm::without_fit(&checkins::merge(times_ms, HYPOTHESES[0].merge_gap_ms));
        };
        let merged = checkins::merge(times_ms, hypothesis.merge_gap_ms);
        let mut intervals = Intervals::default();
        intervals.take(times_ms, &merged, hypothesis, fit.timer.resolution_s);
        let judged = intervals.sorted_s().get(..fit.judged).unwrap_or_default();
        let mut sleeps_s: Vec<f64> = within(fit.timer, judged)
            .flat_map(|(window, range)| {
                let inside = judged.get(range).unwrap_or_default();
                inside.iter().map(move |interval_s| interval_s / window.multiple as f64)
            })
            .collect();
        let of_quartiles = |[lower_s, period_s, upper_s]: [f64; 3]| Periodicity {
            period: period_s,
            jitter: (upper_s - lower_s) / period_s,
            missed: fit.missed,
        };
        Rhythm {
            score: fit.score,
            checkins: merged.len(),
            merge_gap_ms: hypothesis.merge_gap_ms,
            agents: hypothesis.agents,
            periodicity: quartiles(&mut sleeps_s).map(of_quartiles),
        }
    }

    /// Of these check-ins by the first of [`HYPOTHESES`], in which there is none: what their intervals
    /// are around the median.
    pub fn without_fit(checkins: &[i64]) -> Rhythm {
        let hypothesis = HYPOTHESES[0];
        let intervals: Vec<i64> = checkins.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let around = |median_ms| Periodicity::around(&intervals, median_ms);
        Rhythm {
            score: 0.0,
            checkins: checkins.len(),
            merge_gap_ms: hypothesis.merge_gap_ms,
            agents: hypothesis.agents,
            periodicity: median_ms(checkins).and_then(around),
        }
    }
}

/// The median interval between check-ins.
fn median_ms(checkins: &[i64]) -> Option<f64> {
    let (_, longest_ms) = shortest_and_longest(checkins)?;
    Spread::from_times(checkins, longest_ms.unsigned_abs())?.median.ms()
}
