//! How intervals are spread: their median, and the sum of their squares, from which their deviation
//! follows.
//!
//! What a row shows of it is computed by `intervals`.

use crate::varint::{DecodeError, put_varint, take_varint};

/// Stands for a sum of squares that does not fit into its eight bytes.
const UNKNOWN: u64 = u64::MAX;

/// How the intervals between connections are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Their median.
    pub median: Median,
    /// Sum of the squares of all, in square milliseconds.
    pub squares: u128,
}

/// What is known of a median: twice, to be a whole number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Median {
    /// The sum of the two in the middle, which of an odd number are the same one; 0 of none.
    Twice(u64),
    /// The least and the greatest of parts. That of the whole hardly ever lies elsewhere, but what
    /// comes between parts has a say, too.
    About(u64, u64),
}

impl Median {
    /// Milliseconds; `None` if it is not known.
    pub fn ms(self) -> Option<f64> {
        match self {
            Median::Twice(twice_ms) => Some(twice_ms as f64 / 2.0),
            Median::About(..) => None,
        }
    }

    fn and(self, other: Median) -> Median {
        let ends = |median| match median {
            Median::Twice(twice_ms) => (twice_ms, twice_ms),
            Median::About(least, greatest) => (least, greatest),
        };
        let ((a, b), (c, d)) = (ends(self), ends(other));
        Median::About(a.min(c), b.max(d))
    }
}

impl Spread {
    /// Of no intervals.
    pub(super) const NONE: Spread = Spread { median: Median::Twice(0), squares: 0 };

    /// Of the intervals between connections at `times_ms`, sorted, of which none is longer than
    /// `longest_ms`. `None` under two connections.
    pub fn from_times(times_ms: &[i64], longest_ms: u64) -> Option<Spread> {
        let count = times_ms.len().checked_sub(1).filter(|count| *count > 0)?;
        if let Some(mut steps) = Steps::single(longest_ms, count) {
            steps.count(lengths(times_ms));
            return Some(steps.spread(count));
        }
        let mut steps = Steps::up_to(longest_ms, count);
        let mut squares = 0_u128;
        let add = |ms: &u64| squares = squares.wrapping_add(square(*ms));
        steps.count(lengths(times_ms).inspect(add));
        let (from_ms, to_ms) = steps.around_median(count);
        let twice_ms = twice_median_within(times_ms, from_ms, to_ms).unwrap_or(0);
        Some(Spread { median: Median::Twice(twice_ms), squares })
    }

    /// The same with the median of the intervals between `times_ms`, sorted, if it is not known and there
    /// are any. None of them is longer than `longest_ms`.
    pub fn with_median(self, times_ms: &[i64], longest_ms: u64) -> Spread {
        let Median::About(least, greatest) = self.median else {
            return self;
        };
        // Few lie there: to put those into order takes less than to count them all.
        match twice_median_within(times_ms, least / 2, greatest.div_ceil(2)) {
            Some(twice_ms) => Spread { median: Median::Twice(twice_ms), ..self },
            None => Spread::from_times(times_ms, longest_ms).unwrap_or(self),
        }
    }

    /// Of these intervals, one of `gap_ms`, and those of the block that follows it.
    pub(super) fn and(self, gap_ms: i64, next: Spread) -> Spread {
        let gap = u128::from(gap_ms.unsigned_abs());
        let squares = self.squares.saturating_add(gap * gap).saturating_add(next.squares);
        Spread { median: self.median.and(next.median), squares }
    }

    /// Appends it to `out`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(if let Median::Twice(twice_ms) = self.median { twice_ms } else { 0 }, out);
        out.extend(u64::try_from(self.squares).unwrap_or(UNKNOWN).to_le_bytes());
    }

    /// What [`Spread::put`] has put in front; `None` if that is not known.
    pub(super) fn take(bytes: &mut &[u8]) -> Result<Option<Spread>, DecodeError> {
        let twice_median_ms = take_varint(bytes)?;
        let (squares, rest) = bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        *bytes = rest;
        let known = Some(u64::from_le_bytes(*squares)).filter(|squares| *squares != UNKNOWN);
        let median = Median::Twice(twice_median_ms);
        Ok(known.map(|squares| Spread { median, squares: squares.into() }))
    }
}

fn square(ms: u64) -> u128 {
    u128::from(ms).wrapping_mul(ms.into())
}

/// The intervals between sorted times.
fn lengths(times_ms: &[i64]) -> impl Iterator<Item = u64> {
    let later = times_ms.get(1..).unwrap_or_default();
    times_ms.iter().zip(later).map(|(earlier, later)| later.wrapping_sub(*earlier) as u64)
}

/// How many lengths fall into each of equal steps up to the longest: that the median lies in one of
/// them spares putting the others into order.
#[derive(Debug)]
struct Steps {
    counts: Vec<u32>,
    /// A step is two to this power wide.
    width_bits: u32,
}

impl Steps {
    /// Of a millisecond each up to intervals of 16 s. More would not fit the processor's caches.
    const MOST: usize = 1 << 14;

    /// A step for each few of `count` lengths, which are yet to be counted.
    fn up_to(longest: u64, count: usize) -> Steps {
        let (steps, width_bits) = Steps::number_and_width(longest, count);
        Steps { counts: vec![0; steps], width_bits }
    }

    /// The same, if each is of one length.
    fn single(longest: u64, count: usize) -> Option<Steps> {
        let (_, width_bits) = Steps::number_and_width(longest, count);
        (width_bits == 0).then(|| Steps::up_to(longest, count))
    }

    fn number_and_width(longest: u64, count: usize) -> (usize, u32) {
        let steps = (count / 4).clamp(1, Steps::MOST).next_power_of_two();
        let longest_bits = u64::BITS - longest.leading_zeros();
        (steps, longest_bits.saturating_sub(steps.ilog2()))
    }

    /// Counts lengths.
    fn count(&mut self, lengths: impl Iterator<Item = u64>) {
        let (counts, width_bits) = (self.counts.as_mut_slice(), self.width_bits);
        // No length is beyond the last step, unless a damaged cache tells of a shorter longest one.
        // Their number being a power of two, this is how the compiler knows it, too.
        let last = counts.len() - 1;
        lengths.for_each(|length| counts[(length >> width_bits) as usize & last] += 1);
    }

    /// Of `count` lengths that were counted, of which each step has one.
    fn spread(&self, count: usize) -> Spread {
        let counted = (0..).zip(&self.counts);
        let squares = counted.map(|(ms, count)| square(ms) * u128::from(*count)).sum();
        let (lower, upper) = self.middle(count);
        Spread { median: Median::Twice(lower + upper), squares }
    }

    /// The shortest and the longest length that the middle ones of `count` can be.
    fn around_median(&self, count: usize) -> (u64, u64) {
        let (first, last) = self.middle(count);
        (first << self.width_bits, ((last + 1) << self.width_bits).wrapping_sub(1))
    }

    /// The steps of the middle lengths of `count`.
    fn middle(&self, count: usize) -> (u64, u64) {
        (self.of_rank(count.saturating_sub(1) / 2), self.of_rank(count / 2))
    }

    /// The step in which the length of this rank lies.
    fn of_rank(&self, rank: usize) -> u64 {
        let mut until = 0;
        let reaches = |(_, count): &(u64, &u32)| {
            until += **count as usize;
            until > rank
        };
        (0..).zip(&self.counts).find(reaches).map_or(0, |(step, _)| step)
    }
}

/// Twice the median of the intervals between sorted times, if the middle ones are from one length to
/// another.
fn twice_median_within(times_ms: &[i64], from_ms: u64, to_ms: u64) -> Option<u64> {
    let (mut below, mut near) = (0, Vec::with_capacity(8 + times_ms.len() / 8));
    lengths(times_ms).for_each(|length| {
        below += usize::from(length < from_ms);
        if length.wrapping_sub(from_ms) <= to_ms.wrapping_sub(from_ms) {
            near.push(length);
        }
    });
    let count = times_ms.len().checked_sub(1)?;
    let (lower, upper) = (count.checked_sub(1)? / 2, count / 2);
    let (lower, upper) = (lower.checked_sub(below)?, upper - below);
    if upper >= near.len() {
        return None;
    }
    let (before, middle, _) = near.select_nth_unstable(upper);
    let before = before.iter().max().filter(|_| lower < upper);
    Some(middle.saturating_add(*before.unwrap_or(middle)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn longest_ms(times_ms: &[i64]) -> u64 {
        lengths(times_ms).max().unwrap()
    }

    fn spread(times_ms: &[i64]) -> Spread {
        Spread::from_times(times_ms, longest_ms(times_ms)).unwrap()
    }

    proptest! {
        #[test]
        fn what_parts_tell_of_a_median_only_saves_time(
            parts in prop::collection::vec(
                prop_oneof![
                    // Much alike, so that the whole is about what its parts are; and anything.
                    prop::collection::vec(900..1_100_u64, 1..40),
                    prop::collection::vec(prop_oneof![0..5_u64, 0..1_u64 << 40], 1..8),
                ],
                2..8,
            ),
            gaps in prop::collection::vec(0..10_000_u64, 8),
        ) {
            let (mut times_ms, mut about) = (vec![0], None::<Spread>);
            for (intervals, gap) in parts.iter().zip(gaps) {
                let mut last = times_ms[times_ms.len() - 1];
                if about.is_some() {
                    last += gap as i64;
                    times_ms.push(last);
                }
                let before = times_ms.len() - 1;
                for interval in intervals {
                    last += *interval as i64;
                    times_ms.push(last);
                }
                let part = spread(&times_ms[before..]);
                about = Some(about.map_or(part, |about| about.and(gap as i64, part)));
            }
            let (about, whole) = (about.unwrap(), spread(&times_ms));
            prop_assert_eq!(about.median.ms(), None);
            prop_assert_eq!(about.with_median(&times_ms, longest_ms(&times_ms)), whole);
            let mut intervals: Vec<_> = lengths(&times_ms).collect();
            intervals.sort();
            let middle = intervals[(intervals.len() - 1) / 2] + intervals[intervals.len() / 2];
            prop_assert_eq!(whole.median, Median::Twice(middle));
        }
    }
}
