//! Period, jitter and missed check-ins of a rhythm, from the intervals between check-ins.
//!
//! An interval of about k periods is k - 1 check-ins that were missed; one of more than ten is an
//! absence of the host. Each interval is judged by itself, because an implant draws its sleep from
//! its last wake-up: its phase drifts, and a lid that is closed for hours shifts it.

use super::quantile::{quantile, quartiles};

/// An interval longer than this many periods is an absence.
pub const MOST_PERIODS: i64 = 10;

/// A rhythm, as far as its intervals tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Periodicity {
    /// The median of I/k over the intervals I of about k periods, in seconds.
    pub period: f64,
    /// The interquartile range of I/k over the period: 0 for clockwork, j for sleeps that are
    /// uniform within +-j of the period.
    pub jitter: f64,
    /// The sum of k - 1.
    pub missed: u64,
}

impl Periodicity {
    /// Of `intervals_ms` in any order, around a period of about `guess_ms`; `None` without
    /// intervals.
    pub fn around(intervals_ms: &[i64], guess_ms: f64) -> Option<Periodicity> {
        let mut folded = Vec::with_capacity(intervals_ms.len());
        let mut missed = fold(intervals_ms, guess_ms, &mut folded);
        // The period is estimated anew twice. More often a wide jitter would lead astray: what is
        // longer than one and a half periods counts half, which makes the next period shorter still.
        let median_ms = quantile(&mut folded, 0.5)?;
        if median_ms != guess_ms {
            missed = fold(intervals_ms, median_ms, &mut folded);
        }
        let [lower_ms, period_ms, upper_ms] = quartiles(&mut folded)?;
        if period_ms <= 0.0 {
            return None;
        }
        let jitter = (upper_ms - lower_ms) / period_ms;
        Some(Periodicity { period: period_ms / 1000.0, jitter, missed })
    }
}

/// Puts I/k of every interval I of about k periods into `folded`, in place of what it holds; gives
/// the sum of k - 1.
fn fold(intervals_ms: &[i64], period_ms: f64, folded: &mut Vec<f64>) -> u64 {
    folded.clear();
    let mut missed = 0;
    for interval in intervals_ms {
        if let Some(periods) = periods(*interval, period_ms) {
            folded.push(*interval as f64 / periods as f64);
            missed += periods as u64 - 1;
        }
    }
    missed
}

/// The whole number of periods nearest to an interval, from 1; `None` for an absence.
fn periods(interval_ms: i64, period_ms: f64) -> Option<i64> {
    if period_ms <= 0.0 {
        return None;
    }
    // To the nearest: a cast cuts off what is behind the point, and sooner than a call rounds.
    let periods = ((interval_ms as f64 / period_ms + 0.5) as i64).max(1);
    (periods <= MOST_PERIODS).then_some(periods)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[i64], guess: f64) -> Periodicity {
        let intervals: Vec<_> = seconds.iter().map(|second| second * 1000).collect();
        Periodicity::around(&intervals, guess * 1000.0).unwrap()
    }

    #[test]
    fn multiples_are_missed_check_ins_and_absences_are_left_out() {
        // Once and twice two check-ins missed, and a closed lid of eight hours.
        let found = of(&[60, 60, 120, 60, 180, 28_800, 60], 60.0);
        assert_eq!(found, Periodicity { period: 60.0, jitter: 0.0, missed: 3 });
    }

    #[test]
    fn a_guess_that_is_somewhat_off_is_mended() {
        assert_eq!(of(&[100, 101, 99, 100, 200, 300, 102], 85.0).period, 100.0);
    }

    #[test]
    fn jitter_is_the_half_width_of_a_uniform_sleep() {
        let seconds: Vec<i64> = (0..=400).map(|index| 800 + index).collect();
        let found = of(&seconds, 1000.0);
        assert!((found.jitter - 0.2).abs() < 0.002, "{found:?}");
        assert_eq!(found.missed, 0);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(Periodicity::around(&[], 1000.0), None);
        assert_eq!(Periodicity::around(&[0, 0], 0.0), None);
    }
}
