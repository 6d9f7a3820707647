//! The detector `periodic`: the score of a group's rhythm, from 0 (none) to 1 (clockwork, and plenty of
//! it).
//!
//! The score is derived, with its limits, in docs/detection.md. `screening` rules out most groups by
//! their sketches; `folding` scores the others, by the null model in `chance`.

mod chance;
mod folding;
mod multiples;
mod screening;

use self::folding::{Fold, Intervals};
use self::screening::{is_another, resembles_rhythm};
use super::{Detector, Known, Verdict};
use crate::beacon::checkins::{self, MERGE_GAP_MS};
use crate::beacon::hypothesis::{HYPOTHESES, Hypothesis};
use crate::beacon::periodicity::Periodicity;
use crate::beacon::sketch::{Pauses, Spread, Variation, shortest_and_longest};

/// The detector's name.
pub const NAME: &str = "periodic";

/// This detector.
pub const DETECTOR: Detector = Detector {
    name: NAME,
    thresholds: &[],
    prefilter,
    names: |evidence, _| evidence.is_periodic(),
};

/// Above this a rhythm is no chance: the detector names it.
pub const THRESHOLD: f64 = 0.33;
/// Retries within seconds are no rhythm: a period is longer than this, in milliseconds.
const SHORTEST_PERIOD_MS: f64 = 2_000.0;
/// A period is at least this many merge gaps long (of the usual one, and of others), or merging
/// would make the rhythm.
const GAPS_A_PERIOD: (f64, f64) = (2.0, 3.0);
/// With such a score one agent explains the rhythm; with less, several have to do so much better.
const GOOD_ENOUGH: f64 = 0.6;
const HANDICAP: f64 = 0.7;
/// An implant makes this share of its check-ins.
const ENOUGH_MADE: f64 = 2.0 / 3.0;
/// Rhythm is judged by this many check-ins, the latest. They are counted once merged: a transfer in
/// a thousand connections must not push the beacon out.
const MOST_CHECKINS: usize = 5_000;

fn prefilter(known: &Known<'_>, _: &[f64]) -> Verdict {
    Verdict::open_if(match known.sketch {
        Some(sketch) => screening::may_hold_rhythm(&sketch.rhythm),
        None => screening::can_hold(known.connections),
    })
}

/// What is to be said of a group's rhythm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// From 0 to 1.
    pub score: f64,
    /// Check-ins, merged over `merge_gap_ms` or the usual gap, if that is longer.
    pub checkins: usize,
    /// The gap over which connections were merged, in milliseconds; 0 where several agents are
    /// taken to check in by turns.
    pub merge_gap_ms: i64,
    /// Period, jitter and missed check-ins; `None` under two check-ins.
    pub periodicity: Option<Periodicity>,
}

/// The best fold of a group's connections, and the hypothesis that it is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestFold {
    fold: Fold,
    hypothesis: Hypothesis,
}

impl BestFold {
    /// Of connections at `times_ms`, which must be sorted, under any hypothesis; `None` if none holds a
    /// rhythm.
    pub fn from_times(times_ms: &[i64]) -> Option<BestFold> {
        let mut best: Option<BestFold> = None;
        let (resolution_ms, are_retries) = (resolution_ms(times_ms), are_retries(times_ms));
        let (mut merged, mut before) = (Vec::new(), u64::MAX);
        for hypothesis in HYPOTHESES {
            // Every other check-in of a lone agent keeps time, too; every other retry is no agent.
            let has_rhythm = best.is_some_and(|best| best.fold.score() > GOOD_ENOUGH);
            if hypothesis.agents > 1 && (has_rhythm || are_retries) {
                break;
            }
            checkins::merge_into(&mut merged, times_ms, hypothesis.merge_gap_ms);
            let before = std::mem::replace(&mut before, merged.len() as u64);
            if !is_another(hypothesis, before, merged.len() as u64) {
                continue;
            }
            let variation = Variation::from_checkins(&merged, hypothesis);
            let pauses = Pauses::from_times(times_ms, hypothesis);
            if !resembles_rhythm(&variation, &pauses, hypothesis) {
                continue;
            }
            let handicap = if hypothesis.agents > 1 { HANDICAP } else { 1.0 };
            let latest = &merged[merged.len().saturating_sub(MOST_CHECKINS)..];
            let fold = intervals(latest, hypothesis, resolution_ms).best_fold();
            if let Some(fold) = fold.filter(|fold| fold.score() > 0.0)
                && best.is_none_or(|best| fold.score() * handicap > best.fold.score())
            {
                best = Some(BestFold { fold, hypothesis });
            }
        }
        best
    }

    /// The group's score is no higher.
    pub fn score_at_most(&self) -> f64 {
        self.fold.score()
    }
}

impl Rhythm {
    /// Of connections at `times_ms`, which must be sorted, with this best fold.
    pub fn from_times(times_ms: &[i64], best: Option<BestFold>) -> Rhythm {
        let Some(BestFold { fold, hypothesis }) = best else {
            return Rhythm::without_fold(&checkins::merge(times_ms, HYPOTHESES[0].merge_gap_ms));
        };
        let merged = checkins::merge(times_ms, hypothesis.merge_gap_ms);
        let intervals: Vec<i64> = between(&merged, hypothesis).collect();
        let periodicity = Periodicity::around(&intervals, fold.period_ms);
        let presence = |periodicity| presence(&merged, periodicity);
        let score = fold.score() * periodicity.as_ref().map_or(0.0, presence);
        // Several agents may connect at once; that is still one check-in, or the next.
        let checkins = match hypothesis.agents {
            1 => merged.len(),
            _ => checkins::merge(times_ms, MERGE_GAP_MS).len(),
        };
        Rhythm { score, checkins, merge_gap_ms: hypothesis.merge_gap_ms, periodicity }
    }

    /// Of these check-ins by the first of [`HYPOTHESES`], in which there is none.
    pub fn without_fold(checkins: &[i64]) -> Rhythm {
        let hypothesis = HYPOTHESES[0];
        let intervals: Vec<i64> = between(checkins, hypothesis).collect();
        let around = |median_ms| Periodicity::around(&intervals, median_ms);
        Rhythm {
            score: 0.0,
            checkins: checkins.len(),
            merge_gap_ms: hypothesis.merge_gap_ms,
            periodicity: median_ms(checkins).and_then(around),
        }
    }
}

/// The median interval between check-ins.
fn median_ms(checkins: &[i64]) -> Option<f64> {
    let (_, longest_ms) = shortest_and_longest(checkins)?;
    Spread::from_times(checkins, longest_ms.unsigned_abs())?.median.ms()
}

/// The rhythm of connections at `times_ms`, which must be sorted.
pub fn rhythm(times_ms: &[i64]) -> Rhythm {
    Rhythm::from_times(times_ms, BestFold::from_times(times_ms))
}

/// 1 where enough of the expected check-ins were made, less where most of them are missing:
/// multiples of some short period are found in much that is none.
fn presence(checkins: &[i64], periodicity: &Periodicity) -> f64 {
    let made = checkins.len() as f64;
    (made / (made + periodicity.missed as f64) / ENOUGH_MADE).min(1.0)
}

/// From each check-in to the next of the same agent.
fn between(checkins: &[i64], hypothesis: Hypothesis) -> impl Iterator<Item = i64> {
    let pairs = checkins.iter().zip(checkins.iter().skip(hypothesis.agents));
    pairs.map(|(earlier, later)| later - earlier)
}

fn intervals(checkins: &[i64], hypothesis: Hypothesis, resolution_ms: i64) -> Intervals {
    let mut sorted_ms: Vec<i64> = between(checkins, hypothesis).collect();
    sorted_ms.sort_unstable();
    let sorted_ms = sorted_ms.into_iter().map(|length_ms| length_ms as f64).collect();
    let is_usual = hypothesis.merge_gap_ms == MERGE_GAP_MS;
    let gaps = if is_usual { GAPS_A_PERIOD.0 } else { GAPS_A_PERIOD.1 };
    Intervals {
        sorted_ms,
        agents: hypothesis.agents,
        gap_ms: hypothesis.merge_gap_ms,
        shortest_ms: (gaps * hypothesis.merge_gap_ms as f64).max(SHORTEST_PERIOD_MS),
        resolution_ms,
    }
}

/// Whether three of four connections follow the one before within the shortest period.
fn are_retries(times_ms: &[i64]) -> bool {
    let follows = |pair: &&[i64]| (pair[1] - pair[0]) as f64 <= SHORTEST_PERIOD_MS;
    let following = times_ms.windows(2).filter(follows).count();
    following * 4 >= times_ms.len().saturating_sub(1) * 3
}

/// Many journals know whole seconds only: then these are all that the intervals have in common.
fn resolution_ms(times_ms: &[i64]) -> i64 {
    const SECOND_MS: i64 = 1000;
    let mut common = 0;
    for pair in times_ms.windows(2) {
        common = greatest_common_divisor(common, pair[1] - pair[0]);
        if common == 1 {
            return 1;
        }
    }
    if common == SECOND_MS { SECOND_MS } else { 1 }
}

/// Euclid's.
fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
