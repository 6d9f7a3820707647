//! Simulated implants: every law of sleep, jitter, misses, gaps and lengths.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::detectors::verdicts;
use crate::scoreboard::Scoreboard;

const PERIODS_S: [f64; 6] = [10.0, 60.0, 300.0, 1_200.0, 3_600.0, 21_600.0];
const JITTERS: [f64; 7] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
const MISSED: [f64; 4] = [0.0, 0.1, 0.2, 0.3];
const CHECKINS: [usize; 5] = [8, 12, 24, 50, 200];
const LAWS: [Law; 4] = [Law::Around, Law::Shortened, Law::Lengthened, Law::Normal];

/// How a sleep is drawn, for a jitter j.
#[derive(Clone, Copy)]
enum Law {
    /// Uniform within +-j of the period.
    Around,
    /// Uniform from (1 - j) periods to one.
    Shortened,
    /// Uniform from one period to (1 + j).
    Lengthened,
    /// Normal, with half of j for a standard deviation.
    Normal,
}

impl Law {
    fn name(self) -> &'static str {
        match self {
            Law::Around => "P +- jP",
            Law::Shortened => "P - jP .. P",
            Law::Lengthened => "P .. P + jP",
            Law::Normal => "normal, jP/2",
        }
    }

    fn draw(self, jitter: f64, random: &mut ChaCha8Rng) -> f64 {
        let uniform = random.random_range(0.0..1.0);
        let factor = match self {
            Law::Around => 1.0 + jitter * (2.0 * uniform - 1.0),
            Law::Shortened => 1.0 - jitter * uniform,
            Law::Lengthened => 1.0 + jitter * uniform,
            Law::Normal => 1.0 + jitter / 2.0 * normal(random),
        };
        factor.max(0.05)
    }
}

/// Box and Muller's.
pub fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) =
        (random.random_range(f64::MIN_POSITIVE..1.0), random.random_range(0.0..1.0));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Scores so many groups of each combination.
pub fn score(seeds: u64, board: &mut Scoreboard) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut outcomes = Vec::new();
    for period_s in PERIODS_S {
        for jitter in JITTERS {
            for law in LAWS {
                for missed in MISSED {
                    for has_gap in [false, true] {
                        for checkins in CHECKINS {
                            for _ in 0..seeds {
                                let sleep = |random: &mut ChaCha8Rng| law.draw(jitter, random);
                                let times = implant(
                                    period_s,
                                    sleep,
                                    missed,
                                    has_gap,
                                    checkins,
                                    &mut random,
                                );
                                let bytes: Vec<u64> = times.iter().map(|_| 420).collect();
                                let end = times.last().copied().unwrap_or_default();
                                outcomes.push((
                                    [
                                        format!("{jitter:.1}"),
                                        format!("{checkins}"),
                                        format!("{missed:.1}"),
                                        law.name().to_owned(),
                                        format!("{period_s} s"),
                                        if has_gap { "8 h" } else { "none" }.to_owned(),
                                    ],
                                    verdicts(&times, &bytes, end),
                                ));
                            }
                        }
                    }
                }
            }
        }
    }
    let sections = ["jitter", "check-ins", "missed", "sleep", "period", "lid closed"];
    for (at, section) in sections.into_iter().enumerate() {
        for (kinds, verdicts) in &outcomes {
            board.count(&format!("implants by {section}"), &kinds[at], &[], *verdicts);
        }
    }
    for (_, verdicts) in &outcomes {
        board.count("implants", "all", &[], *verdicts);
    }
}

/// The check-ins that were seen, of so many that were made, with some milliseconds of delay.
pub fn implant(
    period_s: f64,
    sleep: impl Fn(&mut ChaCha8Rng) -> f64,
    missed: f64,
    has_gap: bool,
    checkins: usize,
    random: &mut ChaCha8Rng,
) -> Vec<i64> {
    const START_MS: f64 = 1.79e12;
    const LID_CLOSED_MS: f64 = 8.0 * 3_600_000.0;
    let mut time_ms = START_MS;
    let mut times = Vec::with_capacity(checkins);
    let gap_at = if has_gap { random.random_range(0..checkins) } else { checkins };
    let mut number = 0;
    while times.len() < checkins {
        if number == gap_at {
            time_ms += LID_CLOSED_MS;
        }
        number += 1;
        if !random.random_bool(missed) {
            times.push((time_ms + random.random_range(0.0..50.0)) as i64);
        }
        time_ms += sleep(random) * period_s * 1000.0;
    }
    times
}
