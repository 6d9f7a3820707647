//! Medians and other quantiles: of values at hand, and of values that come one after the other.

use std::iter;
use std::ops::Range;

/// Values that come one after the other.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// How often each of those below its length is there.
    counts: Vec<usize>,
    others: Vec<i64>,
}

impl Values {
    /// None so far; those below `counted` are put into order by counting, the others by sorting.
    pub(super) fn counted_below(counted: usize) -> Values {
        Values { counts: vec![0; counted], others: Vec::new() }
    }

    pub(super) fn add(&mut self, values: impl Iterator<Item = i64>) {
        let (counts, others) = (self.counts.as_mut_slice(), &mut self.others);
        values.for_each(|value| match counts.get_mut(value as usize) {
            Some(count) => *count += 1,
            None => others.push(value),
        });
    }

    pub(super) fn in_order(mut self) -> Ordered {
        self.others.sort_unstable();
        let small = (0..).zip(self.counts).filter(|(_, count)| *count > 0);
        let others = self.others.chunk_by(|one, next| one == next);
        let others = others.map(|same| (same[0], same.len()));
        let values: Vec<_> = small.chain(others).collect();
        Ordered { count: values.iter().map(|(_, count)| count).sum(), values }
    }
}

/// Values in order, each once with how often it is there.
pub(super) struct Ordered {
    values: Vec<(i64, usize)>,
    count: usize,
}

impl Ordered {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The median of the values of these ranks; 0 of none.
    pub(super) fn median(&self, ranks: Range<usize>) -> f64 {
        let last = ranks.len().saturating_sub(1);
        let values = self.values.iter().map(|(value, count)| (*value as f64, *count));
        middle_of(values, (ranks.start + last / 2, ranks.start + last.div_ceil(2)))
    }

    /// The median of how far the values are from their `middle`: what is nearest to it, then what
    /// is next, from both sides in turn.
    pub(super) fn median_distance(&self, middle: f64) -> f64 {
        let (below, above) = self
            .values
            .split_at(self.values.partition_point(|(value, _)| (*value as f64) < middle));
        let below = below.iter().rev().map(|(value, count)| (middle - *value as f64, *count));
        let above = above.iter().map(|(value, count)| (*value as f64 - middle, *count));
        let (mut below, mut above) = (below.peekable(), above.peekable());
        let distances = iter::from_fn(|| match (below.peek(), above.peek()) {
            (Some((one, _)), Some((other, _))) if one < other => below.next(),
            (_, Some(_)) => above.next(),
            _ => below.next(),
        });
        let last = self.count.saturating_sub(1);
        middle_of(distances, (last / 2, last.div_ceil(2)))
    }
}

/// Between the values of two ranks, the lower one first, of values in order with how often each is
/// there; 0 where there are not as many.
fn middle_of(values: impl Iterator<Item = (f64, usize)>, (lower, upper): (usize, usize)) -> f64 {
    let (mut up_to, mut of_lower) = (0, None);
    for (value, count) in values {
        up_to += count;
        if up_to > lower {
            let of_lower = *of_lower.get_or_insert(value);
            if up_to > upper {
                return of_lower + (value - of_lower) / 2.0;
            }
        }
    }
    0.0
}

/// The value at this share (0 to 1) of values that are not negative, which are reordered; between
/// two by their distance (as R's type 7 and NumPy do). `None` of none.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    quantile_at(values, share * values.len().checked_sub(1)? as f64)
}

/// The lower quartile, the median and the upper one, as [`quantile`] has them.
pub(super) fn quartiles(values: &mut [f64]) -> Option<[f64; 3]> {
    let last = values.len().checked_sub(1)?;
    let median = quantile_at(values, 0.5 * last as f64)?;
    // Lower values are before it now, higher ones behind it.
    let middle = last / 2;
    let upper = quantile_at(&mut values[middle..], 0.75 * last as f64 - middle as f64)?;
    let lower = quantile_at(&mut values[..=last.min(middle + 1)], 0.25 * last as f64)?;
    Some([lower, median, upper])
}

/// The value at a place in the order of values, 0 being that of the lowest.
fn quantile_at(values: &mut [f64], place: f64) -> Option<f64> {
    let (at, part) = (place as usize, place.fract());
    if at >= values.len() {
        return None;
    }
    // Of numbers that are not negative the bits are in their order, and sooner compared.
    let (_, below, rest) = values.select_nth_unstable_by_key(at, |value| value.to_bits());
    let above = rest.iter().copied().min_by_key(|value| value.to_bits()).unwrap_or(*below);
    Some(*below + (above - *below) * part)
}
