//! Which span of time to ask for next: from where the last ended, and as much as one answer
//! should hold.

use crate::cache::Cursor;
use crate::journal::collector::{Collector, Slice};

/// An answer should hold fewer connections than this, for our memory and osquery's...
const MANY: u64 = 20_000;
/// ... and of fewer than this there can be more.
const FEW: u64 = 2_000;
const FIRST_LENGTH_S: i64 = 300;
const LONGEST_S: i64 = 86_400;

/// The length of slices, which follows how much is in them.
pub(super) struct Slices {
    length_s: i64,
    /// Whether the last slice ended where nothing more comes late.
    is_catching_up: bool,
}

/// How far back there may be something to collect, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Of a source that was not collected yet.
    pub(super) first_s: i64,
    /// Of one that was: what is older the cache would not keep.
    pub(super) most_s: i64,
}

impl Slices {
    pub(super) fn new() -> Slices {
        Slices { length_s: FIRST_LENGTH_S, is_catching_up: false }
    }

    /// The slice after `cursor`. A cursor from a clock that was wrong is none: what is read twice
    /// counts once.
    pub(super) fn next(
        &self,
        collector: &Collector,
        cursor: Option<&Cursor>,
        reach: Reach,
        now_s: i64,
    ) -> Slice {
        let from_s = match cursor.filter(|cursor| cursor.time_s <= now_s + 1) {
            Some(cursor) => cursor.time_s.max(now_s - reach.most_s),
            None => now_s - reach.first_s,
        };
        // Of another source what was before the cursor is counted already.
        let overlap_s = match cursor {
            Some(cursor) if cursor.source == collector.name() && !self.is_catching_up => {
                collector.overlap_s()
            }
            _ => 0,
        };
        // A slice that ended where rows may still come would have the next begin with an overlap: on a
        // busy host these would be read many times over.
        let end_s = from_s.saturating_add(self.length_s);
        let may_come_late = end_s.saturating_add(collector.overlap_s()) > now_s;
        let reaches_now = may_come_late || !collector.can_end_early();
        let to_s = if reaches_now { now_s + 1 } else { end_s };
        Slice { from_s: (from_s - overlap_s).max(0), to_s, reaches_now }
    }

    /// Learns from a slice that failed: there may have been too much in it.
    pub(super) fn failed(&mut self) {
        self.length_s = (self.length_s / 2).max(1);
    }

    /// Learns from a slice that held this many connections.
    pub(super) fn held(&mut self, connections: u64, reached_now: bool) {
        self.is_catching_up = !reached_now;
        if connections > MANY {
            self.length_s = (self.length_s / 2).max(1);
        } else if connections < FEW {
            self.length_s = (self.length_s * 2).min(LONGEST_S);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::collector::Named;

    const NOW_S: i64 = 1_000_000;

    fn next(cursor: Option<(&str, i64)>) -> (i64, i64, bool) {
        let cursor = cursor.map(|(source, time_s)| Cursor { source: source.to_owned(), time_s });
        let reach = Reach { first_s: 3600, most_s: 86_400 };
        let collector = Collector::from(Named::SocketEvents);
        let slice = Slices::new().next(&collector, cursor.as_ref(), reach, NOW_S);
        (slice.from_s - NOW_S, slice.to_s - NOW_S, slice.reaches_now)
    }

    #[test]
    fn slices_go_on_with_an_overlap_where_the_last_ended() {
        assert_eq!(next(None), (-3600, -3300, false));
        assert_eq!(next(Some(("socket_events", NOW_S - 3300))), (-3310, -3000, false));
        assert_eq!(next(Some(("socket_events", NOW_S - 30))), (-40, 1, true));
    }

    #[test]
    fn another_source_goes_on_without_one() {
        assert_eq!(next(Some(("process_open_sockets", NOW_S - 30))), (-30, 1, true));
    }

    #[test]
    fn a_clock_that_was_wrong_neither_silences_nor_delays_us() {
        let back_from_the_future = next(Some(("socket_events", NOW_S + 86_400)));
        assert_eq!(back_from_the_future, (-3610, -3300, false));
        assert_eq!(next(Some(("sysmon", NOW_S + 600))), (-3600, -3300, false));
        assert_eq!(next(Some(("socket_events", 100))), (-86_410, -86_100, false));
    }

    /// Slices of a second were read with ten seconds before them, so eleven times over.
    #[test]
    fn a_busy_host_is_read_once() {
        let collector = Collector::from(Named::SocketEvents);
        let reach = Reach { first_s: 3600, most_s: 86_400 };
        let mut slices = Slices { length_s: 1, is_catching_up: false };
        let mut read_s = 0;
        let mut end_s = NOW_S - 60;
        let mut reaches_now = false;
        while !reaches_now {
            let cursor = Cursor { source: "socket_events".to_owned(), time_s: end_s };
            let slice = slices.next(&collector, Some(&cursor), reach, NOW_S);
            slices.held(30_000, slice.reaches_now);
            read_s += slice.to_s - slice.from_s;
            (end_s, reaches_now) = (slice.to_s, slice.reaches_now);
        }
        assert_eq!((read_s, end_s), (60 + 1 + collector.overlap_s(), NOW_S + 1));
        // The next poll begins with an overlap again.
        let cursor = Cursor { source: "socket_events".to_owned(), time_s: NOW_S };
        let slice = slices.next(&collector, Some(&cursor), reach, NOW_S + 30);
        assert_eq!(slice.from_s, NOW_S - collector.overlap_s());
    }

    #[test]
    fn slices_grow_where_little_is_and_shrink_where_much_is() {
        let mut slices = Slices::new();
        slices.held(10, true);
        assert_eq!(slices.length_s, 600);
        slices.held(5_000, true);
        assert_eq!(slices.length_s, 600);
        for _ in 0..10 {
            slices.held(1_000_000, false);
            slices.failed();
        }
        assert_eq!(slices.length_s, 1);
    }
}
