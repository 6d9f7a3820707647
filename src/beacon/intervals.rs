//! Descriptive statistics of the intervals between consecutive connections.

use crate::cache::Outline;

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
    pub fn of(outline: &Outline) -> Option<IntervalStatistics> {
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
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// Standard deviation of the population (divided by n, not n - 1).
    pub stddev: f64,
}

impl IntervalDistribution {
    /// Of the intervals between `times_ms`, which must be sorted; `None` under two connections.
    pub fn of(times_ms: &[i64]) -> Option<IntervalDistribution> {
        let mut intervals: Vec<i64> = times_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
        Some(IntervalDistribution {
            stddev: seconds(standard_deviation(&intervals, times_ms.last()? - times_ms.first()?)?),
            median: seconds(median(&mut intervals)),
        })
    }
}

/// Of the population of `values` with this sum; `None` of none. Around their average in whole numbers,
/// whose sums are exact in any order.
fn standard_deviation(values: &[i64], sum: i64) -> Option<f64> {
    let count = values.len() as i64;
    let average = sum.checked_div(count)?;
    // A damaged cache may hold times in no order.
    let distances = values.iter().map(|value| i128::from(value.wrapping_sub(average)));
    let squares = distances.fold(0_i128, |sum, each| sum.saturating_add(each * each));
    let rest = (sum - average * count) as f64 / count as f64;
    Some((squares as f64 / count as f64 - rest * rest).max(0.0).sqrt())
}

/// The median of `values`, which are reordered and must not be empty.
fn median(values: &mut [i64]) -> f64 {
    let is_even = values.len().is_multiple_of(2);
    let (below, middle, _) = values.select_nth_unstable(values.len() / 2);
    match below.iter().max() {
        Some(lower) if is_even => (*lower as f64 + *middle as f64) / 2.0,
        _ => *middle as f64,
    }
}

/// The value at this share (0 to 1) of values, which are reordered; between two by their distance
/// (as R's type 7 and NumPy do). `None` of none.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let (at, part) = between(values.len(), share)?;
    if at >= values.len() {
        return None;
    }
    let (_, below, rest) = values.select_nth_unstable_by(at, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(*below);
    Some(*below + (above - *below) * part)
}

/// The same of sorted milliseconds.
pub fn quantile_of_sorted(sorted_ms: &[i64], share: f64) -> Option<f64> {
    between(sorted_ms.len(), share).and_then(|(at, part)| {
        let (below, above) = (*sorted_ms.get(at)?, *sorted_ms.get(at + 1).or(sorted_ms.get(at))?);
        Some(below as f64 + (above - below) as f64 * part)
    })
}

fn between(count: usize, share: f64) -> Option<(usize, f64)> {
    let place = share * (count.checked_sub(1)?) as f64;
    Some((place as usize, place.fract()))
}

fn seconds(ms: f64) -> f64 {
    ms / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_example() {
        // Intervals 2, 4, 4, 4, 5, 5, 7, 9: mean 5, population deviation 2, median 4.5.
        let times = [0, 2, 6, 10, 14, 19, 24, 31, 40].map(|second| second * 1000);
        let statistics = IntervalStatistics::of(&Outline::of(&times).unwrap()).unwrap();
        let expected = IntervalStatistics { min: 2.0, max: 9.0, average: 5.0, sum: 40.0 };
        assert_eq!(statistics, expected);
        let distribution = IntervalDistribution::of(&times).unwrap();
        assert_eq!(distribution, IntervalDistribution { median: 4.5, stddev: 2.0 });
    }

    #[test]
    fn one_connection_has_no_intervals() {
        assert_eq!(IntervalStatistics::of(&Outline::of(&[5]).unwrap()), None);
        assert_eq!(Outline::of(&[]), None);
        assert_eq!(IntervalDistribution::of(&[5]), None);
    }

    #[test]
    fn connections_in_one_instant_have_intervals_of_zero() {
        let statistics = IntervalStatistics::of(&Outline::of(&[7, 7, 7]).unwrap()).unwrap();
        assert_eq!((statistics.min, statistics.max), (0.0, 0.0));
        let distribution = IntervalDistribution::of(&[7, 7, 7]).unwrap();
        assert_eq!((distribution.median, distribution.stddev), (0.0, 0.0));
    }
}
