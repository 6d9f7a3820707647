//! How long check-ins last, and the pauses between them, as sums that add up over blocks.
//!
//! Busy traffic merged over a gap leaves few check-ins that last for hours with pauses hardly
//! longer than the gap between them. What that rules out is the beacon room's affair.

use super::checkins::Reading;

/// A pause counts up to so many merge gaps: a night is no sign of rest between check-ins.
const LONGEST: i64 = 10;

/// Sums over the check-ins of one reading, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// From the first to the last connection of each check-in.
    pub(super) active_ms: i64,
    /// From there to the next check-in, up to ten merge gaps each.
    pub(super) paused_ms: i64,
}

impl Pauses {
    /// Of connections at `times_ms`, sorted.
    pub fn of(times_ms: &[i64], reading: Reading) -> Pauses {
        let mut pauses = Pauses::default();
        for pair in times_ms.windows(2) {
            pauses.add_gap(pair[1] - pair[0], reading);
        }
        pauses
    }

    /// Adds the time from one connection to the next.
    pub(super) fn add_gap(&mut self, gap_ms: i64, reading: Reading) {
        if gap_ms <= reading.merge_gap_ms {
            self.active_ms = self.active_ms.saturating_add(gap_ms);
        } else {
            let counted_ms = gap_ms.min(LONGEST * reading.merge_gap_ms);
            self.paused_ms = self.paused_ms.saturating_add(counted_ms);
        }
    }

    /// Whether check-ins last longer than the pauses between them; of sums in whole seconds no in
    /// doubt.
    pub fn are_outlasted(&self) -> bool {
        self.active_ms > self.paused_ms
    }
}
