//! Simulated traffic that is no implant's, and machine timers that only suppression tells apart.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::detectors::verdicts;
use crate::scoreboard::Scoreboard;
use crate::sweep::normal;

const START_MS: f64 = 1.79e12;

/// Scores `groups` groups of each kind.
pub fn score(groups: u64, board: &mut Scoreboard) {
    type Kind = (&'static str, fn(usize, &mut ChaCha8Rng) -> Vec<f64>);
    const HUMAN: [Kind; 9] = [
        ("at random (Poisson)", poisson),
        ("browsing in bursts", browsing),
        ("one site among many", one_site),
        ("log-normal pauses", log_normal),
        ("retries within seconds", retries),
        ("retries that back off", backing_off),
        ("a day's long-lived sockets", long_lived),
        ("bursts with two equal pauses", two_equal_pauses),
        ("follow-ups, uniform pauses", follow_ups),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for (kind, draw) in HUMAN {
        for _ in 0..groups {
            let connections = random.random_range(8..=200);
            let seconds = draw(connections, &mut random);
            // Half of all journals know whole seconds only.
            let is_whole = random.random_bool(0.5);
            count("ordinary traffic", kind, seconds, is_whole, board);
        }
    }
    const RHYTHMIC: [Kind; 3] = [
        ("kept open 60 s, then reused within 30 s", reused_soon),
        ("log-normal pauses, spread 0.5", narrow_log_normal),
        ("video segments", video),
    ];
    for (kind, draw) in RHYTHMIC {
        for _ in 0..groups {
            let connections = random.random_range(8..=200);
            let seconds = draw(connections, &mut random);
            count("rhythms without a timer", kind, seconds, false, board);
        }
    }
    const UNUSUAL: [Kind; 2] =
        [("polls of 1 to 3 s", polls), ("two to four agents in turn", in_turn)];
    for (kind, draw) in UNUSUAL {
        for _ in 0..groups {
            let seconds = draw(random.random_range(50..=200), &mut random);
            count("unusual implants", kind, seconds, false, board);
        }
    }
    for _ in 0..groups {
        let timer = timer(random.random_range(8..=200), &mut random);
        count("machine timers", "updaters, agents", timer, false, board);
    }
}

fn count(section: &str, kind: &str, seconds: Vec<f64>, is_whole: bool, board: &mut Scoreboard) {
    let to_ms = |second: f64| {
        let ms = (START_MS + second * 1000.0) as i64;
        if is_whole { ms - ms % 1000 } else { ms }
    };
    let mut times: Vec<i64> = seconds.into_iter().map(to_ms).collect();
    times.sort_unstable();
    let bytes: Vec<u64> = times.iter().map(|time| 300 + time.unsigned_abs() % 5_000).collect();
    let end = times.last().copied().unwrap_or_default();
    board.count(section, kind, &times, verdicts(&times, &bytes, end));
}

fn exponential(mean: f64, random: &mut ChaCha8Rng) -> f64 {
    -random.random_range(f64::MIN_POSITIVE..1.0_f64).ln() * mean
}

fn cumulated(count: usize, mut pause: impl FnMut() -> f64) -> Vec<f64> {
    let mut time = 0.0;
    let mut next = || {
        time += pause();
        time
    };
    (0..count).map(|_| next()).collect()
}

fn poisson(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mean = [5.0, 30.0, 300.0, 3_000.0][random.random_range(0..4)];
    cumulated(count, || exponential(mean, random))
}

/// Pages in sessions, each some connections within seconds.
fn browsing(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut times = Vec::new();
    let mut time = 0.0;
    while times.len() < count {
        time += exponential(1_200.0, random);
        for _ in 0..random.random_range(1..12) {
            for _ in 0..random.random_range(1..8) {
                times.push(time + random.random_range(0.0..4.0));
            }
            time += 3.0 + exponential(40.0, random);
        }
    }
    times.truncate(count);
    times
}

/// A connection that is kept open for minutes, so that the next is opened only after.
fn one_site(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    cumulated(count, || 180.0 + exponential(900.0, random))
}

fn log_normal(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let spread = random.random_range(0.9..2.0);
    cumulated(count, || (4.0 + spread * normal(random)).exp())
}

/// A person who stays: the connection times out after a minute, and the next click opens another.
fn reused_soon(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    cumulated(count, || 60.0 + exponential(30.0, random))
}

fn narrow_log_normal(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    cumulated(count, || (4.0 + 0.5 * normal(random)).exp())
}

fn video(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    cumulated(count, || (10.0 + 4.0 * normal(random)).max(1.0))
}

fn retries(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut left = 0;
    cumulated(count, || {
        if left == 0 {
            left = random.random_range(3..10);
            return exponential(3_600.0, random);
        }
        left -= 1;
        random.random_range(0.3..1.9)
    })
}

fn backing_off(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut pause = 1.0;
    cumulated(count, || {
        pause *= 2.0;
        if pause > 600.0 || random.random_bool(0.1) {
            pause = 1.0;
            return exponential(1_800.0, random);
        }
        pause * random.random_range(0.8..1.2)
    })
}

fn long_lived(_count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let count = random.random_range(8..16);
    (0..count).map(|_| random.random_range(0.0..86_400.0)).collect()
}

/// A burst, and two pauses that happen to be alike.
fn two_equal_pauses(_count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let count = random.random_range(6..16);
    let long = random.random_range(600.0..7_200.0);
    let first = random.random_range(1..count);
    let second = (first + random.random_range(1..count - 1) - 1) % (count - 1) + 1;
    let mut at = 0;
    cumulated(count, || {
        at += 1;
        if at == first + 1 || at == second + 1 { long } else { exponential(30.0, random) }
    })
}

/// A quarter to a half of all connections follow another within seconds.
fn follow_ups(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let share = random.random_range(0.25..0.5);
    cumulated(count, || match random.random_bool(share) {
        true => random.random_range(2.0..10.0),
        false => random.random_range(20.0..120.0),
    })
}

/// Somebody works through an implant.
fn polls(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    cumulated(count, || random.random_range(1.0..3.0))
}

/// Several agents of one program, each with a sleep that its neighbour's nearly is.
fn in_turn(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let agents = random.random_range(2..=4_usize);
    let period = random.random_range(30.0..600.0);
    let mut times: Vec<f64> = (0..agents)
        .flat_map(|agent| {
            let offset = period * (agent as f64 + random.random_range(0.2..0.8)) / agents as f64;
            let mut time = offset;
            let sleeps = (0..count.div_ceil(agents)).map(|_| {
                time += period * (1.0 + 0.002 * random.random_range(-1.0..1.0));
                time
            });
            sleeps.collect::<Vec<f64>>()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn timer(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let period = [60.0, 300.0, 1_024.0, 1_800.0, 3_600.0][random.random_range(0..5)];
    let jitter = random.random_range(0.0..0.1);
    cumulated(count, || period * (1.0 + jitter * random.random_range(-1.0..1.0)))
}
