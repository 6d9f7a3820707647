//! How often the most frequent interval comes back within a clock hour, block by block.
//!
//! Hours that lie inside a block are done with; those at its ends go on in its neighbours and are
//! kept as counts that add up. What share makes a beacon is decided by the detector
//! `repetitive_interval`.

/// Only intervals above this are counted, in seconds.
pub const COUNTED_ABOVE_S: i64 = 10;
/// An hour with no more of them than this has no share.
pub const TOO_FEW: u64 = 15;

/// The intervals of more than `above_s` seconds between connections at `times_ms` (sorted), in whole
/// seconds as KQL's `datetime_diff` counts them, each with the clock hour (UTC) of its earlier
/// connection.
pub fn hourly_intervals(times_ms: &[i64], above_s: i64) -> impl Iterator<Item = (i64, i64)> {
    // From one whole second to one of n seconds later it is more than n - 1 seconds.
    let above_ms = above_s.saturating_mul(1000);
    times_ms
        .windows(2)
        .filter(move |pair| pair[1] - pair[0] > above_ms)
        .map(|pair| hourly_interval(pair[0], pair[1]))
        .filter(move |(_, interval)| *interval > above_s)
}

fn hourly_interval(earlier_ms: i64, later_ms: i64) -> (i64, i64) {
    let second = |ms: i64| ms.div_euclid(1000);
    (hour_of(earlier_ms), second(later_ms) - second(earlier_ms))
}

fn hour_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(3_600_000)
}

/// The most frequent of `intervals`, which are reordered, and how often it occurs; of equally
/// frequent ones the shortest. `None` of none.
pub fn most_frequent(intervals: &mut [i64]) -> Option<(i64, u64)> {
    intervals.sort_unstable();
    let mut best: Option<(i64, u64)> = None;
    for run in intervals.chunk_by(|a, b| a == b) {
        if best.is_none_or(|(_, count)| run.len() as u64 > count) {
            best = Some((run[0], run.len() as u64));
        }
    }
    best
}

/// Intervals of one clock hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hour {
    /// Those that are counted.
    pub(super) intervals: u64,
    /// At least as many as the most frequent of them.
    pub(super) most_frequent: u64,
}

impl Hour {
    fn from_intervals(intervals: &mut [i64]) -> Hour {
        let most_frequent = most_frequent(intervals).map_or(0, |(_, count)| count);
        Hour { intervals: intervals.len() as u64, most_frequent }
    }

    fn add(&mut self, part: Hour) {
        self.intervals += part.intervals;
        self.most_frequent += part.most_frequent;
    }

    /// In percent, rounded up; 0 with too few intervals.
    fn share(self) -> u64 {
        match self.intervals {
            ..=TOO_FEW => 0,
            intervals => (self.most_frequent * 100).div_ceil(intervals),
        }
    }
}

/// The clock hours of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hours {
    /// That of the first connection.
    pub(super) first: Hour,
    /// That of the last connection, if it is another.
    pub(super) last: Hour,
    /// The highest share of those between.
    pub(super) share_between: u64,
}

impl Hours {
    /// Of connections at `times_ms`, sorted.
    pub(super) fn from_times(times_ms: &[i64]) -> Hours {
        let mut hours = Hours::default();
        let (Some(first), Some(last)) = (times_ms.first(), times_ms.last()) else {
            return hours;
        };
        let mut of_hour = Vec::new();
        let mut counted = hourly_intervals(times_ms, COUNTED_ABOVE_S).peekable();
        while let Some((hour, interval)) = counted.next() {
            of_hour.push(interval);
            if counted.peek().is_some_and(|(next, _)| *next == hour) {
                continue;
            }
            if hour == hour_of(*first) {
                hours.first = Hour::from_intervals(&mut of_hour);
            } else if hour == hour_of(*last) {
                hours.last = Hour::from_intervals(&mut of_hour);
            } else if of_hour.len() as u64 > TOO_FEW {
                // Fewer have no share, and need not be put into order for it.
                hours.share_between =
                    hours.share_between.max(Hour::from_intervals(&mut of_hour).share());
            }
            of_hour.clear();
        }
        hours
    }
}

/// The highest share over all clock hours of a timeline, put together from its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repetition {
    /// The hour that the last block ended in.
    open: Hour,
    last_ms: Option<i64>,
    highest_share: u64,
}

impl Repetition {
    /// Adds the block that comes next.
    pub(super) fn add(&mut self, (first_ms, last_ms): (i64, i64), hours: &Hours) {
        if let Some(before_ms) = self.last_ms {
            let (_, interval) = hourly_interval(before_ms, first_ms);
            if interval > COUNTED_ABOVE_S {
                self.open.add(Hour { intervals: 1, most_frequent: 1 });
            }
            if hour_of(before_ms) != hour_of(first_ms) {
                self.close();
            }
        }
        self.open.add(hours.first);
        if hour_of(first_ms) != hour_of(last_ms) {
            self.close();
            self.highest_share = self.highest_share.max(hours.share_between);
            self.open = hours.last;
        }
        self.last_ms = Some(last_ms);
    }

    fn close(&mut self) {
        self.highest_share = self.highest_share.max(self.open.share());
        self.open = Hour::default();
    }

    /// No hour with more than [`TOO_FEW`] intervals over [`COUNTED_ABOVE_S`] has one that makes up
    /// a greater share of them, in percent: where an hour is spread over blocks, the most frequent
    /// interval of the whole occurs in each at most as often as that block's own.
    pub fn at_most(&self) -> u64 {
        self.highest_share.max(self.open.share())
    }
}
