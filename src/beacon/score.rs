//! The score of a group's rhythm, from 0 (none) to 1 (clockwork, and plenty of it).
//!
//! It is derived, with its limits, in docs/detection.md; the parts are in `folding`.

use super::checkins::{self, MERGE_GAP_MS};
use super::folding::{FEWEST, Fold, Intervals};
use super::intervals::quantile;
use super::periodicity::Periodicity;

/// Above this a rhythm is no chance: the detector `periodic`.
pub const THRESHOLD: f64 = 0.33;
/// Retries within seconds are no rhythm: a period is longer than this, in milliseconds.
const SHORTEST_PERIOD_MS: f64 = 2_000.0;
/// A period is at least so many merge gaps long (of the usual one, and of others), or merging
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

/// What connections are taken for.
#[derive(Clone, Copy)]
struct Reading {
    /// Connections no further apart are one check-in, in milliseconds.
    merge_gap_ms: i64,
    /// How many agents check in by turns.
    agents: usize,
}

/// What is tried: check-ins merged as usual, and over the gaps that an implant leaves while it
/// works on a task; and several agents of one process name at one C2.
const READINGS: [Reading; 9] = [
    Reading { merge_gap_ms: MERGE_GAP_MS, agents: 1 },
    Reading { merge_gap_ms: 5_000, agents: 1 },
    Reading { merge_gap_ms: 10_000, agents: 1 },
    Reading { merge_gap_ms: 20_000, agents: 1 },
    Reading { merge_gap_ms: 30_000, agents: 1 },
    Reading { merge_gap_ms: 60_000, agents: 1 },
    Reading { merge_gap_ms: 0, agents: 2 },
    Reading { merge_gap_ms: 0, agents: 3 },
    Reading { merge_gap_ms: 0, agents: 4 },
];

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

/// The rhythm of connections at `times_ms`, which must be sorted.
pub fn rhythm(times_ms: &[i64]) -> Rhythm {
    let mut best: Option<(Fold, Reading)> = None;
    let mut checkins = usize::MAX;
    let (resolution_ms, are_retries) = (resolution_ms(times_ms), are_retries(times_ms));
    for reading in READINGS {
        // Every other check-in of a lone agent keeps time, too; and every other retry is no agent.
        let has_rhythm = best.is_some_and(|(fold, _)| fold.score() > GOOD_ENOUGH);
        if reading.agents > 1 && (has_rhythm || are_retries) {
            break;
        }
        let handicap = if reading.agents > 1 { HANDICAP } else { 1.0 };
        let merged = checkins::merge(times_ms, reading.merge_gap_ms);
        // A longer gap that changes nothing has nothing to say.
        if reading.agents == 1 && std::mem::replace(&mut checkins, merged.len()) == merged.len() {
            continue;
        }
        let latest = &merged[merged.len().saturating_sub(MOST_CHECKINS)..];
        let fold = reading.intervals(latest, resolution_ms).best_fold();
        if let Some(fold) = fold.filter(|fold| fold.score() > 0.0)
            && best.is_none_or(|(best, _)| fold.score() * handicap > best.score())
        {
            best = Some((fold, reading));
        }
    }
    let reading = best.map_or(READINGS[0], |(_, reading)| reading);
    let merged = checkins::merge(times_ms, reading.merge_gap_ms);
    let intervals: Vec<i64> = reading.between(&merged).collect();
    let guess_ms = match best {
        Some((fold, _)) => Some(fold.period_ms),
        None => {
            let mut intervals: Vec<_> = intervals.iter().map(|interval| *interval as f64).collect();
            quantile(&mut intervals, 0.5)
        }
    };
    let periodicity = guess_ms.and_then(|guess_ms| Periodicity::around(&intervals, guess_ms));
    let score = match (best, &periodicity) {
        (Some((fold, _)), Some(periodicity)) => fold.score() * presence(&merged, periodicity),
        _ => 0.0,
    };
    let merge_gap_ms = reading.merge_gap_ms;
    // Several agents may connect at once; that is still one check-in, or the next.
    let checkins = match reading.agents {
        1 => merged.len(),
        _ => checkins::merge(times_ms, MERGE_GAP_MS).len(),
    };
    Rhythm { score, checkins, merge_gap_ms, periodicity }
}

/// 1 where enough of the expected check-ins were made, less where most of them are missing:
/// multiples of some short period are found in much that is none.
fn presence(checkins: &[i64], periodicity: &Periodicity) -> f64 {
    let made = checkins.len() as f64;
    (made / (made + periodicity.missed as f64) / ENOUGH_MADE).min(1.0)
}

/// Whether a group of at most so many connections can have a score above 0.
pub fn can_hold(most_connections: u64) -> bool {
    most_connections > FEWEST as u64
}

impl Reading {
    /// From each check-in to the next of the same agent.
    fn between(self, checkins: &[i64]) -> impl Iterator<Item = i64> {
        let pairs = checkins.iter().zip(checkins.iter().skip(self.agents));
        pairs.map(|(earlier, later)| later - earlier)
    }

    fn intervals(self, checkins: &[i64], resolution_ms: i64) -> Intervals {
        let mut sorted_ms: Vec<_> = self.between(checkins).collect();
        sorted_ms.sort_unstable();
        let gaps =
            if self.merge_gap_ms == MERGE_GAP_MS { GAPS_A_PERIOD.0 } else { GAPS_A_PERIOD.1 };
        Intervals {
            sorted_ms,
            agents: self.agents,
            gap_ms: self.merge_gap_ms,
            shortest_ms: (gaps * self.merge_gap_ms as f64).max(SHORTEST_PERIOD_MS),
            resolution_ms,
        }
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
    let intervals = times_ms.windows(2).map(|pair| pair[1] - pair[0]);
    let common = intervals.fold(0, greatest_common_divisor);
    if common == SECOND_MS { SECOND_MS } else { 1 }
}

/// Euclid's.
fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
