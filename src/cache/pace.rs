//! How fast reading may go: as fast as a share of the machine's cores allows, which a process that
//! is a guest must not exceed.
//!
//! What the whole process takes counts, whatever it takes it for; only who reads waits.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So much may be taken at once after a rest, in seconds of the rate. Over six seconds that makes a
/// fifth more than the rate.
const BURST_S: f64 = 1.2;
/// More than this is not made up for, in seconds of the rate: reading would come to a halt for what
/// something else has taken.
const DEBT_S: f64 = 3.0;
/// Not looked at more often: to ask for the time of all threads is a system call.
const SLICE: Duration = Duration::from_millis(1);

/// A share of the machine's processors.
#[derive(Debug)]
pub struct Pace {
    /// Seconds of processor time a second.
    rate: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    looked: Instant,
    cpu: Duration,
    /// Seconds of processor time that may be taken at once; below 0 what has to be made up for.
    credit_s: f64,
}

impl Pace {
    /// At most `percent` of all `cores` together.
    pub fn new(percent: f64, cores: usize) -> Pace {
        let rate = percent / 100.0 * cores.max(1) as f64;
        let state = State { looked: Instant::now(), cpu: process_cpu(), credit_s: rate * BURST_S };
        Pace { rate, state: Mutex::new(state) }
    }

    /// Sleeps until there is something to be taken again, but not beyond `deadline`; gives how long
    /// that was.
    pub(super) fn keep(&self, deadline: Option<Instant>) -> Duration {
        let begun = Instant::now();
        let mut now = begun;
        loop {
            let mut wait = self.owed(now, process_cpu);
            if let Some(deadline) = deadline {
                wait = wait.min(deadline.saturating_duration_since(now));
            }
            if wait.is_zero() {
                return now - begun;
            }
            thread::sleep(wait);
            now = Instant::now();
        }
    }

    /// How long to wait before more is taken, now that all threads have taken `cpu`.
    fn owed(&self, now: Instant, cpu: impl FnOnce() -> Duration) -> Duration {
        // Who panicked here has left nothing half-done.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.looked);
        if passed >= SLICE {
            let cpu = cpu();
            let taken = cpu.saturating_sub(state.cpu);
            let credit_s = state.credit_s + self.rate * passed.as_secs_f64() - taken.as_secs_f64();
            let credit_s = credit_s.clamp(-self.rate * DEBT_S, self.rate * BURST_S);
            *state = State { looked: now, cpu, credit_s };
        }
        // The part of a slice beyond would be looked at as nothing.
        match state.credit_s < 0.0 {
            true => Duration::from_secs_f64(-state.credit_s / self.rate).max(SLICE),
            false => Duration::ZERO,
        }
    }
}

/// The processor time that all threads of this process have taken.
#[cfg(unix)]
fn process_cpu() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let taken = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(taken.tv_sec.unsigned_abs(), taken.tv_nsec.unsigned_abs() as u32)
}

/// Nothing is served to others there.
#[cfg(not(unix))]
fn process_cpu() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processor time taken of `seconds` by who would take all of a core, as paced.
    fn taken_of(pace: &Pace, seconds: f64) -> f64 {
        let begun = pace.state.lock().unwrap().looked;
        let cpu = pace.state.lock().unwrap().cpu;
        let (mut at, mut taken) = (Duration::ZERO, Duration::ZERO);
        while at.as_secs_f64() < seconds {
            let wait = pace.owed(begun + at, || cpu + taken);
            at += wait;
            if wait.is_zero() {
                at += SLICE;
                taken += SLICE;
            }
        }
        taken.as_secs_f64()
    }

    #[test]
    fn over_six_seconds_it_is_at_most_a_fifth_more_than_the_rate() {
        for (percent, cores) in [(4.0, 1), (4.0, 2), (4.0, 16), (20.0, 4)] {
            let pace = Pace::new(percent, cores);
            let share = taken_of(&pace, 6.0) / 6.0 / cores as f64 * 100.0;
            assert!(share <= (percent * 1.2).min(100.0) + 0.1, "{percent} of {cores}: {share}");
            assert!(share >= percent * 0.95, "{percent} of {cores}: {share}");
        }
        // All of the machine is what one thread cannot exceed.
        assert!(taken_of(&Pace::new(100.0, 1), 6.0) > 5.9);
    }

    #[test]
    fn what_others_have_taken_delays_reading_but_does_not_end_it() {
        let pace = Pace::new(4.0, 1);
        let (begun, cpu) = (Instant::now() + Duration::from_secs(1), Duration::from_secs(3600));
        let wait = pace.owed(begun, || cpu);
        assert!(wait <= Duration::from_secs_f64(DEBT_S), "{wait:?}");
        assert!(pace.owed(begun + wait + SLICE, || cpu).is_zero());
    }
}
