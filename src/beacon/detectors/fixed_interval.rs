//! The fixed interval: connections as regular as a clock.
//!
//! The rule of Sophos' hunt "Detecting a recurring beacon/call-home process"
//! (<https://community.sophos.com/intercept-x-endpoint/i/network/detecting-a-recurring-beacon-call-home-process>):
//! more than two connections whose longest and shortest interval are less than ten seconds apart. Any
//! three connections within ten seconds are, too: ours asks for a mean interval of ten seconds as well,
//! unless that is set to 0.

use super::{Detector, Evidence, Known, Threshold, Verdict};
use crate::beacon::intervals::IntervalStatistics;

/// This detector.
pub const DETECTOR: Detector = Detector {
    name: "fixed_interval",
    thresholds: &[
        Threshold {
            name: "min_connections",
            description: "the fewest connections that fixed_interval names",
            expected: "a whole number from 1",
            default: 3.0,
            range: (1.0, f64::MAX),
            is_whole: true,
        },
        Threshold {
            name: "max_interval_spread",
            description: "fixed_interval needs the longest interval minus the shortest below this",
            expected: "a number of seconds from 0",
            default: 10.0,
            range: (0.0, f64::MAX),
            is_whole: false,
        },
        Threshold {
            name: "min_average_interval",
            description: "fixed_interval needs a mean interval of at least this; Sophos' own rule has 0",
            expected: "a number of seconds from 0",
            default: 10.0,
            range: (0.0, f64::MAX),
            is_whole: false,
        },
    ],
    prefilter,
    names,
};

/// What the rule compares with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// The fewest connections that count.
    pub min_connections: u64,
    /// Longest minus shortest interval must be below this, in seconds.
    pub max_interval_spread: f64,
    /// The mean interval must be at least this, in seconds: what is shorter than the spread that is
    /// allowed is no interval.
    pub min_average_interval: f64,
}

impl Thresholds {
    fn from_values(values: &[f64]) -> Thresholds {
        let [min_connections, max_interval_spread, min_average_interval] = *values else {
            return Thresholds {
                min_connections: u64::MAX,
                max_interval_spread: 0.0,
                min_average_interval: 0.0,
            };
        };
        let min_connections = min_connections as u64;
        Thresholds { min_connections, max_interval_spread, min_average_interval }
    }
}

/// An outline has all that the rule looks at.
fn prefilter(known: &Known<'_>, values: &[f64]) -> Verdict {
    let thresholds = Thresholds::from_values(values);
    match known.outline() {
        Some(outline) => {
            let statistics = IntervalStatistics::from_outline(outline);
            match holds(outline.connections, statistics.as_ref(), &thresholds) {
                true => Verdict::Named,
                false => Verdict::RuledOut,
            }
        }
        None => Verdict::open_if(can_hold(known.connections, &thresholds)),
    }
}

fn names(evidence: &mut Evidence<'_>, values: &[f64]) -> bool {
    let statistics = IntervalStatistics::from_outline(evidence.outline);
    let thresholds = Thresholds::from_values(values);
    holds(evidence.outline.connections, statistics.as_ref(), &thresholds)
}

/// Whether a group with this number of connections follows the rule.
pub fn holds(
    connections: u64,
    statistics: Option<&IntervalStatistics>,
    thresholds: &Thresholds,
) -> bool {
    connections >= thresholds.min_connections
        && statistics.is_some_and(|statistics| {
            // Both are whole milliseconds: the difference is exact once rounded to those.
            let spread_ms = ((statistics.max - statistics.min) * 1000.0).round();
            spread_ms < thresholds.max_interval_spread * 1000.0
                && statistics.average >= thresholds.min_average_interval
        })
}

/// Whether the rule can hold for a group of at most this many connections.
pub fn can_hold(most_connections: u64, thresholds: &Thresholds) -> bool {
    most_connections >= thresholds.min_connections.max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::sketch::Outline;

    const SOPHOS: Thresholds =
        Thresholds { min_connections: 3, max_interval_spread: 10.0, min_average_interval: 0.0 };

    fn holds_for(seconds: &[f64]) -> bool {
        let times: Vec<_> = seconds.iter().map(|second| (second * 1000.0) as i64).collect();
        let statistics =
            Outline::from_times(&times).as_ref().and_then(IntervalStatistics::from_outline);
        holds(times.len() as u64, statistics.as_ref(), &SOPHOS)
    }

    /// Three connections of one page were named.
    #[test]
    fn connections_within_seconds_are_no_interval_unless_asked_for() {
        let outline = Outline::from_times(&[0, 1_000, 4_000]).unwrap();
        let statistics = IntervalStatistics::from_outline(&outline);
        let names = |min_average_interval| {
            holds(3, statistics.as_ref(), &Thresholds { min_average_interval, ..SOPHOS })
        };
        assert!(names(0.0) && names(2.0) && !names(2.1) && !names(10.0));
    }

    #[test]
    fn the_spread_must_stay_below_ten_seconds() {
        assert!(holds_for(&[0.0, 60.0, 120.0]));
        assert!(holds_for(&[0.0, 60.0, 129.999]));
        assert!(!holds_for(&[0.0, 60.0, 130.0]));
    }

    #[test]
    fn two_connections_are_no_rhythm() {
        assert!(!holds_for(&[0.0, 60.0]));
        assert!(!holds_for(&[0.0]));
    }
}
