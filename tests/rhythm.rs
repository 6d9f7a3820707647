//! What the score promises, over many groups drawn with fixed seeds.

use beacon_candidates::beacon::detectors::periodic::{Rhythm, THRESHOLD, rhythm};
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
        // In whole seconds there is little to tell a few of them by.
        (checkins, period_s) in
            prop_oneof![(60..200_usize, 3..12_i64), (24..200_usize, 12..20_000_i64)],
        seed: u64,
        in_one_run: bool,
        noise_ms in prop_oneof![Just(0), 1..30_i64],
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
        for time in &mut times {
            *time += random.random_range(0..=noise_ms);
        }
        let found = rhythm(&times);
        prop_assert!(found.score > THRESHOLD, "{found:?}");
        let period = found.periodicity.unwrap().period;
        prop_assert!((period - period_s as f64).abs() < 0.05, "{found:?}");
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
    // Of fewer seconds polls take over where the usual hypothesis explains little.
    let cases = [(24, 60.0), (100, 300.0), (12, 8.0), (100, 12.0), (200, 15.0), (200, 8.0)];
    for (checkins, period_s, is_whole) in
        cases.into_iter().flat_map(|(n, period)| [(n, period, false), (n, period, true)])
    {
        let mean = |jitter: f64| {
            let score = |seed| {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                let mut times = beacon(checkins, period_s, jitter, &mut random);
                for time in &mut times {
                    // No clock is exact, or it would be one of whole seconds.
                    let late_ms = random.random_range(0..10);
                    *time = if is_whole { *time - *time % 1000 } else { *time + late_ms };
                }
                rhythm(&times).score
            };
            (0..200).map(score).sum::<f64>() / 200.0
        };
        let means: Vec<f64> = (0..=6).map(|step| mean(f64::from(step) / 10.0)).collect();
        let case = (checkins, period_s, is_whole);
        // Whole seconds know no 10 % of few of them.
        let falls = |more: &f64, less: &f64| more > less || is_whole && more == less;
        assert!(means.is_sorted_by(falls), "{case:?}: {means:?}");
        assert!(means[0] > 0.6 && means[6] < means[0] - 0.2, "{case:?}: {means:?}");
    }
}

#[test]
fn retries_long_lived_sockets_and_too_few_connections_are_no_beacons() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut time_ms = START_MS;
    let retries: Vec<i64> = (0..200)
        .map(|index| {
            let uniform: f64 = random.random_range(f64::MIN_POSITIVE..1.0);
            time_ms += if index % 8 == 0 { (-uniform.ln() * 3.6e6) as i64 } else { 1_100 };
            time_ms
        })
        .collect();
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

/// Each of these was taken for several agents, with a multiple of its period.
#[test]
fn a_lone_agent_has_its_own_period_whatever_its_jitter() {
    for (period_s, jitter) in [(3.0, 0.0), (5.0, 0.2), (10.0, 0.0), (60.0, 0.3), (60.0, 0.5)] {
        let mut right = 0;
        for seed in 0..50 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let found = rhythm(&beacon(200, period_s, jitter, &mut random));
            let period = found.periodicity.unwrap().period;
            right += u32::from((period / period_s - 1.0).abs() < 0.15);
        }
        assert!(right >= 48, "{period_s} s, {jitter}: {right} of 50");
    }
}

/// A transfer of many connections pushed the check-ins out of what was looked at.
#[test]
fn a_transfer_in_many_connections_does_not_hide_the_beacon() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut times = beacon(2_000, 60.0, 0.2, &mut random);
    let last = times[1_999];
    times.extend((0..30_000).map(|index| last + index * 100));
    assert!(rhythm(&times).score > 0.7);
}

/// Between the gaps that are merged over and the period there was a hole.
#[test]
fn a_second_connection_seconds_after_each_check_in_is_no_disguise() {
    for (period_s, after_ms) in
        [(30.0, 5_000..10_000), (60.0, 10_000..20_000), (120.0, 10_000..20_000)]
    {
        let named = (0..50).filter(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(*seed);
            let mut times = Vec::new();
            for checkin in beacon(100, period_s, 0.3, &mut random) {
                times.extend([checkin, checkin + random.random_range(after_ms.clone())]);
            }
            times.sort_unstable();
            rhythm(&times).score > THRESHOLD
        });
        let named = named.count();
        assert!(named >= 45, "{period_s} s: {named} of 50");
    }
}

/// What a plain and slow program, written by somebody else from the same formulas, makes of timelines
/// drawn with a fixed seed: the score, and what is shown beside it.
#[test]
fn the_score_is_that_of_another_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rhythm_scores.csv");
    let mut csv = csv::Reader::from_path(path).unwrap();
    let mut compared = 0;
    for record in csv.records() {
        let record = record.unwrap();
        let mut time_ms = START_MS;
        let later = record[8].split(' ').map(|interval_ms| {
            time_ms += interval_ms.parse::<i64>().unwrap();
            time_ms
        });
        let times: Vec<i64> = std::iter::once(START_MS).chain(later).collect();
        let found = rhythm(&times);
        let number = |column: usize| record[column].parse::<f64>().unwrap();
        assert!((found.score - number(1)).abs() < 1e-6, "{record:?}: {found:?}");
        if found.score > 0.0 {
            let Rhythm { checkins, merge_gap_ms, agents, periodicity, .. } = found;
            let shown = periodicity.unwrap();
            assert!((shown.period - number(2)).abs() < 1e-6, "{record:?}: {found:?}");
            assert!((shown.jitter - number(3)).abs() < 1e-6, "{record:?}: {found:?}");
            let expected = [shown.missed as f64, (merge_gap_ms / 1000) as f64, agents as f64];
            assert_eq!(expected, [number(4), number(5), number(6)], "{record:?}: {found:?}");
            assert_eq!(checkins as f64, number(7), "{record:?}");
        }
        compared += 1;
    }
    assert_eq!(compared, 40);
}
