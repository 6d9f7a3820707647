//! The detectors that are compared, each as a yes or no to one group.

use beacon_candidates::beacon::detectors::periodic::{self, THRESHOLD};
use beacon_candidates::beacon::detectors::{fixed_interval, repetitive_interval};
use beacon_candidates::beacon::intervals::{IntervalDistribution, IntervalStatistics};
use beacon_candidates::beacon::rita;
use beacon_candidates::beacon::sketch::Outline;

/// Their names, in the order of [`verdicts`].
pub const DETECTORS: [&str; 5] =
    ["fixed_interval", "repetitive_interval", "variation < 0.3", "rita_score >= 0.7", "periodic"];

const SOPHOS: fixed_interval::Thresholds = fixed_interval::Thresholds {
    min_connections: 3,
    max_interval_spread: 10.0,
    min_average_interval: 10.0,
};
const SENTINEL: repetitive_interval::Thresholds =
    repetitive_interval::Thresholds { time_delta: 10.0, total_events: 15, percent: 95.0 };

/// What each says of connections at `times_ms` (sorted), of a data set that ends at `end_ms`.
pub fn verdicts(times_ms: &[i64], bytes_sent: &[u64], end_ms: i64) -> [bool; DETECTORS.len()] {
    let outline = Outline::from_times(times_ms);
    let statistics = outline.as_ref().and_then(IntervalStatistics::from_outline);
    let distribution =
        outline.and_then(|outline| IntervalDistribution::from_times(times_ms, &outline));
    let variation = statistics
        .zip(distribution)
        .filter(|(statistics, _)| statistics.average > 0.0)
        .map_or(f64::INFINITY, |(statistics, spread)| spread.stddev / statistics.average);
    let rita = rita::scores(times_ms, bytes_sent, (rita::span_begin_ms(end_ms), end_ms));
    [
        fixed_interval::holds(times_ms.len() as u64, statistics.as_ref(), &SOPHOS),
        repetitive_interval::find(times_ms, &SENTINEL).hours > 0,
        variation < 0.3,
        rita.is_some_and(|scores| scores.mean >= 0.7),
        periodic::rhythm(times_ms).score > THRESHOLD,
    ]
}
