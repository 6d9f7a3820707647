//! Descriptive statistics of the intervals between consecutive connections.

use super::sketch::{Outline, Spread};

/// What follows from the number of intervals, the first and last connection, and the shortest and
/// the longest interval; in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalStatistics {
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
    /// The arithmetic mean.
    pub average: f64,
    /// From the first connection to the last.
    pub sum: f64,
}

impl IntervalStatistics {
    /// Of connections with this outline; `None` under two of them.
    pub fn from_outline(outline: &Outline) -> Option<IntervalStatistics> {
        let (shortest_ms, longest_ms) = outline.intervals_ms?;
        let sum_ms = (outline.span_ms.1 - outline.span_ms.0) as f64;
        Some(IntervalStatistics {
            min: seconds(shortest_ms as f64),
            max: seconds(longest_ms as f64),
            average: seconds(sum_ms / outline.connections.checked_sub(1)? as f64),
            sum: seconds(sum_ms),
        })
    }
}

/// What only the intervals themselves tell, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalDistribution {
    /// The middle one, or the mean of the middle two; `None` where neither times nor outline tell.
    pub median: Option<f64>,
    /// Standard deviation of the population (divided by n, not n - 1).
    pub stddev: f64,
}

impl IntervalDistribution {
    /// Of the intervals between `times_ms`, which must be sorted and have this outline: all of them, or
    /// none where what the outline tells is enough. `None` under two connections.
    pub fn from_times(times_ms: &[i64], outline: &Outline) -> Option<IntervalDistribution> {
        let (_, longest_ms) = outline.intervals_ms?;
        let longest_ms = longest_ms.unsigned_abs();
        let spread = match outline.spread {
            Some(spread) => spread.with_median(times_ms, longest_ms),
            None => Spread::from_times(times_ms, longest_ms)?,
        };
        let sum_ms = outline.span_ms.1.abs_diff(outline.span_ms.0);
        let count = u128::from(outline.connections.checked_sub(1)?);
        let deviation_ms = standard_deviation(count, sum_ms, spread.squares);
        Some(IntervalDistribution {
            median: spread.median.ms().map(seconds),
            stddev: seconds(deviation_ms),
        })
    }
}

/// Of `count` values with this sum and this sum of squares.
fn standard_deviation(count: u128, sum: u64, squares: u128) -> f64 {
    // In whole numbers, where nothing is lost to rounding; spans of many thousand years do not fit.
    let square_of_sum = u128::from(sum).pow(2);
    let product = count.checked_mul(squares).and_then(|all| all.checked_sub(square_of_sum));
    let product = product.map_or_else(
        || (count as f64 * squares as f64 - square_of_sum as f64).max(0.0),
        |product| product as f64,
    );
    product.sqrt() / count as f64
}

fn seconds(ms: f64) -> f64 {
    ms / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn distribution(times_ms: &[i64]) -> Option<IntervalDistribution> {
        IntervalDistribution::from_times(times_ms, &Outline::from_times(times_ms)?)
    }

    #[test]
    fn the_textbook_example() {
        // Intervals 2, 4, 4, 4, 5, 5, 7, 9: mean 5, population deviation 2, median 4.5.
        let times = [0, 2, 6, 10, 14, 19, 24, 31, 40].map(|second| second * 1000);
        let statistics =
            IntervalStatistics::from_outline(&Outline::from_times(&times).unwrap()).unwrap();
        let expected = IntervalStatistics { min: 2.0, max: 9.0, average: 5.0, sum: 40.0 };
        assert_eq!(statistics, expected);
        let found = distribution(&times).unwrap();
        assert_eq!(found, IntervalDistribution { median: Some(4.5), stddev: 2.0 });
    }

    proptest! {
        #[test]
        fn median_and_deviation_are_those_of_intervals_in_order(
            mut intervals in prop_oneof![
                prop::collection::vec(
                    prop_oneof![0..40_i64, 50_000..70_000_i64, 0..1_i64 << 50], 1..200,
                ),
                // So many that each length is a step of its own.
                prop::collection::vec(0..100_i64, 500..600),
            ],
        ) {
            let ends = intervals.iter().scan(0, |end, interval| {
                *end += interval;
                Some(*end)
            });
            let times: Vec<i64> = std::iter::once(0).chain(ends).collect();
            let found = distribution(&times).unwrap();
            intervals.sort();
            let at = |rank: usize| intervals[rank] as f64;
            let median = (at((intervals.len() - 1) / 2) + at(intervals.len() / 2)) / 2.0;
            prop_assert_eq!(found.median, Some(median / 1000.0));
            let count = intervals.len() as f64;
            let mean = intervals.iter().map(|ms| *ms as f64).sum::<f64>() / count;
            let squares = intervals.iter().map(|ms| (*ms as f64 - mean).powi(2)).sum::<f64>();
            let deviation = (squares / count).sqrt() / 1000.0;
            prop_assert!((found.stddev - deviation).abs() < 1e-9 * (1.0 + deviation));
        }
    }

    #[test]
    fn one_connection_has_no_intervals() {
        assert_eq!(IntervalStatistics::from_outline(&Outline::from_times(&[5]).unwrap()), None);
        assert_eq!(Outline::from_times(&[]), None);
        assert_eq!(distribution(&[5]), None);
    }

    #[test]
    fn connections_in_one_instant_have_intervals_of_zero() {
        let statistics =
            IntervalStatistics::from_outline(&Outline::from_times(&[7, 7, 7]).unwrap()).unwrap();
        assert_eq!((statistics.min, statistics.max), (0.0, 0.0));
        let found = distribution(&[7, 7, 7]).unwrap();
        assert_eq!((found.median, found.stddev), (Some(0.0), 0.0));
    }
}
