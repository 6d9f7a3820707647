//! The outline of connections: how many there are, and between which bounds their times and intervals
//! lie.

use super::BlockSketch;
use super::spread::Spread;

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
    pub fn from_times(times_ms: &[i64]) -> Option<Outline> {
        Some(Outline {
            connections: times_ms.len() as u64,
            span_ms: (*times_ms.first()?, *times_ms.last()?),
            intervals_ms: shortest_and_longest(times_ms),
            spread: None,
        })
    }

    /// Adds the block that comes next in time.
    pub fn add(&mut self, block: &BlockSketch<'_>) {
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
        let (first_ms, last_ms) = block.span_ms;
        self.span_ms = (if is_first { first_ms } else { self.span_ms.0 }, last_ms);
        self.connections = self.connections.saturating_add(block.connections);
    }

    /// From the last connection so far to the first of the block that comes next.
    pub(super) fn gap_before(&self, block: &BlockSketch<'_>) -> Option<i64> {
        (self.connections > 0).then_some(block.span_ms.0 - self.span_ms.1)
    }
}

/// The shortest and the longest interval between connections at `times_ms`, sorted.
pub fn shortest_and_longest(times_ms: &[i64]) -> Option<(i64, i64)> {
    let intervals = times_ms.windows(2).map(|pair| pair[1] - pair[0]);
    intervals
        .map(|interval_ms| (interval_ms, interval_ms))
        .reduce(|(shortest, longest), (_, next)| (next.min(shortest), next.max(longest)))
}
