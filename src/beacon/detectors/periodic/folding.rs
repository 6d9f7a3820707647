//! How far intervals gather around the multiples of one period, and how sure that is.
//!
//! The method is derived in docs/detection.md. It looks at intervals, never at a spectrum: a phase
//! that drifts with every sleep blurs that within few periods.

use super::chance::{Chance, divergence, divergence_at_most};
use super::multiples::Multiples;
use crate::beacon::periodicity::MOST_PERIODS;

/// How far from a multiple an interval may lie, as a share of the period and times the square
/// root of the multiple (an interval of k periods sums k independent sleeps), and up to which multiples to
/// look: where windows are wide, those of higher multiples would cover everything.
const WINDOWS: [Window; 7] = [
    (0.02, Multiples::of(&[1, 10])),
    (0.05, Multiples::of(&[1, 10])),
    (0.1, Multiples::of(&[1, 4])),
    (0.2, Multiples::of(&[1, 2, 3])),
    (0.3, Multiples::of(&[1, 2])),
    (0.4, Multiples::of(&[1])),
    (0.5, Multiples::of(&[1])),
];
/// The same where several agents take turns: what lies between one's check-ins is no longer its
/// own sleep, so that only narrow windows tell.
const WINDOWS_OF_SEVERAL: [Window; 3] =
    [(0.02, Multiples::of(&[1])), (0.05, Multiples::of(&[1])), (0.1, Multiples::of(&[1]))];
/// A first look at few periods and windows: where none of these gives this share of the evidence
/// that the search costs, the rest is spared. Most traffic ends here.
const PROMISING: f64 = 0.7;
const FIRST_LOOK: [Window; 3] =
    [(0.1, Multiples::of(&[4])), (0.3, Multiples::of(&[2])), (0.5, Multiples::of(&[1]))];
const FIRST_CANDIDATES: [usize; 5] = [2, 4, 6, 8, 10];
/// The number of periods to try, which are quantiles of the intervals.
const CANDIDATES: usize = 11;
/// The part of the evidence that pays for having tried all of these, in nats; and the part where several
/// agents are assumed, which retries in a row resemble.
const COST_OF_SEARCH: f64 = 5.5;
const COST_OF_SEVERAL: f64 = 16.0;
/// This much more makes the evidence 1 - 1/e, in nats.
const EVIDENCE_SCALE: f64 = 6.0;
/// What an interval of one more period counts less: missed check-ins are the exception.
const MULTIPLE_WEIGHT: f64 = 0.6;
/// What the width of the windows takes away, at a width of a whole period.
const WIDTH_WEIGHT: f64 = 0.7;
/// Multiples explain much; a fold that does without is preferred unless this much worse.
const PARSIMONY: f64 = 0.9;
/// RhythmSums of seconds are common within a page load, and of retries: a period of this many
/// milliseconds counts half.
const HALF_PERIOD_MS: f64 = 1_500.0;
/// Fewer intervals are no rhythm.
pub(super) const FEWEST: usize = 4;
/// Absences do not count against a rhythm: up to two, or this share of the intervals.
const ABSENCES: (usize, f64) = (2, 0.05);

/// A width, and the multiples up to which windows of it are laid.
type Window = (f64, Multiples);

/// Intervals to fold, in milliseconds.
pub(super) struct Intervals {
    /// Between a check-in and the `agents`-th after it, sorted.
    pub(super) sorted_ms: Vec<f64>,
    /// How many agents are taken to check in by turns.
    pub(super) agents: usize,
    /// The gap over which connections were merged.
    pub(super) gap_ms: i64,
    /// The shortest period that counts.
    pub(super) shortest_ms: f64,
    /// How exactly times are known.
    pub(super) resolution_ms: i64,
}

/// Intervals folded onto one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fold {
    /// The period, in milliseconds.
    pub(super) period_ms: f64,
    /// Up to which multiples of it intervals were looked for.
    pub(super) multiples: u32,
    /// How much of what chance leaves open lies within the windows, less their width: 1 for
    /// clockwork, 0 for connections at random.
    pub(super) regularity: f64,
    /// How unlikely chance is: 0 none, towards 1 certainty.
    pub(super) evidence: f64,
}

impl Fold {
    /// Regularity x evidence.
    pub(super) fn score(&self) -> f64 {
        self.regularity * self.evidence
    }

    fn rank(&self) -> f64 {
        self.score() * if self.multiples > 1 { PARSIMONY } else { 1.0 }
    }
}

/// A period to fold onto.
struct Guess {
    period_ms: f64,
    /// The number of intervals that are judged: all but the longest, which are absences that are forgiven.
    judged: usize,
    /// What these would be by chance.
    chance: Chance,
}

/// What lies within the windows, and what would by chance.
#[derive(Default)]
struct Gathered {
    judged: usize,
    within: usize,
    expected: f64,
    /// The same, those of one more period counting less.
    weighted: f64,
    weighted_expected: f64,
}

impl Gathered {
    /// The share of intervals within the windows, and the share to be expected.
    fn shares(&self) -> (f64, f64) {
        let share = self.within.min(self.judged) as f64 / self.judged as f64;
        (share, self.expected.clamp(1e-9, 0.999))
    }

    /// Whether that is more than by chance.
    fn are_gathered(&self) -> bool {
        let (share, expected) = self.shares();
        share > expected
    }
}

impl Intervals {
    /// Their best fold, onto one of their quantiles; `None` if there are too few.
    pub(super) fn best_fold(&self) -> Option<Fold> {
        if !self.is_promising() {
            return None;
        }
        let windows = if self.agents > 1 { &WINDOWS_OF_SEVERAL[..] } else { &WINDOWS[..] };
        let mut best: Option<Fold> = None;
        let mut tried = f64::NAN;
        // What has been looked at once has nothing new to say: for each width the periods, and up
        // to which multiples.
        let mut looked: [Vec<(f64, Multiples)>; WINDOWS.len()] = Default::default();
        for candidate in 1..=CANDIDATES {
            let guess_ms = self.candidate(candidate).filter(|guess_ms| *guess_ms != tried);
            let Some(guess) = guess_ms.and_then(|guess_ms| self.guess(guess_ms)) else {
                continue;
            };
            tried = guess.period_ms;
            for ((width, multiples), looked) in windows.iter().zip(&mut looked) {
                // Once around the guess, and once around the middle of what that gathered.
                let mut again = Multiples::default();
                let middle_ms = self.look(&guess, *width, *multiples, |up_to, found| {
                    if found.are_gathered() {
                        again.insert(up_to);
                        best = better(best, self.fold(&guess, *width, up_to, found));
                    }
                });
                looked.push((guess.period_ms, *multiples));
                let is_new = |middle_ms: &f64| {
                    !looked.iter().any(|(period_ms, of_multiples)| {
                        period_ms == middle_ms && again.are_all_in(*of_multiples)
                    })
                };
                let middle_ms = middle_ms.filter(|middle| *middle >= self.shortest_ms);
                let Some(middle) = middle_ms.filter(is_new).and_then(|ms| self.guess(ms)) else {
                    continue;
                };
                looked.push((middle.period_ms, again));
                self.look(&middle, *width, again, |up_to, found| {
                    best = better(best, self.fold(&middle, *width, up_to, found));
                });
            }
        }
        best
    }

    /// One of the periods to try, if it is long enough.
    fn candidate(&self, number: usize) -> Option<f64> {
        let at = number * self.sorted_ms.len().checked_sub(1)? / (CANDIDATES + 1);
        self.sorted_ms.get(at).copied().filter(|guess| *guess >= self.shortest_ms)
    }

    fn is_promising(&self) -> bool {
        let windows = if self.agents > 1 { &WINDOWS_OF_SEVERAL[1..] } else { &FIRST_LOOK[..] };
        let promising = PROMISING * self.cost_of_search();
        let mut guesses =
            FIRST_CANDIDATES.iter().filter_map(|number| self.guess(self.candidate(*number)?));
        guesses.any(|guess| {
            windows.iter().any(|(width, multiples)| {
                let mut is_promising = false;
                self.look(&guess, *width, *multiples, |_, found| {
                    is_promising |= self.nats(found, promising).is_some();
                });
                is_promising
            })
        })
    }

    /// How far a time may be from what the journal says.
    fn half_step_ms(&self) -> f64 {
        if self.resolution_ms > 1 { self.resolution_ms as f64 / 2.0 } else { 0.0 }
    }

    fn cost_of_search(&self) -> f64 {
        if self.agents > 1 { COST_OF_SEVERAL } else { COST_OF_SEARCH }
    }

    /// A period to fold onto; `None` with too few intervals.
    fn guess(&self, period_ms: f64) -> Option<Guess> {
        let count = self.sorted_ms.len();
        let most_ms = (MOST_PERIODS as f64 + 0.5) * period_ms;
        let absent = count - self.sorted_ms.partition_point(|interval| *interval < most_ms);
        let forgiven = absent.min(ABSENCES.0.max((count as f64 * ABSENCES.1) as usize));
        let judged = count - forgiven;
        let gap_ms = self.round_out(self.gap_ms as f64, 0.5);
        let chance = Chance::of(&self.sorted_ms[..judged], gap_ms, self.agents)?;
        (judged >= FEWEST).then_some(Guess { period_ms, judged, chance })
    }

    /// Lays windows of this width; `take` gets what lies within those up to each of these multiples.
    /// Gives the median of the intervals within the first window.
    fn look(
        &self,
        guess: &Guess,
        width: f64,
        up_to: Multiples,
        mut take: impl FnMut(u32, &Gathered),
    ) -> Option<f64> {
        let Guess { period_ms, judged, chance } = guess;
        let mut found = Gathered { judged: *judged, ..Gathered::default() };
        let mut middle_ms = None;
        let mut weight = 1.0;
        let mut covered_ms = self.gap_ms as f64;
        let mut passed = 0;
        for multiple in 1..=up_to.highest() {
            let center_ms = multiple as f64 * period_ms;
            let reach_ms = (width * (multiple as f64).sqrt() * period_ms).max(self.half_step_ms());
            let (from_ms, to_ms) = ((center_ms - reach_ms).max(covered_ms), center_ms + reach_ms);
            if from_ms <= to_ms {
                // What is only known to the second spreads over a second.
                let first = self.after(passed, |interval| interval < from_ms);
                let end = self.after(first, |interval| interval <= to_ms);
                let gathered = end - first;
                let by_chance =
                    chance.between(self.round_out(from_ms, -0.5), self.round_out(to_ms, 0.5));
                found.within += gathered;
                found.expected += by_chance;
                found.weighted += weight * gathered as f64;
                found.weighted_expected += weight * by_chance;
                weight *= MULTIPLE_WEIGHT;
                (covered_ms, passed) = (to_ms, end);
                if multiple == 1 && gathered > 0 {
                    middle_ms = self.sorted_ms.get((2 * first + gathered) / 2).copied();
                }
            }
            if up_to.contains(multiple) {
                take(multiple, &found);
            }
        }
        middle_ms
    }

    /// How many intervals there are up to the last that `precedes`; the first `passed` of them are known to.
    fn after(&self, passed: usize, precedes: impl Fn(f64) -> bool) -> usize {
        let rest = self.sorted_ms.get(passed..).unwrap_or_default();
        passed + rest.partition_point(|interval| precedes(*interval))
    }

    /// How much rather these intervals are gathered than thrown by chance; `None` if that is no more
    /// than `least`.
    fn nats(&self, found: &Gathered, least: f64) -> Option<f64> {
        if !found.are_gathered() {
            return None;
        }
        let (share, expected) = found.shares();
        // One interval has chosen the period, and of several agents' every one is counted again
        // in the next.
        let trials = (found.judged as f64 / self.agents as f64 - 1.0).max(0.0);
        if trials * divergence_at_most(share, expected) <= least {
            return None;
        }
        Some(trials * divergence(share, expected)).filter(|nats| *nats > least)
    }

    /// The fold that gathers the intervals `found`; `None` if that is no evidence.
    fn fold(&self, guess: &Guess, width: f64, multiples: u32, found: &Gathered) -> Option<Fold> {
        let nats = self.nats(found, self.cost_of_search())?;
        let period_ms = guess.period_ms;
        let weighted = (found.weighted / found.judged as f64).min(1.0);
        let weighted_expected = found.weighted_expected.min(0.999);
        let excess = ((weighted - weighted_expected) / (1.0 - weighted_expected)).max(0.0);
        let width = width.max(self.half_step_ms() / period_ms).min(1.0);
        let evidence = 1.0 - (-(nats - self.cost_of_search()) / EVIDENCE_SCALE).exp();
        let long = period_ms / (period_ms + HALF_PERIOD_MS);
        let regularity = excess * (1.0 - WIDTH_WEIGHT * width) * long;
        Some(Fold { period_ms, multiples, regularity, evidence })
    }

    /// Half a step of the resolution beyond the outermost value that a bound includes.
    fn round_out(&self, ms: f64, steps: f64) -> f64 {
        if self.resolution_ms <= 1 {
            return ms;
        }
        let whole = ms / self.resolution_ms as f64;
        let whole = if steps < 0.0 { whole.ceil() } else { whole.floor() };
        (whole + steps) * self.resolution_ms as f64
    }
}

/// Another fold, if it is better, or the first one.
fn better(best: Option<Fold>, fold: Option<Fold>) -> Option<Fold> {
    match (best, fold) {
        (Some(best), Some(fold)) if fold.rank() > best.rank() => Some(fold),
        (best, fold) => best.or(fold),
    }
}
