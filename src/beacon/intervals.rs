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
    /// Of the intervals between `times_ms`, which must be sorted and have this outline; `None` under
    /// two connections.
    pub fn of(times_ms: &[i64], outline: &Outline) -> Option<IntervalDistribution> {
        let intervals = times_ms.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        let count = times_ms.len().checked_sub(1).filter(|count| *count > 0)?;
        let sum_ms = times_ms.last()?.wrapping_sub(*times_ms.first()?);
        let longest_ms =
            outline.intervals_ms.and_then(|(_, longest)| usize::try_from(longest).ok());
        let square = |ms: i64| u128::from(ms.unsigned_abs()).pow(2);
        let (squares, median_ms) = match longest_ms {
            // More intervals than lengths they may have are sooner counted than put into order.
            Some(longest) if longest < count => {
                let counts = counts(intervals, longest);
                let squares = counts.iter().zip(0..);
                let squares = squares.map(|(count, length)| square(length) * u128::from(*count));
                (squares.sum(), median_of_counts(&counts))
            }
            _ => {
                let mut intervals: Vec<i64> = intervals.collect();
                let squares = intervals.iter().map(|interval_ms| square(*interval_ms));
                (squares.fold(0, u128::wrapping_add), median(&mut intervals))
            }
        };
        let deviation_ms = standard_deviation(count as u128, sum_ms, squares);
        Some(IntervalDistribution { median: seconds(median_ms), stddev: seconds(deviation_ms) })
    }
}

/// Of so many values with this sum and this sum of squares.
fn standard_deviation(count: u128, sum: i64, squares: u128) -> f64 {
    // In whole numbers, where nothing is lost to rounding; spans of many thousand years do not fit.
    let square_of_sum = u128::from(sum.unsigned_abs()).pow(2);
    let product = count.checked_mul(squares).and_then(|all| all.checked_sub(square_of_sum));
    let product = product.map_or_else(
        || (count as f64 * squares as f64 - square_of_sum as f64).max(0.0),
        |product| product as f64,
    );
    product.sqrt() / count as f64
}

/// How often each length up to the longest occurs.
fn counts(intervals: impl Iterator<Item = i64>, longest: usize) -> Vec<u32> {
    let mut counts = vec![0; longest + 1];
    for interval in intervals {
        if let Some(count) = counts.get_mut(interval as usize) {
            *count += 1;
        }
    }
    counts
}

fn median_of_counts(counts: &[u32]) -> f64 {
    let all: usize = counts.iter().map(|count| *count as usize).sum();
    let at = |rank: usize| {
        let mut before = 0;
        let length = counts.iter().position(|count| {
            before += *count as usize;
            before > rank
        });
        length.unwrap_or(0) as f64
    };
    (at(all.saturating_sub(1) / 2) + at(all / 2)) / 2.0
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

/// The value at this share (0 to 1) of values that are not negative, which are reordered; between
/// two by their distance (as R's type 7 and NumPy do). `None` of none.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let (at, part) = between(values.len(), share)?;
    if at >= values.len() {
        return None;
    }
    // Of numbers that are not negative the bits are in their order, and sooner compared.
    let (_, below, rest) = values.select_nth_unstable_by_key(at, |value| value.to_bits());
    let above = rest.iter().copied().min_by_key(|value| value.to_bits()).unwrap_or(*below);
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
    use proptest::prelude::*;

    use super::*;

    fn distribution(times_ms: &[i64]) -> Option<IntervalDistribution> {
        IntervalDistribution::of(times_ms, &Outline::of(times_ms)?)
    }

    #[test]
    fn the_textbook_example() {
        // Intervals 2, 4, 4, 4, 5, 5, 7, 9: mean 5, population deviation 2, median 4.5.
        let times = [0, 2, 6, 10, 14, 19, 24, 31, 40].map(|second| second * 1000);
        let statistics = IntervalStatistics::of(&Outline::of(&times).unwrap()).unwrap();
        let expected = IntervalStatistics { min: 2.0, max: 9.0, average: 5.0, sum: 40.0 };
        assert_eq!(statistics, expected);
        let found = distribution(&times).unwrap();
        assert_eq!(found, IntervalDistribution { median: 4.5, stddev: 2.0 });
    }

    proptest! {
        #[test]
        fn counted_or_put_into_order_is_the_same(
            intervals in prop::collection::vec(0..40_i64, 1..80), scale in prop_oneof![Just(1), 2..1000_i64],
        ) {
            // Longer ones by so much are no longer counted, and all else is in proportion.
            let times = |scale: i64| -> Vec<i64> {
                let ends = intervals.iter().scan(0, |end, interval| {
                    *end += interval * scale;
                    Some(*end)
                });
                std::iter::once(0).chain(ends).collect()
            };
            let one = distribution(&times(1)).unwrap();
            let scaled = distribution(&times(scale)).unwrap();
            let close = |a: f64, b: f64| (a * scale as f64 - b).abs() < 1e-9 * (1.0 + b);
            prop_assert!(close(one.median, scaled.median) && close(one.stddev, scaled.stddev));
        }
    }

    #[test]
    fn one_connection_has_no_intervals() {
        assert_eq!(IntervalStatistics::of(&Outline::of(&[5]).unwrap()), None);
        assert_eq!(Outline::of(&[]), None);
        assert_eq!(distribution(&[5]), None);
    }

    #[test]
    fn connections_in_one_instant_have_intervals_of_zero() {
        let statistics = IntervalStatistics::of(&Outline::of(&[7, 7, 7]).unwrap()).unwrap();
        assert_eq!((statistics.min, statistics.max), (0.0, 0.0));
        let found = distribution(&[7, 7, 7]).unwrap();
        assert_eq!((found.median, found.stddev), (0.0, 0.0));
    }
}
