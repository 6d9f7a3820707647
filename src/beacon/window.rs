//! A span of time.

use std::ops::Range;

/// A span of time, both ends included, in unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first millisecond of it.
    pub since_ms: i64,
    /// The last millisecond of it.
    pub until_ms: i64,
}

impl Window {
    /// Its first and its last millisecond.
    pub fn span_ms(self) -> (i64, i64) {
        (self.since_ms, self.until_ms)
    }

    /// Where the points in time that it holds lie among `sorted_ms`.
    pub fn range_of(self, sorted_ms: &[i64]) -> Range<usize> {
        let from = sorted_ms.partition_point(|time_ms| *time_ms < self.since_ms);
        let to = sorted_ms.partition_point(|time_ms| *time_ms <= self.until_ms);
        from.min(to)..to
    }
}
