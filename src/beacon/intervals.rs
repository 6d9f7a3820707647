//! Descriptive statistics of the intervals between consecutive connections.

/// Statistics over all intervals of a group, in seconds.
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
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// Standard deviation of the population (divided by n, not n - 1).
    pub stddev: f64,
}

impl IntervalStatistics {
    /// Of the intervals between `times_ms`, which must be sorted; `None` under two connections.
    pub fn of(times_ms: &[i64]) -> Option<IntervalStatistics> {
        let (first, last) = (times_ms.first()?, times_ms.last()?);
        let mut intervals: Vec<i64> = times_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (min, max) = (*intervals.iter().min()?, *intervals.iter().max()?);
        let count = intervals.len() as f64;
        let average = (last - first) as f64 / count;
        let square_sum: f64 =
            intervals.iter().map(|interval| (*interval as f64 - average).powi(2)).sum();
        Some(IntervalStatistics {
            min: seconds(min as f64),
            max: seconds(max as f64),
            average: seconds(average),
            sum: seconds((last - first) as f64),
            median: seconds(median(&mut intervals)),
            stddev: seconds((square_sum / count).sqrt()),
        })
    }

    /// Standard deviation over mean, 0 for clockwork and 1 for connections at random; infinite
    /// where all intervals are 0.
    pub fn coefficient_of_variation(&self) -> f64 {
        if self.average > 0.0 { self.stddev / self.average } else { f64::INFINITY }
    }
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
        let statistics = IntervalStatistics::of(&times).unwrap();
        let expected = IntervalStatistics {
            min: 2.0,
            max: 9.0,
            average: 5.0,
            sum: 40.0,
            median: 4.5,
            stddev: 2.0,
        };
        assert_eq!(statistics, expected);
        assert_eq!(statistics.coefficient_of_variation(), 0.4);
    }

    #[test]
    fn one_connection_has_no_intervals() {
        assert_eq!(IntervalStatistics::of(&[5]), None);
        assert_eq!(IntervalStatistics::of(&[]), None);
    }

    #[test]
    fn connections_in_one_instant_have_intervals_of_zero() {
        let statistics = IntervalStatistics::of(&[7, 7, 7]).unwrap();
        assert_eq!((statistics.min, statistics.max, statistics.median), (0.0, 0.0, 0.0));
        assert!(statistics.coefficient_of_variation().is_infinite());
    }
}
