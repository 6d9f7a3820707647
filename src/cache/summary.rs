//! What is known of connections without decoding them: of a block, as its row holds it, and of a
//! group's blocks in a window, put together.
//!
//! Only facts that follow from the times alone. What they rule out is decided by those who know
//! the detectors.

use super::block::DecodeError;
use super::checkins::{self, READINGS, Reading};
use super::column::{put_varint, take_varint};
use super::pauses::Pauses;
use super::repetition::Repetition;
use super::spread::Spread;
use super::variation::Variation;
use super::{CacheError, digest};

/// What a block's row holds of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockSummary<'d> {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) connections: u64,
    /// The shortest and the longest interval.
    pub(super) intervals_ms: Option<(i64, i64)>,
    /// `None` if it is not known, as of a block that the window cuts.
    pub(super) spread: Option<Spread>,
    pub(super) digest: Undigested<'d>,
}

/// What a digest is made from, if somebody asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undigested<'d> {
    /// Its bytes.
    Bytes(&'d [u8]),
    /// The times of the connections, sorted.
    Times(&'d [i64]),
}

impl<'d> BlockSummary<'d> {
    /// Of connections at `times_ms` (sorted); `None` of none.
    pub(super) fn of(times_ms: &'d [i64]) -> Option<BlockSummary<'d>> {
        Some(BlockSummary {
            first_ms: *times_ms.first()?,
            last_ms: *times_ms.last()?,
            connections: times_ms.len() as u64,
            intervals_ms: shortest_and_longest(times_ms),
            spread: None,
            digest: Undigested::Times(times_ms),
        })
    }

    /// Appends to `out` what [`BlockSummary::take`] takes, of all connections of a block, at `times_ms`
    /// (sorted).
    pub(super) fn put(times_ms: &[i64], out: &mut Vec<u8>) {
        let Some(summary) = BlockSummary::of(times_ms) else {
            return;
        };
        out.extend(summary.first_ms.to_le_bytes());
        put_varint((summary.last_ms - summary.first_ms) as u64, out);
        put_varint(summary.connections, out);
        if let Some((shortest_ms, longest_ms)) = summary.intervals_ms {
            put_varint(shortest_ms as u64, out);
            put_varint(longest_ms as u64, out);
            Spread::of(times_ms, longest_ms as u64).unwrap_or(Spread::NONE).put(out);
        }
        out.extend(digest::of(times_ms));
    }

    /// The summary for which [`BlockSummary::put`] has put these bytes.
    pub(super) fn take(mut bytes: &'d [u8]) -> Result<BlockSummary<'d>, DecodeError> {
        let (first_ms, rest) = bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        bytes = rest;
        let milliseconds = |number| i64::try_from(number).map_err(|_| DecodeError::Overflow);
        let first_ms = milliseconds(u64::from_le_bytes(*first_ms))?;
        let last_ms = first_ms
            .checked_add(milliseconds(take_varint(&mut bytes)?)?)
            .ok_or(DecodeError::Overflow)?;
        let connections = take_varint(&mut bytes)?;
        let (mut intervals_ms, mut spread) = (None, Some(Spread::NONE));
        if connections > 1 {
            let shortest_ms = milliseconds(take_varint(&mut bytes)?)?;
            intervals_ms = Some((shortest_ms, milliseconds(take_varint(&mut bytes)?)?));
            spread = Spread::take(&mut bytes)?;
        }
        let digest = Undigested::Bytes(bytes);
        Ok(BlockSummary { first_ms, last_ms, connections, intervals_ms, spread, digest })
    }
}

/// The shortest and the longest interval between connections at `times_ms`, sorted.
pub fn shortest_and_longest(times_ms: &[i64]) -> Option<(i64, i64)> {
    let intervals = times_ms.windows(2).map(|pair| pair[1] - pair[0]);
    intervals
        .map(|interval_ms| (interval_ms, interval_ms))
        .reduce(|(shortest, longest), (_, next)| (next.min(shortest), next.max(longest)))
}

/// What each of [`READINGS`] makes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythms {
    /// How unlike neighbouring intervals are.
    pub variations: [Variation; READINGS.len()],
    /// How long check-ins last, and the pauses between them.
    pub pauses: [Pauses; READINGS.len()],
}

impl Rhythms {
    /// Of all connections of a timeline, at `times_ms` (sorted).
    pub fn of(times_ms: &[i64]) -> Rhythms {
        Rhythms::by(times_ms, Variation::of)
    }

    pub(super) fn by(times_ms: &[i64], variation: fn(&[i64], Reading) -> Variation) -> Rhythms {
        let mut checkins = Vec::with_capacity(times_ms.len());
        let mut merged_over = None;
        let variations = READINGS.map(|reading| {
            if merged_over != Some(reading.merge_gap_ms) {
                checkins::merge_into(&mut checkins, times_ms, reading.merge_gap_ms);
                merged_over = Some(reading.merge_gap_ms);
            }
            variation(&checkins, reading)
        });
        Rhythms { variations, pauses: Pauses::of_each(times_ms) }
    }
}

/// How many connections, and between which bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Connections.
    pub connections: u64,
    /// Unix milliseconds of the first and the last of them; 0 of none.
    pub span_ms: (i64, i64),
    /// The shortest and the longest interval between them, milliseconds.
    pub intervals_ms: Option<(i64, i64)>,
    /// How intervals are spread; `None` where that is not known.
    pub spread: Option<Spread>,
}

impl Outline {
    /// Of connections at `times_ms`, sorted; `None` of none.
    pub fn of(times_ms: &[i64]) -> Option<Outline> {
        Some(Outline {
            connections: times_ms.len() as u64,
            span_ms: (*times_ms.first()?, *times_ms.last()?),
            intervals_ms: shortest_and_longest(times_ms),
            spread: None,
        })
    }

    /// Adds the block that comes next in time.
    pub(super) fn add(&mut self, block: &BlockSummary<'_>) {
        let gap_ms = self.gap_before(block);
        for interval_ms in [gap_ms.map(|gap_ms| (gap_ms, gap_ms)), block.intervals_ms] {
            self.intervals_ms = match (self.intervals_ms, interval_ms) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (known, None) => known,
                (None, new) => new,
            };
        }
        self.spread = match (gap_ms, self.spread, block.spread) {
            (None, _, of_first) => of_first,
            (Some(gap_ms), Some(before), Some(next)) => Some(before.and(gap_ms, next)),
            _ => None,
        };
        let is_first = self.connections == 0;
        self.span_ms = (if is_first { block.first_ms } else { self.span_ms.0 }, block.last_ms);
        self.connections = self.connections.saturating_add(block.connections);
    }

    /// From the last connection so far to the first of the block that comes next.
    fn gap_before(&self, block: &BlockSummary<'_>) -> Option<i64> {
        (self.connections > 0).then_some(block.first_ms - self.span_ms.1)
    }
}

/// What is known of a group's connections in a window without decoding a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many there are, and their bounds.
    pub outline: Outline,
    /// What each of [`READINGS`] makes of them, with pairs missing.
    pub rhythms: Rhythms,
    /// How often one interval comes back within an hour, at most.
    pub repetition: Repetition,
}

impl Summary {
    /// Adds the block that comes next in time.
    pub(super) fn add(&mut self, block: &BlockSummary<'_>) -> Result<(), CacheError> {
        let gap_ms = self.outline.gap_before(block);
        let hours = match block.digest {
            Undigested::Bytes(bytes) => digest::add(bytes, gap_ms, &mut self.rhythms)?,
            Undigested::Times(times_ms) => {
                digest::add(&digest::of(times_ms), gap_ms, &mut self.rhythms)?
            }
        };
        self.repetition.add(block.first_ms, block.last_ms, &hours);
        self.outline.add(block);
        Ok(())
    }
}
