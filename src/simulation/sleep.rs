//! How implants sleep between check-ins, as the frameworks that they come from do it.
//!
//! Every sleep is drawn anew and counted from the last wake-up, so that the phase drifts and no
//! check-in makes up for the one before.

use rand::{Rng, RngExt};

/// How long an implant sleeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SleepLaw {
    /// The same each time.
    Constant {
        /// Milliseconds.
        period_ms: i64,
    },
    /// Uniform within a share of the period around it.
    Uniform {
        /// Milliseconds.
        period_ms: i64,
        /// The share, 0..=1.
        jitter: f64,
    },
    /// The period and uniformly up to so much more.
    Additive {
        /// Milliseconds.
        period_ms: i64,
        /// Milliseconds.
        most_ms: i64,
    },
}

impl SleepLaw {
    /// The next sleep, in milliseconds; at least 1.
    pub fn draw(self, random: &mut impl Rng) -> i64 {
        let sleep_ms = match self {
            SleepLaw::Constant { period_ms } => period_ms,
            SleepLaw::Uniform { period_ms, jitter } => {
                let most_ms = (period_ms as f64 * jitter.clamp(0.0, 1.0)) as i64;
                period_ms + random.random_range(-most_ms..=most_ms)
            }
            SleepLaw::Additive { period_ms, most_ms } => {
                period_ms + random.random_range(0..most_ms.max(1))
            }
        };
        sleep_ms.max(1)
    }
}

/// Milliseconds until the next of events that come at random, so many apart on average.
pub(super) fn exponential(mean_ms: i64, random: &mut impl Rng) -> i64 {
    let uniform: f64 = random.random_range(f64::MIN_POSITIVE..1.0);
    (-(uniform.ln()) * mean_ms as f64) as i64
}
