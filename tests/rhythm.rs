//! What the score promises, over many groups drawn with fixed seeds.

use beacon_candidates::beacon::score::{THRESHOLD, rhythm};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const START_MS: i64 = 1_790_000_000_000;

/// Check-ins with sleeps uniform within +-jitter of the period.
fn beacon(checkins: usize, period_s: f64, jitter: f64, random: &mut ChaCha8Rng) -> Vec<i64> {
    let mut time_ms = START_MS as f64;
    let mut next = || {
        time_ms += period_s * 1000.0 * (1.0 + jitter * random.random_range(-1.0..1.0));
        time_ms as i64
    };
    (0..checkins).map(|_| next()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(1), ..Default::default() })]

    #[test]
    fn the_score_does_not_change_when_all_times_shift(
        mut intervals in prop::collection::vec(0..600_000_i64, 0..80),
        shift_ms in 0..10_000_000_000_i64,
        is_whole: bool,
    ) {
        if is_whole {
            intervals.iter_mut().for_each(|interval| *interval -= *interval % 1000);
        }
        let at = |start_ms: i64| {
            let mut time = start_ms;
            let times: Vec<i64> =
                intervals.iter().map(|interval| { time += interval; time }).collect();
            rhythm(&times)
        };
        prop_assert_eq!(at(START_MS), at(START_MS + shift_ms));
    }

    #[test]
    fn a_clockwork_beacon_passes_with_a_third_of_it_missing(
        checkins in 24..200_usize, period_s in 5..20_000_i64, seed: u64, in_one_run: bool,
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut times = beacon(checkins, period_s as f64, 0.0, &mut random);
        let missing = checkins * 3 / 10;
        if in_one_run {
            let from = random.random_range(0..checkins - missing);
            times.drain(from..from + missing);
        } else {
            for _ in 0..missing {
                times.remove(random.random_range(0..times.len()));
            }
        }
        let found = rhythm(&times);
        prop_assert!(found.score > THRESHOLD, "{found:?}");
        let period = found.periodicity.map(|periodicity| periodicity.period);
        prop_assert_eq!(period, Some(period_s as f64));
    }
}

#[test]
fn at_most_one_of_a_hundred_groups_at_random_passes() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut passed = 0;
    for _ in 0..10_000 {
        let connections = random.random_range(8..=200);
        let mean_ms = 1000.0 * 10_f64.powf(random.random_range(0.5..4.0));
        let mut time_ms = START_MS as f64;
        let times: Vec<i64> = (0..connections)
            .map(|_| {
                let uniform: f64 = random.random_range(f64::MIN_POSITIVE..1.0);
                time_ms -= uniform.ln() * mean_ms;
                time_ms as i64
            })
            .collect();
        passed += u32::from(rhythm(&times).score > THRESHOLD);
    }
    assert!(passed <= 100, "{passed} of 10000");
}

#[test]
fn the_mean_score_falls_with_every_step_of_jitter() {
    for (checkins, period_s) in [(24, 60.0), (100, 300.0)] {
        let mean = |jitter: f64| {
            let score = |seed| {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                rhythm(&beacon(checkins, period_s, jitter, &mut random)).score
            };
            (0..200).map(score).sum::<f64>() / 200.0
        };
        let means: Vec<f64> = (0..=6).map(|step| mean(f64::from(step) / 10.0)).collect();
        assert!(means.is_sorted_by(|more, less| more > less), "{means:?}");
        assert!(means[0] > 0.9, "{means:?}");
    }
}

#[test]
fn retries_long_lived_sockets_and_too_few_connections_are_no_beacons() {
    let retries: Vec<i64> = (0..200).map(|index| START_MS + index * 1_100).collect();
    assert!(rhythm(&retries).score < THRESHOLD);
    assert_eq!(rhythm(&[START_MS, START_MS + 60_000, START_MS + 120_000]).score, 0.0);
    assert_eq!(rhythm(&[]).score, 0.0);
    assert_eq!(rhythm(&[START_MS; 500]).score, 0.0);
}

#[test]
fn an_implant_at_work_is_still_seen() {
    // Each check-in is followed by a task's connections within seconds.
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut times = Vec::new();
    for checkin in beacon(40, 300.0, 0.1, &mut random) {
        times.push(checkin);
        for _ in 0..random.random_range(0..4) {
            times.push(checkin + random.random_range(1_500..12_000));
        }
    }
    times.sort_unstable();
    let found = rhythm(&times);
    assert!(found.score > 0.7 && found.merge_gap_ms > 1000, "{found:?}");
    assert_eq!(found.checkins, 40);
}

#[test]
fn several_agents_that_take_turns_are_seen() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut times = beacon(60, 60.0, 0.0, &mut random);
    times.extend(beacon(60, 60.5, 0.0, &mut random).iter().map(|time| time + 7_000));
    times.sort_unstable();
    let found = rhythm(&times);
    assert!(found.score > 0.7, "{found:?}");
}

#[test]
fn a_closed_lid_and_a_reboot_do_not_spoil_the_rest() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut times = beacon(30, 600.0, 0.2, &mut random);
    let mut offset = 0;
    for (index, time) in times.iter_mut().enumerate() {
        if index == 9 || index == 21 {
            offset += 8 * 3_600_000 + 1_234_567;
        }
        *time += offset;
    }
    let found = rhythm(&times);
    assert!(found.score > 0.5, "{found:?}");
    let periodicity = found.periodicity.unwrap();
    assert!((periodicity.period - 600.0).abs() < 60.0, "{periodicity:?}");
    assert_eq!(periodicity.missed, 0);
}
