//! Whether the clock is to be believed when connections are removed by their time.
//!
//! What is removed is gone, and a clock may be wrong for an hour: after a start, without a network, or
//! because somebody set it. So a clock that has jumped by more than a day has to stay so for a day
//! before anything goes for it.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A clock that is watched while the process runs.
#[derive(Default)]
pub(crate) struct WatchedClock {
    /// For how long it has differed.
    differs_for: Duration,
}

impl WatchedClock {
    /// What to believe when the clock shows `now_ms`, `elapsed` after the last look; `known_ms` is what
    /// was believed then.
    pub(crate) fn believed_ms(&mut self, now_ms: i64, known_ms: i64, elapsed: Duration) -> i64 {
        let has_jumped = now_ms.abs_diff(known_ms) > DAY_MS.unsigned_abs();
        self.differs_for = match has_jumped {
            true => self.differs_for.saturating_add(elapsed),
            false => Duration::ZERO,
        };
        if has_jumped && self.differs_for < DAY {
            return known_ms;
        }
        self.differs_for = Duration::ZERO;
        now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_clock_that_jumps_is_believed_after_a_day() {
        let mut clock = WatchedClock::default();
        assert_eq!(clock.believed_ms(DAY_MS, 0, HOUR), DAY_MS);
        for jumped in [31 * DAY_MS, -31 * DAY_MS] {
            for _ in 1..24 {
                assert_eq!(clock.believed_ms(jumped, DAY_MS, HOUR), DAY_MS);
            }
            assert_eq!(clock.believed_ms(jumped, DAY_MS, HOUR), jumped);
        }
        // Back in between: the day begins anew.
        let jumped = 31 * DAY_MS;
        for _ in 0..3 {
            for _ in 1..24 {
                assert_eq!(clock.believed_ms(jumped, DAY_MS, HOUR), DAY_MS);
            }
            assert_eq!(clock.believed_ms(DAY_MS, DAY_MS, HOUR), DAY_MS);
        }
    }
}
