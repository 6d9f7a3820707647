//! The repetitive interval: one interval, to the second, makes up nearly a whole hour.
//!
//! The rule of Microsoft Sentinel's hunting query "Potential beaconing activity" (intra-request
//! time deltas): in some clock hour there are more than 15 intervals above 10 s, of which the most
//! frequent makes up more than 95 %. The original takes the next row of its sorted log whatever
//! its remote address, a slip; here an interval lies between connections of one group.

use super::{Detector, Evidence, Known, Threshold, Verdict, with_thresholds};
use crate::beacon::sketch::repetition::{self, COUNTED_ABOVE_S, TOO_FEW, hourly_intervals};
use crate::beacon::sketch::{Outline, Repetition, Sketch};

/// This detector.
pub const DETECTOR: Detector = Detector {
    name: "repetitive_interval",
    thresholds: &[
        Threshold {
            name: "time_delta_threshold",
            description: "repetitive_interval counts only intervals above this",
            expected: "a number of seconds from 0",
            default: 10.0,
            range: (0.0, f64::MAX),
            is_whole: false,
        },
        Threshold {
            name: "total_events_threshold",
            description: "repetitive_interval needs more such intervals in an hour than this",
            expected: "a whole number from 0",
            default: 15.0,
            range: (0.0, f64::MAX),
            is_whole: true,
        },
        Threshold {
            name: "percent_beacon_threshold",
            description: "repetitive_interval needs the most frequent of them to make up more than this",
            expected: "a percentage from 0 to 100",
            default: 95.0,
            range: (0.0, 100.0),
            is_whole: false,
        },
    ],
    prefilter,
    names,
};

/// What the rule compares with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Only intervals above this count, in seconds.
    pub time_delta: f64,
    /// An hour needs more such intervals than this.
    pub total_events: u64,
    /// The most frequent one must make up more than this share of them, in percent.
    pub percent: f64,
}

impl Thresholds {
    /// From values for the thresholds of all detectors.
    pub fn among(all: &[f64]) -> Thresholds {
        let own = with_thresholds(all).find(|(detector, _)| detector.name == DETECTOR.name);
        own.map_or(Thresholds::NEVER, |(_, own)| Thresholds::from_values(own))
    }

    /// Nothing is above them.
    const NEVER: Thresholds =
        Thresholds { time_delta: f64::MAX, total_events: u64::MAX, percent: 100.0 };

    fn from_values(values: &[f64]) -> Thresholds {
        let [time_delta, total_events, percent] = *values else {
            return Thresholds::NEVER;
        };
        Thresholds { time_delta, total_events: total_events as u64, percent }
    }
}

/// Only connections to public addresses are looked at.
fn prefilter(known: &Known<'_>, values: &[f64]) -> Verdict {
    let thresholds = Thresholds::from_values(values);
    let may_repeat = |sketch: &Sketch| can_repeat(&sketch.repetition, &thresholds);
    Verdict::open_if(
        known.may_be_public
            && can_hold(known.connections, &thresholds)
            && known.sketch.is_none_or(may_repeat),
    )
}

fn names(evidence: &mut Evidence<'_>, values: &[f64]) -> bool {
    let thresholds = Thresholds::from_values(values);
    evidence.has_public && evidence.repetition(&thresholds).hours > 0
}

/// The most frequent interval of one clock hour, or of the whole window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MostFrequent {
    /// In whole seconds; of equally frequent ones the shortest.
    pub interval: i64,
    /// How often it occurs there.
    pub count: u64,
    /// Its share of all intervals above the threshold there, in percent.
    pub percent: f64,
}

/// What the rule says of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Finding {
    /// In the hour (of those with enough intervals) where its share is highest; in the window if
    /// no hour has enough; `None` if no interval is above the threshold.
    pub most_frequent: Option<MostFrequent>,
    /// Clock hours (UTC) in which the rule held.
    pub hours: u64,
}

/// Applies the rule to connections at `times_ms`, which must be sorted.
pub fn find(times_ms: &[i64], thresholds: &Thresholds) -> Finding {
    let mut finding = Finding::default();
    let mut of_hour = Vec::new();
    let mut counted = counted_intervals(times_ms, thresholds).peekable();
    while let Some((hour, interval)) = counted.next() {
        of_hour.push(interval);
        if counted.peek().is_some_and(|(next, _)| *next == hour) {
            continue;
        }
        if of_hour.len() as u64 > thresholds.total_events
            && let Some(candidate) = most_frequent(&mut of_hour)
        {
            finding.hours += u64::from(candidate.percent > thresholds.percent);
            if finding.most_frequent.is_none_or(|best| candidate.percent > best.percent) {
                finding.most_frequent = Some(candidate);
            }
        }
        of_hour.clear();
    }
    if finding.most_frequent.is_none() {
        of_hour.extend(counted_intervals(times_ms, thresholds).map(|(_, interval)| interval));
        finding.most_frequent = most_frequent(&mut of_hour);
    }
    finding
}

/// Whether any interval counts in a timeline of this outline: whole seconds apart by more than the
/// threshold are only connections that are more milliseconds apart than it has in whole seconds.
pub fn counts_any(outline: &Outline, thresholds: &Thresholds) -> bool {
    let threshold_ms = thresholds.time_delta.floor() * 1000.0;
    outline.intervals_ms.is_some_and(|(_, longest_ms)| longest_ms as f64 > threshold_ms)
}

/// Whether the rule can hold for a group of at most this many connections: an hour needs more
/// intervals than the threshold, and n connections have n - 1.
pub fn can_hold(most_connections: u64, thresholds: &Thresholds) -> bool {
    most_connections.saturating_sub(1) > thresholds.total_events
}

/// Whether it can hold in a timeline of which no more is known than this. A sketch counts the
/// intervals over [`COUNTED_ABOVE_S`] in hours with more than [`TOO_FEW`] of them, so that it has
/// an answer where the thresholds ask for the same intervals and for no fewer.
pub fn can_repeat(repetition: &Repetition, thresholds: &Thresholds) -> bool {
    thresholds.time_delta != COUNTED_ABOVE_S as f64
        || thresholds.total_events < TOO_FEW
        || repetition.at_most() as f64 > thresholds.percent
}

/// The intervals above the threshold, each with its clock hour.
fn counted_intervals(
    times_ms: &[i64],
    thresholds: &Thresholds,
) -> impl Iterator<Item = (i64, i64)> {
    let threshold = thresholds.time_delta;
    hourly_intervals(times_ms, threshold.floor() as i64)
        .filter(move |(_, interval)| *interval as f64 > threshold)
}

fn most_frequent(intervals: &mut [i64]) -> Option<MostFrequent> {
    let all = intervals.len() as f64;
    repetition::most_frequent(intervals).map(|(interval, count)| MostFrequent {
        interval,
        count,
        percent: 100.0 * count as f64 / all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENTINEL: Thresholds = Thresholds { time_delta: 10.0, total_events: 15, percent: 95.0 };
    const HOUR_MS: i64 = 3_600_000;

    fn every(seconds: i64, count: i64, from_ms: i64) -> Vec<i64> {
        (0..count).map(|index| from_ms + index * seconds * 1000).collect()
    }

    #[test]
    fn sixteen_equal_intervals_within_a_clock_hour() {
        let found = find(&every(60, 17, 5 * HOUR_MS), &SENTINEL);
        assert_eq!(found.hours, 1);
        let expected = MostFrequent { interval: 60, count: 16, percent: 100.0 };
        assert_eq!(found.most_frequent, Some(expected));
        assert_eq!(find(&every(60, 16, 5 * HOUR_MS), &SENTINEL).hours, 0);
        // The same sixteen across the turn of the hour are ten and six.
        assert_eq!(find(&every(60, 17, 6 * HOUR_MS - 600_000), &SENTINEL).hours, 0);
    }

    #[test]
    fn an_interval_belongs_to_the_hour_of_its_earlier_connection() {
        let last_starts_in_hour = every(60, 17, 6 * HOUR_MS - 16 * 60_000);
        assert_eq!(find(&last_starts_in_hour, &SENTINEL).hours, 1);
    }

    #[test]
    fn whole_seconds_are_differences_of_whole_seconds() {
        // 60.9 s that cross 61 turns of the second, and 60 that cross 60.
        let found = find(&[900, 61_800, 121_800], &SENTINEL);
        assert_eq!(found.most_frequent.unwrap().interval, 60);
        assert_eq!(found.most_frequent.unwrap().count, 1);
    }

    #[test]
    fn short_intervals_do_not_count_and_ties_go_to_the_shorter() {
        let found = find(&[0, 10_000, 20_000, 50_000, 61_000, 91_000], &SENTINEL);
        let expected = MostFrequent { interval: 30, count: 2, percent: 200.0 / 3.0 };
        assert_eq!(found.most_frequent, Some(expected));
        let tie = find(&[0, 40_000, 60_000], &SENTINEL).most_frequent.unwrap();
        assert_eq!((tie.interval, tie.count), (20, 1));
        assert_eq!(find(&[0, 10_000], &SENTINEL), Finding::default());
    }
}
