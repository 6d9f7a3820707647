//! What is shown of a rhythm: all of it read off the fit that was scored.

use super::best_fit::BestFit;
use crate::beacon::checkins;
use crate::beacon::hypothesis::HYPOTHESES;
use crate::beacon::periodicity::Periodicity;
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
        let Some(best) = best else {
            return Rhythm::without_fit(&checkins::merge(times_ms, HYPOTHESES[0].merge_gap_ms));
        };
        Rhythm {
            score: best.score(),
            checkins: best.checkins,
            merge_gap_ms: best.hypothesis.merge_gap_ms,
            agents: best.hypothesis.agents,
            periodicity: best.periodicity,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::beacon::quantile::quartiles;

    proptest! {
        /// Period, jitter and misses were those of another period than the one that was scored.
        #[test]
        fn what_is_shown_is_what_was_scored(
            intervals_ms in prop_oneof![
                prop::collection::vec((1..6_i64, 0.6..1.4).prop_map(|(k, share)| {
                    (60_000.0 * k as f64 * share) as i64
                }), 5..80),
                prop::collection::vec((55_000..65_000_i64, 1..4_i64).prop_map(|(p, k)| p * k), 5..80),
                prop::collection::vec(prop_oneof![1_500..9_000_i64, 100_000..130_000_i64], 8..80),
                prop::collection::vec(1_000..3_000_i64, 30..80),
            ],
        ) {
            let mut time_ms = 0;
            let times: Vec<i64> = std::iter::once(0).chain(intervals_ms.iter().map(|interval_ms| {
                time_ms += interval_ms;
                time_ms
            })).collect();
            let Some(best) = BestFit::from_times(&times) else {
                return Ok(());
            };
            let rhythm = Rhythm::from_times(&times, Some(best));
            let checkins = checkins::merge(&times, rhythm.merge_gap_ms);
            prop_assert_eq!((rhythm.score, rhythm.checkins), (best.score(), checkins.len()));
            let next = checkins.iter().skip(rhythm.agents);
            let mut intervals_s: Vec<f64> =
                checkins.iter().zip(next).map(|(a, b)| (b - a) as f64 / 1000.0).collect();
            intervals_s.sort_by(f64::total_cmp);
            let (mut sleeps, mut missed) = (Vec::new(), 0);
            for interval_s in &intervals_s[..best.fit.judged] {
                let holds = |window: &super::super::timer::Window| {
                    (window.from_s..=window.to_s).contains(interval_s)
                };
                if let Some(window) = best.fit.timer.windows().find(holds) {
                    sleeps.push(interval_s / window.multiple as f64);
                    missed += window.multiple as u64 - 1;
                }
            }
            let shown = rhythm.periodicity.unwrap();
            let [lower, median, upper] = quartiles(&mut sleeps).unwrap();
            prop_assert_eq!((shown.period, shown.missed), (median, missed));
            prop_assert_eq!(shown.jitter, (upper - lower) / median);
            let half = best.fit.timer.windows().next().map(|first| first.to_s - first.from_s);
            prop_assert!((median - best.fit.timer.period_s).abs() <= half.unwrap() / 2.0 + 1e-9);
        }
    }
}
