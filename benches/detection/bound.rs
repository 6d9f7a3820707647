//! How much any score can see: the most powerful test of a timer that is known but for its period, jitter
//! and misses, against connections at random, at one false alarm in a hundred.
//!
//! It is told what no detector knows: that there is nothing but these two.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use beacon_candidates::beacon::detectors::periodic::{self, THRESHOLD};

const CHECKINS: [usize; 3] = [8, 12, 24];
const JITTERS: [f64; 7] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
const MISSED: [f64; 4] = [0.0, 0.1, 0.2, 0.3];
/// What the test supposes, in any combination.
const SUPPOSED_JITTERS: [f64; 7] = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
const SUPPOSED_MISSED: [f64; 3] = [0.0, 0.15, 0.3];
const PERIODS: usize = 40;
const MULTIPLES: i32 = 5;
const FALSE_ALARMS: f64 = 0.01;
const AT_RANDOM: usize = 1_000;
const PERIOD_MS: f64 = 60_000.0;

/// Prints it beside what `periodic` finds of the same groups, of which each kind has `groups`.
pub fn print(groups: u64) {
    println!("found of sleeps P +- jP, %      best possible (at 1 % false alarms)   periodic");
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for checkins in CHECKINS {
        let mut at_random: Vec<f64> = (0..AT_RANDOM)
            .map(|_| {
                let one = |_| -random.random_range(f64::MIN_POSITIVE..1.0_f64).ln();
                evidence(&(1..checkins).map(one).collect::<Vec<f64>>())
            })
            .collect();
        at_random.sort_by(f64::total_cmp);
        let limit = at_random[((1.0 - FALSE_ALARMS) * AT_RANDOM as f64) as usize];
        let (mut possible, mut found, mut all) = (0, 0, 0);
        for jitter in JITTERS {
            for missed in MISSED {
                for _ in 0..groups {
                    let sleep =
                        |random: &mut ChaCha8Rng| 1.0 + jitter * random.random_range(-1.0..=1.0);
                    let intervals: Vec<f64> = (1..checkins)
                        .map(|_| {
                            let mut interval = sleep(&mut random);
                            while random.random_bool(missed) {
                                interval += sleep(&mut random);
                            }
                            interval
                        })
                        .collect();
                    possible += u64::from(evidence(&intervals) > limit);
                    let mut time_ms = 1.79e12;
                    let mut times: Vec<i64> = vec![time_ms as i64];
                    times.extend(intervals.iter().map(|interval| {
                        time_ms += interval * PERIOD_MS;
                        time_ms as i64 + random.random_range(0..50)
                    }));
                    times.sort_unstable();
                    found += u64::from(periodic::rhythm(&times).score > THRESHOLD);
                    all += 1;
                }
            }
        }
        let percent = |count: u64| 100.0 * count as f64 / all as f64;
        println!("{checkins:3} check-ins {:40.1} {:20.1}", percent(possible), percent(found));
    }
    println!();
}

/// The logarithm of how much likelier the likeliest timer makes the intervals than chance does.
fn evidence(intervals: &[f64]) -> f64 {
    let count = intervals.len() as f64;
    let mean = intervals.iter().sum::<f64>() / count;
    let by_chance = -count * (mean.ln() + 1.0);
    let mut sorted = intervals.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
    let mut best = f64::NEG_INFINITY;
    for step in 0..PERIODS {
        // From 0.35 to 1.4 medians.
        let period = median * 0.35 * 4.0_f64.powf(step as f64 / (PERIODS - 1) as f64);
        for jitter in SUPPOSED_JITTERS {
            for missed in SUPPOSED_MISSED {
                let density =
                    |interval: &f64| (density(interval / period, jitter, missed) / period).ln();
                best = best.max(intervals.iter().map(density).sum::<f64>() - by_chance);
            }
        }
    }
    best
}

/// The density of an interval of `periods` periods: one sleep is uniform, and the sum of several nearly
/// normal.
fn density(periods: f64, jitter: f64, missed: f64) -> f64 {
    let first = if (periods - 1.0).abs() <= jitter { (1.0 - missed) / (2.0 * jitter) } else { 0.0 };
    let later = |multiple: i32| {
        let sigma = jitter * (f64::from(multiple) / 3.0).sqrt();
        let from_middle = (periods - f64::from(multiple)) / sigma;
        let share = (1.0 - missed) * missed.powi(multiple - 1);
        share * (-0.5 * from_middle * from_middle).exp() / (sigma * std::f64::consts::TAU.sqrt())
    };
    let others = if missed > 0.0 { (2..=MULTIPLES).map(later).sum() } else { 0.0 };
    first + others + 1e-12
}
