//! How much better the best timer explains intervals than the best ordinary model does.
//!
//! The method is derived in docs/detection.md. It looks at intervals, never at a spectrum: a phase
//! that drifts with every sleep blurs that within few periods.

use super::intervals::Intervals;
use super::ordinary::Ordinary;
use super::timer::{Timer, Window};

/// Half of the windows that are tried, as shares of the period: from clockwork to sleeps of +-65 %.
const WIDTHS: [f64; 10] = [0.03, 0.06, 0.1, 0.15, 0.21, 0.28, 0.36, 0.46, 0.56, 0.65];
/// The number of periods to try, which are quantiles of the intervals.
const CANDIDATES: usize = 12;
/// A longer interval than this many periods may be an absence, as of a closed lid. One is forgiven, and
/// one more for each [`INTERVALS_AN_ABSENCE`] intervals.
const ABSENCE_PERIODS: f64 = 5.5;
const INTERVALS_AN_ABSENCE: usize = 20;
/// Fewer intervals that are none are no rhythm.
pub(super) const FEWEST: usize = 4;
/// The share of intervals that other traffic has cut is taken to be no less and no more than this.
const OUTSIDE: (f64, f64) = (0.03, 1.0 / 3.0);
/// The share of check-ins that are missed is taken to be no more than this.
const MOST_MISSED: f64 = 0.4;
/// The evidence is 1 - 1/e where there are this many nats more than the search costs.
const EVIDENCE_SCALE: f64 = 4.0;
/// An absence that is not forgiven counts as this many missed check-ins.
const MISSED_AN_ABSENCE: f64 = 9.0;
/// Where so much of what is expected is there, nothing is taken away for what is missing.
const ENOUGH_PRESENT: f64 = 2.0 / 3.0;
/// Of two fits with scores that are all but equal, the one with more evidence is better.
const RANK_A_NAT: f64 = 1e-6;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// How many agents are taken to check in by turns.
    pub(super) agents: usize,
    /// The shortest period, in seconds.
    pub(super) shortest_period_s: f64,
    /// The widest of half the windows, as a share of the period.
    pub(super) widest: f64,
    /// Up to which multiple of the period intervals are looked for.
    pub(super) multiples: usize,
    /// The fewest intervals that have to lie in the windows.
    pub(super) fewest: usize,
    /// The evidence that pays for having tried many timers, in nats.
    pub(super) cost: f64,
    /// How exactly times are known, in seconds; 0 where they are known to the millisecond.
    pub(super) resolution_s: f64,
}

/// The timer that explains intervals best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) timer: Timer,
    /// From 0 to 1.
    pub(super) score: f64,
    /// How many intervals are judged. They are the shortest; the others are absences that are forgiven.
    pub(super) judged: usize,
    /// Check-ins that were missed between those.
    pub(super) missed: u64,
    rank: f64,
}

/// A period to try.
struct Candidate {
    period_s: f64,
    judged: usize,
    /// Absences that are not forgiven.
    excess: usize,
    ordinary: Ordinary,
}

impl Search {
    /// The timer that explains `intervals` best; `None` if no timer is worth what the search costs.
    pub(super) fn best_fit(&self, intervals: &Intervals) -> Option<Fit> {
        let sorted_s = intervals.sorted_s();
        let narrowest_s = Timer::narrowest_s(self.resolution_s);
        let mut best: Option<Fit> = None;
        let mut tried_s = f64::NAN;
        for number in 0..CANDIDATES {
            // The middle of each twelfth.
            let at = (2 * number + 1) * sorted_s.len() / (2 * CANDIDATES);
            let period_s = sorted_s.get(at).copied().unwrap_or_default();
            if period_s < self.shortest_period_s || period_s == tried_s {
                continue;
            }
            tried_s = period_s;
            let Some(candidate) = self.candidate(period_s, intervals) else {
                continue;
            };
            let widths = WIDTHS.iter().take_while(|width| **width <= self.widest);
            let wider = WIDTHS.iter().skip(1).map(Some).chain([None]);
            for (width, wider) in widths.zip(wider) {
                // Of widths below the narrowest the widest stands for all.
                let is_same = |wider: &f64| *wider <= self.widest && wider * period_s < narrowest_s;
                if wider.is_some_and(is_same) {
                    continue;
                }
                let fit = self.fit(&candidate, *width, intervals);
                if let Some(fit) = fit.filter(|fit| best.is_none_or(|best| fit.rank > best.rank)) {
                    best = Some(fit);
                }
            }
        }
        best
    }

    /// A period to try; `None` if too few intervals are none that are forgiven.
    fn candidate(&self, period_s: f64, intervals: &Intervals) -> Option<Candidate> {
        let sorted_s = intervals.sorted_s();
        let present =
            sorted_s.partition_point(|interval_s| *interval_s <= ABSENCE_PERIODS * period_s);
        let forgiven = 1 + sorted_s.len() / INTERVALS_AN_ABSENCE;
        let judged = present.max(sorted_s.len() - forgiven.min(sorted_s.len()));
        (judged >= FEWEST).then(|| Candidate {
            period_s,
            judged,
            excess: judged - present,
            ordinary: Ordinary::fitted_to(&intervals.pauses_of_first(judged), self.agents),
        })
    }

    /// What a timer with a candidate's period and windows of this width explains; `None` if that is not
    /// worth what the search costs.
    fn fit(&self, candidate: &Candidate, width: f64, intervals: &Intervals) -> Option<Fit> {
        let Candidate { period_s, judged, excess, ref ordinary } = *candidate;
        let Search { multiples, resolution_s, .. } = *self;
        let timer = Timer { period_s, width, multiples, resolution_s };
        let (mut inside, mut missed, mut log_widths) = (0, 0, 0.0);
        let mut ordinary_pauses = intervals.pauses_of_first(0);
        for (window, range) in within(timer, intervals.sorted_s().get(..judged)?) {
            if !range.is_empty() {
                let width_s = window.to_s - window.from_s + resolution_s;
                inside += range.len();
                missed += range.len() * (window.multiple - 1);
                log_widths += range.len() as f64 * width_s.ln();
                let (before, with) =
                    (intervals.pauses_of_first(range.start), intervals.pauses_of_first(range.end));
                ordinary_pauses += with - before;
            }
        }
        if inside < self.fewest {
            return None;
        }
        let outside = judged - inside;
        let share_missed = (missed as f64 / (inside + missed) as f64).min(MOST_MISSED);
        let share_outside = (outside as f64 / judged as f64).clamp(OUTSIDE.0, OUTSIDE.1);
        let of_missed = if missed > 0 { missed as f64 * share_missed.ln() } else { 0.0 };
        let of_inside = inside as f64 * ((1.0 - share_missed) * (1.0 - share_outside)).ln();
        let timer_log_density = of_inside + of_missed - log_widths;
        let better = timer_log_density - ordinary.log_density(&ordinary_pauses);
        // One interval has chosen the period. Of several agents' every one is counted again in the next.
        let chosen = better * (inside - 1) as f64 / inside as f64;
        let agents = self.agents as f64;
        let nats = (chosen + outside as f64 * share_outside.ln()) / agents;
        if nats <= self.cost {
            return None;
        }
        let expected = judged as f64 + missed as f64 + MISSED_AN_ABSENCE * excess as f64;
        let presence = (judged as f64 / expected / ENOUGH_PRESENT).min(1.0);
        let regularity = 1.0 - (-2.0 * nats * agents / judged as f64).exp();
        let evidence = 1.0 - (-(nats - self.cost) / EVIDENCE_SCALE).exp();
        let score = regularity * evidence * presence * presence;
        Some(Fit { timer, score, judged, missed: missed as u64, rank: score + RANK_A_NAT * nats })
    }
}

/// Which of some intervals, sorted, lie in each of a timer's windows.
pub(super) fn within(
    timer: Timer,
    sorted_s: &[f64],
) -> impl Iterator<Item = (Window, std::ops::Range<usize>)> {
    let mut end = 0;
    timer.windows().map_while(move |window| {
        let rest = sorted_s.get(end..).filter(|rest| !rest.is_empty())?;
        let skipped = match window.adjoins {
            true => 0,
            false => rest.partition_point(|interval_s| *interval_s < window.from_s),
        };
        let start = end + skipped;
        let rest = sorted_s.get(start..).unwrap_or_default();
        end = start + rest.partition_point(|interval_s| *interval_s <= window.to_s);
        Some((window, start..end))
    })
}
