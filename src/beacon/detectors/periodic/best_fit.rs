//! The best fit of a group's connections, over all hypotheses of how they came about.

use super::fit::{FEWEST, Fit, Search, within};
use super::intervals::Intervals;
use super::screening::{POLLS, are_polls, is_another, resembles_rhythm};
use super::timer::MULTIPLES;
use crate::beacon::checkins::{self, MERGE_GAP_MS};
use crate::beacon::hypothesis::{HYPOTHESES, Hypothesis};
use crate::beacon::periodicity::Periodicity;
use crate::beacon::quantile::quartiles;
use crate::beacon::sketch::{Pauses, Variation};

/// With such a score the usual hypotheses explain the rhythm; only with less are others tried.
const GOOD_ENOUGH: f64 = 0.6;
/// Retries within seconds are no rhythm: a period is no shorter than this, in seconds; of polls, which
/// are many more, this.
const SHORTEST_PERIOD_S: f64 = 2.0;
const SHORTEST_POLLS_S: f64 = 1.0;
/// A period is at least this many merge gaps long (of the usual one, and of others), or merging
/// would make the rhythm.
const GAPS_A_PERIOD: (f64, f64) = (2.0, 3.0);
/// The evidence that pays for the search, in nats; and so much more where connections were merged
/// over more than the usual gap, where several agents are assumed, and for polls, which resemble what
/// page loads and retries do.
const COST: f64 = 4.0;
const COST_MERGED: f64 = 2.5;
const COST_OF_SEVERAL: f64 = 5.0;
const COST_OF_POLLS: f64 = 4.0;
/// Half of the widest window, as a share of the period: merging makes pauses alike, and of several
/// agents' intervals only narrow ones tell.
const WIDEST: f64 = 1.0;
const WIDEST_MERGED: f64 = 0.47;
const WIDEST_OF_SEVERAL: f64 = 0.12;
/// The fewest polls that have to keep time.
const FEWEST_POLLS: usize = 25;

/// The best fit of a group's connections, and the hypothesis that it is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestFit {
    pub(super) fit: Fit,
    pub(super) hypothesis: Hypothesis,
    /// Check-ins under it.
    pub(super) checkins: usize,
    /// Of the fit; `None` if no interval lies in its windows.
    pub(super) periodicity: Option<Periodicity>,
}

impl BestFit {
    /// Of connections at `times_ms`, which must be sorted, under any hypothesis; `None` if no timer
    /// explains them better than ordinary models do.
    pub fn from_times(times_ms: &[i64]) -> Option<BestFit> {
        let (resolution_s, are_retries) = (resolution_s(times_ms), are_retries(times_ms));
        let mut best: Option<BestFit> = None;
        let (mut merged, mut before) = (Vec::new(), u64::MAX);
        let mut intervals = Intervals::default();
        for hypothesis in HYPOTHESES.into_iter().chain([POLLS]) {
            let is_explained = best.is_some_and(|best| best.fit.score > GOOD_ENOUGH);
            let is_poll = hypothesis == POLLS;
            // Every other check-in of a lone agent keeps time, too; every other retry is no agent. And
            // in whole seconds polls of few seconds are any connections of few seconds.
            if is_explained && (hypothesis.agents > 1 || is_poll)
                || are_retries && hypothesis.agents > 1
                || resolution_s > 0.0 && is_poll
            {
                continue;
            }
            checkins::merge_into(&mut merged, times_ms, hypothesis.merge_gap_ms);
            let before = std::mem::replace(&mut before, merged.len() as u64);
            let resembles = if is_poll {
                are_polls(&merged)
            } else {
                // In this order, because most hypotheses end at the first.
                is_another(hypothesis, before, merged.len() as u64)
                    && resembles_rhythm(
                        &Variation::from_checkins(&merged, hypothesis),
                        &Pauses::from_times(times_ms, hypothesis),
                        hypothesis,
                    )
            };
            if !resembles {
                continue;
            }
            intervals.take(times_ms, &merged, hypothesis, resolution_s);
            let fit = search(hypothesis, resolution_s).best_fit(&intervals);
            if let Some(fit) = fit.filter(|fit| best.is_none_or(|best| fit.score > best.fit.score))
            {
                let checkins = merged.len();
                let periodicity = periodicity(&fit, &intervals);
                best = Some(BestFit { fit, hypothesis, checkins, periodicity });
            }
        }
        best
    }

    /// The group's score.
    pub fn score(&self) -> f64 {
        self.fit.score
    }
}

/// Period, jitter and missed check-ins of a fit, from the intervals in its windows.
fn periodicity(fit: &Fit, intervals: &Intervals) -> Option<Periodicity> {
    let judged = intervals.sorted_s().get(..fit.judged)?;
    let mut sleeps_s = Vec::with_capacity(judged.len());
    for (window, range) in within(fit.timer, judged) {
        let inside = judged.get(range).unwrap_or_default();
        sleeps_s.extend(inside.iter().map(|interval_s| interval_s / window.multiple as f64));
    }
    let [lower_s, period, upper_s] = quartiles(&mut sleeps_s)?;
    Some(Periodicity { period, jitter: (upper_s - lower_s) / period, missed: fit.missed })
}

/// What is looked for under a hypothesis.
fn search(hypothesis: Hypothesis, resolution_s: f64) -> Search {
    let gap_s = hypothesis.merge_gap_ms as f64 / 1000.0;
    let usual = Search {
        agents: hypothesis.agents,
        shortest_period_s: (GAPS_A_PERIOD.0 * gap_s).max(SHORTEST_PERIOD_S),
        widest: WIDEST,
        multiples: MULTIPLES,
        fewest: FEWEST,
        cost: COST,
        resolution_s,
    };
    if hypothesis == POLLS {
        Search {
            shortest_period_s: SHORTEST_POLLS_S,
            fewest: FEWEST_POLLS,
            cost: COST + COST_OF_POLLS,
            ..usual
        }
    } else if hypothesis.agents > 1 {
        Search {
            widest: WIDEST_OF_SEVERAL,
            multiples: 1,
            fewest: FEWEST.max(2 * hypothesis.agents),
            cost: COST + COST_OF_SEVERAL,
            ..usual
        }
    } else if hypothesis.merge_gap_ms > MERGE_GAP_MS {
        Search {
            shortest_period_s: (GAPS_A_PERIOD.1 * gap_s).max(SHORTEST_PERIOD_S),
            widest: WIDEST_MERGED,
            cost: COST + COST_MERGED,
            ..usual
        }
    } else {
        usual
    }
}

/// Whether three of four connections follow the one before within the shortest period.
fn are_retries(times_ms: &[i64]) -> bool {
    let follows = |pair: &&[i64]| (pair[1] - pair[0]) as f64 <= 1000.0 * SHORTEST_PERIOD_S;
    let following = times_ms.windows(2).filter(follows).count();
    following * 4 >= times_ms.len().saturating_sub(1) * 3
}

/// Many journals know whole seconds only: then these are all that the intervals have in common.
fn resolution_s(times_ms: &[i64]) -> f64 {
    const SECOND_MS: i64 = 1000;
    let is_whole = |pair: &[i64]| (pair[1] - pair[0]) % SECOND_MS == 0;
    if times_ms.windows(2).all(is_whole) { 1.0 } else { 0.0 }
}
