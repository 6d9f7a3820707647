//! How intervals are spread: their median, and the sum of their squares, from which their deviation
//! follows.
//!
//! What a row shows of it is the beacon room's affair.

use super::block::DecodeError;
use super::column::{put_varint, take_varint};
use super::summary::Outline;

/// Stands for a sum of squares that does not fit its place in a summary.
const UNKNOWN: u64 = u64::MAX;

/// How the intervals between connections are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The sum of the two in the middle, which of an odd number are the same one, in milliseconds; 0
    /// of none. `None` where it does not follow: medians of parts tell little of that of the whole.
    pub twice_median_ms: Option<u64>,
    /// Sum of the squares of all, in square milliseconds.
    pub squares: u128,
}

impl Spread {
    /// Of no intervals.
    pub(super) const NONE: Spread = Spread { twice_median_ms: Some(0), squares: 0 };

    /// Of the intervals between connections at `times_ms`, sorted, of which none is longer than
    /// `longest_ms`. `None` under two connections.
    pub fn of(times_ms: &[i64], longest_ms: u64) -> Option<Spread> {
        let count = times_ms.len().checked_sub(1).filter(|count| *count > 0)?;
        if let Some(mut steps) = Steps::single(longest_ms, count) {
            steps.count(lengths(times_ms));
            return Some(steps.spread(count));
        }
        let mut steps = Steps::up_to(longest_ms, count);
        let mut squares = 0_u128;
        let add = |ms: &u64| squares = squares.wrapping_add(square(*ms));
        steps.count(lengths(times_ms).inspect(add));
        let twice_median_ms = Some(steps.twice_median(count, lengths(times_ms)));
        Some(Spread { twice_median_ms, squares })
    }

    /// Of these intervals, one of `gap_ms`, and those of the block that follows it.
    pub(super) fn and(self, gap_ms: i64, next: Spread) -> Spread {
        let gap = u128::from(gap_ms.unsigned_abs());
        let squares = self.squares.saturating_add(gap * gap).saturating_add(next.squares);
        Spread { twice_median_ms: None, squares }
    }

    /// Appends it to `out`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(self.twice_median_ms.unwrap_or(0), out);
        out.extend(u64::try_from(self.squares).unwrap_or(UNKNOWN).to_le_bytes());
    }

    /// What [`Spread::put`] has put in front; `None` if that is not known.
    pub(super) fn take(bytes: &mut &[u8]) -> Result<Option<Spread>, DecodeError> {
        let twice_median_ms = take_varint(bytes)?;
        let (squares, rest) = bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        *bytes = rest;
        let known = Some(u64::from_le_bytes(*squares)).filter(|squares| *squares != UNKNOWN);
        Ok(known.map(|squares| Spread {
            twice_median_ms: Some(twice_median_ms),
            squares: squares.into(),
        }))
    }
}

/// The spread of intervals so many and so short that it follows from how often each length is there;
/// they come one part after the other.
#[derive(Debug)]
pub struct Counting {
    steps: Steps,
    last_ms: Option<i64>,
    intervals: usize,
}

impl Counting {
    /// None so far, of those between connections with this outline; `None` where they are too few or
    /// too long.
    pub fn of(outline: &Outline) -> Option<Counting> {
        let (_, longest_ms) = outline.intervals_ms?;
        let connections = usize::try_from(outline.connections).unwrap_or(usize::MAX);
        let steps = Steps::single(longest_ms.unsigned_abs(), connections)?;
        Some(Counting { steps, last_ms: None, intervals: 0 })
    }

    /// Adds connections, sorted, none of them before those that are there.
    pub fn add(&mut self, times_ms: &[i64]) {
        let (Some(first), Some(last)) = (times_ms.first(), times_ms.last()) else {
            return;
        };
        let gap = self.last_ms.map(|last| first.wrapping_sub(last) as u64);
        self.intervals += times_ms.len() - usize::from(gap.is_none());
        self.steps.count(gap.into_iter().chain(lengths(times_ms)));
        self.last_ms = Some(*last);
    }

    /// The spread; `None` without intervals.
    pub fn spread(&self) -> Option<Spread> {
        (self.intervals > 0).then(|| self.steps.spread(self.intervals))
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
        let ((lower, _), (upper, _)) = self.middle(count);
        Spread { twice_median_ms: Some(lower + upper), squares }
    }

    /// The step in which the length of this rank lies, and how many lengths lie below it.
    fn of_rank(&self, rank: usize) -> (u64, usize) {
        let mut below = 0;
        for (step, count) in (0..).zip(&self.counts) {
            if below + *count as usize > rank {
                return (step, below);
            }
            below += *count as usize;
        }
        (0, 0)
    }

    fn counts_of(&self, step: u64) -> usize {
        self.counts.get(step as usize).map_or(0, |count| *count as usize)
    }

    /// The steps of the middle lengths of `count`, and how many lengths lie below each.
    fn middle(&self, count: usize) -> ((u64, usize), (u64, usize)) {
        (self.of_rank(count.saturating_sub(1) / 2), self.of_rank(count / 2))
    }

    /// Of the `count` lengths that were counted.
    fn twice_median(&self, count: usize, lengths: impl Iterator<Item = u64>) -> u64 {
        let ((first, below), (last, _)) = self.middle(count);
        let (from, more) = (first << self.width_bits, (last - first + 1) << self.width_bits);
        let (of_first, of_last) = (self.counts_of(first), self.counts_of(last));
        let mut near: Vec<u64> = Vec::with_capacity(of_first + of_last);
        lengths
            .filter(|length| length.wrapping_sub(from) < more)
            .for_each(|length| near.push(length));
        let rank = count / 2 - below;
        if rank >= near.len() {
            return 0;
        }
        let (lower, middle, _) = near.select_nth_unstable(rank);
        match lower.iter().max() {
            Some(lower) if count.is_multiple_of(2) => middle.saturating_add(*lower),
            _ => middle.saturating_mul(2),
        }
    }
}
