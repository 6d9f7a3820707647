//! Which span of time to ask for next: from where the last ended, and as much as one answer
//! should hold.

use crate::cache::Cursor;
use crate::journal::collector::{Collector, Slice};

/// An answer should hold fewer connections than this, for the memory of both sides...
const MANY: u64 = 20_000;
/// ... and of fewer than this there can be more.
const FEW: u64 = 2_000;
const FIRST_LENGTH_S: i64 = 300;
const LONGEST_S: i64 = 86_400;

/// The length of slices, which follows how much is in them.
pub(super) struct Slices {
    length_s: i64,
}

/// The next slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) slice: Slice,
    /// Whether it reaches up to now.
    pub(super) is_last: bool,
}

impl Slices {
    pub(super) fn new() -> Slices {
        Slices { length_s: FIRST_LENGTH_S }
    }

    /// The slice after `cursor`, or from `lookback_s` ago. A clock that was set back must not
    /// silence us until it has caught up.
    pub(super) fn next(
        &self,
        collector: &Collector,
        cursor: Option<&Cursor>,
        lookback_s: i64,
        now_s: i64,
    ) -> Next {
        let from_s = match cursor {
            Some(cursor) => cursor.time_s.min(now_s),
            None => now_s - lookback_s,
        };
        // Of another source what was before the cursor is counted already.
        let overlap_s = match cursor {
            Some(cursor) if cursor.source == collector.name() => collector.overlap_s(),
            _ => 0,
        };
        let end_s = from_s.saturating_add(self.length_s);
        let is_last = end_s > now_s || !collector.can_end_early();
        let to_s = if is_last { now_s + 1 } else { end_s };
        Next { slice: Slice { from_s: (from_s - overlap_s).max(0), to_s }, is_last }
    }

    /// Learns from a slice that held so many connections.
    pub(super) fn held(&mut self, connections: u64) {
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

    const NOW_S: i64 = 1_000_000;

    fn next(cursor: Option<(&str, i64)>) -> (i64, i64, bool) {
        let cursor = cursor.map(|(source, time_s)| Cursor { source: source.to_owned(), time_s });
        let next = Slices::new().next(&Collector::SocketEvents, cursor.as_ref(), 3600, NOW_S);
        (next.slice.from_s - NOW_S, next.slice.to_s - NOW_S, next.is_last)
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
    fn a_clock_that_was_set_back_does_not_silence_us() {
        assert_eq!(next(Some(("socket_events", NOW_S + 86_400))), (-10, 1, true));
    }

    #[test]
    fn slices_grow_where_little_is_and_shrink_where_much_is() {
        let mut slices = Slices::new();
        slices.held(10);
        assert_eq!(slices.length_s, 600);
        slices.held(5_000);
        assert_eq!(slices.length_s, 600);
        for _ in 0..20 {
            slices.held(1_000_000);
        }
        assert_eq!(slices.length_s, 1);
    }
}
