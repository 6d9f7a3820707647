//! From the boot clock, in which the kernel tells times, to the time of day.
//!
//! The boot clock runs on while the machine sleeps and is never set. The time of day is the boot
//! clock plus an offset, which changes only where somebody sets the clock. NTP's slewing runs both
//! clocks faster or slower alike.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::journal::FileTime;

const NS_PER_MS: i128 = 1_000_000;
/// Readings of a pair of clocks. The pair that was read fastest has the least error.
const READINGS: usize = 3;

pub(super) struct Clock {
    /// Time of day minus boot clock when the clock was last looked at, nanoseconds.
    offset_ns: i128,
    /// The same when we started. Starts of processes keep to it, so that setting the clock makes
    /// no process look like another.
    boot_ns: i128,
    ticks_per_second: u64,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let offset_ns = offset_ns();
        let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
        Clock { offset_ns, boot_ns: offset_ns, ticks_per_second }
    }

    /// Looks at both clocks. This is done before each batch of records is read, several times a second.
    /// A record that was made before the clock was set, but is read after it, gets the new offset; all
    /// others have the time of day at which they happened.
    pub(super) fn refresh(&mut self) {
        self.offset_ns = offset_ns();
    }

    /// Unix milliseconds of a boot clock's nanoseconds.
    pub(super) fn unix_ms(&self, boot_ns: u64) -> i64 {
        to_ms(i128::from(boot_ns) + self.offset_ns)
    }

    /// The start of a process in the clock ticks since boot that /proc counts it in.
    pub(super) fn start_of_ticks(&self, ticks: u64) -> Option<FileTime> {
        let ns = i128::from(ticks) * 1_000_000_000 / i128::from(self.ticks_per_second);
        // A whole tick is some milliseconds; the offset's own fraction would only blur it.
        FileTime::from_unix_ms(to_ms(ns) + to_ms(self.boot_ns))
    }

    /// The tick, counted from boot, in which this nanosecond of the boot clock lies.
    pub(super) fn tick(&self, boot_ns: u64) -> u64 {
        (u128::from(boot_ns) * u128::from(self.ticks_per_second) / 1_000_000_000) as u64
    }
}

fn to_ms(ns: i128) -> i64 {
    (ns / NS_PER_MS) as i64
}

fn offset_ns() -> i128 {
    let reading = |_| {
        let before = ns(clock_gettime(ClockId::Boottime));
        let time_of_day = ns(clock_gettime(ClockId::Realtime));
        let after = ns(clock_gettime(ClockId::Boottime));
        (after - before, time_of_day - (before + after) / 2)
    };
    (0..READINGS).map(reading).min().map_or(0, |(_, offset)| offset)
}

fn ns(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_time_of_day_at_which_the_clock_stood_and_a_start_the_one_of_boot() {
        let boot = 1_800_000_000_000 * NS_PER_MS;
        let mut clock = Clock { offset_ns: boot, boot_ns: boot, ticks_per_second: 100 };
        assert_eq!(clock.unix_ms(12_345_678_901), 1_800_000_012_345);
        assert_eq!(clock.tick(12_345_678_901), 1234);
        // Somebody sets the clock an hour ahead.
        clock.offset_ns += 3_600_000 * NS_PER_MS;
        assert_eq!(clock.unix_ms(12_345_678_901), 1_800_003_612_345);
        assert_eq!(clock.start_of_ticks(1234).unwrap().unix_ms(), 1_800_000_012_340);
    }

    #[test]
    fn the_time_of_day_of_now_is_what_the_system_says() {
        let clock = Clock::new();
        let boot_ns = ns(clock_gettime(ClockId::Boottime)) as u64;
        let apart = clock.unix_ms(boot_ns) - jiff::Timestamp::now().as_millisecond();
        assert!(apart.abs() < 1000, "{apart} ms apart");
    }
}
