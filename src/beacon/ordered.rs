//! Values in order, and medians of them.

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
