//! RITA's beacon scores, so that its users can compare.
//!
//! The formulas are those of RITA v5 (<https://github.com/activecm/rita>, its beacon analysis), over
//! whole seconds of at most 24 hours; ours is in `score`.

use super::Window;
use super::bars;
use super::quantile::{Ordered, Values};

/// With fewer different seconds there is no score.
const FEWEST_TIMES: usize = 4;
/// Of fewer intervals or sizes there is no distribution.
const FEWEST_VALUES: usize = 3;
const BARS: usize = 24;
/// A quartile range below this is too narrow to be skewed.
const LEAST_QUARTILE_RANGE: f64 = 10.0;
/// Non-empty bars that the two height classes need, and that a duration needs.
const FEWEST_BARS_OF_TWO_HEIGHTS: usize = 11;
const FEWEST_BARS_OF_DURATION: usize = 6;
/// Bars of nearly the same height are one class: this share of the highest.
const HEIGHT_CLASS: f64 = 0.05;
const FORGIVEN_BARS: usize = 1;
/// Seconds from one connection to the next are counted up to this; few are longer.
const COUNTED_S: usize = 1024;
/// The number of connections that are gone through at once.
const BATCH: usize = 256;
/// A run of this many bars counts as the whole day.
const FULL_RUN: f64 = 12.0;

const HOUR_MS: i64 = 3_600_000;
const SPAN_MS: i64 = 24 * HOUR_MS;

/// Where the span begins that RITA looks at, of a data set that ends at `end_ms`: 24 hours before,
/// at the full hour.
pub fn span_begin_ms(end_ms: i64) -> i64 {
    (end_ms - SPAN_MS).div_euclid(HOUR_MS) * HOUR_MS
}

/// The four scores and their mean, each from 0 to 1 with 3 decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// How symmetric and narrow intervals are distributed.
    pub timestamp: f64,
    /// The same for bytes sent; `None` where the journal has none.
    pub datasize: Option<f64>,
    /// How much of the span the connections cover.
    pub duration: f64,
    /// How evenly they fill it.
    pub histogram: f64,
    /// The mean of those there are.
    pub mean: f64,
}

/// Scores connections at `times_ms` (sorted) with these bytes sent. `span_ms` is that of the data
/// set as a whole, from its first to its last connection within the 24 hours; connections outside
/// are not looked at. `None` under four different seconds.
pub fn scores(times_ms: &[i64], bytes_sent: &[u64], span_ms: (i64, i64)) -> Option<Scores> {
    let mut bars = Bars::new(span_ms);
    let inside = times_ms.get(bars.span.range_of(times_ms)).unwrap_or_default();
    let (first_s, last_s) = (second_of(inside.first()?), second_of(inside.last()?));
    let intervals = intervals_s(inside, first_s);
    if intervals.count() < FEWEST_TIMES - 1 {
        return None;
    }
    let mut sizes = Values::default();
    sizes.add(bytes_sent.iter().map(|bytes| i64::try_from(*bytes).unwrap_or(i64::MAX)));
    bars.add(inside);
    let timestamp = distribution_score(&intervals, 1.0)?;
    let datasize = distribution_score(&sizes.in_order(), 0.0);
    let (duration, histogram) = (bars.duration_score(first_s, last_s), bars.histogram_score());
    let parts = [Some(timestamp), datasize, Some(duration), Some(histogram)];
    let count = parts.iter().flatten().count() as f64;
    let mean = round(parts.iter().flatten().sum::<f64>() / count);
    Some(Scores { timestamp, datasize, duration, histogram, mean })
}

/// The seconds from one different second to the next, of connections from `first_s` on.
fn intervals_s(times_ms: &[i64], first_s: i64) -> Ordered {
    let mut intervals_s = Values::counted_below(COUNTED_S.min(times_ms.len()));
    let (first_ms, mut before) = (first_s.saturating_mul(1000), 0);
    for batch in times_ms.chunks(BATCH) {
        let (mut seconds, mut count, mut passed) = ([0; BATCH], 0, before);
        for time_ms in batch {
            // The same second once more is overwritten: whether it is, is hard to foretell, and a
            // branch would cost more.
            let second = time_ms.wrapping_sub(first_ms) as u64 / 1000;
            seconds[count % BATCH] = second;
            count += usize::from(second != before);
            before = second;
        }
        intervals_s.add(seconds.iter().take(count).map(|second| {
            let interval_s = second.wrapping_sub(passed);
            passed = *second;
            interval_s as i64
        }));
    }
    intervals_s.in_order()
}

/// Half for symmetry (Bowley's skewness), half for narrowness (the median absolute deviation);
/// with a median below 1 the latter is `without_median`. `None` under three values.
fn distribution_score(values: &Ordered, without_median: f64) -> Option<f64> {
    let count = values.count();
    if count < FEWEST_VALUES {
        return None;
    }
    let middle = values.median(0..count);
    // The values below and above the middle; of an odd number not the middle itself.
    let (lower, upper) = (values.median(0..count / 2), values.median(count - count / 2..count));
    let range = upper - lower;
    let skewness = if range < LEAST_QUARTILE_RANGE || middle == lower || middle == upper {
        0.0
    } else {
        (lower + upper - 2.0 * middle) / range
    };
    let deviation = values.median_distance(middle);
    let narrowness =
        if middle < 1.0 { without_median } else { ((middle - deviation) / middle).max(0.0) };
    Some(round((1.0 - skewness.abs() + narrowness) / 2.0))
}

/// Connections in each of 24 equal parts of the span.
#[derive(Debug)]
struct Bars {
    heights: [u64; BARS],
    span: Window,
}

impl Bars {
    fn new((since_ms, until_ms): (i64, i64)) -> Bars {
        Bars { heights: [0; BARS], span: Window { since_ms, until_ms } }
    }

    fn add(&mut self, times_ms: &[i64]) {
        let (from_s, to_s) = self.span_s();
        let width = ((to_s - from_s) as f64 / BARS as f64).max(f64::MIN_POSITIVE);
        let bar = |time_ms: &i64| ((second_of(time_ms) - from_s) as f64 / width) as usize;
        bars::add(&mut self.heights, times_ms, bar);
    }

    fn span_s(&self) -> (i64, i64) {
        (second_of(&self.span.since_ms), second_of(&self.span.until_ms))
    }

    fn filled(&self) -> usize {
        self.heights.iter().filter(|height| **height > 0).count()
    }

    fn histogram_score(&self) -> f64 {
        round(self.evenness().max(self.two_heights()).clamp(0.0, 1.0))
    }

    /// One less the coefficient of variation of the bars.
    fn evenness(&self) -> f64 {
        let mean = self.heights.iter().sum::<u64>() as f64 / BARS as f64;
        let square = |height: &u64| (*height as f64 - mean).powi(2);
        let variance = self.heights.iter().map(square).sum::<f64>() / BARS as f64;
        1.0 - variance.sqrt() / mean
    }

    /// The share of bars in the two most frequent classes of height.
    fn two_heights(&self) -> f64 {
        let filled = self.filled();
        if filled < FEWEST_BARS_OF_TWO_HEIGHTS {
            return 0.0;
        }
        let highest = self.heights.iter().max().copied().unwrap_or(0);
        let width = (highest as f64 * HEIGHT_CLASS).ceil().max(1.0) as u64;
        let filled_heights = self.heights.iter().filter(|height| **height > 0);
        let mut classes: Vec<u64> = filled_heights.map(|height| height / width).collect();
        classes.sort_unstable();
        let mut counts: Vec<usize> = classes.chunk_by(|a, b| a == b).map(<[u64]>::len).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let in_two: usize = counts.iter().take(2).sum();
        in_two as f64 / (filled - FORGIVEN_BARS).max(1) as f64
    }

    fn duration_score(&self, first_s: i64, last_s: i64) -> f64 {
        if self.filled() < FEWEST_BARS_OF_DURATION {
            return 0.0;
        }
        let (from_s, to_s) = self.span_s();
        let span_s = (to_s - from_s).clamp(1, SPAN_MS / 1000);
        let coverage = (last_s - first_s) as f64 / span_s as f64;
        let run = self.longest_run() as f64 / FULL_RUN;
        round(coverage.max(run).min(1.0))
    }

    /// Of filled bars; the last is followed by the first.
    fn longest_run(&self) -> usize {
        let (mut run, mut longest) = (0, 0);
        for height in self.heights.iter().chain(&self.heights) {
            run = if *height > 0 { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        longest.min(BARS)
    }
}

fn second_of(time_ms: &i64) -> i64 {
    time_ms.div_euclid(1000)
}

fn round(score: f64) -> f64 {
    (score * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inputs and results of RITA's own tests (analysis/beacons_test.go).
    #[test]
    fn ritas_own_vectors() {
        // However many are counted, and not sorted.
        let of = |values: &[i64], without_median| {
            let [sorted, counted] = [0, 100].map(|counted| {
                let mut all = Values::counted_below(counted);
                all.add(values.iter().copied());
                distribution_score(&all.in_order(), without_median)
            });
            assert_eq!(sorted, counted);
            sorted
        };
        let of_times = |intervals: &[i64]| of(intervals, 1.0);
        assert_eq!(of_times(&[1; 9]), Some(1.0));
        assert_eq!(of_times(&[60; 9]), Some(1.0));
        assert_eq!(of_times(&[98, 99, 99, 100, 100, 100, 101, 101, 102]), Some(0.995));
        assert_eq!(of_times(&[98, 300, 98, 300, 98, 300, 98, 300, 98, 300]), Some(0.746));
        assert_eq!(of_times(&[1, 299, 25, 4975, 90, 2, 42, 500, 1500]), Some(0.083));
        let of_sizes = |sizes: &[i64]| of(sizes, 0.0);
        assert_eq!(of_sizes(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), Some(0.773));
        assert_eq!(of_sizes(&[524_885, 1, 5000, 98_654, 50, 41, 965_842, 3]), Some(0.008));
        assert_eq!(of_sizes(&[0; 10]), Some(0.5));
        assert_eq!(of_sizes(&[100, 200]), None);
    }

    #[test]
    fn a_whole_day_of_clockwork_has_every_point() {
        let minute = 60_000;
        let times: Vec<i64> = (0..=1440).map(|index| index * minute).collect();
        let sizes = vec![420; times.len()];
        let found = scores(&times, &sizes, (0, SPAN_MS)).unwrap();
        let (timestamp, datasize, mean) = (found.timestamp, found.datasize, found.mean);
        assert_eq!((timestamp, datasize, found.duration), (1.0, Some(1.0), 1.0));
        assert!(found.histogram > 0.99 && mean > 0.99, "{found:?}");
        assert_eq!(scores(&times, &[], (0, SPAN_MS)).unwrap().datasize, None);
        assert_eq!(scores(&times[..3], &[], (0, SPAN_MS)), None);
        // Of the same second three times over there are not four different ones.
        assert_eq!(scores(&[0, 1, 2, 3, 4000], &[], (0, SPAN_MS)), None);
    }

    #[test]
    fn two_heights_are_as_good_as_one() {
        // Busy every other hour: uneven, but of two heights only.
        let mut times = Vec::new();
        for hour in 0..24_i64 {
            let count = if hour % 2 == 0 { 60 } else { 5 };
            times.extend((0..count).map(|index| hour * 3_600_000 + index * 3_600_000 / count));
        }
        let found = scores(&times, &[], (0, SPAN_MS - 1)).unwrap();
        assert_eq!(found.histogram, 1.0);
    }
}
